"""Operators that move, repeat or leave out elements: views, until a matrix is wanted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workloads.onnx_graph import layouts
from workloads.onnx_graph.builder import Builder
from workloads.onnx_graph.codes import given
from workloads.onnx_graph.layouts import FILL, Indices, Layout, View, joined
from workloads.onnx_import.messages import fail
from workloads.onnx_import.normal import Node, Value
from workloads.operators import Concat, Gather


def lower_reshape(builder: Builder, node: Node) -> None:
    """Reshape, Flatten, Squeeze, Unsqueeze."""
    view = builder.view(node, given(node, 0))
    builder.set_view(node.outputs[0], view.reshaped(node.outputs[0].shape))


def lower_transpose(builder: Builder, node: Node) -> None:
    """Transpose."""
    view = builder.view(node, given(node, 0))
    builder.set_view(node.outputs[0], view.transposed(tuple(node.attributes["perm"])))


def lower_chosen(builder: Builder, node: Node) -> None:
    """Slice, Resize: elements by their coordinates along each axis."""
    view = builder.view(node, given(node, 0))
    builder.set_view(node.outputs[0], view.taken(_CHOICES[node.op](node, view.numbers())))


def _sliced(node: Node, numbers: Indices) -> Indices:
    extents = node.outputs[0].shape
    starts, steps = node.attributes["starts"], node.attributes["steps"]
    return numbers[
        np.ix_(
            *(
                start + step * np.arange(extent)
                for start, step, extent in zip(starts, steps, extents, strict=True)
            )
        )
    ]


def _resized(node: Node, numbers: Indices) -> Indices:
    return numbers[np.ix_(*(np.asarray(each, np.int64) for each in node.attributes["indices"]))]


_CHOICES: dict[str, Callable[[Node, Indices], Indices]] = {"Slice": _sliced, "Resize": _resized}


def lower_pad(builder: Builder, node: Node) -> None:
    """Pad, by a code or by elements of the input."""
    x = given(node, 0)
    view, pads = builder.view(node, x), tuple(node.attributes["pads"])
    widths = list(zip(pads[: len(x.shape)], pads[len(x.shape) :], strict=True))
    mode, fill = str(node.attributes["mode"]), int(node.attributes.get("fill", 0))
    if mode != "constant":
        padded = np.pad(view.numbers(), widths, mode=mode)  # type: ignore[call-overload]
        builder.set_view(node.outputs[0], view.taken(padded))
        return
    if view.filled and view.fill != fill:
        view = _moved(builder, node, x, view)
    padded = np.pad(view.numbers(), widths, constant_values=FILL)
    taken = view.taken(padded)
    builder.set_view(
        node.outputs[0], View(taken.shape, taken.sources, taken.perm, taken.index, fill)
    )


def _moved(builder: Builder, node: Node, value: Value, view: View) -> View:
    """A view of a tensor of its own."""
    layout = builder.consumers.wanted(value)
    tensor = builder.matrix(node, view, layout)
    builder.define(value, tensor, layout)
    return builder.view(node, value)


def lower_concat(builder: Builder, node: Node) -> None:
    """Side by side where the axis makes the columns; else a view of several tensors."""
    values = [given(node, index) for index in range(len(node.inputs))]
    axis = int(node.attributes["axis"])
    if len(values) == 1:
        builder.set_view(node.outputs[0], builder.view(node, values[0]))
        return
    views = [builder.view(node, value) for value in values]
    layout = _column_layout(builder, node, values, views, axis)
    if layout is None or _is_shuffled(builder, node.outputs[0]):
        fills = {view.fill for view in views if view.filled}
        if len(fills) > 1:
            views = [
                _moved(builder, node, value, view) if view.filled else view
                for value, view in zip(values, views, strict=True)
            ]
        builder.set_view(node.outputs[0], joined(views, axis))
        return
    tensors = tuple(
        builder.matrix(node, view, layouts.permuted(view.shape, layout.perm)) for view in views
    )
    name = builder.operator_name(node)
    output = builder.tensor(name, layout.rows, layout.cols, tensors[0].element_type)
    builder.add(Concat(name, tensors, output))
    builder.define(node.outputs[0], output, layout)


def _is_shuffled(builder: Builder, value: Value) -> bool:
    """Whether its elements move in any case: where axes are split and then exchanged."""
    reshapes = builder.consumers.of(value)
    behind = [each for node in reshapes for each in builder.consumers.of(node.outputs[0])]
    return (
        bool(behind)
        and all(node.op == "Reshape" for node in reshapes)
        and all(node.op == "Transpose" for node in behind)
        and not builder.consumers.is_output(value)
    )


def _column_layout(
    builder: Builder, node: Node, values: list[Value], views: list[View], axis: int
) -> Layout | None:
    """A layout in which the parts are side by side: that of some part, or the wanted one."""
    result = node.outputs[0]
    for value, view in zip(values, views, strict=True):
        own = view.layout
        if own is None or own != layouts.permuted(value.shape, own.perm):
            continue
        if own.perm[-1] == axis:
            return layouts.permuted(result.shape, own.perm)
    wanted = builder.consumers.wanted(result)
    whole = layouts.permuted(result.shape, wanted.perm)
    return whole if wanted == whole and wanted.perm[-1] == axis else None


def lower_gather(builder: Builder, node: Node) -> None:
    """Rows of a constant table by computed indices; or elements by constant ones."""
    x, indices, result = given(node, 0), given(node, 1), node.outputs[0]
    axis = int(node.attributes["axis"])
    if indices.constant is not None:
        view = builder.view(node, x)
        numbers = np.take(view.numbers(), indices.constant.astype(np.int64), axis)
        builder.set_view(result, view.taken(numbers))
        return
    if x.constant is None:
        fail(node, "table and indices are both computed: one of them must be constant")
    if axis != 0:
        fail(node, f"its axis is {axis}: indices that are computed choose along axis 0")
    table = x.constant.reshape(x.shape[0], -1)
    count = int(np.prod(indices.shape))
    flat = builder.view(node, indices).reshaped((1, count))
    name = builder.operator_name(node)
    tensor = builder.matrix(node, flat, layouts.natural((1, count)))
    assert x.element_type is not None
    output = builder.tensor(name, count, table.shape[1], x.element_type)
    builder.add(Gather(name, tensor, np.ascontiguousarray(table), output))
    perm = tuple(range(len(result.shape)))
    builder.define(result, output, Layout(perm, count, table.shape[1]))
