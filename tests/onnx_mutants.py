"""Models that cover the importer, and random changes of them."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx_models import MICROSOFT, ModelBuilder

INTEGERS = [
    *(0, 1, -1, 2, 3, -2, 7, 127, 128, 255, -128, 65536, 100000, 2**31 - 1, -(2**31)),
    *(2**31, 2**40, 2**63 - 1, -(2**63)),
]
NUMBERS = [0.0, -1.0, 0.5, float("nan"), float("inf"), 1e-45, 1e38]
WORDS = [b"", b"NOTSET", b"SAME_UPPER", b"\xff\xfe", b"linear", b"reflect", b"tanh"]
ATTRIBUTES = ["axis", "axes", "keepdims", "perm", "to", "pads", "ceil_mode", "start", "alpha"]
VALUES = [1, -1, [1], [0, 1], 1.5, "x", 2**62]


def quantized() -> onnx.ModelProto:
    """QDQ: most operators in floating point."""
    b = ModelBuilder()
    x = b.through(b.input((1, 4, 6, 6)))
    y = b.node("Conv", [x, b.weight((8, 4, 3, 3), 0), b.floats(8)], pads=[1] * 4, auto_pad="NOTSET")
    y = b.through(b.node("Relu", [y]))
    y = b.node("MaxPool", [y], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    y = b.node("Transpose", [y], perm=[0, 2, 3, 1])
    y = b.node("Reshape", [y, b.constant(np.array([1, -1, 8]))])
    y = b.through(b.node("MatMul", [y, b.weight((8, 16), 1)]))
    y = b.through(b.node("LayerNormalization", [y, b.floats(16), b.floats(16)], axis=-1))
    left, right = b.node("Split", [y, b.constant(np.array([8, 8]))], 2, axis=2)
    y = b.node("Concat", [right, left], axis=2)
    y = b.node("Slice", [y, *(b.constant(np.array([each])) for each in (1, 9, 1, 2))])
    y = b.node("Pad", [y, b.constant(np.array([0, 0, 1, 0, 0, 1])), b.constant(np.float32(0))])
    y = b.node("Gather", [y, b.constant(np.array([0, -1]))], axis=1)
    return b.model(b.through(b.node("Softmax", [y], axis=-1), 1 / 256, 0))


def shaped() -> onnx.ModelProto:
    """QDQ with shapes that the model computes."""
    b = ModelBuilder()
    x = b.through(b.input((2, 3, 4, 4)))
    batch = b.node("Gather", [b.node("Shape", [x]), b.constant(np.int64(0))], axis=0)
    batch = b.node("Cast", [b.node("Unsqueeze", [batch, b.constant(np.array([0]))])], to=7)
    batch = b.node("Mul", [batch, b.constant(np.array([1]))])
    filled = helper.make_tensor("v", TensorProto.INT64, [1], [-1])
    rest = b.node("ConstantOfShape", [b.constant(np.array([1]))], value=filled)
    shape = b.node("Concat", [batch, rest], axis=0)
    shape = b.node("Where", [b.node("Equal", [shape, b.constant(np.array([2, 2]))]), shape, shape])
    y = b.node("Reshape", [x, shape])
    y = b.node("Gemm", [y, b.weight((5, 48), 0), b.floats(5)], transB=1, alpha=1.0, beta=1.0)
    y = b.node("Unsqueeze", [b.through(y), b.constant(np.array([0, 1]))])
    scales = b.constant(np.array([1, 1, 2, 2], np.float32))
    y = b.node("Resize", [y, "", scales], mode="nearest", nearest_mode="floor")
    y = b.through(b.node("ReduceMean", [y], axes=[2], keepdims=0))
    return b.model(b.through(b.node("Mul", [y, b.node("Sigmoid", [y])])))


def integers() -> onnx.ModelProto:
    """QOperator."""
    b = ModelBuilder()
    given = b.parameters
    wide = given(np.full(8, 0.01), np.zeros(8), np.int8)
    x = [b.input((1, 4, 6, 6), TensorProto.UINT8), *given(0.05, 128)]
    w = [b.constant(b.rng.integers(-127, 127, (8, 4, 3, 3)).astype(np.int8)), *wide]
    sums = b.constant(np.zeros(8, np.int32))
    y = [
        b.node("QLinearConv", [*x, *w, *given(0.1, 100), sums], pads=[0, 0, 1, 1]),
        *given(0.1, 100),
    ]
    y = [b.node("QLinearAdd", [*y, *y, *given(0.2, 100)], domain=MICROSOFT), *given(0.2, 100)]
    unit = given(1 / 256, 0)
    y = [b.node("QLinearSigmoid", [*y, *unit], domain=MICROSOFT), *unit]
    y = [b.node("QLinearConcat", [*unit, *y, *y], domain=MICROSOFT, axis=1), *unit]
    y = b.node("QLinearGlobalAveragePool", [*y, *unit], domain=MICROSOFT, channels_last=0)
    y = [b.node("Flatten", [y], axis=1), *unit]
    w = [b.constant(b.rng.integers(-127, 127, (16, 6)).astype(np.int8)), *given(0.01, 0, np.int8)]
    y = b.node("QGemm", [*y, *w, "", *given(0.1, 0)], domain=MICROSOFT, transB=0, alpha=1.0)
    y = b.node("Clip", [y, b.constant(np.uint8(3)), b.constant(np.uint8(200))])
    w = [b.constant(b.rng.integers(-127, 127, (6, 3)).astype(np.int8)), *given(0.01, 0, np.int8)]
    y = b.node("QLinearMatMul", [y, *given(0.1, 0), *w, *given(0.1, 0)])
    y = b.node("MatMulInteger", [y, b.constant(np.ones((3, 6), np.int8))])
    return b.model(b.node("Mul", [b.node("Cast", [y], to=1), b.constant(np.float32(0.1))]))


MODELS = [quantized(), shaped(), integers()]
OPERATORS = [
    *sorted({node.op_type for model in MODELS for node in model.graph.node}),
    *("Add", "Sub", "Div", "Dropout", "Identity", "Squeeze", "Range", "Expand", "ConvInteger"),
    *("GlobalMaxPool", "Gelu", "HardSigmoid", "If", "Loop", "AveragePool", "Constant", "Size"),
]


def changed(rng: random.Random) -> onnx.ModelProto:
    """A model with one to three changes that a byte alone would hardly make."""
    model = onnx.ModelProto()
    model.CopyFrom(rng.choice(MODELS))
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        rng.choice(CHANGES)(model.graph, rng)
    return model


def changed_bytes(rng: random.Random) -> bytes:
    """A model file of which bytes were changed, or its end lost."""
    data = bytearray(rng.choice(MODELS).SerializeToString())
    if rng.random() < 0.2:
        del data[rng.randrange(1, len(data)) :]
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        at = rng.randrange(len(data))
        data[at] = rng.randrange(256) if rng.random() < 0.5 else data[at] ^ (1 << rng.randrange(8))
    return bytes(data)


def _names(graph: onnx.GraphProto) -> list[str]:
    made = [name for node in graph.node for name in node.output]
    return [*made, *(tensor.name for tensor in graph.initializer), "x", "", "none"]


def _change_inputs(graph: onnx.GraphProto, rng: random.Random) -> None:
    node = rng.choice(graph.node)
    if not node.input or rng.random() < 0.3:
        node.input.append(rng.choice(_names(graph)))
    elif rng.random() < 0.5:
        del node.input[rng.randrange(len(node.input))]
    else:
        node.input[rng.randrange(len(node.input))] = rng.choice(_names(graph))


def _change_output(graph: onnx.GraphProto, rng: random.Random) -> None:
    node = rng.choice(graph.node)
    node.output[rng.randrange(len(node.output))] = rng.choice(_names(graph))


def _change_operator(graph: onnx.GraphProto, rng: random.Random) -> None:
    rng.choice(graph.node).op_type = rng.choice(OPERATORS)


def _remove(graph: onnx.GraphProto, rng: random.Random) -> None:
    graph.node.remove(rng.choice(graph.node))


def _change_attribute(graph: onnx.GraphProto, rng: random.Random) -> None:
    node = rng.choice([node for node in graph.node if node.attribute])
    attribute = rng.choice(node.attribute)
    kind = attribute.type
    if rng.random() < 0.2:
        attribute.type = rng.randrange(15)
    elif kind == onnx.AttributeProto.INT:
        attribute.i = rng.choice(INTEGERS)
    elif kind == onnx.AttributeProto.FLOAT:
        attribute.f = rng.choice(NUMBERS)
    elif kind == onnx.AttributeProto.STRING:
        attribute.s = rng.choice(WORDS)
    elif attribute.ints and rng.random() < 0.7:
        attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(INTEGERS)
    else:
        attribute.ints.extend([rng.choice(INTEGERS)] * rng.randrange(1, 70))


def _add_attribute(graph: onnx.GraphProto, rng: random.Random) -> None:
    made = helper.make_attribute(rng.choice(ATTRIBUTES), rng.choice(VALUES))
    rng.choice(graph.node).attribute.append(made)


def _change_shape(graph: onnx.GraphProto, rng: random.Random) -> None:
    tensor = rng.choice(graph.initializer)
    if tensor.dims and rng.random() < 0.6:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(INTEGERS)
    elif rng.random() < 0.5:
        tensor.dims.append(rng.choice([0, 1, 1, 2]))
    else:
        tensor.data_type = rng.randrange(24)


def _change_data(graph: onnx.GraphProto, rng: random.Random) -> None:
    tensor = rng.choice(graph.initializer)
    data = bytearray(tensor.raw_data)
    if tensor.data_type == TensorProto.INT64 and len(data) >= 8:
        at = 8 * rng.randrange(len(data) // 8)
        data[at : at + 8] = rng.choice(INTEGERS).to_bytes(8, "little", signed=True)
    elif data:
        data[rng.randrange(len(data))] = rng.choice([0, 255, 128, 127])
    tensor.raw_data = bytes(data)


def _change_edge(graph: onnx.GraphProto, rng: random.Random) -> None:
    kind = rng.choice([*graph.input, *graph.output]).type.tensor_type
    if rng.random() < 0.5 or not kind.shape.dim:
        kind.elem_type = rng.randrange(22)
    else:
        kind.shape.dim[rng.randrange(len(kind.shape.dim))].dim_value = rng.choice(INTEGERS)


CHANGES: list[Callable[[onnx.GraphProto, random.Random], None]] = [
    _change_inputs,
    _change_inputs,
    _change_output,
    _change_operator,
    _remove,
    _change_attribute,
    _change_attribute,
    _add_attribute,
    _change_shape,
    _change_data,
    _change_edge,
]
