"""Quantisation of the values of a model, and the scales between them, as ONNX Runtime has them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from workloads.checks import BYTES, LEAST_NORMAL
from workloads.onnx_import.messages import fail, quoted
from workloads.onnx_import.normal import Node, Value
from workloads.quantize import Quantization
from workloads.tensor import DTYPES


def given(node: Node, index: int) -> Value:
    """An input that must be there."""
    if index >= len(node.inputs) or (value := node.inputs[index]) is None:
        fail(node, f"input {index} is missing: connect it")
    return value


def optional(node: Node, index: int) -> Value | None:
    """An input that may be left out."""
    return node.inputs[index] if index < len(node.inputs) else None


def quantization(node: Node, value: Value) -> Quantization:
    """That of a whole tensor of bytes; an AssayError where it has another or none."""
    if value.scale is None or value.zero_point is None or value.element_type is None:
        fail(
            node,
            f"{quoted(value.name)} is not quantised: put QuantizeLinear and DequantizeLinear "
            "around the operator",
        )
    if value.element_type not in BYTES:
        fail(
            node,
            f"{quoted(value.name)} is {value.element_type.name.lower()}: quantise it to int8 or "
            "uint8",
        )
    if value.scale.size != 1 or value.zero_point.size != 1:
        fail(
            node,
            f"{quoted(value.name)} has a scale for each channel, which only weights may: quantise "
            "it with one",
        )
    scale = np.float32(value.scale.reshape(-1)[0])
    if not (np.isfinite(scale) and scale >= LEAST_NORMAL):
        fail(node, f"the scale {scale:g} of {quoted(value.name)} must be a positive normal float32")
    return Quantization(value.element_type, scale, int(value.zero_point.reshape(-1)[0]))


def same(a: Quantization, b: Quantization) -> bool:
    """Whether codes mean the same."""
    return (a.element_type, a.scale, a.zero_point) == (b.element_type, b.scale, b.zero_point)


def combined_scale(
    source: np.float32, weight: NDArray[np.float32], target: np.float32, channels: int
) -> NDArray[np.float32]:
    """``f32(f32(source * weight) / target)`` for each channel.

    Below the least normal number every accumulator gives 0, with that number as well.
    """
    with np.errstate(under="ignore", over="ignore"):
        scale = np.asarray(source * weight.reshape(-1), np.float32) / target
    return np.ascontiguousarray(np.broadcast_to(np.maximum(scale, LEAST_NORMAL), (channels,)))


def requantized(x: NDArray[np.floating], target: Quantization) -> NDArray[np.int64]:
    """Codes ``saturate(rint(f32(x / scale)) + zero_point)``; what is no number counts as 0."""
    with np.errstate(over="ignore"):
        codes = np.rint(np.asarray(x, np.float32) / target.scale).astype(np.float64)
    codes = np.where(np.isnan(codes), 0, codes)
    low, high = target.element_type.low, target.element_type.high
    saturated: NDArray[np.float64] = np.clip(codes + target.zero_point, low, high)
    return saturated.astype(np.int64)


def all_codes(element_type: ElementType) -> NDArray[np.int64]:
    """The codes of an 8-bit type, each at its low byte."""
    return np.arange(256).astype(np.uint8).astype(DTYPES[element_type]).astype(np.int64)


def weight_parameters(
    node: Node, value: Value, axis: int, channels: int
) -> tuple[NDArray[np.float32], int | NDArray[np.int32]]:
    """Scale and zero point of a constant weight: of all of it, or for each output channel."""
    if value.element_type not in BYTES:
        fail(node, f"weight {quoted(value.name)} is not quantised to int8 or uint8: quantise it")
    one, none = np.ones(1, np.float32), np.zeros(1, np.int64)
    scale = one if value.scale is None else value.scale.reshape(-1)
    zero_point = none if value.zero_point is None else value.zero_point.reshape(-1)
    for parameter in (scale, zero_point):
        if parameter.size == 1:
            continue
        if (
            parameter.size != channels
            or value.axis is None
            or value.axis % len(value.shape) != axis
        ):
            fail(
                node,
                f"weight {quoted(value.name)} has scales along axis {value.axis}: only axis "
                f"{axis}, the output channels, can have its own",
            )
    if np.all(zero_point == zero_point[0]):
        return scale, int(zero_point[0])
    return scale, zero_point.astype(np.int32)
