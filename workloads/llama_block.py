"""``llama_block``: one decoder block, seeded, to fill a prompt or to decode one token.

RMS normalisation, rotary position embedding, grouped-query attention and SwiGLU, with the
proportions of the Llama family, narrowed. Weights int8 for each channel, activations int8, the
residual stream int16; static quantisation, calibrated on other tokens.

``llama_block:prefill:N`` runs ``N`` tokens and returns their keys and values, the cache, beside
the hidden states. ``llama_block:decode:N`` runs one token against a cache of ``N`` in DRAM.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from arch.errors import AssayError
from arch.isa import Addition, ElementType
from workloads.attention import EXPONENT_STEPS, PROBABILITY_STEPS
from workloads.epilogue import Narrow, Residual
from workloads.graph import Constant, Graph
from workloads.interpolation import interpolation_table
from workloads.linear import Linear
from workloads.llama import (
    EPSILON,
    HEAD_SIZE,
    HEADS,
    INNER,
    KV_HEADS,
    WIDTH,
    Floats,
    Weights,
    forward,
    random_tokens,
    random_weights,
    rotary_tables,
    silu,
)
from workloads.operators import Append, Attention, Multiply, Normalize, Operator, Rotary, Segment
from workloads.quantize import Quantization, asymmetric, quantize_linear, symmetric
from workloads.tensor import Tensor

Codes = dict[str, NDArray[np.generic]]
Accuracy = Callable[[Codes], dict[str, float]]

_FORM = re.compile(r"(prefill|decode):(\d{1,18})", re.ASCII)
_TOKEN_LIMIT = 2048
_CALIBRATION_TOKENS = 128
_MARGIN = 1.25
"""Room in int16 for other tokens than those of calibration."""
_NARROW_BITS = 7
"""Bits that an int8 has less than its int16: with a zero point it spans 255 steps either way."""
_UNIT = 32767
"""Of cosine and sine."""


def llama_block(form: str, seed: int) -> tuple[Graph, Codes, Accuracy]:
    """Graph, inputs, and the accuracy of outputs, of ``prefill:N`` or ``decode:N``.

    Raises
    ------
    AssayError
        The form is malformed, or N is out of range.
    """
    decodes, tokens = _parse(form)
    rng = np.random.default_rng([seed, WIDTH, INNER])
    weights = random_weights(rng)
    calibration = forward(weights, random_tokens(rng, _CALIBRATION_TOKENS))
    codes = _quantizations(calibration)
    values = forward(weights, random_tokens(rng, tokens + decodes))
    first = tokens if decodes else 0
    graph = _Builder(weights, codes, first, tokens + decodes).graph(f"llama_block:{form}")
    inputs: Codes = {"x": codes["stream"].quantize(values["x"][first:])}
    if decodes:
        for name in ("key", "value"):
            cached = values["keys" if name == "key" else "values"][:first]
            inputs[f"{name}_cache"] = codes[f"{name}s"].quantize(cached)
    expected = values["output"][first:]
    return graph, inputs, partial(_accuracy, codes["stream"], expected)


def _accuracy(stream: Quantization, expected: Floats, outputs: Codes) -> dict[str, float]:
    """Cosine similarity of each token's hidden state to float32."""
    got = stream.dequantize(outputs["output"])
    norms = np.linalg.norm(got, axis=1) * np.linalg.norm(expected, axis=1)
    cosine = (got * expected).sum(axis=1) / norms
    return {"cosine_mean": float(cosine.mean()), "cosine_min": float(cosine.min())}


def _parse(form: str) -> tuple[bool, int]:
    match = _FORM.fullmatch(form)
    if match is None:
        raise AssayError(
            f"llama_block:{form}: the form is llama_block:prefill:N or llama_block:decode:N, "
            "such as llama_block:decode:128"
        )
    tokens = int(match.group(2))
    if not 1 <= tokens <= _TOKEN_LIMIT:
        raise AssayError(f"llama_block:{form}: N = {tokens} must be 1 to {_TOKEN_LIMIT}")
    return match.group(1) == "decode", tokens


