"""Scales and zero points of a model, and codes of its constants."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from workloads.onnx_import.entries import Parameters
from workloads.onnx_import.messages import extents, fail
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.normal import Value
from workloads.tensor import DTYPES

Array = NDArray[Any]

ELEMENT_TYPES: dict[np.dtype[Any], ElementType] = {
    np.dtype(dtype): element_type for element_type, dtype in DTYPES.items()
}
BYTES = (ElementType.INT8, ElementType.UINT8)


def element_type_of(operation: Operation, dtype: np.dtype[Any]) -> ElementType:
    """Type of codes of a NumPy type; an AssayError where there is none."""
    if dtype not in ELEMENT_TYPES:
        fail(operation, f"it has {dtype.name} codes: quantise to int8 or uint8")
    return ELEMENT_TYPES[dtype]


def make_parameters(
    operation: Operation,
    scale: Array,
    zero_point: Array | None,
    element_type: ElementType,
    axis: int | None,
    shape: tuple[int, ...],
) -> Parameters:
    """Quantisation of a tensor of a shape.

    The zero point is 0 where it is left out; the scale runs along `axis` if it is no scalar.

    Raises
    ------
    AssayError
        The scale is not positive and finite, or shapes or types do not fit.
    """
    if scale.dtype != np.float32:
        fail(operation, f"its scale is {scale.dtype.name}: quantise with float32 scales")
    if zero_point is None:
        zero_point = np.zeros(scale.shape, DTYPES[element_type])
    if zero_point.dtype != DTYPES[element_type]:
        fail(
            operation,
            f"its zero point is {zero_point.dtype.name}, its codes {element_type.name.lower()}: "
            "they must be of one type",
        )
    if zero_point.size != scale.size and zero_point.size != 1:
        fail(operation, f"it has {scale.size} scales and {zero_point.size} zero points")
    if scale.size == 1:
        scale, axis = scale.reshape(()), None
    elif axis is None or scale.shape != shape[axis : axis + 1]:
        along = "the whole tensor" if axis is None else f"axis {axis}"
        fail(
            operation,
            f"its scale {extents(scale.shape)} must be of {along} of {extents(shape)}: quantise by "
            "tensor or by channel",
        )
    if not np.all((scale > 0) & np.isfinite(scale)):
        fail(operation, "its scale must be positive and finite: calibrate again")
    points = np.broadcast_to(zero_point.reshape(-1), (max(scale.size, 1),)).reshape(scale.shape)
    if element_type is ElementType.INT32 and np.any(points != 0):
        fail(operation, "the zero point of int32 codes must be 0")
    return Parameters(element_type, scale, points.astype(np.int64), axis)


def parameters_of(value: Value) -> Parameters:
    """Quantisation of a value that has one."""
    assert value.element_type is not None
    assert value.scale is not None
    assert value.zero_point is not None
    return Parameters(value.element_type, value.scale, value.zero_point, value.axis)


def codes_of(numbers: Array, parameters: Parameters) -> Array:
    """QuantizeLinear: ``rint(x / scale) + zero_point``, half to even, saturated."""
    kind = parameters.element_type
    scale, zero_point = _along(parameters, numbers.ndim)
    with np.errstate(all="ignore"):
        steps = np.rint(numbers.astype(np.float32) / scale).astype(np.float64)
    codes: Array = np.nan_to_num(np.clip(steps + zero_point, kind.low, kind.high))
    made: Array = codes.astype(DTYPES[kind])
    return made


def numbers_of(value: Value) -> NDArray[np.float32]:
    """DequantizeLinear of a constant, or a floating-point constant itself."""
    assert value.constant is not None
    if value.scale is None:
        return value.constant.astype(np.float32)
    scale, zero_point = _along(parameters_of(value), value.constant.ndim)
    differences = value.constant.astype(np.int64) - zero_point
    with np.errstate(over="ignore"):
        numbers: NDArray[np.float32] = differences.astype(np.float32) * scale
    return numbers


def _along(parameters: Parameters, rank: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scale and zero point so that they broadcast."""
    if parameters.axis is None:
        return parameters.scale, parameters.zero_point
    shape = [1] * rank
    shape[parameters.axis] = -1
    return parameters.scale.reshape(shape), parameters.zero_point.reshape(shape)
