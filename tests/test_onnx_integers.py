"""Operators of codes against ONNX Runtime, and integers at a model's edges."""

from __future__ import annotations

from collections.abc import Callable

import normal_interpreter
import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx_models import MICROSOFT, ModelBuilder, onnx_runtime

from arch.isa import ElementType
from workloads.onnx_import.normal import Normalized
from workloads.onnx_import.normalize import normalize_model

IMAGE = (1, 4, 6, 5)
ROWS = (3, 10)
X = (0.05, 120)
"""Scale and zero point of the input."""
Y = (0.11, 90)

Case = Callable[[ModelBuilder, str], str]


def codes(b: ModelBuilder, *shape: int, dtype: type = np.int8) -> str:
    limits = np.iinfo(dtype)
    return b.constant(b.rng.integers(limits.min, limits.max, shape, endpoint=True).astype(dtype))


def channels(b: ModelBuilder, count: int) -> list[str]:
    return b.parameters(b.rng.uniform(0.005, 0.02, count), np.zeros(count), np.int8)


def sums(b: ModelBuilder, *shape: int) -> str:
    return b.constant(b.rng.integers(-2000, 2000, shape).astype(np.int32))


def microsoft(name: str, **given: object) -> Case:
    """An operator of one tensor."""
    return lambda b, x: b.node(
        name, [x, *b.parameters(*X), *b.parameters(*Y)], domain=MICROSOFT, **given
    )


def pair(name: str) -> Case:
    def case(b: ModelBuilder, x: str) -> str:
        y = microsoft("QLinearLeakyRelu", alpha=0.5)(b, x)
        inputs = [x, *b.parameters(*X), y, *b.parameters(*Y), *b.parameters(0.2, 60)]
        return b.node(name, inputs, domain=MICROSOFT)

    return case


def qlinear_conv(b: ModelBuilder, x: str) -> str:
    inputs = [x, *b.parameters(*X), codes(b, 6, 2, 3, 3), *channels(b, 6), *b.parameters(*Y)]
    return b.node("QLinearConv", [*inputs, sums(b, 6)], group=2, pads=[1, 0, 1, 0])


def qlinear_matmul(b: ModelBuilder, x: str) -> str:
    weight = [codes(b, 10, 4), *channels(b, 4)]
    return b.node("QLinearMatMul", [x, *b.parameters(*X), *weight, *b.parameters(*Y)])


def qgemm(transposed: int, bias: bool, **given: object) -> Case:
    def case(b: ModelBuilder, x: str) -> str:
        weight = codes(b, *((4, 10) if transposed else (10, 4)))
        inputs = [x, *b.parameters(*X), weight, *channels(b, 4), sums(b, 4) if bias else ""]
        inputs += b.parameters(*Y)
        return b.node("QGemm", inputs, transB=transposed, domain=MICROSOFT, **given)

    return case


def concat(b: ModelBuilder, x: str) -> str:
    y = microsoft("QLinearSigmoid")(b, x)
    parts = [x, *b.parameters(*X), y, *b.parameters(*Y)]
    return b.node("QLinearConcat", [*b.parameters(0.1, 100), *parts], axis=1, domain=MICROSOFT)


def moved(*operators: tuple[str, list[np.ndarray], dict[str, object]]) -> Case:
    """Integer operators behind a convolution whose scale they keep, in front of another one."""

    def case(b: ModelBuilder, x: str) -> str:
        y = qlinear_conv(b, x)
        for name, constants, given in operators:
            y = b.node(name, [y, *(b.constant(each) for each in constants)], **given)
        return b.node(
            "QLinearSigmoid", [y, *b.parameters(*Y), *b.parameters(1 / 256, 0)], domain=MICROSOFT
        )

    return case


CASES: dict[str, tuple[tuple[int, ...], Case]] = {
    "QLinearConv": (IMAGE, qlinear_conv),
    "QLinearMatMul": (ROWS, qlinear_matmul),
    "QGemm": (ROWS, qgemm(0, True)),
    "QGemm transposed": (ROWS, qgemm(1, False, alpha=0.5)),
    "QLinearAdd": (ROWS, pair("QLinearAdd")),
    "QLinearMul": (ROWS, pair("QLinearMul")),
    "QLinearSigmoid": (ROWS, microsoft("QLinearSigmoid")),
    "QLinearLeakyRelu": (ROWS, microsoft("QLinearLeakyRelu", alpha=0.3)),
    "QLinearSoftmax": (ROWS, microsoft("QLinearSoftmax", axis=-1, opset=13)),
    "QLinearGlobalAveragePool": (IMAGE, microsoft("QLinearGlobalAveragePool")),
    "QLinearAveragePool": (
        IMAGE,
        microsoft("QLinearAveragePool", kernel_shape=[2, 2], strides=[2, 1]),
    ),
    "QLinearConcat": (ROWS, concat),
    "pooled": (IMAGE, moved(("MaxPool", [], {"kernel_shape": [2, 2]}))),
    "moved": (
        IMAGE,
        moved(("Transpose", [], {"perm": [0, 2, 3, 1]}), ("Reshape", [np.array([6, -1])], {})),
    ),
    "padded with a code": (
        IMAGE,
        moved(("Pad", [np.array([0, 0, 1, 0, 0, 0, 0, 2]), np.uint8(7)], {})),
    ),
    "clipped": (IMAGE, moved(("Clip", [np.uint8(85), np.uint8(100)], {}))),
}


