"""Pooling, and means over axes."""

from __future__ import annotations

import math

import numpy as np

from workloads.linear import Linear
from workloads.onnx_graph import layouts
from workloads.onnx_graph.builder import Builder
from workloads.onnx_graph.codes import given, quantization
from workloads.onnx_graph.layouts import Layout
from workloads.onnx_graph.lower_conv import image_of, window_of
from workloads.onnx_graph.tables import clamp_range
from workloads.onnx_import.messages import fail
from workloads.onnx_import.normal import Node, Value
from workloads.operators import AveragePool, MaxPool, SumRows
from workloads.quantize import Quantization
from workloads.tensor import Tensor
from workloads.window import Image, Window

_MATRIX_TAPS = 32
"""From so many on a window is a matrix of several tiles."""
_COLUMN_LIMIT = (1 << 15) - 1
"""Up to so many columns a sum of differences of bytes is left to a product with ones."""


def lower_max_pool(builder: Builder, node: Node) -> None:
    """MaxPool: codes only move."""
    x, result = given(node, 0), node.outputs[0]
    image, window = image_of(node, x), window_of(node)
    tensor = builder.matrix(node, builder.view(node, x), layouts.channels_last(x.shape))
    name = builder.operator_name(node)
    layout = layouts.channels_last(result.shape)
    output = builder.tensor(name, layout.rows, layout.cols, tensor.element_type)
    builder.add(MaxPool(name=name, input=tensor, image=image, window=window, output=output))
    builder.define(result, output, layout)


def lower_average_pool(builder: Builder, node: Node) -> None:
    """AveragePool; over whole images as a mean over axes."""
    x, result = given(node, 0), node.outputs[0]
    image, window = image_of(node, x), window_of(node)
    if window.kernel == (image.height, image.width) and not any(window.padding):
        _mean(builder, node, tuple(range(2, len(x.shape))))
        return
    source, target = quantization(node, x), quantization(node, result)
    tensor = builder.matrix(node, builder.view(node, x), layouts.channels_last(x.shape))
    layout = layouts.channels_last(result.shape)
    if _spans_rows(image, window):
        segments = _row_segments(image, window)
        scale = np.float32(np.float32(source.scale / target.scale) / np.float32(window.taps))
        made = _sums(builder, node, tensor, segments, (source, target), scale)
        builder.define(result, made, layout)
        return
    name = builder.operator_name(node)
    output = builder.tensor(name, layout.rows, layout.cols, target.element_type)
    zero_points = source.zero_point, target.zero_point
    if source == target and not any(window.padding):
        # The mean of codes is the code of the mean; at ties it is rounded as ONNX Runtime does,
        # which adds the zero point before.
        zero_points = 0, 0
    builder.add(
        AveragePool(
            name=name,
            input=tensor,
            image=image,
            window=window,
            scale=float(np.float32(source.scale / target.scale)),
            output=output,
            count_include_pad=bool(node.attributes["count_include_pad"]),
            input_zero_point=zero_points[0],
            output_zero_point=zero_points[1],
            clamp=clamp_range(node, target),
        )
    )
    builder.define(result, output, layout)


def _spans_rows(image: Image, window: Window) -> bool:
    """Whether every window is whole neighbouring rows of an image, and so many pixels that adding
    them up as rows of a matrix takes fewer cycles than tap by tap.
    """
    return (
        window.kernel[1] == image.width
        and window.dilation == (1, 1)
        and not any(window.padding)
        and window.taps >= _MATRIX_TAPS
    )


def _row_segments(image: Image, window: Window) -> tuple[tuple[int, int], ...]:
    """First pixel and number of pixels of each window."""
    made = window.over(image, image.channels)
    return tuple(
        ((batch * image.height + row * window.stride[0]) * image.width, window.taps)
        for batch in range(made.batch)
        for row in range(made.height)
    )


def lower_global_average_pool(builder: Builder, node: Node) -> None:
    """The mean over all pixels of an image."""
    _mean(builder, node, tuple(range(2, len(given(node, 0).shape))))


def lower_reduce_mean(builder: Builder, node: Node) -> None:
    """The mean over any axes."""
    _mean(builder, node, tuple(node.attributes["axes"]))


