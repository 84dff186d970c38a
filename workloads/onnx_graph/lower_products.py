"""Element-wise products and quotients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from arch.isa import ElementType
from workloads.onnx_graph.builder import Builder
from workloads.onnx_graph.codes import all_codes, combined_scale, given, quantization
from workloads.onnx_graph.layouts import View
from workloads.onnx_graph.lower_elementwise import (
    Floats,
    aligned,
    constant_reals,
    define_mapped,
    is_real,
    only_code,
    table_of_reals,
)
from workloads.onnx_graph.tables import clamp_range, real_values, table_of
from workloads.onnx_import.messages import fail
from workloads.onnx_import.normal import Node, Value
from workloads.operators import Multiply
from workloads.quantize import Quantization, symmetric


def lower_mul(builder: Builder, node: Node) -> None:
    """A product of two quantised tensors, or of one and reals."""
    left, right = given(node, 0), given(node, 1)
    constants = [value.constant is not None for value in (left, right)]
    if any(constants):
        x, other = (right, left) if constants[0] else (left, right)
        _multiply_constant(builder, node, x, other)
        return
    whole, other = left, right
    shape = node.outputs[0].shape
    if left.shape != shape and right.shape == shape:
        whole, other = right, left
    a, b = quantization(node, whole), quantization(node, other)
    _define_product(builder, node, whole, builder.view(node, other), a, b)


def lower_div(builder: Builder, node: Node) -> None:
    """A quotient by a constant."""
    x, divisor = given(node, 0), given(node, 1)
    if divisor.constant is None or x.constant is not None:
        fail(node, "the divisor is not constant: multiply by a quantised reciprocal")
    reals = constant_reals(node, divisor)
    if not reals.all():
        fail(node, "the divisor is 0: use another")
    if np.all(reals == reals.flat[0]):
        _define_scaled(builder, node, x, lambda own: own / reals.flat[0])
    else:
        _multiply_reals(builder, node, x, np.float32(1) / reals)


def _multiply_constant(builder: Builder, node: Node, x: Value, other: Value) -> None:
    reals = constant_reals(node, other)
    a, y, code = quantization(node, x), quantization(node, node.outputs[0]), only_code(other)
    if is_real(other, x):
        if np.all(reals == reals.flat[0]):
            _define_scaled(builder, node, x, lambda own: own * reals.flat[0])
        else:
            _multiply_reals(builder, node, x, reals)
        return
    b = quantization(node, other)
    if code is None:
        _define_product(builder, node, x, builder.view(node, other), a, b)
        return
    products = (all_codes(a.element_type) - a.zero_point) * (code - b.zero_point)
    scale = combined_scale(a.scale, np.array([b.scale]), y.scale, 1)
    sums = products.astype(np.float32) * scale + np.float32(y.zero_point)
    low, high = clamp_range(node, y) or (y.element_type.low, y.element_type.high)
    define_mapped(builder, node, x, table_of(np.clip(np.rint(sums), low, high), a, y))


def _define_scaled(
    builder: Builder, node: Node, x: Value, scaled: Callable[[Floats], Floats]
) -> None:
    a, y = quantization(node, x), quantization(node, node.outputs[0])
    define_mapped(builder, node, x, table_of_reals(node, scaled(real_values(a)), a, y))


def _multiply_reals(builder: Builder, node: Node, x: Value, reals: Floats) -> None:
    """By reals of which each has a code of its own, as an int16."""
    steps = symmetric(reals, ElementType.INT16)
    other = builder.constant(node, steps.quantize(reals), ElementType.INT16)
    _define_product(builder, node, x, other, quantization(node, x), steps)


def _define_product(
    builder: Builder, node: Node, whole: Value, other: View, a: Quantization, b: Quantization
) -> None:
    y = quantization(node, node.outputs[0])
    left, right, layout = aligned(builder, node, (whole, builder.view(node, whole)), other)
    scale = combined_scale(a.scale, np.array([b.scale]), y.scale, 1)
    name = builder.operator_name(node)
    product = Multiply(
        name,
        left,
        right,
        float(scale[0]),
        builder.tensor(name, left.rows, left.cols, y.element_type),
        a.zero_point,
        b.zero_point,
        y.zero_point,
    )
    made = builder.clamped(node, builder.add(product), y)
    builder.define(node.outputs[0], made, layout)
