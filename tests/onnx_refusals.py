"""Models that cannot be normalised, by name, and what is said about each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import TensorProto, helper
from onnx_cases import conv, gated, op
from onnx_models import MICROSOFT, ModelBuilder

IMAGE = (1, 4, 6, 6)
ROWS = (3, 10)
Build = Callable[[ModelBuilder], str]


def rows(*cases: Callable[[ModelBuilder, str], str]) -> Build:
    """Operators on quantised rows, quantised behind."""

    def build(b: ModelBuilder) -> str:
        y = b.through(b.input(ROWS))
        for case in cases:
            y = case(b, y)
        return b.through(y)

    return build


def image(*cases: Callable[[ModelBuilder, str], str]) -> Build:
    def build(b: ModelBuilder) -> str:
        y = b.through(b.input(IMAGE))
        for case in cases:
            y = case(b, y)
        return b.through(y)

    return build


def unquantized_output(b: ModelBuilder) -> str:
    return b.node("Softmax", [b.through(b.input(ROWS))])


def unquantized_input(b: ModelBuilder) -> str:
    return b.through(b.node("MatMul", [b.input(ROWS), b.weight((10, 4))]))


def two_operators(b: ModelBuilder) -> str:
    y = b.node("Softmax", [b.through(b.input(ROWS))])
    return b.through(b.node("MatMul", [y, b.weight((10, 4))]))


def float_weight(b: ModelBuilder) -> str:
    return b.through(b.node("MatMul", [b.through(b.input(ROWS)), b.floats(10, 4)]))


def computed_weight(b: ModelBuilder) -> str:
    w = b.through(b.input((5, 4, 1, 1), name="w"))
    return b.through(b.node("Conv", [b.through(b.input(IMAGE)), w]))


def dynamic(b: ModelBuilder) -> str:
    y, scale, zero_point = b.node("DynamicQuantizeLinear", [b.input(ROWS)], 3)
    return b.node("DequantizeLinear", [y, scale, zero_point])


def computed_scale(b: ModelBuilder) -> str:
    scale = b.input((), name="s")
    return b.node("DequantizeLinear", [b.quantize(b.input(ROWS), 0.05), scale])


def sums_read_on(b: ModelBuilder) -> str:
    x = b.quantize(b.input(ROWS), 0.05)
    y = b.node("MatMulInteger", [x, b.constant(np.ones((10, 4), np.uint8))])
    return b.through(b.node("Mul", [b.node("Cast", [y], to=1), b.constant(np.float32(0.1))]))


def loop(b: ModelBuilder) -> str:
    graph = helper.make_graph(
        [], "body", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    )
    return b.node("If", [b.input((), TensorProto.BOOL)], then_branch=graph, else_branch=graph)


def of_domain(b: ModelBuilder) -> str:
    return b.node("Mystery", [b.input(ROWS)], domain="com.example")


def by_channel(b: ModelBuilder) -> str:
    x = b.quantize(b.input(ROWS), np.full(10, 0.05), np.zeros(10), axis=1)
    return b.dequantize(x, np.full(10, 0.05), np.zeros(10), axis=1)


def along_k(b: ModelBuilder) -> str:
    return b.through(b.node("MatMul", [b.through(b.input(ROWS)), b.weight((10, 4), axis=0)]))


def constant_output(b: ModelBuilder) -> str:
    b.input(ROWS)
    return b.node("Identity", [b.weight((2, 2))])


def half_precision(b: ModelBuilder) -> str:
    return b.through(b.input(ROWS, TensorProto.FLOAT16))


def parted(first: str, *others: str) -> Callable[[ModelBuilder, str], str]:
    """``f(x) * h(g(x))``."""

    def case(b: ModelBuilder, x: str) -> str:
        y = x
        for name in others:
            y = b.node(name, [y])
        return b.node("Mul", [b.node(first, [x]), y])

    return case


REFUSED: dict[str, tuple[Build, tuple[str, ...]]] = {
    "float output": (unquantized_output, ("(Softmax)", "never quantised", "QuantizeLinear")),
    "float input": (unquantized_input, ("(MatMul)", "input 'x' in floating point")),
    "float between": (two_operators, ("(MatMul)", "(Softmax) makes in floating point")),
    "float weight": (float_weight, ("(MatMul)", "constant 'c", "is not quantised")),
    "computed weight": (computed_weight, ("(Conv)", "only constant weights")),
    "dynamic quantisation": (dynamic, ("(DynamicQuantizeLinear)", "quantize_static")),
    "computed scale": (computed_scale, ("(DequantizeLinear)", "must be constant")),
    "sums read on": (sums_read_on, ("int32 sums", "QLinearMatMul")),
    "control flow": (loop, ("(If)", "graphs within a graph")),
    "domain": (of_domain, ("(Mystery)", "does not import its domain 'com.example'")),
    "activation by channel": (by_channel, ("(QuantizeLinear)", "scale [10]", "whole tensor")),
    "weight along k": (along_k, ("(MatMul)", "along axis 0")),
    "constant output": (constant_output, ("depends on no input",)),
    "half precision": (half_precision, ("input 'x' is float16",)),
    "operator": (rows(op("Hardmax")), ("(Hardmax)", "not supported")),
    "maximum of two": (rows(lambda b, x: b.node("Max", [x, x])), ("(Max)", "use Clip")),
    "unheard operator": (rows(op("Foo")), ("(Foo)", "not supported")),
    "operator of microsoft": (
        rows(op("SkipLayerNormalization", domain=MICROSOFT)),
        ("(SkipLayerNormalization)", "quantise before"),
    ),
    "batch normalisation": (
        image(conv((5, 4, 1, 1)), op("BatchNormalization", *[np.ones(5, np.float32)] * 4)),
        ("(BatchNormalization)", "fold it", "quant_pre_process"),
    ),
    "linear resize": (
        image(op("Resize", None, np.array([1, 1, 2, 2], np.float32), mode="linear")),
        ("(Resize)", "mode 'linear'", "use nearest"),
    ),
    "unknown attribute": (rows(op("Relu", alpha=1.0)), ("(Relu)", "attribute 'alpha'")),
    "wrong attribute": (rows(op("Softmax", axis=1.0)), ("(Softmax)", "'axis' is not an integer")),
    "missing attribute": (rows(op("Concat")), ("(Concat)", "lacks its attribute 'axis'")),
    "axis": (rows(op("Softmax", axis=2)), ("(Softmax)", "axis = 2 must be -2 to 1")),
    "reshape": (rows(op("Reshape", np.array([4, -1]))), ("(Reshape)", "[3, 10] does not fit")),
    "permutation": (rows(op("Transpose", perm=[0, 0])), ("(Transpose)", "perm [0, 0]")),
    "broadcast": (rows(op("Add", np.ones(7, np.float32))), ("(Add)", "do not broadcast")),
    "window": (
        image(op("MaxPool", kernel_shape=[9, 1])),
        ("(MaxPool)", "window of 9 is larger"),
    ),
    "indices of maxima": (
        image(lambda b, x: b.node("MaxPool", [x], 2, kernel_shape=[2, 2])[0]),
        ("(MaxPool)", "output Indices"),
    ),
    "groups": (image(conv((5, 4, 1, 1), group=2)), ("(Conv)", "group 2")),
    "empty": (rows(op("Slice", np.array([3]), np.array([9]))), ("(Slice)", "is empty")),
    "huge": (
        rows(op("Pad", np.array([0, 0, 65536, 65536]))),
        ("(Pad)", "more than 268435456 elements"),
    ),
    "huge constant": (
        rows(
            lambda b, x: b.node(
                "Add", [x, b.node("Expand", [b.floats(1), b.constant(np.array([2**20, 2**9]))])]
            )
        ),
        ("(Expand)", "too large"),
    ),
    "many constants": (
        rows(lambda b, x: b.node("Add", [x, many_constants(b)])),
        ("(Add)", "take too much memory"),
    ),
    "function behind a pool": (
        image(conv((5, 4, 1, 1)), op("MaxPool", kernel_shape=[2, 2]), op("Neg")),
        ("(Neg)", "(MaxPool), whose result is not quantised"),
    ),
    "gate of another slope": (
        rows(gated(op("HardSigmoid", alpha=0.2))),
        ("(Mul)", "(HardSigmoid) makes in floating point"),
    ),
    "gate of another function": (
        image(conv((5, 4, 1, 1)), parted("Relu", "Tanh", "Sigmoid")),
        ("(Mul)", "(Conv) makes in floating point"),
    ),
    "convolution along channels": (
        image(conv((5, 4, 1, 1), axis=1)),
        ("(Conv)", "along axis 1: quantise along axis 0"),
    ),
    "windows that are not whole, counted": (
        image(
            op("AveragePool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, count_include_pad=1)
        ),
        ("(AveragePool)", "ceil_mode with count_include_pad"),
    ),
    "scale of 0": (rows(lambda b, x: b.through(x, 0.0)), ("scale must be positive",)),
    "part of a bias": (
        rows(lambda b, x: b.node("Gemm", [x, b.weight((10, 6)), b.floats(6)], beta=0.5)),
        ("(Gemm)", "beta = 0.5 is not supported: use 1.0"),
    ),
    "training": (
        rows(op("Dropout", np.float32(0.5), np.bool_(True))),
        ("(Dropout)", "export the model for inference"),
    ),
    "axis twice": (
        rows(op("Slice", np.array([0, 0]), np.array([1, 1]), np.array([0, -2]))),
        ("(Slice)", "one axis twice"),
    ),
    "integer divided by 0": (
        rows(
            lambda b, x: b.node(
                "Reshape",
                [x, b.node("Div", [b.constant(np.array([30])), b.constant(np.array([0]))])],
            )
        ),
        ("(Div)", "by zero"),
    ),
    "blocks": (
        rows(lambda b, x: b.quantize(x, 0.05, block_size=2)),
        ("(QuantizeLinear)", "block_size = 2"),
    ),
    "blocks of a weight": (
        rows(
            lambda b, x: b.node(
                "MatMul",
                [x, b.dequantize(b.constant(np.ones((10, 4), np.uint8)), 0.1, block_size=5)],
            )
        ),
        ("(DequantizeLinear)", "block_size = 5"),
    ),
    "table by channel": (
        lambda b: b.node("Gather", [b.weight((20, 4), axis=0), b.input(ROWS, TensorProto.INT64)]),
        ("(Gather)", "with one scale"),
    ),
    "zero point of another type": (
        lambda b: b.node(
            "MatMulInteger",
            [
                b.input(ROWS, TensorProto.INT8),
                b.constant(np.ones((10, 4), np.int8)),
                b.constant(np.uint8(3)),
            ],
        ),
        ("(MatMulInteger)", "must be int8, not uint8"),
    ),
    "zero points of rows": (
        lambda b: b.node(
            "MatMulInteger",
            [
                b.input(ROWS, TensorProto.UINT8),
                b.constant(np.ones((10, 4), np.int8)),
                b.constant(np.arange(3, dtype=np.uint8)),
            ],
        ),
        ("(MatMulInteger)", "zero point [3] must be one"),
    ),
    "scalar weight by channel": (
        lambda b: b.node(
            "QLinearConv",
            [
                b.input(IMAGE, TensorProto.UINT8),
                *b.parameters(0.1, 0),
                b.constant(np.int8(3)),
                *b.parameters([0.1, 0.2], [0, 0], np.int8),
                *b.parameters(0.1, 0),
            ],
        ),
        ("(QLinearConv)", "scale [2] must be of axis 0 of []"),
    ),
    "channels last": (
        lambda b: b.node(
            "QLinearGlobalAveragePool",
            [b.input(IMAGE, TensorProto.UINT8), *b.parameters(0.1, 0), *b.parameters(0.1, 0)],
            channels_last=1,
            domain=MICROSOFT,
        ),
        ("(QLinearGlobalAveragePool)", "channels_last = 1"),
    ),
    "softmax of before": (
        lambda b: b.node(
            "QLinearSoftmax",
            [b.input(IMAGE, TensorProto.UINT8), *b.parameters(0.1, 0), *b.parameters(0.1, 0)],
            axis=1,
            opset=12,
            domain=MICROSOFT,
        ),
        ("(QLinearSoftmax)", "before opset 13"),
    ),
    "factor behind a function": (
        image(conv((5, 4, 1, 1)), op("Relu"), op("Mul", np.float32(2))),
        ("(Mul)", "(Conv) makes in floating point"),
    ),
    "two biases": (
        image(conv((5, 4, 1, 1)), op("Add", np.ones((5, 1, 1), np.float32))),
        ("(Add)", "(Conv) makes in floating point"),
    ),
    "factor of more dimensions": (
        rows(
            lambda b, x: b.node("MatMul", [x, b.weight((10, 4))]),
            op("Mul", np.ones((1, 1, 1), np.float32)),
        ),
        ("(Mul)", "(MatMul) makes in floating point"),
    ),
    "operator of constants": (
        rows(lambda b, x: b.node("Add", [x, b.through(b.node("Softmax", [b.weight(ROWS)]))])),
        ("(Softmax)", "all its inputs are constant"),
    ),
    "groups of outputs": (image(conv((5, 2, 1, 1), group=2)), ("(Conv)", "group 2")),
    "not a number": (rows(op("Mul", np.float32("nan"))), ("(Mul)", "is not finite")),
    "many dimensions": (
        rows(
            lambda b, x: b.node(
                "Add", [x, op("Unsqueeze", np.arange(64))(b, b.constant(np.float32(1)))]
            )
        ),
        ("(Unsqueeze)", "64 dimensions"),
    ),
    "negative factor": (
        image(conv((5, 4, 1, 1)), op("Mul", np.float32(-2))),
        ("(Mul)", "(Conv) makes in floating point"),
    ),
    "gate without a name": (rows(gated(op("Tanh"))), ("(Mul)", "(Tanh) makes in floating point")),
    "division": (
        rows(lambda b, x: b.node("Div", [x, b.through(b.node("Exp", [x]))])),
        ("(Div)", "only division by constants"),
    ),
}


def many_constants(b: ModelBuilder) -> str:
    shape = b.constant(np.array([2**10, 2**14]))
    y = b.node("Expand", [b.floats(1), shape])
    for _ in range(3):
        y = b.node("Add", [y, b.node("Expand", [b.floats(1), shape])])
    return y