def _mean(builder: Builder, node: Node, axes: tuple[int, ...]) -> None:
    x, result = given(node, 0), node.outputs[0]
    view, shape = builder.view(node, x), x.shape
    kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
    layout = _reducible(builder.layout_of(x, view), shape, axes)
    if layout is None:
        if kept and kept[-1] == len(shape) - 1:
            layout = layouts.permuted(shape, (*kept[:-1], *axes, kept[-1]))
        else:
            layout = layouts.permuted(shape, (*kept, *axes), len(axes))
    tensor = builder.matrix(node, view, layout)
    count = math.prod(shape[axis] for axis in axes)
    source, target = quantization(node, x), quantization(node, result)
    scale = np.float32(np.float32(source.scale / target.scale) / np.float32(count))
    if count == layout.cols and _is_last(layout, shape, axes):
        made = _mean_of_columns(builder, node, tensor, (source, target), scale)
    else:
        made = _mean_of_rows(builder, node, tensor, count, (source, target), scale)
    perm = tuple(axis for axis in layout.perm if axis not in axes)
    kept_shape = tuple(1 if axis in axes else shape[axis] for axis in range(len(shape)))
    whole = Value(result.name, kept_shape, result.element_type)
    builder.define(whole, made, Layout((*axes, *perm), made.rows, made.cols))
    builder.set_view(result, builder.view(node, whole).reshaped(result.shape))


def _reducible(layout: Layout, shape: tuple[int, ...], axes: tuple[int, ...]) -> Layout | None:
    """The layout, if the axes make up its columns or the last of its rows."""
    count = layout.row_axes(shape)
    if count is None:
        return None
    reduced = {axis for axis in axes if shape[axis] > 1}
    columns = {axis for axis in layout.perm[count:] if shape[axis] > 1}
    rows = [axis for axis in layout.perm[:count] if shape[axis] > 1]
    if reduced == columns or reduced == set(rows[len(rows) - len(reduced) :]):
        return layout
    return None


def _is_last(layout: Layout, shape: tuple[int, ...], axes: tuple[int, ...]) -> bool:
    """Whether the columns are what is reduced."""
    ones = [axis for axis in layout.perm if shape[axis] > 1]
    reduced = {axis for axis in axes if shape[axis] > 1}
    return bool(reduced) and set(ones[len(ones) - len(reduced) :]) == reduced


def _mean_of_columns(
    builder: Builder,
    node: Node,
    tensor: Tensor,
    codes: tuple[Quantization, Quantization],
    scale: np.float32,
) -> Tensor:
    """A product with a column of ones."""
    if tensor.cols > _COLUMN_LIMIT:
        fail(node, f"its mean is over {tensor.cols} elements: {_COLUMN_LIMIT} at most")
    source, target = codes
    name = builder.operator_name(node)
    return builder.add(
        Linear(
            name=name,
            input=tensor,
            weight=np.ones((tensor.cols, 1), np.int8),
            bias=np.zeros(1, np.int32),
            scale=np.array([scale]),
            output=builder.tensor(name, tensor.rows, 1, target.element_type),
            input_zero_point=source.zero_point,
            output_zero_point=target.zero_point,
            clamp=clamp_range(node, target),
        )
    )


def _mean_of_rows(
    builder: Builder,
    node: Node,
    tensor: Tensor,
    count: int,
    codes: tuple[Quantization, Quantization],
    scale: np.float32,
) -> Tensor:
    """Sums of so many rows each, one behind the other."""
    segments = tuple((first, count) for first in range(0, tensor.rows, count))
    return _sums(builder, node, tensor, segments, codes, scale)


def _sums(
    builder: Builder,
    node: Node,
    tensor: Tensor,
    segments: tuple[tuple[int, int], ...],
    codes: tuple[Quantization, Quantization],
    scale: np.float32,
) -> Tensor:
    source, target = codes
    name = builder.operator_name(node)
    output = builder.tensor(name, len(segments), tensor.cols, target.element_type)
    sums = SumRows(
        name,
        tensor,
        segments,
        (float(scale),) * len(segments),
        output,
        source.zero_point,
        target.zero_point,
    )
    return builder.clamped(node, builder.add(sums), target)
