"""Element-wise functions, sums and products."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from arch.isa import Addition, ElementType
from workloads.epilogue import Residual, UnaryTable
from workloads.onnx_graph import layouts
from workloads.onnx_graph.additions import Sum, exchanged, pairs, qlinear_add, real_sum
from workloads.onnx_graph.builder import Builder
from workloads.onnx_graph.codes import all_codes, given, quantization, requantized
from workloads.onnx_graph.layouts import Layout, View
from workloads.onnx_graph.tables import (
    apply_functions,
    clamp_range,
    function_table,
    is_identity,
    real_values,
    table_of,
)
from workloads.onnx_import.normal import Node, Value
from workloads.operators import Map
from workloads.quantize import Quantization, asymmetric
from workloads.tensor import Tensor

Floats = NDArray[np.float32]


def lower_unary(builder: Builder, node: Node) -> None:
    """A function of one code, or another quantisation."""
    x, result = given(node, 0), node.outputs[0]
    table = function_table(node, quantization(node, x), quantization(node, result))
    define_mapped(builder, node, x, table)


def define_mapped(builder: Builder, node: Node, x: Value, table: UnaryTable) -> None:
    """What a table makes of `x` is the node's result; `x` itself if the table changes nothing."""
    result = node.outputs[0]
    view = builder.view(node, x).broadcast(result.shape)
    if is_identity(table):
        builder.set_view(result, view)
        return
    layout = builder.layout_of(x if x.shape == result.shape else result, view)
    tensor = builder.map(node, builder.matrix(node, view, layout), table)
    builder.define(result, tensor, layout)


def lower_add(builder: Builder, node: Node) -> None:
    """A sum of two quantised tensors, or of one and reals."""
    left, right, y = given(node, 0), given(node, 1), quantization(node, node.outputs[0])
    reals = [is_real(*pair) for pair in ((left, right), (right, left))]
    if any(reals):
        x, other = (right, left) if reals[0] else (left, right)
        _add_reals(builder, node, x, constant_reals(node, other))
        return
    if _is_first_repeated(node):
        left, right = right, left
    a, b, clamp = quantization(node, left), quantization(node, right), clamp_range(node, y)
    for x, constant in ((left, right), (right, left)):
        code = only_code(constant)
        if code is not None:
            total = pairs(qlinear_add(a, b, y), a, y, clamp)
            sums = total[:, code & 255] if x is left else total[code & 255]
            define_mapped(builder, node, x, table_of(sums, a if x is left else b, y))
            return
    views = builder.view(node, left), builder.view(node, right)
    shape, total_b = node.outputs[0].shape, None
    if not _is_whole(left, shape) and _is_whole(right, shape):
        total_b = exchanged(a, b, y, clamp)
    if total_b is not None:
        _define_sum(builder, node, _Terms(right, views[1], views[0]), total_b)
        return
    name = _define_sum(builder, node, _Terms(left, *views), qlinear_add(a, b, y))
    builder.exchanges[name] = partial(exchanged, a, b, y, clamp)


def _is_first_repeated(node: Node) -> bool:
    """Whether ONNX Runtime exchanges the terms: it does where the first is a number for a row."""
    shape = node.outputs[0].shape
    extents = (1,) * (len(shape) - len(given(node, 0).shape)) + given(node, 0).shape
    wide = [axis for axis, extent in enumerate(shape) if extent > 1]
    return bool(wide) and extents[wide[-1]] == 1


def lower_sub(builder: Builder, node: Node) -> None:
    """A difference, as a sum with the negative."""
    left, right, result = given(node, 0), given(node, 1), node.outputs[0]
    y = quantization(node, result)
    if right.constant is not None:
        _add_reals(builder, node, left, -constant_reals(node, right))
    elif left.constant is not None:
        _add_reals(builder, node, right, constant_reals(node, left), negative=True)
    else:
        a, b = quantization(node, left), quantization(node, right)
        views = builder.view(node, left), builder.view(node, right)
        clamp = clamp_range(node, y)
        if not _is_whole(left, result.shape) and _is_whole(right, result.shape):
            negative, table = _negated(b)
            total = real_sum(negative, real_values(a), y, clamp)
            _define_sum(builder, node, _Terms(right, views[1], views[0], table), total)
        else:
            total = real_sum(a, -real_values(b), y, clamp)
            _define_sum(builder, node, _Terms(left, *views), total)


