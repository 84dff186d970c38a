"""The workload by its mathematics: operators on whole tensors, no program and no buffers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arch.image import Image, TensorPlace
from arch.isa import Addition, ElementType
from golden.capture import TensorBytes
from golden.ops.add import add
from golden.ops.append import append
from golden.ops.attention import attention
from golden.ops.gather import gather
from golden.ops.interpolate import interpolate, interpolation_words
from golden.ops.linear import add_bias, matmul_integer
from golden.ops.multiply import multiply
from golden.ops.narrow import clamp16, narrow
from golden.ops.normalize import normalize
from golden.ops.qlinear_add import add_int16, add_table
from golden.ops.requantize import add_zero_point, requantize
from golden.ops.rotary import rotary
from golden.ops.sum_rows import sum_rows
from golden.ops.table import lookup
from workloads.epilogue import Narrow, Residual
from workloads.graph import Graph
from workloads.linear import Linear
from workloads.operators import (
    Add,
    Append,
    Attention,
    Gather,
    Multiply,
    Normalize,
    Operator,
    Rotary,
    SumRows,
)
from workloads.tensor import DTYPES

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
    element = operator.outputs[0].element_type
    result: Array
    match operator:
        case Linear():
            result = _linear(operator, values[0], tensors)
        case Gather():
            result = gather(values[0], operator.table)
        case Add():
            left, right = values
            result = add(left, right, operator.narrow.bits, operator.narrow.zero_point, element)
        case Multiply():
            left, right = values
            result = multiply(
                left,
                operator.left_zero_point,
                right,
                operator.right_zero_point,
                operator.scale,
                operator.output_zero_point,
                element,
            )
        case Normalize():
            return _normalize(operator, values[0])
        case Attention():
            result = _attention(operator, *values)
        case Rotary():
            x, cosine, sine = values
            turned = rotary(x, cosine, sine, operator.scale)
            result = _narrow(turned, operator.narrow, element)
        case SumRows():
            zero_point = operator.input_zero_point
            result = sum_rows(values[0], zero_point, operator.segments, operator.scale)
        case Append():
            result = append(*values)
    return {operator.outputs[0].name: result}


def _linear(operator: Linear, x: Array, tensors: Tensors) -> Array:
    kind, element = operator.requantized_type, operator.output.element_type
    acc = matmul_integer(x, operator.weight, operator.input_zero_point)
    codes = requantize(add_bias(acc, operator.bias), operator.scale)
    codes = add_zero_point(codes, operator.output_zero_point, kind.low, kind.high)
    if operator.table is not None:
        values = operator.table.values
        codes = lookup(codes, values.view(np.uint8), values.dtype == np.int8)
    if operator.interpolation is not None:
        codes = interpolate(codes, interpolation_words(operator.interpolation))
    if operator.residual is not None:
        codes = _added(codes, operator.residual, tensors, element)
    return _narrow(codes, operator.narrow, element)


def _added(
    codes: NDArray[np.int64], residual: Residual, tensors: Tensors, element: ElementType
) -> NDArray[np.int64]:
    """The sum, saturated: to int16, or to the output's 8 bits where it goes through a table."""
    other = tensors[residual.tensor.name]
    if residual.kind is Addition.INT16:
        return clamp16(add_int16(codes, other))
    assert residual.table is not None
    scale = int(np.float32(residual.scale).view(np.uint32))
    codes = add_table(codes, other, scale, residual.table)
    return np.clip(codes, element.low, element.high)


def _normalize(operator: Normalize, x: Array) -> Tensors:
    wide = normalize(x, operator.centre, operator.scale, operator.offset, operator.epsilon)
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


def read_tensor(tensor: TensorBytes, place: TensorPlace) -> Array:
    """The elements (rows, cols) of a tensor of the golden machine."""
    return _elements(tensor.data, place)


def read_outputs(dram: NDArray[np.uint8], image: Image) -> Tensors:
    """The outputs of a program from the bytes of DRAM after the run, by name."""
    return {
        place.name: _elements(_used_bytes(dram, place), place)
        for place in image.debug.tensors
        if place.role == "output"
    }


def first_difference(
    expected: Tensors, tensors: dict[str, TensorBytes], image: Image
) -> str | None:
    """Where the program's tensors first differ from the mathematics, in words; None if nowhere.

    Parameters
    ----------
    expected
        Every tensor of the graph (:func:`evaluate`).
    tensors
        Those of the golden machine, as each was when it was complete.
    image
        Says where each lay, and when; tensors are compared in that order.
    """
    for place in sorted(image.debug.tensors, key=lambda place: place.complete):
        got, want = read_tensor(tensors[place.name], place), expected[place.name]
        written = np.asarray(tensors[place.name].written.reshape(*want.shape, -1).all(axis=2))
        wrong = np.argwhere(~written | (got != want))
        if wrong.size:
            row, column = (int(i) for i in wrong[0])
            value = got[row, column] if written[row, column] else "nothing"
            return (
                f"{place.role} {place.name} [{row}, {column}]: the operators give "
                f"{want[row, column]}, the program on the golden machine gives {value} "
                f"({len(wrong)} elements differ)"
            )
    return None


def _used_bytes(dram: NDArray[np.uint8], place: TensorPlace) -> NDArray[np.uint8]:
    """(rows, bytes) of a tensor in DRAM, without its padding."""
    rows = dram[place.address : place.address + place.rows * place.row_bytes]
    row_bytes = place.cols * np.dtype(place.element_type).itemsize
    return rows.reshape(place.rows, place.row_bytes)[:, :row_bytes]


def _elements(data: NDArray[np.uint8], place: TensorPlace) -> Array:
    return np.ascontiguousarray(data).view(np.dtype(place.element_type).newbyteorder("<"))
