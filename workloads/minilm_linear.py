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
from workloads.graph import Graph, Linear, Residual, Tensor, UnaryTable
from workloads.minilm import Floats, Parameters, attend, embed, gelu, load_parameters, tokenize
from workloads.quantize import Quantization, asymmetric, quantize_linear, symmetric

TOKENS = 32
_FOLDER = Path(__file__).resolve().parent
_SUM_MARGIN = 1.5
"""Room for outliers of other sentences than those of calibration, 16 bits being plenty."""

_QUERY = "encoder.layer.0.attention.self.query"
_FFN1 = "encoder.layer.0.intermediate.dense"
_FFN2 = "encoder.layer.0.output.dense"


def minilm_linear() -> tuple[Graph, dict[str, NDArray[np.generic]]]:
    """Graph, and inputs of the first ``TOKENS`` tokens of ``sentences.txt``."""
    parameters = load_parameters()
    calibration = float_activations(parameters, "calibration_sentences.txt")
    codes = {
        name: asymmetric(calibration[name], ElementType.INT8)
        for name in ("hidden", "query", "attended", "expanded", "activated")
    }
    codes["sum"] = symmetric(calibration["sum"], ElementType.INT16, _SUM_MARGIN)
    graph = _graph(parameters, codes)
    values = float_activations(parameters, "sentences.txt")
    inputs: dict[str, NDArray[np.generic]] = {
        "hidden": codes["hidden"].quantize(values["hidden"][:TOKENS]),
        "attended": codes["attended"].quantize(values["attended"][:TOKENS]),
        "residual": codes["sum"].quantize(values["attended"][:TOKENS]),
    }
    return graph, inputs


def float_activations(parameters: Parameters, file_name: str) -> dict[str, Floats]:
    """Float32 activations [tokens, channels] of all sentences of a file, one after the other."""
    sentences = (_FOLDER / file_name).read_text(encoding="utf-8").splitlines()
    hidden = [embed(parameters, tokens) for tokens in tokenize(sentences)]
    attended = np.concatenate([attend(parameters, x) for x in hidden])
    expanded = parameters.linear(_FFN1, attended)
    activated = gelu(expanded)
    return {
        "hidden": np.concatenate(hidden),
        "query": parameters.linear(_QUERY, np.concatenate(hidden)),
        "attended": attended,
        "expanded": expanded,
        "activated": activated,
        "sum": parameters.linear(_FFN2, activated) + attended,
    }


def _graph(parameters: Parameters, codes: dict[str, Quantization]) -> Graph:
    width, inner = parameters.values[_FFN2 + ".weight"].shape
    hidden = Tensor("hidden", TOKENS, width, ElementType.INT8)
    attended = Tensor("attended", TOKENS, width, ElementType.INT8)
    residual = Tensor("residual", TOKENS, width, ElementType.INT16)
    query = _linear("query", _QUERY, parameters, hidden, codes["hidden"], codes["query"])
    ffn1 = _linear(
        "ffn1",
        _FFN1,
        parameters,
        attended,
        codes["attended"],
        codes["expanded"],
        output=Tensor("activated", TOKENS, inner, ElementType.INT8),
        table=_gelu_table(codes["expanded"], codes["activated"]),
    )
    ffn2 = _linear(
        "ffn2",
        _FFN2,
        parameters,
        ffn1.output,
        codes["activated"],
        codes["sum"],
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
    key: str,
    parameters: Parameters,
    source: Tensor,
    source_codes: Quantization,
    target_codes: Quantization,
    *,
    output: Tensor | None = None,
    table: UnaryTable | None = None,
    residual: Residual | None = None,
) -> Linear:
    weight, bias = (parameters.values[f"{key}.{part}"] for part in ("weight", "bias"))
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
