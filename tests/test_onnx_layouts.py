"""How imported tensors lie, and what moves."""

import numpy as np
import pytest
from imported import compared, imported, kinds
from onnx_models import ModelBuilder

from arch.isa import ElementType
from workloads.onnx_graph import layouts
from workloads.onnx_graph.layouts import Layout, Source, View, joined
from workloads.tensor import Tensor


def conv(b, x, *shape, scale=0.4, **attributes):
    if shape[2:] == (3, 3):
        attributes.setdefault("pads", [1] * 4)
    return b.through(b.node("Conv", [x, b.weight(shape)], **attributes), scale)


def shaped(b, x, op, *constants, scale=0.4, **attributes):
    given = [b.constant(np.array(each)) for each in constants]
    return b.through(b.node(op, [x, *given], **attributes), scale)


def view_of(shape, layout):
    tensor = Tensor("t", layout.rows, layout.cols, ElementType.INT8)
    return View(shape, (Source(tensor.rows * tensor.cols, tensor),), perm=layout.perm)


def test_extents_of_one_are_free():
    images = view_of((3, 8, 1, 1), layouts.channels_last((3, 8, 1, 1)))
    assert images.reshaped((3, 8)).holds(layouts.natural((3, 8)))


def test_transposed_twice_is_the_same_matrix():
    view = view_of((2, 3, 4, 5), layouts.channels_last((2, 3, 4, 5)))
    there = view.transposed((0, 2, 3, 1))
    assert there.holds(layouts.natural((2, 4, 5, 3)))
    assert there.transposed((0, 3, 1, 2)).holds(layouts.channels_last((2, 3, 4, 5)))


@pytest.mark.parametrize("seed", range(20))
def test_views_follow_numpy(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(extent) for extent in rng.integers(1, 5, 4))
    layout = layouts.permuted(shape, tuple(int(axis) for axis in rng.permutation(4)))
    view = view_of(shape, layout)
    codes = rng.integers(0, 100, shape)
    flat = codes.transpose(layout.perm).reshape(-1)
    for _ in range(4):
        axes = tuple(int(axis) for axis in rng.permutation(len(view.shape)))
        view, codes = view.transposed(axes), codes.transpose(axes)
        merged = (codes.shape[0], int(np.prod(codes.shape[1:])))
        view, codes = view.reshaped(merged), codes.reshape(merged)
        view, codes = view.reshaped((*merged, 1)), codes.reshape((*merged, 1))
        np.testing.assert_array_equal(flat[view.numbers()], codes)
    both = joined([view, view], 1)
    np.testing.assert_array_equal(flat[both.numbers()], np.concatenate([codes, codes], 1))
    assert len(both.sources) == 1


def test_rows_that_end_within_an_axis_belong_to_no_axes():
    assert Layout((0, 1), 3, 8).row_axes((6, 4)) is None
    assert Layout((0, 1, 2), 6, 4).row_axes((2, 3, 4)) == 2


def test_images_of_few_channels_come_in_rows():
    b = ModelBuilder(3)
    x = b.through(b.input((2, 3, 9, 7)))
    graph = compared(b.model(conv(b, x, 8, 3, 3, 3)))
    assert [(t.rows, t.cols) for t in graph.inputs] == [(2 * 9, 7 * 3)]


@pytest.mark.parametrize(
    ("channels", "shape", "groups"), [(16, (8, 16, 3, 3), 1), (3, (6, 1, 3, 3), 3)]
)
def test_other_images_come_in_pixels(channels, shape, groups):
    b = ModelBuilder(3)
    x = b.through(b.input((2, channels, 9, 7)))
    graph = compared(b.model(conv(b, x, *shape, group=groups)))
    assert [(t.rows, t.cols) for t in graph.inputs] == [(2 * 9 * 7, channels)]


def test_images_that_something_else_reads_come_in_pixels():
    b = ModelBuilder(3)
    x = b.through(b.input((1, 3, 6, 6)))
    y = b.through(b.node("Add", [x, conv(b, x, 3, 3, 3, 3)]), 0.4)
    graph = compared(b.model(y))
    assert kinds(graph) == ["conv"]
    assert [(t.rows, t.cols) for t in graph.inputs] == [(36, 3)]


def test_channels_last_models_transpose_for_nothing():
    b = ModelBuilder(3)
    x = shaped(b, b.through(b.input((2, 9, 9, 3))), "Transpose", perm=[0, 3, 1, 2], scale=0.05)
    y = shaped(b, conv(b, x, 8, 3, 3, 3), "Transpose", perm=[0, 2, 3, 1])
    assert kinds(compared(b.model(y))) == ["conv"]


