"""What the normal form of a model looks like: what is one node, and what is none."""

from __future__ import annotations

import normal_interpreter
import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_cases import conv, gemm, matmul, op
from onnx_models import ModelBuilder, onnx_runtime, sample_of

from arch.isa import ElementType
from workloads.onnx_import import context
from workloads.onnx_import.normal import Normalized
from workloads.onnx_import.normalize import normalize_model

IMAGE = (1, 4, 6, 6)
ROWS = (3, 10)


def form(b: ModelBuilder, *outputs: str) -> Normalized:
    return normalize_model(b.model(*outputs), "test")


def operators(normalized: Normalized) -> list[str]:
    return ["+".join([node.op, *(f.op for f in node.functions)]) for node in normalized.nodes]


def test_functions_behind_an_operator_belong_to_its_node():
    b = ModelBuilder()
    y = conv((5, 4, 1, 1))(b, b.through(b.input(IMAGE)))
    y = b.through(b.node("Clip", [b.node("LeakyRelu", [y], alpha=0.5), b.constant(np.float32(-1))]))
    (node,) = form(b, y).nodes
    assert node.name.startswith("conv_")
    assert [f.op for f in node.functions] == ["LeakyRelu", "Clip"]
    assert node.functions[0].attributes == {"alpha": 0.5}
    assert node.functions[1].attributes == {"min": -1.0, "max": np.inf}


def test_a_function_between_quantisations_is_a_node_of_its_own():
    b = ModelBuilder()
    y = b.through(conv((5, 4, 1, 1))(b, b.through(b.input(IMAGE))), 0.1)
    assert operators(form(b, b.through(b.node("Tanh", [y]), 0.01))) == ["Conv", "Tanh"]


def test_what_is_quantised_before_and_behind_a_function_is_computed_for_each():
    b = ModelBuilder()
    y = conv((5, 4, 1, 1))(b, b.through(b.input(IMAGE)))
    normalized = form(b, b.through(y, 0.1), b.through(b.node("Relu", [y]), 0.2))
    assert operators(normalized) == ["Conv", "Conv+Relu"]
    assert len({node.name for node in normalized.nodes}) == 2


def test_the_same_quantisation_again_is_nothing():
    b = ModelBuilder()
    y = b.through(b.node("Tanh", [b.through(b.input(ROWS))]), 0.01)
    again = b.through(b.through(y, 0.01), 0.01)
    assert operators(form(b, again)) == ["Tanh"]


def test_another_quantisation_is_a_requantize_node():
    b = ModelBuilder()
    y = b.through(b.through(b.input(ROWS), 0.05), 0.07, 3, np.int8)
    (node,) = form(b, y).nodes
    assert node.op == "Requantize"
    assert node.inputs[0].element_type is ElementType.UINT8
    assert node.outputs[0].element_type is ElementType.INT8
    assert node.outputs[0].zero_point == 3


@pytest.mark.parametrize(("scale", "made"), [(0.05, []), (0.06, ["Requantize"])])
def test_quantisation_behind_a_movement_counts_where_it_differs(scale, made):
    b = ModelBuilder()
    y = b.node("Transpose", [b.through(b.input(ROWS), 0.05)])
    assert operators(form(b, b.through(y, scale))) == ["Transpose", *made]


def test_movements_keep_codes_between_operators():
    b = ModelBuilder()
    y = b.node("Transpose", [b.through(b.input((2, 3, 4)))], perm=[0, 2, 1])
    y = b.node("MatMul", [b.node("Reshape", [y, b.constant(np.array([8, 3]))]), b.weight((3, 5))])
    first, second, third = form(b, b.through(y)).nodes
    assert (first.op, second.op, third.op) == ("Transpose", "Reshape", "MatMul")
    assert third.inputs[0].scale == first.inputs[0].scale == np.float32(0.05)


