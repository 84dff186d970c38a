"""What convolutions and matrix products have in common: scales, biases, clamps."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from workloads.epilogue import Range
from workloads.onnx_graph.builder import Builder
from workloads.onnx_graph.codes import combined_scale, optional, quantization
from workloads.onnx_graph.tables import clamp_range
from workloads.onnx_import.messages import fail, quoted
from workloads.onnx_import.normal import Node, Value
from workloads.quantize import Quantization
from workloads.tensor import Tensor

INTEGER = ("MatMulInteger", "ConvInteger")
"""Operators whose results are the sums themselves."""


class Requantization(TypedDict):
    """Arguments of :class:`~workloads.epilogue.Accumulated`."""

    bias: NDArray[np.int32]
    scale: NDArray[np.float32]
    input_zero_point: int
    output_zero_point: int
    clamp: Range | None
    raw: bool


def requantization(
    node: Node, source: Value, weight_scale: NDArray[np.float32] | None, channels: int
) -> Requantization:
    """From sums to the node's output; the other factor's scale is one, or one for each channel."""
    bias = np.zeros(channels, np.int32)
    if node.op in INTEGER:
        ones = np.ones(channels, np.float32)
        return Requantization(
            bias=bias,
            scale=ones,
            input_zero_point=zero_point_of(node, source),
            output_zero_point=0,
            clamp=None,
            raw=True,
        )
    given_bias = optional(node, 2)
    if given_bias is not None:
        if given_bias.constant is None or given_bias.constant.size not in (1, channels):
            fail(
                node, f"its bias must be constant, with one number for each of {channels} channels"
            )
        bias = np.broadcast_to(given_bias.constant.reshape(-1), (channels,)).astype(np.int32)
    x, y = quantization(node, source), quantization(node, node.outputs[0])
    assert weight_scale is not None
    return Requantization(
        bias=bias,
        scale=combined_scale(x.scale, weight_scale, y.scale, channels),
        input_zero_point=x.zero_point,
        output_zero_point=y.zero_point,
        clamp=clamp_range(node, y),
        raw=False,
    )


def zero_point_of(node: Node, value: Value) -> int:
    """The zero point of a whole tensor, which needs no scale."""
    if value.zero_point is None:
        return 0
    first, *others = np.unique(value.zero_point)
    if others:
        fail(node, f"zero points of {quoted(value.name)} differ: quantise it with one for all")
    return int(first)


def output_tensor(builder: Builder, node: Node, name: str, rows: int, cols: int) -> Tensor:
    """Codes; or the halves of sums, the low ones first."""
    if node.op in INTEGER:
        return builder.tensor(name, 2 * rows, cols, ElementType.INT16)
    target: Quantization = quantization(node, node.outputs[0])
    return builder.tensor(name, rows, cols, target.element_type)
