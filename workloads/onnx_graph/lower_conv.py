"""Convolutions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.linear import Linear
from workloads.onnx_graph import layouts
from workloads.onnx_graph.accumulate import output_tensor, requantization
from workloads.onnx_graph.builder import Builder
from workloads.onnx_graph.codes import given, weight_parameters
from workloads.onnx_graph.layouts import Layout
from workloads.onnx_import.messages import extents, fail, quoted
from workloads.onnx_import.normal import Node, Value
from workloads.operators import Conv
from workloads.tensor import Tensor
from workloads.window import Image, Window

_LANES = 16
"""Channels of a pixel that a buffer row of the common configurations holds."""


def image_of(node: Node, value: Value) -> Image:
    """The images that a value of three or four axes holds; one-dimensional ones have one row."""
    if len(value.shape) == 3:
        batch, channels, width = value.shape
        return Image(batch, 1, width, channels)
    if len(value.shape) != 4:
        fail(
            node,
            f"{quoted(value.name)} is {extents(value.shape)}: images of one or two dimensions are "
            "supported, [N, C, W] or [N, C, H, W]",
        )
    batch, channels, height, width = value.shape
    return Image(batch, height, width, channels)


def window_of(node: Node) -> Window:
    """The window of a convolution or pooling."""
    kernel, strides, dilations, pads = (
        tuple(int(extent) for extent in node.attributes[key])
        for key in ("kernel_shape", "strides", "dilations", "pads")
    )
    if len(kernel) == 1:
        return Window((1, kernel[0]), (1, strides[0]), (0, pads[0], 0, pads[1]), (1, dilations[0]))
    return Window(
        (kernel[0], kernel[1]),
        (strides[0], strides[1]),
        (pads[0], pads[1], pads[2], pads[3]),
        (dilations[0], dilations[1]),
    )


def is_pointwise(node: Node) -> bool:
    """Whether a convolution is a linear layer on pixels."""
    attributes = node.attributes
    return (
        math.prod(attributes["kernel_shape"]) == math.prod(attributes["strides"]) == 1
        and not any(attributes["pads"])
        and attributes["group"] == 1
    )


def lower_conv(builder: Builder, node: Node) -> None:
    """Conv and ConvInteger."""
    x, weight, result = given(node, 0), given(node, 1), node.outputs[0]
    if weight.constant is None:
        fail(node, f"its weight {quoted(weight.name)} is computed: weights must be constant")
    image, channels = image_of(node, x), weight.shape[0]
    scale, weight_zero_point = weight_parameters(node, weight, 0, channels)
    behind = requantization(node, x, scale, channels)
    name = builder.operator_name(node)
    layout = layouts.channels_last(result.shape)
    output = output_tensor(builder, node, name, layout.rows, layout.cols)
    taps = _taps_first(weight.constant)
    if is_pointwise(node):
        view = builder.view(node, x)
        tensor = builder.matrix(node, view, layouts.channels_last(x.shape))
        builder.add(
            Linear(
                name=name,
                input=tensor,
                weight=np.ascontiguousarray(taps[0, 0]),
                weight_zero_point=weight_zero_point,
                output=output,
                **behind,
            )
        )
    else:
        builder.add(
            Conv(
                name=name,
                input=_pixels(builder, node, x, image),
                image=image,
                window=window_of(node),
                weight=taps,
                weight_zero_point=weight_zero_point,
                groups=int(node.attributes["group"]),
                output=output,
                **behind,
            )
        )
    builder.define(result, output, layout)


def _taps_first(weight: NDArray[Any]) -> NDArray[Any]:
    """[O, I, (H,) W] as [H, W, I, O]."""
    if weight.ndim == 3:
        weight = weight[:, :, None]
    return np.ascontiguousarray(weight.transpose(2, 3, 1, 0))


def _pixels(builder: Builder, node: Node, x: Value, image: Image) -> Tensor:
    """The images: inputs of the model with few channels in image rows, others in pixels."""
    view = builder.view(node, x)
    layout = layouts.channels_last(x.shape)
    if image.channels % _LANES and view.sources[0] in builder.inputs.values():
        readers = builder.consumers.of(x)
        if all(
            reader.op in ("Conv", "ConvInteger")
            and not is_pointwise(reader)
            and reader.attributes["group"] == 1
            for reader in readers
        ):
            rows = Layout(layout.perm, image.batch * image.height, image.width * image.channels)
            found = builder.free(view, rows)
            if found is not None:
                return found
    return builder.matrix(node, view, layout)