def _quantizations(values: dict[str, Floats]) -> dict[str, Quantization]:
    """int8 with a zero point, but int16 in front of rotation and activation and in the stream."""
    stream = np.concatenate([values[name] for name in ("x", "middle", "output")])
    codes = {"stream": symmetric(stream, ElementType.INT16, _MARGIN)}
    for name, x in values.items():
        if name in ("query", "key", "gate"):
            codes[name] = symmetric(x, ElementType.INT16, _MARGIN)
        else:
            codes[name] = asymmetric(x, ElementType.INT8)
    return codes


class _Builder:
    """The integer graph of one pass.

    Parameters
    ----------
    weights, codes
        Float weights, and the quantisation of every activation.
    first, end
        Positions of the tokens that run; those before `first` are in the cache.
    """

    def __init__(
        self, weights: Weights, codes: dict[str, Quantization], first: int, end: int
    ) -> None:
        self._weights = weights
        self._codes = codes
        self._first = first
        self._rows = end - first
        self._operators: list[Operator] = []
        positions = np.arange(first, end)
        self._tables = tuple(
            Constant(
                Tensor(name, self._rows, HEAD_SIZE, ElementType.INT16),
                np.rint(table * _UNIT).astype(np.int16),
            )
            for name, table in zip(("cosine", "sine"), rotary_tables(positions), strict=True)
        )

    def graph(self, name: str) -> Graph:
        x = Tensor("x", self._rows, WIDTH, ElementType.INT16)
        hidden = self._normalize("norm1", x, self._weights.norm1, "hidden")
        query = self._rotary("rotate_query", self._linear("query", hidden, "hidden"), "queries")
        key = self._rotary("rotate_key", self._linear("key", hidden, "hidden"), "keys")
        value = self._linear("value", hidden, "hidden", target="values", tensor="values")
        caches: tuple[Tensor, ...] = ()
        if self._first:
            key, value = self._append("key", key), self._append("value", value)
            caches = (self._cache("key"), self._cache("value"))
        attended = self._attention(query, key, value)
        middle = self._linear("out", attended, "attended", target="stream", residual=x)
        normal = self._normalize("norm2", middle, self._weights.norm2, "normal")
        gate = self._gate(normal)
        up = self._linear("up", normal, "normal")
        product = self._multiply(gate, up)
        output = self._linear(
            "down", product, "product", target="stream", residual=middle, tensor="output"
        )
        return Graph(
            name,
            (x, *caches),
            tuple(self._operators),
            (output, key, value),
            self._tables,
        )

    def _add(self, operator: Operator) -> Tensor:
        self._operators.append(operator)
        return operator.outputs[0]

    def _normalize(self, name: str, source: Tensor, gain: Floats, target: str) -> Tensor:
        codes, stream = self._codes[target], self._codes["stream"]
        step = float(codes.scale) / 2**_NARROW_BITS
        return self._add(
            Normalize(
                name=name,
                input=source,
                centre=False,
                scale=(gain * (math.sqrt(WIDTH) / step)).astype(np.float32),
                offset=np.zeros(WIDTH, np.int32),
                epsilon=round(WIDTH * EPSILON / float(stream.scale) ** 2),
                output=Tensor(target, self._rows, WIDTH, ElementType.INT8),
                narrow=Narrow(_NARROW_BITS, codes.zero_point),
            )
        )

    def _linear(
        self,
        name: str,
        source: Tensor,
        source_codes: str,
        *,
        target: str | None = None,
        tensor: str | None = None,
        residual: Tensor | None = None,
    ) -> Tensor:
        weight = self._weights.linear[name]
        codes, target_codes = self._codes[source_codes], self._codes[target or name]
        quantized = quantize_linear(weight, np.zeros(len(weight), np.float32), codes, target_codes)
        kind = target_codes.element_type
        return self._add(
            Linear(
                name=name,
                input=source,
                weight=quantized.weight,
                bias=quantized.bias,
                scale=quantized.scale,
                output=Tensor(tensor or name, self._rows, len(weight), kind),
                input_zero_point=codes.zero_point,
                output_zero_point=target_codes.zero_point,
                residual=None if residual is None else Residual(residual, Addition.INT16),
            )
        )

    def _gate(self, source: Tensor) -> Tensor:
        """SiLU of an int16 by interpolation."""
        weight, codes = self._weights.linear["gate"], self._codes
        quantized = quantize_linear(
            weight, np.zeros(len(weight), np.float32), codes["normal"], codes["gate"]
        )
        step = float(codes["activated"].scale) / 2**_NARROW_BITS
        return self._add(
            Linear(
                name="gate",
                input=source,
                weight=quantized.weight,
                bias=quantized.bias,
                scale=quantized.scale,
                output=Tensor("activated", self._rows, INNER, ElementType.INT8),
                input_zero_point=codes["normal"].zero_point,
                interpolation=interpolation_table(silu, float(codes["gate"].scale), step),
                narrow=Narrow(_NARROW_BITS, codes["activated"].zero_point),
            )
        )

    def _rotary(self, name: str, source: Tensor, target: str) -> Tensor:
        codes = self._codes[target]
        step = float(codes.scale) / 2**_NARROW_BITS
        cosine, sine = (constant.tensor for constant in self._tables)
        return self._add(
            Rotary(
                name=name,
                input=source,
                cosine=cosine,
                sine=sine,
                head_size=HEAD_SIZE,
                scale=float(self._codes[source.name].scale) / _UNIT / step,
                output=Tensor(target, self._rows, source.cols, ElementType.INT8),
                narrow=Narrow(_NARROW_BITS, codes.zero_point),
            )
        )

    def _cache(self, name: str) -> Tensor:
        return Tensor(f"{name}_cache", self._first, KV_HEADS * HEAD_SIZE, ElementType.INT8)

    def _append(self, name: str, rows: Tensor) -> Tensor:
        output = Tensor(f"all_{name}s", self._first + self._rows, rows.cols, rows.element_type)
        return self._add(Append(f"append_{name}", self._cache(name), rows, output))

    def _attention(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        codes = self._codes
        scores = float(codes["queries"].scale) * float(codes["keys"].scale) / math.sqrt(HEAD_SIZE)
        output = float(codes["values"].scale) / float(codes["attended"].scale)
        return self._add(
            Attention(
                name="attention",
                query=query,
                key=key,
                value=value,
                output=Tensor("attended", self._rows, HEADS * HEAD_SIZE, ElementType.INT8),
                heads=HEADS,
                kv_heads=KV_HEADS,
                head_size=HEAD_SIZE,
                score_scale=scores * EXPONENT_STEPS,
                output_scale=output * PROBABILITY_STEPS,
                segments=(Segment(0, self._rows, 0, key.rows),),
                causal=True,
                query_zero_point=codes["queries"].zero_point,
                key_zero_point=codes["keys"].zero_point,
                value_zero_point=codes["values"].zero_point,
                output_zero_point=codes["attended"].zero_point,
            )
        )

    def _multiply(self, gate: Tensor, up: Tensor) -> Tensor:
        activated, other, product = (self._codes[name] for name in ("activated", "up", "product"))
        return self._add(
            Multiply(
                name="product",
                left=gate,
                right=up,
                scale=float(activated.scale) * float(other.scale) / float(product.scale),
                output=Tensor("product", self._rows, INNER, ElementType.INT8),
                left_zero_point=activated.zero_point,
                right_zero_point=other.zero_point,
                output_zero_point=product.zero_point,
            )
        )
