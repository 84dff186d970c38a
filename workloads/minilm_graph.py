"""MiniLM as a graph of integer operators: from token numbers to the embedding."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from arch.isa import Addition, ElementType
from workloads.attention import EXPONENT_STEPS, PROBABILITY_STEPS
from workloads.epilogue import KEEP, Narrow, Residual
from workloads.graph import Constant, Graph
from workloads.linear import Linear
from workloads.minilm import HEADS, LAYERS
from workloads.minilm_quantizer import GELU_BITS, NORM_BITS, QuantizedMiniLM
from workloads.operators import Add, Attention, Gather, Normalize, Operator, Segment, SumRows
from workloads.tensor import Tensor

UNIT = ElementType.INT16.high
"""Code of 1 in the embedding."""
_MEAN_STEPS = 128
"""Of the mean over tokens in a step of the hidden state: 255 of them fit an int16."""


def minilm_graph(model: QuantizedMiniLM, name: str, length: int, valid: Sequence[int]) -> Graph:
    """The graph of a batch of sequences of `length` tokens, the first `valid` of which count.

    Its input "tokens", int32 [1, sequences * length], holds one sequence behind the other; its
    output "embedding", int16 [sequences, 384], one row each, in steps of ``1 / UNIT``.
    """
    return _Builder(model, length, valid).graph(name)


class _Builder:
    """Appends operators; each makes one tensor, of its own name."""

    def __init__(self, model: QuantizedMiniLM, length: int, valid: Sequence[int]) -> None:
        self._model = model
        self._length = length
        self._valid = valid
        self._rows = length * len(valid)
        self._width = model.words.shape[1]
        self._operators: list[Operator] = []

    def graph(self, name: str) -> Graph:
        tokens = Tensor("tokens", 1, self._rows, ElementType.INT32)
        positions = Constant(
            self._tensor("positions", ElementType.INT16),
            np.tile(self._model.positions[: self._length], (len(self._valid), 1)),
        )
        words = self._tensor("embed.gather", ElementType.INT16)
        total = self._tensor("embed.add", ElementType.INT16)
        self._append(Gather(words.name, tokens, self._model.words, words))
        self._append(Add(total.name, words, positions.tensor, total))
        source = "embed.norm"
        for layer in range(LAYERS):
            total = self._layer(layer, source, total)
            source = f"{layer}.norm2"
        embedding = self._pool(source, self._operand(source, total))
        return Graph(name, (tokens,), tuple(self._operators), (embedding,), (positions,))

    def _layer(self, layer: int, source: str, total: Tensor) -> Tensor:
        """From the sum in front of the normalisation `source` to the layer's own last sum."""
        hidden = self._operand(source, total)
        residual = self._residual(source, total)
        heads = [
            self._linear(f"{layer}.{name}", source, hidden) for name in ("query", "key", "value")
        ]
        attended = self._attention(f"{layer}.attention", *heads)
        total = self._linear(f"{layer}.out", f"{layer}.attention", attended, residual)
        source = f"{layer}.norm1"
        hidden = self._operand(source, total)
        residual = self._residual(source, total)
        activated = self._linear(f"{layer}.ffn1", source, hidden)
        return self._linear(f"{layer}.ffn2", f"{layer}.ffn1", activated, residual)

    def _operand(self, name: str, total: Tensor) -> Tensor:
        """The int8 output of a normalisation."""
        narrow = Narrow(NORM_BITS, self._model.codes[name].zero_point)
        return self._normalize(name, total, self._tensor(name, ElementType.INT8), narrow)

    def _residual(self, name: str, total: Tensor) -> Tensor:
        """Its int16 output, which is a pass of its own since its channels are not smoothed."""
        name = f"{name}.residual"
        return self._normalize(name, total, self._tensor(name, ElementType.INT16), KEEP)

    def _normalize(self, name: str, total: Tensor, output: Tensor, narrow: Narrow) -> Tensor:
        norm = self._model.norms[name]
        # The model's epsilon, 1e-12, is far below one squared step of the sum.
        return self._append(
            Normalize(name, total, True, norm.scale, norm.offset, 0, output, narrow)
        )

    def _linear(
        self, name: str, source: str, operand: Tensor, residual: Tensor | None = None
    ) -> Tensor:
        quantized, codes = self._model.linears[name], self._model.codes[name]
        table = self._model.gelu.get(name)
        narrowed = Narrow(GELU_BITS, codes.zero_point)
        width = quantized.weight.shape[1]
        return self._append(
            Linear(
                name=name,
                input=operand,
                weight=quantized.weight,
                bias=quantized.bias,
                scale=quantized.scale,
                output=Tensor(name, self._rows, width, codes.element_type),
                input_zero_point=self._model.codes[source].zero_point,
                output_zero_point=0 if table is not None else codes.zero_point,
                interpolation=table,
                residual=None if residual is None else Residual(residual, Addition.INT16),
                narrow=KEEP if table is None else narrowed,
            )
        )

    def _attention(self, name: str, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q, k, v, output = (
            self._model.codes[each] for each in (query.name, key.name, value.name, name)
        )
        head_size = self._width // HEADS
        return self._append(
            Attention(
                name=name,
                query=query,
                key=key,
                value=value,
                output=self._tensor(name, ElementType.INT8),
                heads=HEADS,
                kv_heads=HEADS,
                head_size=head_size,
                score_scale=float(q.scale * k.scale) / math.sqrt(head_size) * EXPONENT_STEPS,
                output_scale=float(v.scale / output.scale) * PROBABILITY_STEPS,
                segments=tuple(
                    Segment(start, self._length, start, valid) for start, valid in self._spans()
                ),
                query_zero_point=q.zero_point,
                key_zero_point=k.zero_point,
                value_zero_point=v.zero_point,
                output_zero_point=output.zero_point,
            )
        )

    def _pool(self, source: str, hidden: Tensor) -> Tensor:
        """Mean over the tokens that count, then length 1."""
        sequences = len(self._valid)
        mean = Tensor("pool.sum", sequences, self._width, ElementType.INT16)
        output = Tensor("embedding", sequences, self._width, ElementType.INT16)
        self._append(
            SumRows(
                name=mean.name,
                input=hidden,
                segments=tuple(self._spans()),
                scale=tuple(_MEAN_STEPS / valid for valid in self._valid),
                output=mean,
                input_zero_point=self._model.codes[source].zero_point,
            )
        )
        scale = np.full(self._width, UNIT, np.float32)
        offset = np.zeros(self._width, np.int32)
        return self._append(Normalize("pool.norm", mean, False, scale, offset, 0, output))

    def _spans(self) -> list[tuple[int, int]]:
        """First row and valid rows of each sequence."""
        return [(index * self._length, valid) for index, valid in enumerate(self._valid)]

    def _tensor(self, name: str, element_type: ElementType) -> Tensor:
        return Tensor(name, self._rows, self._width, element_type)

    def _append(self, operator: Operator) -> Tensor:
        self._operators.append(operator)
        return operator.outputs[0]
