"""Softmax and layer normalisation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from workloads.attention import EXPONENT_STEPS
from workloads.epilogue import Narrow
from workloads.onnx_graph import layouts
from workloads.onnx_graph.builder import Builder
from workloads.onnx_graph.codes import given, optional, quantization
from workloads.onnx_import.messages import fail
from workloads.onnx_import.normal import Node
from workloads.operators import Multiply, Normalize, Softmax
from workloads.quantize import Quantization
from workloads.tensor import Tensor

_PEAK = 32767
"""What Softmax's second pass makes of a row's greatest element."""
_ALL_OR_NOTHING = 2.0**24
"""Of Softmax: at this scale one code less is a factor of 2^-64, and so nothing (N-05)."""
_LEAST_ROW_SCALED = 2.0**-62
"""Rule N-08: smaller scales of a normalisation may not stay normal; at this one it gives 0."""
_WIDE_BITS = 7
"""Bits by which the int16 in front of an 8-bit output is finer: 255 of its steps fit."""


def lower_softmax(builder: Builder, node: Node) -> None:
    """Softmax along any axis, which is made the columns."""
    x, result = given(node, 0), node.outputs[0]
    source, target = quantization(node, x), quantization(node, result)
    axis = int(node.attributes["axis"])
    view = builder.view(node, x)
    own = builder.layout_of(x, view)
    others = tuple(each for each in own.perm if each != axis)
    layout = layouts.permuted(x.shape, (*others, axis))
    tensor = builder.matrix(node, view, layout)
    name = builder.operator_name(node)
    operator = Softmax(
        name=name,
        input=tensor,
        output=builder.tensor(name, layout.rows, layout.cols, target.element_type),
        scale=float(np.float32(min(float(source.scale) * EXPONENT_STEPS, _ALL_OR_NOTHING))),
        output_scale=float(np.float32(2**26 / _PEAK / float(target.scale))),
        output_zero_point=target.zero_point,
    )
    builder.define(result, builder.clamped(node, builder.add(operator), target), layout)


def lower_layer_normalization(builder: Builder, node: Node) -> None:
    """LayerNormalization over the last axes."""
    x, result = given(node, 0), node.outputs[0]
    target = quantization(node, result)
    axis = int(node.attributes["axis"])
    layout = layouts.natural(x.shape, len(x.shape) - axis)
    gamma, beta = _reals(node, 1, layout.cols, 1.0), _reals(node, 2, layout.cols, 0.0)
    bits = _bits(node, beta, target)
    step = float(target.scale) / 2**bits
    scale = np.maximum(np.abs(gamma) / step, _LEAST_ROW_SCALED).astype(np.float32)
    negative = gamma < 0
    offset = np.rint(np.where(negative, -beta, beta) / step).astype(np.int32)
    tensor = builder.matrix(node, builder.view(node, x), layout)
    if negative.any():
        wide = builder.operator_name(node, "norm")
        made = builder.tensor(wide, layout.rows, layout.cols, ElementType.INT16)
        narrow = Narrow()
    else:
        wide = builder.operator_name(node)
        made = builder.tensor(wide, layout.rows, layout.cols, target.element_type)
        narrow = Narrow(bits, target.zero_point)
    source = quantization(node, x)
    normalize = Normalize(
        wide,
        tensor,
        True,
        scale,
        offset,
        _epsilon(node, source, layout.cols),
        made,
        narrow,
        input_zero_point=source.zero_point,
    )
    made = builder.add(normalize)
    if negative.any():
        made = _with_signs(builder, node, made, negative, bits, target)
    builder.define(result, builder.clamped(node, made, target), layout)


def _reals(node: Node, index: int, columns: int, default: float) -> NDArray[np.float64]:
    """A parameter of the channels."""
    value = optional(node, index)
    if value is None:
        return np.full(columns, default)
    if value.constant is None or value.element_type is not None or value.constant.size != columns:
        fail(node, f"input {index} must be a floating-point constant of {columns} numbers")
    return value.constant.astype(np.float64).reshape(-1)


def _bits(node: Node, beta: NDArray[np.float64], target: Quantization) -> int:
    """How much finer than the output its int16 can be, the offset being part of it."""
    reach = float(np.abs(beta).max()) / float(target.scale)
    if reach > _PEAK:
        fail(
            node,
            f"its bias reaches {reach:.3g} steps of the output: quantise the output with a larger "
            "scale",
        )
    return next(bits for bits in range(_WIDE_BITS, -1, -1) if reach * 2**bits <= _PEAK)


def _epsilon(node: Node, source: Quantization, columns: int) -> int:
    """In steps of the input: what is under the root is ``n^2 * variance``."""
    real = float(node.attributes["epsilon"])
    epsilon = round(real * columns**2 / float(source.scale) ** 2)
    if epsilon >= 1 << 32:
        fail(
            node,
            f"epsilon = {real:g} is {epsilon:.3g} in squared steps of the input, 2^32 at most: "
            "quantise the input with a larger scale",
        )
    return epsilon


def _with_signs(
    builder: Builder,
    node: Node,
    wide: Tensor,
    negative: NDArray[np.bool_],
    bits: int,
    target: Quantization,
) -> Tensor:
    """Some columns of an int16 negated, on the way to the output."""
    signs = np.where(negative, -1, 1)[None]
    view = builder.constant(node, signs, ElementType.INT8)
    row = builder.matrix(node, view, layouts.natural(signs.shape))
    name = builder.operator_name(node)
    made = builder.tensor(name, wide.rows, wide.cols, target.element_type)
    return builder.add(
        Multiply(name, wide, row, 2.0**-bits, made, output_zero_point=target.zero_point)
    )
