"""Graphs of imported models compute what ONNX Runtime does, operator by operator."""

import logging

import numpy as np
import pytest
from float_models import mobile_network, quantized, residual_network, transformer_block
from imported import compared, differences, imported, kinds
from onnx import TensorProto
from onnx_cases import CLOSE, EXACT
from onnx_models import MICROSOFT, ModelBuilder, onnx_runtime, sample_of
from onnxruntime.quantization import QuantFormat, QuantType
from test_onnx_normalize import DTYPES, between

from arch.errors import AssayError
from flow.evaluate import evaluate
from workloads.networks import catalogue

CASES = EXACT | CLOSE
MERGED = {"identity", "dropout"}
"""ONNX Runtime leaves the first of two quantisations out."""
UNQUANTISED = {"conv swish by parts", "conv hard swish"}
INFERRED = {"max pool up, a window in the padding"}
"""Shape inference counts that window, ONNX Runtime does not."""
WITHIN_ONE = {
    "batch normalization",
    "batch normalization of rows",
    "concat of convolutions",
    "conv padded with a number",
    "softmax",
    "softmax of an inner axis",
    "layer normalization",
    "layer normalization of two axes",
    "average pool",
    "global average pool",
}
COMPUTED = [name for name in CASES if name not in MERGED | UNQUANTISED | INFERRED]

ROUNDED = {"AveragePool", "GlobalAveragePool", "LayerNormalization", "ReduceMean", "Softmax"}
"""Operators that are within one code; all others are equal."""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", COMPUTED)
def test_operators_equal_onnx_runtime(name, dtype):
    shape, case = CASES[name]
    model = between(shape, case, DTYPES[dtype])
    graph, edges = imported(model)
    (output,) = edges.outputs
    for seed in range(3):
        feeds = {"x": sample_of(shape, seed)}
        got = edges.dequantize(evaluate(graph, edges.quantize(feeds)))[output.name]
        want = onnx_runtime(model, feeds)[output.name]
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        apart = np.abs(np.rint((got - want) / output.scale))
        assert apart.max() <= (name in WITHIN_ONE)
        assert np.count_nonzero(apart) <= 1 + 0.05 * apart.size


@pytest.mark.parametrize(
    ("op", "attributes"), [("Transpose", {"perm": [2, 0, 1]}), ("Flatten", {"axis": 2})]
)
def test_models_of_nothing_but_labels_are_refused(op, attributes):
    b = ModelBuilder(3)
    x = b.through(b.input((2, 3, 4)))
    with pytest.raises(AssayError, match="model 'test' computes nothing: its outputs are its"):
        imported(b.model(b.through(b.node(op, [x], **attributes))))


@pytest.mark.parametrize("name", sorted(UNQUANTISED))
def test_functions_behind_sums_that_are_not_quantised_are_refused(name):
    with pytest.raises(
        AssayError, match=r"node 'conv_t\d+' \(Conv\): \w+ follows a result that is not quantised"
    ):
        imported(between(*CASES[name], np.uint8))


BROADCASTS = [
    ((2, 8, 5, 5), (2, 8, 5, 5), ["map"]),
    ((2, 8, 5, 5), (2, 8, 1, 1), ["map"]),
    ((2, 8, 5, 5), (8, 1, 1), ["map"]),
    ((2, 8, 1, 1), (2, 8, 5, 5), ["map"]),
    ((4, 1, 6), (1, 5, 6), ["move", "move", "map"]),
    ((2, 3, 6), (3, 6), ["move", "map"]),
    ((2, 3, 6), (2, 1, 1), ["move", "map"]),
    ((3, 6), (2, 3, 6), ["move", "map"]),
]


@pytest.mark.parametrize(("left", "right", "expected"), BROADCASTS)
@pytest.mark.parametrize("op", ["Add", "Mul", "Sub"])
def test_operands_are_broadcast(op, left, right, expected):
    b = ModelBuilder(3)
    x, y = (
        b.through(b.input(left, name="x"), 0.05, 120),
        b.through(b.input(right, name="y"), 0.037, 77),
    )
    graph = compared(b.model(b.through(b.node(op, [x, y]), 0.07, 0)), steps=op == "Sub")
    assert kinds(graph) == [*expected[:-1], "multiply" if op == "Mul" else "map"]


