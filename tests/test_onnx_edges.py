"""What the host does in front of an imported graph and behind it; names; refusals."""

import numpy as np
import pytest
from imported import compared, imported
from onnx import TensorProto
from onnx_models import ModelBuilder

from arch.errors import AssayError
from arch.isa import ElementType
from flow.evaluate import evaluate
from workloads.onnx_graph.lowering import build_graph
from workloads.onnx_graph.naming import Names, OperatorNames, readable
from workloads.onnx_import.normal import Function, Node, Normalized, Value


def small(shape=(1, 2, 4, 4)):
    b = ModelBuilder(3)
    x = b.through(b.input(shape))
    return b.model(b.through(b.node("LeakyRelu", [x]), 0.06, 100))


def value(name, shape, kind=ElementType.UINT8, scale=0.05, zero_point=128, **others):
    return Value(name, shape, kind, np.float32(scale), np.array(zero_point), **others)


def refused(node, match, inputs=None):
    read = inputs or {v.name: v for v in node.inputs if v is not None and v.constant is None}
    model = Normalized("m", (node,), read, {"y": node.outputs[0]}, (), frozenset(read), frozenset())
    with pytest.raises(AssayError, match=match):
        build_graph(model)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, r"no array for input 'x' of the model: its inputs are 'x'"),
        ({"z": np.zeros(1)}, r"the model has no input 'z': its inputs are 'x'"),
        (
            {"x": np.zeros((4, 4), np.float32)},
            r"input 'x' is \[4, 4\], must be \[1, 2, 4, 4\]: reshape it",
        ),
        ({"x": np.zeros((1, 2, 4, 4))}, r"input 'x' is float64, must be float32: cast it"),
        (
            {"x": np.full((1, 2, 4, 4), np.nan, np.float32)},
            r"input 'x' holds numbers that are not finite: replace them",
        ),
    ],
)
def test_wrong_arrays_are_refused(arrays, message):
    _, edges = imported(small())
    with pytest.raises(AssayError, match=message):
        edges.quantize(arrays)


def test_quantisation_rounds_half_to_even_and_saturates():
    b = ModelBuilder(3)
    x = b.through(b.input((1, 6)), 0.5, 10)
    _, edges = imported(b.model(b.through(b.node("LeakyRelu", [x]), 0.06, 100)))
    x = np.array([[0.25, 0.75, -0.25, 1e9, -1e9, 1.0]], np.float32)
    np.testing.assert_array_equal(edges.quantize({"x": x})["x"], [[10, 12, 10, 255, 0, 12]])


def test_indices_beyond_the_table_are_refused():
    b = ModelBuilder(3)
    b.input((2, 3), TensorProto.INT64, "ids")
    table = b.dequantize(b.constant(b.rng.integers(0, 256, (20, 8)).astype(np.uint8)), 0.02, 120)
    model = b.model(b.through(b.node("Gather", [table, "ids"]), 0.02, 120))
    graph, edges = imported(model)
    assert [(t.rows, t.cols) for t in graph.inputs] == [(1, 6)]
    assert edges.seeded(0)["ids"].max() < 20
    for dtype in (np.int32, np.int64):
        assert edges.quantize({"ids": np.ones((2, 3), dtype)})["ids"].dtype == np.int32
    with pytest.raises(AssayError, match="input 'ids' holds index 20: the table has 20 rows, so"):
        edges.quantize({"ids": np.full((2, 3), 20)})
    with pytest.raises(AssayError, match="input 'ids' is float32, must be int64 or int32: cast it"):
        edges.quantize({"ids": np.ones((2, 3), np.float32)})


def test_seeded_inputs_fit_the_graph_and_are_reproducible():
    graph, edges = imported(small())
    first, again, other = edges.seeded(1), edges.seeded(1), edges.seeded(2)
    evaluate(graph, first)
    np.testing.assert_array_equal(first["x"], again["x"])
    assert np.any(first["x"] != other["x"])


def test_the_host_quantises_and_dequantises():
    _, edges = imported(small())
    assert edges.host_operators[0] == "quantise 'x'"
    assert len(edges.host_operators) == 2


def test_joining_halves_is_the_hosts():
    b = ModelBuilder(3)
    b.input((3, 16), TensorProto.UINT8)
    weight = b.constant(b.rng.integers(-128, 128, (16, 7)).astype(np.int8))
    _, edges = imported(b.model(b.node("MatMulInteger", ["x", weight]), kind=TensorProto.INT32))
    assert edges.host_operators == ("join the halves of 't2'",)


def test_codes_are_inputs_and_outputs_where_the_model_has_them():
    b = ModelBuilder(3)
    x = b.dequantize(b.input((1, 5, 8), TensorProto.UINT8), 0.05, 128)
    y = b.quantize(b.node("MatMul", [x, b.weight((8, 6))]), 0.4, 128)
    graph = compared(b.model(y, kind=TensorProto.UINT8))
    assert [t.element_type for t in (*graph.inputs, *graph.outputs)] == [ElementType.UINT8] * 2


def test_outputs_are_inputs_moved_or_read_again():
    b = ModelBuilder(3)
    x = b.through(b.input((2, 8, 5, 5)))
    y = b.through(b.node("Conv", [x, b.weight((8, 8, 3, 3))]), 0.4)
    turned = b.through(b.node("Transpose", [y], perm=[2, 3, 0, 1]), 0.4)
    part = b.through(b.node("Slice", [y, *(b.constant(np.array([i])) for i in (1, 3, 2))]), 0.4)
    z = b.through(b.node("Tanh", [y]), 1 / 128)
    graph = compared(b.model(y, z, x, turned, part))
    assert [t.name for t in graph.outputs] == [y, z, x + "_2" if x == "x" else x, part]


