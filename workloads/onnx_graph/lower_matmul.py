"""Matrix products, with constants and with one another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.linear import Linear
from workloads.onnx_graph import layouts
from workloads.onnx_graph.accumulate import (
    Requantization,
    output_tensor,
    requantization,
    zero_point_of,
)
from workloads.onnx_graph.builder import Builder
from workloads.onnx_graph.codes import given, weight_parameters
from workloads.onnx_graph.layouts import FILL, Layout, View
from workloads.onnx_import.normal import Node, Value
from workloads.operators import Conv, MatMul
from workloads.tensor import Tensor
from workloads.window import Image, Window

_KERNEL_LIMIT = 255
_WIDEST = 64
"""Of a kernel: each named configuration's weight buffer holds two rows of tiles of it."""


def lower_matmul(builder: Builder, node: Node) -> None:
    """Gemm, MatMul and MatMulInteger."""
    right = given(node, 1)
    if right.constant is not None and math.prod(right.shape[:-2]) == 1:
        _linear(builder, node, right, right.constant.reshape(right.shape[-2:]))
    else:
        _product(builder, node)


def _linear(builder: Builder, node: Node, weight: Value, codes: NDArray[Any]) -> None:
    """A constant right factor."""
    x, result = given(node, 0), node.outputs[0]
    n = codes.shape[1]
    scale, weight_zero_point = weight_parameters(node, weight, len(weight.shape) - 1, n)
    behind = requantization(node, x, scale, n)
    view = builder.view(node, x)
    layout = layouts.natural(x.shape)
    name = builder.operator_name(node)
    output = output_tensor(builder, node, name, layout.rows, n)
    tensor = builder.free(view, layout)
    image = None if tensor is not None else _whole_images(builder, view, layout)
    if image is not None:
        tensor, images, order = image
        builder.add(
            _whole_conv(name, tensor, images, codes, order, weight_zero_point, output, behind)
        )
    else:
        builder.add(
            Linear(
                name=name,
                input=builder.matrix(node, view, layout),
                weight=np.ascontiguousarray(codes),
                weight_zero_point=weight_zero_point,
                output=output,
                **behind,
            )
        )
    builder.define(result, output, layouts.natural(result.shape))


def _whole_images(
    builder: Builder, view: View, layout: Layout
) -> tuple[Tensor, Image, NDArray[np.int64]] | None:
    """Rows that each hold all pixels of an image, whose tensor has a pixel in each row.

    Returns
    -------
    The tensor, its images, and where in an image the elements of a row are.
    """
    tensor = view.sources[0].tensor
    if len(view.sources) > 1 or tensor is None or tensor.rows % layout.rows:
        return None
    index = view.matrix(layout)
    order = index[0]
    if tensor.rows * tensor.cols != index.size or FILL in order:
        return None
    starts = np.arange(layout.rows, dtype=np.int64)[:, None] * layout.cols
    if not np.array_equal(index, order + starts):
        return None
    if not np.array_equal(np.sort(order), np.arange(layout.cols)):
        return None
    pixels = tensor.rows // layout.rows
    height, width = builder.image_extents.get(tensor.name, (1, pixels))
    if height * width != pixels or width > _WIDEST:
        # The kernel covers the image, so that any rectangle of its pixels does.
        width = max(each for each in range(1, _WIDEST + 1) if pixels % each == 0)
        height = pixels // width
    if height > _KERNEL_LIMIT:
        return None
    return tensor, Image(layout.rows, height, width, tensor.cols), order


def _whole_conv(
    name: str,
    tensor: Tensor,
    image: Image,
    codes: NDArray[Any],
    order: NDArray[np.int64],
    weight_zero_point: int | NDArray[np.int32],
    output: Tensor,
    behind: Requantization,
) -> Conv:
    """The product as a convolution whose kernel covers the image."""
    weight = np.empty_like(codes)
    weight[order] = codes
    kernel = (image.height, image.width)
    return Conv(
        name=name,
        input=tensor,
        image=image,
        window=Window(kernel),
        weight=weight.reshape(*kernel, image.channels, -1),
        weight_zero_point=weight_zero_point,
        output=output,
        **behind,
    )


def _product(builder: Builder, node: Node) -> None:
    """Both factors computed, or a constant for each product of a batch."""
    x, right, result = given(node, 0), given(node, 1), node.outputs[0]
    n = right.shape[-1]
    behind = requantization(node, x, _factor_scale(node, right, n), n)
    left_view, right_view = builder.view(node, x), builder.view(node, right)
    batches = np.broadcast_shapes(x.shape[:-2], right.shape[:-2])
    if math.prod(right.shape[:-2]) == 1:
        batches = ()
        right_view = right_view.reshaped(right.shape[-2:])
    else:
        left_view = left_view.broadcast((*batches, *x.shape[-2:]))
        right_view = right_view.broadcast((*batches, *right.shape[-2:]))
    left = builder.matrix(node, left_view, layouts.natural(left_view.shape))
    other, transposed = _right_matrix(builder, node, right_view)
    name = builder.operator_name(node)
    output = output_tensor(builder, node, name, left.rows, n)
    builder.add(
        MatMul(
            name=name,
            input=left,
            right=other,
            batch=math.prod(batches),
            transposed=transposed,
            right_zero_point=zero_point_of(node, right),
            output=output,
            **behind,
        )
    )
    builder.define(result, output, layouts.natural(result.shape))


def _factor_scale(node: Node, right: Value, n: int) -> NDArray[np.float32] | None:
    if right.constant is not None:
        return weight_parameters(node, right, len(right.shape) - 1, n)[0]
    return None if right.scale is None else right.scale


def _right_matrix(builder: Builder, node: Node, view: View) -> tuple[Tensor, bool]:
    """The right factors, [K, N] or transposed: as they lie, or else in the longer runs."""
    axes = tuple(range(len(view.shape)))
    swapped = (*axes[:-2], axes[-1], axes[-2])
    choices = ((layouts.natural(view.shape), False), (layouts.permuted(view.shape, swapped), True))
    for layout, transposed in choices:
        tensor = builder.free(view, layout)
        if tensor is not None:
            return tensor, transposed
    layout, transposed = max(choices, key=lambda choice: _neighbours(view, choice[0]))
    return builder.matrix(node, view, layout), transposed


def _neighbours(view: View, layout: Layout) -> int:
    """Elements that move together with the one in front of them."""
    return int(np.count_nonzero(np.diff(view.matrix(layout), axis=1) == 1))