def test_movements_that_move_nothing_are_no_nodes():
    b = ModelBuilder()
    y = b.through(b.input(ROWS))
    for case in (
        op("Identity"),
        op("Dropout"),
        op("Reshape", np.array([3, 10])),
        op("Transpose", perm=[0, 1]),
        op("Slice", np.array([0]), np.array([99])),
        op("Pad", np.array([0, 0, 0, 0])),
        op("Cast", to=1),
    ):
        y = case(b, y)
    assert operators(form(b, b.through(b.node("Tanh", [y])))) == ["Tanh"]


def test_a_movement_in_front_of_quantisation_moves_codes():
    b = ModelBuilder()
    y = b.node("Transpose", [b.input(ROWS)])
    y = b.node("Flatten", [b.node("Relu", [conv((5, 3, 1, 1))(b, self_as_image(b, b.through(y)))])])
    normalized = form(b, b.through(y, 0.1, 7))
    assert operators(normalized) == ["Transpose", "Reshape", "Conv+Relu", "Reshape"]
    assert normalized.inputs["x"].shape == ROWS
    assert {int(node.outputs[0].zero_point) for node in normalized.nodes[2:]} == {7}


def self_as_image(b: ModelBuilder, x: str) -> str:
    """[10, 3] as [1, 3, 2, 5] would need a transposition: channels are taken as they come."""
    return b.node("Reshape", [x, b.constant(np.array([1, 3, 2, 5]))])


def test_parts_of_a_concat_are_requantised_where_they_differ():
    b = ModelBuilder()
    x = b.through(b.input(ROWS), 0.05)
    y = b.through(b.node("Neg", [x]), 0.06)
    z = b.through(b.node("Concat", [x, y, x], axis=0), 0.06)
    normalized = form(b, z)
    assert operators(normalized) == ["Neg", "Requantize", "Concat"]
    first, second, third = (value.name for value in normalized.nodes[-1].inputs)
    assert first == third != second


def test_edges_in_floating_point_are_the_hosts():
    b = ModelBuilder()
    y = b.through(b.node("Tanh", [b.through(b.input(ROWS), 0.05, 3)]), 0.01)
    normalized = form(b, y)
    assert normalized.host_operators == ("quantise 'x'", f"dequantise '{y}'")
    assert normalized.float_inputs == {"x"}
    assert normalized.float_outputs == {y}
    assert normalized.inputs["x"].scale == np.float32(0.05)
    assert normalized.inputs["x"].zero_point == 3


def test_inputs_that_no_output_needs_are_left_out():
    b = ModelBuilder()
    x, unused = b.input(ROWS), b.input(ROWS, name="unused")
    b.node("Softmax", [unused])
    assert set(form(b, b.through(b.node("Tanh", [b.through(x)]))).inputs) == {"x"}


def test_biases_are_sums():
    """In the scale of input times weight: codes that have it stay, others are rounded to it."""
    b = ModelBuilder()
    x = b.through(b.input(ROWS), 0.5)
    scale = np.array([0.25, 0.5], np.float32)
    weight = b.dequantize(b.constant(np.ones((2, 10), np.int8)), scale, [0, 0], np.int8, axis=0)
    given = np.array([1000, -3], np.int32)
    biases = (
        b.dequantize(b.constant(given), 0.5 * scale, [0, 0], np.int32, axis=0),
        b.dequantize(b.constant(given), np.float32(0.0625), 0, np.int32),
        b.constant(np.array([125.07, -0.75], np.float32)),
    )
    outputs = [b.through(b.node("Gemm", [x, weight, bias], transB=1)) for bias in biases]
    made = [node.inputs[2].constant.tolist() for node in form(b, *outputs).nodes]
    assert made == [[1000, -3], [500, -1], [1001, -3]]


def test_weights_are_transposed_at_import():
    b = ModelBuilder()
    (node,) = form(b, b.through(gemm(0, transB=1)(b, b.through(b.input(ROWS))))).nodes
    assert node.inputs[1].shape == (10, 6)
    assert node.inputs[1].axis == 1
    assert node.inputs[1].constant.shape == (10, 6)
    assert node.attributes == {}


