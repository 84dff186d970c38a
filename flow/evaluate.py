"""The workload by its mathematics: operators on whole tensors, no program and no buffers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arch.isa import Addition, ElementType
from golden.ops.add import add
from golden.ops.append import append
from golden.ops.attention import attention
from golden.ops.average_pool import average_pool
from golden.ops.conv import conv_integer
from golden.ops.gather import gather
from golden.ops.interpolate import interpolate, interpolation_words
from golden.ops.linear import add_bias, matmul_integer
from golden.ops.max_pool import max_pool
from golden.ops.move import move
from golden.ops.multiply import multiply
from golden.ops.narrow import clamp16, narrow
from golden.ops.normalize import normalize
from golden.ops.qlinear_add import add_int16, add_table
from golden.ops.repeat import repeat_rows
from golden.ops.requantize import add_zero_point, requantize
from golden.ops.rotary import rotary
from golden.ops.softmax import softmax
from golden.ops.sum_rows import sum_rows
from golden.ops.table import lookup
from workloads.epilogue import Accumulated, Narrow, Residual, UnaryTable
from workloads.graph import Graph
from workloads.linear import Linear
from workloads.operators import (
    Add,
    Append,
    Attention,
    AveragePool,
    Concat,
    Conv,
    Gather,
    Map,
    MatMul,
    MaxPool,
    Move,
    Multiply,
    Normalize,
    Operator,
    Rotary,
    Softmax,
    SumRows,
)
from workloads.tensor import DTYPES
from workloads.window import Image

Array = NDArray[Any]
Tensors = dict[str, Array]


def evaluate(graph: Graph, inputs: Tensors) -> Tensors:
    """Every tensor of the graph, by name, in its own type."""
    tensors = inputs | {constant.tensor.name: constant.values for constant in graph.constants}
    for operator in graph.operators:
        tensors |= _results(operator, tensors)
    return tensors


def _results(operator: Operator, tensors: Tensors) -> Tensors:
    """What an operator makes, by name."""
    values = [tensors[tensor.name] for tensor in operator.inputs]
    result: Array
    match operator:
        case Linear() | Conv() | MatMul():
            result = _accumulated(operator, values, tensors)
        case MaxPool() | AveragePool():
            result = _pooled(operator, values[0])
        case Add() | Map() | Multiply() | Rotary():
            result = _mapped(operator, values, tensors)
        case Normalize():
            return _normalize(operator, values[0])
        case Softmax():
            scale, zero_point = operator.output_scale, operator.output_zero_point
            x = values[0].astype(np.int32)
            element = operator.output.element_type
            result = softmax(x, operator.scale, scale, zero_point, element)
        case Attention():
            result = _attention(operator, *values)
        case SumRows():
            result = sum_rows(
                values[0],
                operator.input_zero_point,
                operator.segments,
                operator.scale,
                operator.output_zero_point,
                operator.output.element_type,
            )
        case Gather() | Append() | Concat() | Move():
            result = _moved(operator, values)
    return {operator.outputs[0].name: result}


def _accumulated(operator: Linear | Conv | MatMul, values: list[Array], tensors: Tensors) -> Array:
    x, x_zero = values[0], operator.input_zero_point
    match operator:
        case Linear():
            sums = matmul_integer(x, operator.weight, x_zero, operator.weight_zero_point)
        case MatMul():
            batches = (operator.batch, -1)
            left = x.reshape(*batches, x.shape[1])
            right = values[1].reshape(*batches, values[1].shape[1])
            right = right.swapaxes(1, 2) if operator.transposed else right
            sums = matmul_integer(left, right, x_zero, operator.right_zero_point)
        case Conv():
            window = operator.window
            sums = conv_integer(
                _images(x, operator.image),
                operator.weight,
                x_zero,
                operator.weight_zero_point,
                window.stride,
                window.padding,
                window.dilation,
                operator.groups,
            )
    return _finished(operator, add_bias(sums.reshape(-1, sums.shape[-1]), operator.bias), tensors)


def _finished(operator: Accumulated, sums: NDArray[np.int32], tensors: Tensors) -> Array:
    """What becomes of the sums."""
    if operator.raw:
        halves = [sums.astype(np.int16), (sums >> 16).astype(np.int16)]
        return np.concatenate(halves)
    low, high = operator.requantized_range
    codes = requantize(sums, operator.scale)
    codes = add_zero_point(codes, operator.output_zero_point, low, high)
    codes = _looked_up(codes, operator.table)
    if operator.interpolation is not None:
        codes = interpolate(codes, interpolation_words(operator.interpolation))
    element = operator.output.element_type
    if operator.residual is not None:
        codes = _added(codes, operator.residual, tensors, element)
    return _narrow(codes, operator.narrow, element)


def _looked_up(codes: NDArray[np.int64], table: UnaryTable | None) -> NDArray[np.int64]:
    if table is None:
        return codes
    return lookup(codes, table.values.view(np.uint8), table.values.dtype == np.int8)


def _added(
    codes: NDArray[np.int64], residual: Residual, tensors: Tensors, element: ElementType
) -> NDArray[np.int64]:
    """The sum, saturated: to int16, or to the output's 8 bits where it goes through a table."""
    other = repeat_rows(tensors[residual.tensor.name], len(codes))
    if residual.kind is Addition.INT16:
        return clamp16(add_int16(codes, other))
    assert residual.table is not None
    scale = int(np.float32(residual.scale).view(np.uint32))
    codes = add_table(codes, other, scale, residual.table)
    low, high = residual.clamp or (element.low, element.high)
    return np.clip(codes, low, high)