@dataclass(frozen=True, eq=False)
class _Terms:
    """`view` of `value`, through `table`, is the term that may not be broadcast by rows."""

    value: Value
    view: View
    other: View
    table: UnaryTable | None = None


def _define_sum(builder: Builder, node: Node, terms: _Terms, total: Sum) -> str:
    """The node's result as a Map; its name."""
    result = node.outputs[0]
    y = quantization(node, result)
    tensor, other, layout = aligned(builder, node, (terms.value, terms.view), terms.other)
    residual = Residual(
        other, Addition.TABLE, float(total.scale), total.table, clamp_range(node, y)
    )
    name = builder.operator_name(node)
    made = builder.tensor(name, tensor.rows, tensor.cols, y.element_type)
    builder.add(Map(name=name, input=tensor, output=made, table=terms.table, residual=residual))
    builder.define(result, made, layout)
    return name


def _add_reals(
    builder: Builder, node: Node, x: Value, reals: Floats, negative: bool = False
) -> None:
    """`x`, or its negative, plus constant reals."""
    a, y = quantization(node, x), quantization(node, node.outputs[0])
    if np.all(reals == reals.flat[0]):
        own = -real_values(a) if negative else real_values(a)
        table = table_of_reals(node, own + reals.flat[0], a, y)
        define_mapped(builder, node, x, table)
        return
    table_in = None
    if negative:
        a, table_in = _negated(a)
    distinct, codes = np.unique(reals, return_inverse=True)
    if len(distinct) > 256:
        steps = asymmetric(reals, ElementType.UINT8)
        distinct = steps.dequantize(all_codes(ElementType.UINT8))
        codes = steps.quantize(reals).astype(np.int64)
    entries = np.full(256, distinct[0], np.float32)
    entries[: len(distinct)] = distinct
    total = real_sum(a, entries, y, clamp_range(node, y))
    other = builder.constant(node, codes.reshape(reals.shape), ElementType.UINT8)
    _define_sum(builder, node, _Terms(x, builder.view(node, x), other, table_in), total)


def table_of_reals(
    node: Node, reals: Floats, source: Quantization, target: Quantization
) -> UnaryTable:
    """The table from codes to reals, behind which come the node's functions."""
    return table_of(requantized(apply_functions(node, reals), target), source, target)


def aligned(
    builder: Builder, node: Node, whole: tuple[Value, View], other: View
) -> tuple[Tensor, Tensor, Layout]:
    """Two operands as matrices in one layout; the other one perhaps of fewer rows."""
    shape = node.outputs[0].shape
    value, view = whole
    if view.shape != shape:
        view = view.broadcast(shape)
    layout = builder.layout_of(value if value.shape == shape else node.outputs[0], view)
    if layout.row_axes(shape) is None:
        layout = layouts.natural(shape)
    tensor = builder.matrix(node, view, layout)
    part, fewer = other.repeated(shape, layout)
    return tensor, builder.matrix(node, part, fewer), layout


def _is_whole(value: Value, shape: tuple[int, ...]) -> bool:
    return value.shape == shape


def _negated(of: Quantization) -> tuple[Quantization, UnaryTable]:
    """The quantisation in which negatives are codes too, and the table to them."""
    kind = of.element_type
    ends = kind.low + kind.high
    negative = Quantization(kind, of.scale, ends - of.zero_point)
    return negative, table_of(ends - all_codes(kind), of, negative)


def is_real(value: Value, other: Value) -> bool:
    """Whether ONNX Runtime computes in floating point: it does with a constant of another type."""
    return value.constant is not None and value.element_type is not other.element_type


def only_code(value: Value) -> int | None:
    """The code of a constant that has just one."""
    if value.constant is None or not np.all(value.constant == value.constant.flat[0]):
        return None
    return int(value.constant.flat[0])


def constant_reals(node: Node, value: Value) -> Floats:
    """What a constant stands for."""
    assert value.constant is not None
    if value.element_type is None:
        return value.constant.astype(np.float32)
    return quantization(node, value).dequantize(value.constant)