@pytest.mark.parametrize("shape", [(8, 1, 1), (), (1,), (1, 8, 1, 1), (5,)])
@pytest.mark.parametrize("quantised", [True, False])
@pytest.mark.parametrize("op", ["Add", "Mul", "Sub", "Div"])
def test_constants_of_channels_and_numbers(op, quantised, shape):
    b = ModelBuilder(3)
    x = b.through(b.input((2, 8, 5, 5)), 0.05, 120)
    if quantised and op != "Div":
        y = b.weight(shape, dtype=np.uint8)
    else:
        y = b.constant(b.rng.uniform(0.5, 2, shape).astype(np.float32))
    approximate = op in ("Mul", "Div") and shape not in ((), (1,))
    graph = compared(b.model(b.through(b.node(op, [x, y]), 0.07, 100)), steps=approximate)
    assert kinds(graph) == ["multiply" if approximate else "map"]
    assert len(graph.constants) == (shape not in ((), (1,)))


PRODUCTS = [
    ((5, 16), (16, 7), None, ["matmul"]),
    ((2, 3, 5, 16), (2, 3, 16, 7), None, ["matmul"]),
    ((2, 3, 5, 16), (16, 7), None, ["matmul"]),
    ((2, 3, 5, 16), (3, 16, 7), None, ["move", "matmul"]),
    ((5, 16), (3, 16, 7), None, ["move", "matmul"]),
    ((2, 3, 5, 16), (2, 3, 7, 16), (0, 1, 3, 2), ["linear", "matmul"]),
    ((2, 3, 5, 16), (2, 7, 3, 16), (0, 2, 3, 1), ["linear", "move", "matmul"]),
]


@pytest.mark.parametrize(("left", "right", "perm", "expected"), PRODUCTS)
def test_products_of_computed_tensors(left, right, perm, expected):
    b = ModelBuilder(3)
    x = b.through(b.input(left, name="x"), 0.05, 120)
    y = b.through(b.input(right, name="y"), 0.037, 77)
    if perm:
        y = b.through(b.node("MatMul", [y, b.weight((16, 16))]), 0.1, 128)
        y = b.node("Transpose", [y], perm=perm)
    graph = compared(b.model(b.through(b.node("MatMul", [x, y]), 1.0, 128)))
    assert kinds(graph) == expected
    assert graph.operators[-1].transposed == bool(perm)


MEANS = [
    ((2, 8, 9, 9), (2, 3), "sum_rows"),
    ((2, 8, 9, 9), (1,), "linear"),
    ((2, 8, 9), (2,), "linear"),
    ((2, 8, 9), (1,), "sum_rows"),
    ((2, 8, 9), (0, 1), "sum_rows"),
    ((3, 8, 9), (0, 2), "linear"),
]


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize(("shape", "axes", "kind"), MEANS)
def test_means_over_any_axes(shape, axes, kind, keepdims):
    b = ModelBuilder(3)
    x = b.through(b.input(shape))
    mean = b.node("ReduceMean", [x], axes=axes, keepdims=keepdims)
    graph = compared(b.model(b.through(mean, 0.006, 128)), steps=1)
    assert kinds(graph) == [kind]