def _images(x: Array, image: Image) -> Array:
    return x.reshape(image.batch, image.height, image.width, image.channels)


def _pooled(operator: MaxPool | AveragePool, x: Array) -> Array:
    images, window = _images(x, operator.image), operator.window
    sizes = (window.stride, window.padding, window.dilation)
    if isinstance(operator, MaxPool):
        pooled = max_pool(images, window.kernel, *sizes)
    else:
        pooled = average_pool(
            images,
            operator.input_zero_point,
            window.kernel,
            operator.scale,
            operator.output_zero_point,
            operator.output.element_type,
            *sizes,
            operator.count_include_pad,
        )
        if operator.clamp is not None:
            pooled = np.clip(pooled, *operator.clamp)
    return pooled.reshape(-1, operator.image.channels)


def _mapped(
    operator: Add | Map | Multiply | Rotary, values: list[Array], tensors: Tensors
) -> Array:
    """What is made element by element."""
    element = operator.output.element_type
    match operator:
        case Add():
            left, right = values
            return add(left, right, operator.narrow.bits, operator.narrow.zero_point, element)
        case Map():
            codes = _looked_up(values[0].astype(np.int64), operator.table)
            if operator.residual is not None:
                codes = _added(codes, operator.residual, tensors, element)
            return codes.astype(DTYPES[element])
        case Multiply():
            left, right = values
            return multiply(
                left,
                operator.left_zero_point,
                repeat_rows(right, len(left)),
                operator.right_zero_point,
                operator.scale,
                operator.output_zero_point,
                element,
            )
        case Rotary():
            x, cosine, sine = values
            turned = rotary(x, cosine, sine, operator.scale)
            return _narrow(turned, operator.narrow, element)


def _moved(operator: Gather | Append | Concat | Move, values: list[Array]) -> Array:
    """What changes no number."""
    match operator:
        case Gather():
            return gather(values[0], operator.table)
        case Append():
            return append(*values)
        case Concat():
            return np.concatenate(values, axis=1)
        case Move():
            return move(values, operator.index, operator.fill)


def _normalize(operator: Normalize, x: Array) -> Tensors:
    wide = normalize(
        x,
        operator.centre,
        operator.scale,
        operator.offset,
        operator.epsilon,
        operator.input_zero_point,
    )
    made: Tensors = {
        operator.output.name: _narrow(wide, operator.narrow, operator.output.element_type)
    }
    if operator.wide is not None:
        made[operator.wide.name] = wide
    return made


def _attention(operator: Attention, query: Array, key: Array, value: Array) -> Array:
    """Segment by segment: each query is in one."""
    element = operator.output.element_type
    zero_points = (
        operator.query_zero_point,
        operator.key_zero_point,
        operator.value_zero_point,
        operator.output_zero_point,
    )
    result = np.empty(query.shape, DTYPES[element])
    for segment in operator.segments:
        queries = slice(segment.query_start, segment.query_start + segment.query_count)
        keys = slice(segment.key_start, segment.key_start + segment.key_count)
        result[queries] = attention(
            query[queries],
            key[keys],
            value[keys],
            operator.heads,
            operator.kv_heads,
            zero_points,
            operator.score_scale,
            operator.output_scale,
            operator.causal,
            element,
        )
    return result


def _narrow(r: ArrayLike, how: Narrow, element: ElementType) -> Array:
    return narrow(r, how.bits, how.zero_point, element)