@pytest.mark.parametrize("kernel", [(3, 3), (1, 1)])
def test_a_product_with_flat_images_is_a_convolution_over_them(kernel):
    b = ModelBuilder(3)
    y = conv(b, b.through(b.input((2, 8, 5, 4))), 8, 8, *kernel)
    y = shaped(b, y, "Flatten")
    graph = compared(b.model(b.through(b.node("MatMul", [y, b.weight((160, 9))]), 3.0)))
    last = graph.operators[-1]
    assert (last.kind, last.window.kernel, last.output.rows) == ("conv", (5, 4), 2)


def test_a_product_with_pooled_images_is_linear():
    b = ModelBuilder(3)
    y = conv(b, b.through(b.input((2, 8, 5, 4))), 8, 8, 3, 3)
    y = shaped(b, shaped(b, y, "GlobalMaxPool"), "Flatten")
    graph = compared(b.model(b.through(b.node("MatMul", [y, b.weight((8, 9))]), 3.0)))
    assert kinds(graph) == ["conv", "max_pool", "linear"]


def test_flat_inputs_are_rows():
    b = ModelBuilder(3)
    y = shaped(b, b.through(b.input((2, 3, 5, 5))), "Flatten", scale=0.05)
    graph = compared(b.model(b.through(b.node("MatMul", [y, b.weight((75, 9))]))))
    assert kinds(graph) == ["linear"]
    assert [(t.rows, t.cols) for t in graph.inputs] == [(2, 75)]


def test_channel_shuffle_is_one_move():
    b = ModelBuilder(3)
    y = conv(b, b.through(b.input((1, 16, 6, 6))), 16, 16, 1, 1)
    first, second = b.node("Split", [y], 2, axis=1)
    second = conv(b, b.through(second, 0.4), 8, 1, 3, 3, group=8)
    y = shaped(
        b, b.node("Concat", [b.through(first, 0.4), second], axis=1), "Reshape", [1, 2, 8, 6, 6]
    )
    y = shaped(b, y, "Transpose", perm=[0, 2, 1, 3, 4])
    y = conv(b, shaped(b, y, "Reshape", [1, 16, 6, 6]), 8, 16, 1, 1, scale=2.0)
    assert kinds(compared(b.model(y))) == ["linear", "move", "conv", "move", "linear"]


def test_parts_of_channels_are_concatenated_in_place():
    b = ModelBuilder(3)
    x = b.through(b.input((1, 16, 6, 6)))
    parts = [conv(b, x, 8, 16, 1, 1) for _ in range(3)]
    y = b.through(b.node("Concat", parts, axis=1), 0.4)
    graph = compared(b.model(conv(b, y, 8, 24, 3, 3, scale=2.0)))
    assert kinds(graph) == ["linear"] * 3 + ["concat", "conv"]


def test_parts_of_rows_and_constants_move():
    b = ModelBuilder(3)
    x = b.through(b.input((1, 5, 16)), 0.02, 120)
    codes = b.rng.integers(0, 256, (1, 1, 16)).astype(np.uint8)
    token = b.dequantize(b.constant(codes), 0.02, 120)
    y = b.through(b.node("Concat", [token, x], axis=1), 0.02, 120)
    graph = compared(b.model(y))
    assert kinds(graph) == ["move"]
    assert len(graph.operators[0].inputs) == 2


def test_moves_in_a_row_are_one():
    b = ModelBuilder(3)
    y = conv(b, b.through(b.input((1, 8, 6, 6))), 8, 8, 3, 3)
    y = shaped(b, y, "Pad", [0, 0, 1, 1, 0, 0, 1, 1])
    y = shaped(b, y, "Slice", [2], [7], [2])
    y = shaped(b, y, "Transpose", perm=[0, 1, 3, 2])
    y = b.node("Resize", [y, "", b.constant(np.array([1, 1, 2, 2], np.float32))], mode="nearest")
    y = conv(b, b.through(y, 0.4), 4, 8, 1, 1, scale=2.0)
    graph = compared(b.model(y))
    assert kinds(graph) == ["conv", "move", "linear"]
    assert -1 in graph.operators[1].index


def test_moves_for_several_readers_are_made_once():
    b = ModelBuilder(3)
    y = conv(b, b.through(b.input((1, 8, 6, 6))), 8, 8, 3, 3)
    y = shaped(b, y, "Slice", [1], [5], [2])
    one, other = conv(b, y, 4, 8, 1, 1, scale=2.0), conv(b, y, 4, 8, 3, 3, scale=2.0)
    graph, _ = imported(b.model(one, other))
    assert kinds(graph) == ["conv", "move", "linear", "conv"]