@pytest.mark.parametrize("axis", [-1, -2])
def test_layer_normalization_of_negative_channels_and_without_bias(axis):
    b = ModelBuilder(3)
    shape = (3, 5, 16)
    gamma = b.rng.uniform(0.5, 2, shape[axis:]).astype(np.float32)
    gamma[..., ::2] *= -1
    inputs = [b.through(b.input(shape)), b.constant(gamma)]
    normal = b.node("LayerNormalization", inputs, axis=axis, epsilon=1e-5)
    graph = compared(b.model(b.through(normal, 0.03, 100)), steps=1, share=0.02)
    assert kinds(graph) == ["normalize", "multiply"]


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_sums_of_integers_are_joined_from_their_halves(kind):
    b = ModelBuilder(3)
    b.input((3, 5, 16), TensorProto.UINT8)
    weight = b.rng.integers(np.iinfo(kind).min, np.iinfo(kind).max, (16, 7)).astype(kind)
    product = b.node("MatMulInteger", ["x", b.constant(weight), b.constant(np.uint8(7))])
    graph = compared(b.model(product, kind=TensorProto.INT32))
    assert kinds(graph) == ["linear"]
    assert (graph.outputs[0].rows, graph.outputs[0].cols) == (2 * 15, 7)


def test_sums_of_two_computed_tensors():
    b = ModelBuilder(3)
    b.input((2, 5, 16), TensorProto.UINT8)
    b.input((2, 16, 7), TensorProto.INT8, "y")
    points = b.constant(np.uint8(7)), b.constant(np.int8(-5))
    product = b.node("MatMulInteger", ["x", "y", *points])
    assert kinds(compared(b.model(product, kind=TensorProto.INT32))) == ["matmul"]


def test_sums_of_a_convolution():
    b = ModelBuilder(3)
    b.input((2, 4, 7, 7), TensorProto.UINT8)
    weight = b.constant(b.rng.integers(0, 256, (6, 4, 3, 3)).astype(np.uint8))
    points = b.constant(np.uint8(7)), b.constant(np.uint8(100))
    sums = b.node("ConvInteger", ["x", weight, *points], pads=[1, 0, 1, 2], strides=[2, 1])
    model = b.model(sums, kind=TensorProto.INT32)
    assert kinds(compared(model, optimize=False)) == ["conv"]


def test_sums_scaled_by_the_host():
    b = ModelBuilder(3)
    b.input((3, 16), TensorProto.UINT8)
    weight = b.constant(b.rng.integers(-128, 128, (16, 7)).astype(np.int8))
    sums = b.node("Cast", [b.node("MatMulInteger", ["x", weight])], to=TensorProto.FLOAT)
    graph = compared(b.model(b.node("Mul", [sums, b.constant(np.float32(0.013))])))
    assert kinds(graph) == ["linear"]


FORMS = [
    (QuantFormat.QDQ, QuantType.QUInt8, QuantType.QInt8),
    (QuantFormat.QDQ, QuantType.QInt8, QuantType.QInt8),
    (QuantFormat.QOperator, QuantType.QUInt8, QuantType.QUInt8),
    (QuantFormat.QOperator, QuantType.QInt8, QuantType.QInt8),
]
QUANTISED = [
    (network, form)
    for network in (residual_network, mobile_network, transformer_block)
    for form in FORMS
    # Normalisation has no quantised form as an operator.
    if network is not transformer_block or form[0] is QuantFormat.QDQ
]


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("network", "form"), QUANTISED)
def test_quantised_networks_equal_onnx_runtime_node_by_node(
    network, form, per_channel, tmp_path, monkeypatch
):
    # The quantiser advises to prepare models first, once for each.
    monkeypatch.setattr(logging.root, "disabled", True)
    found = differences(quantized(network(), tmp_path, *form, per_channel))
    assert len(found) >= 7
    for node, (op, most, share) in found.items():
        assert most <= (op in ROUNDED), node
        assert share <= 0.12, node


@pytest.mark.parametrize("name", ["resnet8", "ds_cnn", "digits", "mobilenet_v1_025", "autoencoder"])
def test_networks_equal_onnx_runtime_node_by_node(name):
    found = differences(catalogue.build(name).model)
    assert len(found) >= 7
    for node, (op, most, _) in found.items():
        assert most <= (op in ROUNDED), node


def test_gelu_of_microsoft_is_a_table():
    b = ModelBuilder(3)
    x = b.through(b.input((4, 64)), 0.05, 120)
    graph = compared(b.model(b.through(b.node("Gelu", [x], domain=MICROSOFT), 0.04, 10)))
    assert kinds(graph) == ["map"]