def test_weights_may_be_floats_that_the_model_quantises():
    b = ModelBuilder()
    floats = np.array([[0.26, -9.0], [0.74, 1.0]], np.float32)
    codes = b.quantize(b.constant(floats), [0.5, 0.25], [0, 0], np.int8, axis=1)
    weight = b.dequantize(codes, [0.5, 0.25], [0, 0], np.int8, axis=1)
    (node,) = form(b, b.through(b.node("MatMul", [b.through(b.input((3, 2))), weight]))).nodes
    assert node.inputs[1].constant.tolist() == [[1, -36], [1, 4]]


def test_large_models_may_fold_large_constants(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(context, "_FOLDED_BYTES", 0)
    test_weights_may_be_floats_that_the_model_quantises()


def test_weights_are_moved_at_import():
    b = ModelBuilder()
    weight = b.node("Transpose", [b.weight((6, 10), axis=0)], perm=[1, 0])
    (node,) = form(b, b.through(b.node("MatMul", [b.through(b.input(ROWS)), weight]))).nodes
    assert node.inputs[1].axis == 1


def test_shapes_that_a_model_computes_are_folded():
    b = ModelBuilder()
    y = b.through(b.input((2, 3, 4, 4)))
    batch = b.node("Gather", [b.node("Shape", [y]), b.constant(np.int64(0))])
    batch = b.node("Unsqueeze", [batch, b.constant(np.array([0]))])
    batch = b.node("Cast", [b.node("Cast", [batch], to=1)], to=TensorProto.INT64)
    filled = helper.make_tensor("value", TensorProto.INT64, [1], [-7])
    rest = b.node("ConstantOfShape", [b.constant(np.array([1]))], value=filled)
    rest = b.node("Div", [rest, b.constant(np.array([4]))])
    shape = b.node("Concat", [batch, rest], axis=0)
    same = b.node("Equal", [shape, b.constant(np.array([2, 2]))])
    shape = b.node("Where", [same, shape, shape])
    normalized = form(b, b.through(b.node("Reshape", [y, shape])))
    assert operators(normalized) == ["Reshape"]
    assert normalized.nodes[0].outputs[0].shape == (2, 48)


@pytest.mark.parametrize("opset", [13, 15, 18, 21, 23, 25, 28])
def test_versions_of_operators_give_one_form(opset):
    b = ModelBuilder(opset=opset)
    x = b.quantize(b.input((2, 3, 4)), 0.05, 128)
    y = b.dequantize(x, 0.05, 128)
    y = b.node(
        "Squeeze", [b.node("Unsqueeze", [y, b.constant(np.array([1]))]), b.constant(np.array([1]))]
    )
    axes = b.constant(np.array([-1]))
    if opset < 18:
        y = b.node("ReduceMean", [y], axes=[-1], keepdims=0)
    else:
        y = b.node("ReduceMean", [y, axes], keepdims=0)
    pads = [b.constant(np.array([1, 0])), "", b.constant(np.array([1]))]
    y = b.through(y)
    y = b.node("Pad", [y, *(pads if opset >= 18 else [b.constant(np.array([0, 1, 0, 0]))])])
    left, _ = b.node("Split", [y], 2, axis=1, **({"num_outputs": 2} if opset >= 18 else {}))
    y = b.through(b.node("Softmax", [left]), 1 / 256, 0)
    model = b.model(y)
    normalized = normalize_model(model, "test")
    made = ["Reshape", "Reshape", "ReduceMean", "Pad", "Slice", "Softmax"]
    assert operators(normalized) == made
    assert normalized.nodes[2].attributes == {"axes": (2,), "keepdims": False}
    assert normalized.nodes[3].attributes == {"pads": (0, 1, 0, 0), "mode": "constant", "fill": 128}
    assert normalized.nodes[4].attributes == {"starts": (0, 0), "steps": (1, 1)}
    assert normalized.nodes[5].attributes == {"axis": 1}
    if opset < 25:
        feeds = {"x": sample_of((2, 3, 4))}
        expected = onnx_runtime(model, feeds, optimize=False)[y]
        np.testing.assert_allclose(
            normal_interpreter.run(normalized, feeds)[y], expected, atol=1.01 / 256
        )


def test_output_type_of_quantisation_may_be_an_attribute():
    b = ModelBuilder(opset=21)
    scale = b.constant(np.float32(0.05))
    x = b.node("QuantizeLinear", [b.input(ROWS), scale], output_dtype=TensorProto.INT8)
    y = b.node(
        "QuantizeLinear", [b.node("DequantizeLinear", [x, scale]), b.constant(np.float32(0.1))]
    )
    (node,) = normalize_model(b.model(y, kind=TensorProto.UINT8), "test").nodes
    assert node.inputs[0].element_type is ElementType.INT8
    assert node.outputs[0].element_type is ElementType.UINT8


def test_gelu_and_swish_have_one_form():
    b = ModelBuilder(opset=24)
    x = b.through(b.input(ROWS))
    outputs = [
        b.through(b.node("Gelu", [x], approximate="tanh")),
        b.through(b.node("Gelu", [x])),
        b.through(b.node("Swish", [x])),
    ]
    assert [node.attributes for node in form(b, *outputs).nodes] == [
        {"approximate": "tanh"},
        {"approximate": "none"},
        {},
    ]


def test_a_product_of_both_operands_computed_reads_both():
    b = ModelBuilder()
    x = b.through(b.input((2, 3, 4)))
    y = b.node("Transpose", [b.through(b.node("Tanh", [x]), 0.01)], perm=[0, 2, 1])
    *_, node = form(b, b.through(b.node("MatMul", [x, y]), 0.5)).nodes
    assert node.op == "MatMul"
    assert [value.shape for value in node.inputs[:2]] == [(2, 3, 4), (2, 4, 3)]
    assert node.inputs[2] is None


def test_the_last_part_of_a_split_may_be_smaller():
    b = ModelBuilder(opset=18)
    parts = b.node("Split", [b.through(b.input(ROWS))], 3, axis=1, num_outputs=3)
    normalized = form(b, *(b.through(part) for part in parts))
    assert [node.outputs[0].shape for node in normalized.nodes] == [(3, 4), (3, 4), (3, 2)]
    assert [node.attributes["starts"] for node in normalized.nodes] == [(0, 0), (0, 4), (0, 8)]


def test_initializers_may_be_listed_as_inputs():
    b = ModelBuilder()
    y = b.node("MatMul", [b.through(b.input(ROWS)), b.weight((10, 4))])
    model = b.model(b.through(y))
    for tensor in model.graph.initializer:
        info = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        model.graph.input.append(info)
    assert set(normalize_model(model, "test").inputs) == {"x"}


def test_axes_ascend():
    b = ModelBuilder()
    y = b.node("ReduceMean", [b.through(b.input((2, 3, 4)))], axes=[-1, 0], keepdims=1)
    (node,) = form(b, b.through(y)).nodes
    assert node.attributes == {"axes": (0, 2), "keepdims": True}


def test_padding_is_explicit():
    b = ModelBuilder()
    case = conv((5, 4, 3, 2), auto_pad="SAME_UPPER", strides=[2, 2])
    (node,) = form(b, b.through(case(b, b.through(b.input(IMAGE))))).nodes
    assert node.attributes == {
        "kernel_shape": (3, 2),
        "strides": (2, 2),
        "dilations": (1, 1),
        "pads": (0, 0, 1, 0),
        "group": 1,
    }


def test_what_a_bias_is_added_to_is_still_one_node():
    b = ModelBuilder()
    y = b.node(
        "Add", [b.floats(1, 5, 1, 1), conv((5, 4, 1, 1), bias=False)(b, b.through(b.input(IMAGE)))]
    )
    (node,) = form(b, b.through(b.node("Relu", [y]))).nodes
    assert node.inputs[2].shape == (5,)
    assert [f.op for f in node.functions] == ["Relu"]


def test_vectors_are_matrices():
    b = ModelBuilder()
    y = matmul(8, 6)(b, b.through(b.input((8,))))
    assert operators(form(b, b.through(y))) == ["Reshape", "MatMul", "Reshape"]
