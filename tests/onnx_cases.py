"""Operators between DequantizeLinear and QuantizeLinear: one function for each, by name.

Each takes a builder and a dequantised tensor of the shape in the table, and gives what is quantised
behind it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx_models import MICROSOFT, ModelBuilder

Case = Callable[[ModelBuilder, str], str]
IMAGE = (1, 4, 7, 6)
ROWS = (3, 10)
SEQUENCE = (2, 5, 8)


def op(name: str, *constants: object, **attributes: object) -> Case:
    """An operator of the tensor and of constants that are no data; None leaves one out."""

    def case(b: ModelBuilder, x: str) -> str:
        given = ["" if each is None else b.constant(each) for each in constants]
        return b.node(name, [x, *given], **attributes)

    return case


def conv(shape: tuple[int, ...], axis: int | None = 0, bias: bool = True, **given: object) -> Case:
    def case(b: ModelBuilder, x: str) -> str:
        inputs = [x, b.weight(shape, axis)]
        return b.node("Conv", [*inputs, b.floats(shape[0])] if bias else inputs, **given)

    return case


def gemm(axis: int | None, **given: object) -> Case:
    shape = (6, 10) if given.get("transB") else (10, 6)
    return lambda b, x: b.node("Gemm", [x, b.weight(shape, axis), b.floats(6)], **given)


def matmul(*shape: int, axis: int | None = None, dtype: type = np.int8) -> Case:
    return lambda b, x: b.node("MatMul", [x, b.weight(shape, axis, dtype)])


def with_computed(name: str, move: Case | None = None) -> Case:
    """An operator of the tensor and of a second one, quantised otherwise."""

    def case(b: ModelBuilder, x: str) -> str:
        y = b.through(b.node("LeakyRelu", [x], alpha=0.25), 0.04, 100)
        return b.node(name, [x, y if move is None else move(b, y)])

    return case


def with_floats(name: str, *shape: int, first: bool = False) -> Case:
    def case(b: ModelBuilder, x: str) -> str:
        constant = b.constant(b.rng.uniform(0.5, 2, shape).astype(np.float32))
        return b.node(name, [constant, x] if first else [x, constant])

    return case


def layer_normalization(axis: int, *shape: int) -> Case:
    return lambda b, x: b.node(
        "LayerNormalization", [x, b.floats(*shape), b.floats(*shape)], axis=axis, epsilon=1e-3
    )


def batch_normalization(channels: int) -> Case:
    def case(b: ModelBuilder, x: str) -> str:
        variance = b.constant(b.rng.uniform(0.5, 2, channels).astype(np.float32))
        each = [b.floats(channels), b.floats(channels), b.floats(channels), variance]
        return b.node("BatchNormalization", [x, *each])

    return case


def chain(*cases: Case) -> Case:
    def case(b: ModelBuilder, x: str) -> str:
        for each in cases:
            x = each(b, x)
        return x

    return case


def gated(*cases: Case) -> Case:
    """``x * f(x)``."""
    return lambda b, x: b.node("Mul", [x, chain(*cases)(b, x)])


def split(place: int, sizes: list[int] | None, **given: object) -> Case:
    def case(b: ModelBuilder, x: str) -> str:
        inputs = [x] if sizes is None else [x, b.constant(np.array(sizes))]
        return b.node("Split", inputs, 2 if sizes is None else len(sizes), **given)[place]

    return case


def resize(scales: list[float], coordinates: str, nearest: str) -> Case:
    return op(
        "Resize",
        None,
        np.array(scales, np.float32),
        coordinate_transformation_mode=coordinates,
        nearest_mode=nearest,
    )


def concat(b: ModelBuilder, x: str) -> str:
    """Of two quantisations, neither of them that behind it."""
    return b.node("Concat", [x, b.through(b.node("Neg", [x]), 0.03, 128), x], axis=-1)


EXACT: dict[str, tuple[tuple[int, ...], Case]] = {
    "conv": (IMAGE, conv((5, 4, 3, 3))),
    "conv by tensor": (IMAGE, conv((5, 4, 3, 3), None, bias=False)),
    "conv strided, padded": (IMAGE, conv((5, 4, 3, 2), strides=[2, 1], pads=[1, 0, 2, 1])),
    "conv dilated": (IMAGE, conv((5, 4, 3, 2), dilations=[2, 3])),
    "conv same upper": (IMAGE, conv((5, 4, 3, 2), auto_pad="SAME_UPPER", strides=[2, 2])),
    "conv same lower": (IMAGE, conv((5, 4, 3, 2), auto_pad="SAME_LOWER", strides=[2, 2])),
    "conv valid": (IMAGE, conv((5, 4, 3, 2), auto_pad="VALID", kernel_shape=[3, 2])),
    "conv grouped": (IMAGE, conv((6, 2, 3, 3), group=2)),
    "conv depthwise": (IMAGE, conv((8, 1, 3, 3), group=4, pads=[1, 1, 1, 1])),
    "conv of a sequence": (SEQUENCE, conv((6, 5, 3), pads=[1, 1])),
    "conv relu": (IMAGE, chain(conv((5, 4, 1, 1)), op("Relu"))),
    "conv clip": (IMAGE, chain(conv((5, 4, 1, 1)), op("Clip", np.float32(0), np.float32(6)))),
    "conv clip below": (IMAGE, chain(conv((5, 4, 1, 1)), op("Clip", np.float32(-1)))),
    "conv max pool": (
        IMAGE,
        chain(conv((5, 4, 1, 1)), op("Relu"), op("MaxPool", kernel_shape=[2, 2])),
    ),
    "conv transposed, relu": (
        IMAGE,
        chain(conv((5, 4, 1, 1)), op("Transpose", perm=[0, 2, 3, 1]), op("Relu")),
    ),
    "gemm": (ROWS, gemm(1)),
    "gemm transposed": (ROWS, gemm(0, transB=1)),
    "gemm of columns": ((10, 3), gemm(None, transA=1)),
    "gemm scaled": (ROWS, gemm(None, alpha=0.5)),
    "matmul": (SEQUENCE, matmul(8, 6)),
    "matmul by channel": (SEQUENCE, matmul(8, 6, axis=1)),
    "matmul uint8": (SEQUENCE, matmul(8, 6, dtype=np.uint8)),
    "matmul batched": (SEQUENCE, matmul(2, 8, 3)),
    "matmul vector": (SEQUENCE, matmul(8)),
    "vector matmul": ((8,), matmul(8, 6)),
    "matmul plus bias": (SEQUENCE, chain(matmul(8, 6, axis=1), with_floats("Add", 6))),
    "matmul of a weight moved": (
        SEQUENCE,
        lambda b, x: b.node(
            "MatMul", [x, b.node("Transpose", [b.weight((6, 2, 8), axis=0)], perm=[1, 2, 0])]
        ),
    ),
    "matmul of a weight cut": (
        SEQUENCE,
        lambda b, x: b.node(
            "MatMul",
            [x, op("Slice", *map(np.array, ([-1], [-(2**63)], [0], [-1])))(b, b.weight((8, 6)))],
        ),
    ),
    "matmul scaled": (
        SEQUENCE,
        chain(
            with_computed("MatMul", op("Transpose", perm=[0, 2, 1])),
            op("Div", np.float32(8**0.5)),
            op("Mul", np.full((1, 1), 3, np.float32)),
        ),
    ),
    "gemm with a bias, scaled": (ROWS, chain(gemm(0, transB=1), op("Mul", np.float32(0.3)))),
    "matmul computed": (SEQUENCE, with_computed("MatMul", op("Transpose", perm=[0, 2, 1]))),
    "reshape": (SEQUENCE, op("Reshape", np.array([0, -1, 4]))),
    "flatten": (IMAGE, op("Flatten", axis=2)),
    "flatten backwards": (IMAGE, op("Flatten", axis=-1)),
    "squeeze": (IMAGE, op("Squeeze", np.array([0]))),
    "squeeze all": (IMAGE, op("Squeeze")),
    "unsqueeze": (ROWS, op("Unsqueeze", np.array([-1, 0]))),
    "transpose": (SEQUENCE, op("Transpose", perm=[2, 0, 1])),
    "transpose a square": ((4, 4), op("Transpose")),
    "transpose reversed": (SEQUENCE, op("Transpose")),
    "slice": (SEQUENCE, op("Slice", np.array([1, -3]), np.array([99, -1]), np.array([1, 2]))),
    "slice backwards": (
        SEQUENCE,
        op("Slice", np.array([99]), np.array([-(2**63)]), np.array([-1]), np.array([-3])),
    ),
    "slice all of it backwards": (
        SEQUENCE,
        op("Slice", np.array([99]), np.array([-(2**63)]), np.array([1]), np.array([-1])),
    ),
    "split equally": (SEQUENCE, split(1, None, axis=-1)),
    "split": (SEQUENCE, split(2, [1, 3, 4], axis=2)),
    "pad": (SEQUENCE, op("Pad", np.array([0, 1, 0, 0, 2, 3]))),
    "pad with a number": (ROWS, op("Pad", np.array([0, 1, 2, 0]), np.float32(0.7))),
    "conv padded with a number": (
        IMAGE,
        chain(conv((5, 4, 1, 1)), op("Pad", np.array([0, 0, 1, 0, 0, 0, 0, 2]), np.float32(0.123))),
    ),
    "pad edge": (ROWS, op("Pad", np.array([1, 1, 2, 3]), mode="edge")),
    "pad reflect": (ROWS, op("Pad", np.array([1, 1, 2, 3]), mode="reflect")),
    "gather": (SEQUENCE, op("Gather", np.array([[0, -1], [3, 1]]), axis=1)),
    "gather one": (SEQUENCE, op("Gather", np.int64(-2), axis=2)),
    "max pool": (IMAGE, op("MaxPool", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1])),
    "max pool up": (IMAGE, op("MaxPool", kernel_shape=[2, 2], strides=[2, 4], ceil_mode=1)),
    "max pool up, dilated": (
        IMAGE,
        op("MaxPool", kernel_shape=[3, 2], strides=[3, 2], dilations=[1, 2], ceil_mode=1),
    ),
    "max pool up, a window in the padding": (
        IMAGE,
        op("MaxPool", kernel_shape=[2, 2], strides=[2, 3], pads=[0, 0, 0, 1], ceil_mode=1),
    ),
    "max pool same": (
        IMAGE,
        op("MaxPool", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER"),
    ),
    "global max pool": (IMAGE, op("GlobalMaxPool")),
    "identity": (ROWS, op("Identity")),
    "dropout": (ROWS, op("Dropout")),
    "chain": (
        SEQUENCE,
        chain(
            op("Transpose", perm=[1, 2, 0]),
            op("Reshape", np.array([5, 16])),
            op("Slice", np.array([1]), np.array([5]), np.array([0])),
            matmul(16, 3),
        ),
    ),
    "resize": (IMAGE, resize([1, 1, 2, 3], "asymmetric", "floor")),
    "resize up": (IMAGE, resize([1, 1, 2, 3], "half_pixel", "floor")),
    "resize down": (IMAGE, resize([1, 1, 0.6, 0.5], "half_pixel", "round_prefer_floor")),
    "resize aligned": (IMAGE, resize([1, 1, 2.5, 2], "align_corners", "round_prefer_ceil")),
    "resize to sizes": (
        IMAGE,
        op(
            "Resize",
            None,
            None,
            np.array([1, 4, 10, 9]),
            coordinate_transformation_mode="half_pixel",
        ),
    ),
    "resize pytorch": (
        IMAGE,
        op(
            "Resize",
            None,
            None,
            np.array([1, 4, 1, 4]),
            coordinate_transformation_mode="pytorch_half_pixel",
            nearest_mode="ceil",
        ),
    ),
}
"""Equal to ONNX Runtime in every code."""

CLOSE: dict[str, tuple[tuple[int, ...], Case]] = {
    "add": (ROWS, with_computed("Add")),
    "add broadcast": (SEQUENCE, with_computed("Add", op("Slice", *map(np.array, ([2], [3], [1]))))),
    "add number": (ROWS, with_floats("Add")),
    "add relu": (ROWS, chain(with_computed("Add"), op("Relu"))),
    "sub": (ROWS, with_computed("Sub")),
    "sub from constants": (ROWS, with_floats("Sub", 3, 1, first=True)),
    "mul": (ROWS, with_computed("Mul")),
    "mul by codes": (SEQUENCE, lambda b, x: b.node("Mul", [x, b.weight((5, 8))])),
    "mul by codes of channels": (SEQUENCE, lambda b, x: b.node("Mul", [x, b.weight((5, 8), 0)])),
    "div": (SEQUENCE, with_floats("Div", 8)),
    "concat": (ROWS, concat),
    "concat relu": (ROWS, chain(concat, op("Relu"))),
    "concat with constant": (
        ROWS,
        lambda b, x: b.node("Concat", [b.floats(2, 10), x], axis=0),
    ),
    "concat of convolutions": (
        IMAGE,
        lambda b, x: b.node(
            "Concat", [conv((3, 4, 1, 1))(b, x), x, conv((5, 4, 3, 3), pads=[1] * 4)(b, x)], axis=1
        ),
    ),
    "relu": (ROWS, op("Relu")),
    "max": (ROWS, op("Max", np.float32(-0.5))),
    "min": (ROWS, lambda b, x: b.node("Min", [b.constant(np.array([0.7], np.float32)), x])),
    "clip": (ROWS, op("Clip", np.float32(-0.5), np.float32(2))),
    "leaky relu": (ROWS, op("LeakyRelu", alpha=0.1)),
    "leaky relu by default": (ROWS, op("LeakyRelu")),
    "elu": (ROWS, op("Elu", alpha=1.5)),
    "sigmoid": (ROWS, op("Sigmoid")),
    "tanh": (ROWS, op("Tanh")),
    "hard sigmoid": (ROWS, op("HardSigmoid")),
    "hard swish": (ROWS, op("HardSwish")),
    "gelu of microsoft": (ROWS, op("Gelu", domain=MICROSOFT)),
    "erf": (ROWS, op("Erf")),
    "exp": (ROWS, op("Exp")),
    "abs": (ROWS, op("Abs")),
    "neg": (ROWS, op("Neg")),
    "softplus": (ROWS, op("Softplus")),
    "softsign": (ROWS, op("Softsign")),
    "selu": (ROWS, op("Selu")),
    "cube": (ROWS, op("Pow", np.float32(3))),
    "fourth power": (ROWS, op("Pow", np.int64(4))),
    "depth to space": ((2, 8, 3, 2), op("DepthToSpace", blocksize=2)),
    "depth to space by columns": ((2, 8, 3, 2), op("DepthToSpace", blocksize=2, mode="CRD")),
    "space to depth": ((2, 3, 4, 6), op("SpaceToDepth", blocksize=2)),
    "sqrt": (ROWS, chain(op("Abs"), op("Sqrt"))),
    "swish by parts": (ROWS, gated(op("Sigmoid"))),
    "hard swish by parts": (ROWS, gated(op("HardSigmoid", alpha=1 / 6))),
    "mish by parts": (ROWS, gated(op("Softplus"), op("Tanh"))),
    "conv swish by parts": (IMAGE, chain(conv((5, 4, 1, 1)), gated(op("Sigmoid")))),
    "conv hard swish": (IMAGE, chain(conv((5, 4, 1, 1)), op("HardSwish"))),
    "softmax": (ROWS, op("Softmax")),
    "softmax of an inner axis": (SEQUENCE, op("Softmax", axis=1)),
    "layer normalization": (SEQUENCE, layer_normalization(-1, 8)),
    "layer normalization of two axes": (SEQUENCE, layer_normalization(1, 5, 8)),
    "batch normalization": (IMAGE, batch_normalization(4)),
    "batch normalization of rows": (ROWS, chain(batch_normalization(10), op("Relu"))),
    "average pool": (IMAGE, op("AveragePool", kernel_shape=[3, 2], pads=[1, 1, 0, 1])),
    "average pool counting": (
        IMAGE,
        op("AveragePool", kernel_shape=[3, 2], pads=[1, 1, 0, 1], count_include_pad=1),
    ),
    "average pool up": (
        IMAGE,
        op("AveragePool", kernel_shape=[2, 4], strides=[2, 3], ceil_mode=1),
    ),
    "global average pool": (IMAGE, op("GlobalAveragePool")),
    "reduce mean": (SEQUENCE, op("ReduceMean", axes=[-1], keepdims=0)),
    "reduce mean of all": (SEQUENCE, op("ReduceMean")),
}
"""Within one code of ONNX Runtime, which computes them in float32 or by other means."""
