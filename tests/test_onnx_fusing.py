"""What of an imported graph goes through one pass."""

import numpy as np
import pytest
from imported import compared, imported, kinds
from onnx import TensorProto
from onnx_models import ModelBuilder

from arch.isa import ElementType
from workloads.epilogue import UnaryTable
from workloads.onnx_graph.additions import exchanged, pairs, qlinear_add
from workloads.onnx_graph.tables import clamp_of, composed, is_identity
from workloads.quantize import Quantization

INT8, UINT8 = ElementType.INT8, ElementType.UINT8


def conv(b, x, scale=0.4, zero_point=128):
    weight = b.weight((8, 8, 3, 3))
    return b.through(b.node("Conv", [x, weight], pads=[1] * 4), scale, zero_point)


def random_quantization(rng, kind):
    scale = np.float32(rng.choice([0.05, 0.037, 0.07, 0.1, 0.25, float(rng.uniform(0.01, 0.5))]))
    return Quantization(kind, scale, int(rng.integers(kind.low, kind.high + 1)))


@pytest.mark.parametrize("kind", [INT8, UINT8])
def test_exchanged_operands_give_the_same_sums(kind):
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(20):
        a, b, y = (random_quantization(rng, kind) for _ in range(3))
        total = exchanged(a, b, y, None)
        if total is not None:
            found += 1
            expected = pairs(qlinear_add(a, b, y), a, y, None)
            np.testing.assert_array_equal(pairs(total, b, y, None), expected.T)
    assert found >= 10


def test_functions_of_codes_are_fused_and_composed():
    b = ModelBuilder(3)
    y = conv(b, b.through(b.input((2, 8, 5, 5))), scale=0.1)
    y = b.through(b.node("HardSwish", [y]), 0.04, 10)
    y = b.through(b.node("LeakyRelu", [y], alpha=0.3), 0.05, 30)
    graph = compared(b.model(y))
    assert kinds(graph) == ["conv"]
    assert graph.operators[0].table is not None


def test_clamps_leave_the_table_free():
    b = ModelBuilder(3)
    y = conv(b, b.through(b.input((2, 8, 5, 5))))
    y = b.through(b.node("Relu", [y]), 0.4, 128)
    y = b.through(b.node("Clip", [y, b.constant(np.float32(-1)), b.constant(np.float32(6))]), 0.4)
    (operator,) = compared(b.model(y)).operators
    assert (operator.table, operator.clamp) == (None, (128, 143))


def test_codes_that_two_read_are_not_fused():
    b = ModelBuilder(3)
    y = conv(b, b.through(b.input((2, 8, 5, 5))), scale=0.05)
    gate = b.through(b.node("Sigmoid", [y]), 1 / 256, 0)
    graph = compared(b.model(b.through(b.node("Mul", [y, gate]), 0.03, 0)))
    assert kinds(graph) == ["conv", "map", "multiply"]


def test_outputs_are_not_fused():
    b = ModelBuilder(3)
    y = conv(b, b.through(b.input((2, 8, 5, 5))), scale=0.05)
    z = b.through(b.node("Tanh", [y]), 1 / 128, 128)
    assert kinds(compared(b.model(y, z))) == ["conv", "map"]


@pytest.mark.parametrize("first", [True, False])
def test_a_shortcut_is_added_by_the_convolution_made_last(first):
    b = ModelBuilder(3)
    x = b.through(b.input((2, 8, 5, 5)))
    one = conv(b, x, scale=0.413)
    other = conv(b, conv(b, x), scale=3.07, zero_point=100)
    terms = [other, one] if first else [one, other]
    y = b.through(b.node("Relu", [b.node("Add", terms)]), 1.93, 0)
    graph = compared(b.model(y))
    assert kinds(graph) == ["conv"] * 3
    last = graph.operators[-1]
    assert last.residual.tensor == graph.operators[0].output
    assert last.input == graph.operators[1].output
    assert last.output_zero_point == 100


def test_a_table_in_front_of_a_shortcut_is_fused_too():
    b = ModelBuilder(3)
    x = b.through(b.input((2, 8, 5, 5)))
    y = b.through(b.node("HardSwish", [conv(b, x, scale=0.1)]), 0.04, 10)
    graph = compared(b.model(b.through(b.node("Add", [y, x]), 0.08, 100)))
    assert kinds(graph) == ["conv"]
    assert graph.operators[0].table is not None


def test_functions_behind_a_shortcut_are_a_map():
    b = ModelBuilder(3)
    x = b.through(b.input((2, 8, 5, 5)))
    y = b.through(b.node("Add", [conv(b, x), x]), 0.4, 100)
    assert kinds(compared(b.model(b.through(b.node("Tanh", [y]), 1 / 128, 128)))) == ["conv", "map"]


def test_a_clamp_behind_a_shortcut_is_fused():
    b = ModelBuilder(3)
    x = b.through(b.input((2, 8, 5, 5)))
    y = b.through(b.node("Add", [conv(b, x), x]), 0.4, 100)
    (operator,) = compared(b.model(b.through(b.node("Relu", [y]), 0.4, 100))).operators
    assert operator.residual.clamp == (100, 255)


def test_a_sum_with_itself():
    b = ModelBuilder(3)
    y = conv(b, b.through(b.input((2, 8, 5, 5))))
    assert kinds(compared(b.model(b.through(b.node("Add", [y, y]), 0.8, 128)))) == ["conv", "map"]


def test_an_embedding_is_requantised_in_its_table():
    b = ModelBuilder(3)
    b.input((2, 6), TensorProto.INT64, "ids")
    codes = b.constant(b.rng.integers(0, 256, (50, 16)).astype(np.uint8))
    rows = b.through(b.node("Gather", [b.dequantize(codes, 0.02, 120), "ids"]), 0.02, 120)
    assert kinds(compared(b.model(b.through(b.node("Tanh", [rows]), 1 / 128, 128)))) == ["gather"]


def test_clamps_in_front_of_the_first_quantisation_are_behind_it():
    b = ModelBuilder(8)
    x = b.node("Relu", [b.node("Transpose", [b.input((3, 4, 5))], perm=[1, 2, 0])])
    x = b.node("Min", [x, b.constant(np.float32(2))])
    x = b.through(x, 0.05, 20)
    graph = compared(b.model(b.through(b.node("MatMul", [x, b.weight((3, 6))]), 0.06)))
    assert kinds(graph) == ["map", "linear"]


def test_what_no_output_needs_is_left_out():
    b = ModelBuilder(3)
    x = b.through(b.input((2, 8, 5, 5)))
    y = conv(b, x)
    conv(b, y)
    assert kinds(imported(b.model(y))[0]) == ["conv"]


def test_tables_that_only_clamp():
    codes = np.arange(256, dtype=np.uint8).view(np.int8)
    assert is_identity(UnaryTable(codes))
    assert clamp_of(UnaryTable(np.clip(codes, -3, 90))) == (-3, 90)
    assert clamp_of(UnaryTable(-np.maximum(codes, -127))) is None
    assert clamp_of(UnaryTable(codes.view(np.uint8))) is None


def test_composed_tables_follow_one_another():
    rng = np.random.default_rng(0)
    first = UnaryTable(rng.integers(-128, 128, 256).astype(np.int8), UINT8)
    second = UnaryTable(rng.integers(0, 256, 256).astype(np.uint8), INT8)
    both = composed(first, second)
    assert (both.source, both.element_type) == (UINT8, UINT8)
    for code in range(256):
        assert both.values[code] == second.values[int(first.values[code]) & 255]
