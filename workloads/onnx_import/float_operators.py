"""Operators in floating point, between DequantizeLinear and QuantizeLinear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from workloads.onnx_import import attributes
from workloads.onnx_import.batch_normalization import batch_normalization
from workloads.onnx_import.bias import bias_value
from workloads.onnx_import.context import Context
from workloads.onnx_import.elementwise import binary, bounded, unary
from workloads.onnx_import.entries import Computed, Entry
from workloads.onnx_import.functions import FUNCTIONS
from workloads.onnx_import.integers import integer_function
from workloads.onnx_import.joins import joined
from workloads.onnx_import.messages import extents, fail
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.normal import Value
from workloads.onnx_import.products import CONV_TABLE, convolution, gemm, matrix_product
from workloads.onnx_import.reductions import (
    POOL_TABLE,
    average_pool,
    global_average_pool,
    layer_normalization,
    reduce_mean,
    softmax,
)
from workloads.onnx_import.values import float_value

Handler = Callable[[Context, Operation], Entry]

_FIRST_WITH_AXES_AS_INPUT = 18
"""Opset of ReduceMean."""


def _conv(context: Context, operation: Operation) -> Entry:
    given = attributes.read(operation, CONV_TABLE)
    x, w = context.operand(operation, 0), context.operand(operation, 1)
    made = convolution(operation, "Conv", x, w, given)
    return _with_bias(context, operation, made, w.shape[0])


def _gemm(context: Context, operation: Operation) -> Entry:
    table = {
        "transA": attributes.integer(0),
        "transB": attributes.integer(0),
        "alpha": attributes.number(1.0),
        "beta": attributes.number(1.0),
    }
    given = attributes.read(operation, table)
    a, b = context.operand(operation, 0), context.operand(operation, 1)
    made = gemm(context.emitter, operation, a, b, given)
    if context.optional(operation, 2) is not None:
        attributes.require(operation, "beta", given["beta"], 1.0)
    return _with_bias(context, operation, made, made.shape[1])


def _with_bias(context: Context, operation: Operation, made: Computed, channels: int) -> Computed:
    entry = context.optional(operation, 2)
    if entry is None:
        return made
    x, w = made.inputs[:2]
    assert x is not None
    assert w is not None
    bias = bias_value(operation, entry, operation.inputs[2], x, w, channels)
    return replace(made, inputs=(x, w, bias))


def _matmul(context: Context, operation: Operation) -> Entry:
    attributes.read(operation, {})
    a, b = context.operand(operation, 0), context.operand(operation, 1)
    return matrix_product(context.emitter, operation, "MatMul", a, b)


def _softmax(context: Context, operation: Operation) -> Entry:
    given = attributes.read(operation, {"axis": attributes.integer(-1)})
    return softmax(operation, context.operand(operation, 0), given["axis"])


def _average_pool(context: Context, operation: Operation) -> Entry:
    given = attributes.read(operation, POOL_TABLE)
    return average_pool(operation, context.operand(operation, 0), given)


def _global_average_pool(context: Context, operation: Operation) -> Entry:
    attributes.read(operation, {})
    return global_average_pool(operation, context.operand(operation, 0))


def _reduce_mean(context: Context, operation: Operation) -> Entry:
    keepdims = {"keepdims": attributes.integer(1)}
    x = context.operand(operation, 0)
    if operation.opset < _FIRST_WITH_AXES_AS_INPUT:
        given = attributes.read(operation, {**keepdims, "axes": attributes.integers(None)})
        return reduce_mean(operation, x, given["axes"], given["keepdims"])
    table = {**keepdims, "noop_with_empty_axes": attributes.integer(0)}
    given = attributes.read(operation, table)
    array = context.constant(operation, 1)
    if array is not None and (array.dtype != np.int64 or array.ndim != 1):
        fail(operation, f"its axes are {array.dtype.name} {extents(array.shape)}: give int64")
    axes = () if array is None else tuple(int(axis) for axis in array[: len(x.shape) + 1])
    if not axes:
        attributes.require(operation, "noop_with_empty_axes", given["noop_with_empty_axes"], 0)
    return reduce_mean(operation, x, axes, given["keepdims"])


def _layer_normalization(context: Context, operation: Operation) -> Entry:
    def parameter(place: int, shape: tuple[int, ...]) -> Value | None:
        array = context.constant(operation, place)
        if array is None:
            return None
        if array.dtype != np.float32 or array.shape != shape:
            fail(
                operation,
                f"its input {place} is {array.dtype.name} {extents(array.shape)}, must be float32 "
                f"{extents(shape)}",
            )
        return float_value(operation, operation.inputs[place], array)

    return layer_normalization(operation, context.operand(operation, 0), parameter)


def _concat(context: Context, operation: Operation) -> Entry:
    axis = attributes.read(operation, {"axis": attributes.integer()})["axis"]
    if not operation.inputs:
        fail(operation, "it joins nothing: remove it")
    parts = tuple(context.entry(operation, place) for place in range(len(operation.inputs)))
    if len(parts) == 1:
        attributes.axis_of(operation, axis, len(parts[0].shape))
        return parts[0]
    return joined(context, operation, parts, axis)


def _unary(context: Context, operation: Operation) -> Entry:
    entry = integer_function(context, operation)
    return unary(context, operation) if entry is None else entry


FLOAT_OPERATORS: dict[str, Handler] = {
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Softmax": _softmax,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average_pool,
    "ReduceMean": _reduce_mean,
    "BatchNormalization": batch_normalization,
    "LayerNormalization": _layer_normalization,
    "Concat": _concat,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), binary),
    **dict.fromkeys(("Max", "Min"), bounded),
    **dict.fromkeys(FUNCTIONS, _unary),
}
