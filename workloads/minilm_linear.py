"""``minilm_linear``: the query projection and the feed-forward pair of MiniLM's layer 0.

Weights int8 for each channel; activations int8, quantised statically with sentences of their own;
GELU by table; the sum in front of the normalisation int16, since its peaks are far above its
deviation. Embeddings and attention run on the host in float32.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arch.isa import Addition, ElementType
from workloads.epilogue import Residual, UnaryTable
from workloads.graph import Graph
from workloads.linear import Linear
from workloads.minilm import (
    Floats,
    Parameters,
    embed,
    encoder_layer,
    gelu,
    load_parameters,
    tokenize,
)
from workloads.quantize import Quantization, asymmetric, quantize_linear, symmetric
from workloads.sentences import CALIBRATION_SENTENCES, SENTENCES, read_sentences
from workloads.tensor import Tensor

TOKENS = 32
_SUM_MARGIN = 1.5
"""Room for outliers of other sentences than those of calibration, 16 bits being plenty."""


def minilm_linear() -> tuple[Graph, dict[str, NDArray[np.generic]]]:
    """Graph, and inputs of the first ``TOKENS`` tokens of ``sentences.txt``."""
    parameters = load_parameters()
    calibration = float_activations(parameters, CALIBRATION_SENTENCES)
    codes = {
        name: asymmetric(calibration[name], ElementType.INT8)
        for name in ("hidden", "query", "norm1", "expanded", "ffn1")
    }
    codes["ffn2"] = symmetric(calibration["ffn2"], ElementType.INT16, _SUM_MARGIN)
    graph = _graph(parameters, codes)
    values = float_activations(parameters, SENTENCES)
    inputs: dict[str, NDArray[np.generic]] = {
        "hidden": codes["hidden"].quantize(values["hidden"][:TOKENS]),
        "attended": codes["norm1"].quantize(values["norm1"][:TOKENS]),
        "residual": codes["ffn2"].quantize(values["norm1"][:TOKENS]),
    }
    return graph, inputs


def float_activations(parameters: Parameters, path: Path) -> dict[str, Floats]:
    """Float32 activations [tokens, channels] of all sentences of a file, one after the other."""
    values: dict[str, Floats] = {}

    def observe(name: str, x: Floats) -> None:
        values[name.removeprefix("0.")] = x

    sequences = tokenize(read_sentences(path))
    values["hidden"] = embed(parameters, sequences)
    lengths = [len(tokens) for tokens in sequences]
    encoder_layer(parameters, 0, values["hidden"], lengths, observe)
    return values


def _graph(parameters: Parameters, codes: dict[str, Quantization]) -> Graph:
    width, inner = parameters.of("0.ffn2")[0].shape
    hidden = Tensor("hidden", TOKENS, width, ElementType.INT8)
    attended = Tensor("attended", TOKENS, width, ElementType.INT8)
    residual = Tensor("residual", TOKENS, width, ElementType.INT16)
    query = _linear("query", parameters, hidden, codes["hidden"], codes["query"])
    ffn1 = _linear(
        "ffn1",
        parameters,
        attended,
        codes["norm1"],
        codes["expanded"],
        output=Tensor("activated", TOKENS, inner, ElementType.INT8),
        table=_gelu_table(codes["expanded"], codes["ffn1"]),
    )
    ffn2 = _linear(
        "ffn2",
        parameters,
        ffn1.output,
        codes["ffn1"],
        codes["ffn2"],
        output=Tensor("sum", TOKENS, width, ElementType.INT16),
        residual=Residual(residual, Addition.INT16),
    )
    return Graph(
        "minilm_linear",
        (hidden, attended, residual),
        (query, ffn1, ffn2),
        (query.output, ffn2.output),
    )


def _linear(
    name: str,
    parameters: Parameters,
    source: Tensor,
    source_codes: Quantization,
    target_codes: Quantization,
    *,
    output: Tensor | None = None,
    table: UnaryTable | None = None,
    residual: Residual | None = None,
) -> Linear:
    weight, bias = parameters.of(f"0.{name}")
    quantized = quantize_linear(weight, bias, source_codes, target_codes)
    return Linear(
        name=name,
        input=source,
        weight=quantized.weight,
        bias=quantized.bias,
        scale=quantized.scale,
        output=output or Tensor(name, source.rows, len(weight), target_codes.element_type),
        input_zero_point=source_codes.zero_point,
        output_zero_point=target_codes.zero_point,
        table=table,
        residual=residual,
    )


def _gelu_table(source: Quantization, target: Quantization) -> UnaryTable:
    codes = np.arange(256, dtype=np.uint8).view(np.int8)
    return UnaryTable(target.quantize(gelu(source.dequantize(codes))).astype(np.int8))