def test_operators_are_named_after_their_nodes():
    names = OperatorNames()
    first = ("/layer1/layer1.0/conv1/Conv", "Conv")
    assert names.name(*first) == "layer1_0_conv1"
    assert names.name(*first, "clamp") == "layer1_0_conv1.clamp"
    assert names.name(*first, "clamp") == "layer1_0_conv1.clamp_2"
    assert names.name("/encoder/layer.3/attention/self/query/MatMul", "MatMul") == (
        "layer_3_attention_self_query"
    )
    assert names.name("block1/conv1/Conv2D_quant", "Conv") == "block1_conv1_Conv2D"
    assert names.name("block1_conv1_Conv2D", "Conv") == "block1_conv1_Conv2D_2"
    assert names.name("数", "Add") == "add"


def test_names_are_unique_and_short():
    names = Names()
    made = [names.unique("a_tensor_of_a_rather_long_name_that_is_cut") for _ in range(12)]
    assert len(set(made)) == 12
    assert max(map(len, made)) == 40
    long = "model/äöü/some/longer/module/a_long_name_of_a_tensor:0"
    assert readable(long) == "longer/module/a_long_name_of_a_tensor:0"


def test_long_names_of_inputs_reach_the_graph_shortened():
    b = ModelBuilder(3)
    name = "serving_default_of_this_signature_input_images:0"
    x = b.through(b.input((1, 8), name=name))
    model = b.model(b.through(b.node("LeakyRelu", [x]), 0.06, 100))
    graph = compared(model)
    assert [t.name for t in graph.inputs] == [name[-40:]]


X = value("x", (1, 4, 4))


def test_unknown_operators_are_refused():
    refused(
        Node("n", "Lstm", (X,), (value("y", (1, 4, 4)),)),
        r"node 'n' \(Lstm\): no such operator: the supported ones are Abs, Add",
    )


def test_functions_that_are_unknown_are_refused():
    node = Node("n", "Relu", (X,), (value("y", (1, 4, 4)),), (Function("Cos"),))
    refused(node, r"node 'n' \(Relu\): the function Cos is unknown: use one of Abs")


def test_values_that_cannot_be_mapped_are_refused():
    wide = value("x", (1, 4, 4), ElementType.INT16)
    made = value("y", (1, 4, 4))
    refused(
        Node("n", "Tanh", (wide,), (made,)),
        r"node 'n' \(Tanh\): 'x' is int16: quantise it to int8 or uint8",
    )
    many = Value("x", (1, 4, 4), ElementType.INT8, np.ones(4, np.float32), np.zeros(4, np.int64), 1)
    refused(
        Node("n", "Tanh", (many,), (made,)),
        "'x' has a scale for each channel, which only weights may: quantise it with one",
    )
    refused(
        Node("n", "Tanh", (X,), (Value("y", (1, 4, 4), ElementType.INT8),)),
        "'y' is not quantised: put QuantizeLinear and DequantizeLinear around the operator",
    )
    refused(
        Node("n", "Tanh", (value("x", (1, 4, 4), scale=0.0),), (made,)),
        "the scale 0 of 'x' must be a positive normal float32",
    )


def test_shapes_that_cannot_be_mapped_are_refused():
    shape = (1,) * 7
    refused(
        Node("n", "Tanh", (value("x", shape),), (value("y", shape),)),
        "'x' has 7 axes: use 6 at most",
    )
    shape = (1 << 14, 1 << 14)
    refused(
        Node("n", "Tanh", (value("x", shape),), (value("y", shape),)),
        r"'x' is \[16384, 16384\]: give it 1 to 67108864 elements",
    )
    shape = (1, 2, 3, 4, 5)
    refused(
        Node("n", "MaxPool", (value("x", shape),), (value("y", shape),)),
        r"'x' is \[1, 2, 3, 4, 5\]: images of one or two dimensions are supported",
    )


def test_limits_of_operators_name_the_node():
    shape = (1, 1, 1, 400)
    attributes = {
        "kernel_shape": (1, 300),
        "strides": (1, 1),
        "dilations": (1, 1),
        "pads": (0, 0, 0, 0),
    }
    node = Node("n", "MaxPool", (value("x", shape),), (value("y", (1, 1, 1, 101)),), (), attributes)
    refused(
        node,
        r"node 'n' \(MaxPool\): operator 'n': extent of the kernel = 300 must be 1 to 255",
    )


def test_normalisations_beyond_their_range_are_refused():
    scale, bias = (Value(name, (4,), None, constant=np.ones(4, np.float32)) for name in "gb")
    attributes = {"axis": 2, "epsilon": 1e-5}
    tiny = value("x", (1, 4, 4), scale=1e-9)
    refused(
        Node(
            "n", "LayerNormalization", (tiny, scale, bias), (value("y", (1, 4, 4)),), (), attributes
        ),
        "epsilon = 1e-05 is 1.6e.14 in squared steps of the input, 2.32 at most",
    )
    fine = value("y", (1, 4, 4), scale=1e-6)
    refused(
        Node("n", "LayerNormalization", (X, scale, bias), (fine,), (), attributes),
        "its bias reaches 1e.06 steps of the output: quantise the output with a larger scale",
    )


def test_division_by_what_is_computed_or_nothing_is_refused():
    y = value("y", (1, 4, 4))
    refused(Node("n", "Div", (X, value("z", (1, 4, 4))), (y,)), "the divisor is not constant")
    zero = Value("z", (), None, constant=np.float32(0))
    refused(Node("n", "Div", (X, zero), (y,)), "the divisor is 0: use another")