def of_codes(shape: tuple[int, ...], case: Case) -> onnx.ModelProto:
    b = ModelBuilder()
    return b.model(case(b, b.input(shape, TensorProto.UINT8)), kind=TensorProto.UINT8)


def both(model: onnx.ModelProto, feed: np.ndarray) -> tuple[np.ndarray, np.ndarray, Normalized]:
    """What the normal form gives, and ONNX Runtime."""
    normalized = normalize_model(model, "test")
    normal_interpreter.check_form(normalized)
    (output,) = model.graph.output
    made = normal_interpreter.run(normalized, {"x": feed})[output.name]
    return made, onnx_runtime(model, {"x": feed})[output.name], normalized


@pytest.mark.parametrize("name", CASES)
def test_operators_of_codes_equal_onnx_runtime(name):
    shape, case = CASES[name]
    feed = np.random.default_rng(1).integers(0, 255, shape, endpoint=True).astype(np.uint8)
    made, expected, normalized = both(of_codes(shape, case), feed)
    assert made.dtype == expected.dtype
    assert len(np.unique(expected)) > 1
    limit = 1 if "Average" in name or "Softmax" in name else 0
    assert np.abs(made.astype(int) - expected).max() <= limit
    assert normalized.host_operators == ()
    assert not normalized.float_inputs | normalized.float_outputs


def integer_matmul(b: ModelBuilder, x: str, dtype: type) -> str:
    points = b.constant(np.array([3, 0, 1, 2]).astype(dtype))
    return b.node(
        "MatMulInteger", [x, codes(b, 10, 4, dtype=dtype), b.constant(np.uint8(11)), points]
    )


def integer_convolution(b: ModelBuilder, x: str, dtype: type) -> str:
    inputs = [x, codes(b, 5, 4, 3, 3, dtype=dtype), b.constant(np.uint8(120))]
    return b.node("ConvInteger", [*inputs, b.constant(dtype(3))], pads=[1] * 4)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize(
    ("operator", "shape"), [(integer_matmul, ROWS), (integer_convolution, IMAGE)]
)
def test_sums_leave_the_model_as_they_are(operator, shape, dtype):
    b = ModelBuilder()
    y = operator(b, b.input(shape, TensorProto.UINT8), dtype)
    feed = np.random.default_rng(1).integers(0, 255, shape).astype(np.uint8)
    model = b.model(y, kind=TensorProto.INT32)
    made, expected, normalized = both(model, feed)
    np.testing.assert_array_equal(made, expected)
    (value,) = normalized.outputs.values()
    assert value.element_type is ElementType.INT32
    assert value.scale is None


def test_sums_scaled_by_constants_are_dequantised_by_the_host():
    b = ModelBuilder()
    y = b.node("Cast", [integer_matmul(b, b.input(ROWS, TensorProto.UINT8), np.int8)], to=1)
    for factor in (b.constant(np.float32(0.5)), b.floats(4), b.constant(np.float32(3))):
        y = b.node("Mul", [y, factor])
    feed = np.random.default_rng(1).integers(0, 255, ROWS).astype(np.uint8)
    made, expected, normalized = both(b.model(y), feed)
    np.testing.assert_allclose(made, expected, rtol=1e-6)
    assert normalized.host_operators == (f"dequantise '{y}'",)
    assert [node.op for node in normalized.nodes] == ["MatMulInteger"]


def test_relu_of_codes_cuts_below_code_0():
    b = ModelBuilder(opset=14)
    y = b.node("Relu", [b.input(ROWS, TensorProto.INT8)])
    feed = np.random.default_rng(1).integers(-128, 127, ROWS).astype(np.int8)
    made, expected, _ = both(b.model(y, kind=TensorProto.INT8), feed)
    np.testing.assert_array_equal(made, expected)


def test_indices_look_up_rows_of_a_quantised_table():
    b = ModelBuilder()
    x = b.input((2, 3), TensorProto.INT64)
    table = b.dequantize(codes(b, 20, 4), 0.02, 3, np.int8)
    y = b.node("Gather", [table, x])
    feed = np.random.default_rng(1).integers(0, 20, (2, 3))
    made, expected, normalized = both(b.model(y), feed)
    np.testing.assert_allclose(made, expected, rtol=1e-6)
    assert normalized.inputs["x"].element_type is ElementType.INT32
    assert not normalized.float_inputs


def test_the_scale_that_counts_is_the_readers():
    b = ModelBuilder()
    x = b.input(ROWS, TensorProto.UINT8)
    y = b.node("QLinearSigmoid", [x, *b.parameters(0.1, 3), *b.parameters(*Y)], domain=MICROSOFT)
    y = b.node("QLinearLeakyRelu", [y, *b.parameters(0.7, 5), *b.parameters(*Y)], domain=MICROSOFT)
    first, second = normalize_model(b.model(y, kind=TensorProto.UINT8), "test").nodes
    assert first.outputs[0].name == second.inputs[0].name
    assert first.outputs[0].scale == np.float32(Y[0])
    assert second.inputs[0].scale == np.float32(0.7)
    assert second.inputs[0].zero_point == 5
