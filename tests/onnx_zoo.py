"""Float models as people export them: images, sequences, tables."""

from __future__ import annotations

import numpy as np
import onnx
from float_models import FloatModel
from onnx import TensorProto


class ZooModel(FloatModel):
    """With what these models have in common."""

    def floats(self, *values: float) -> str:
        array = np.array(values, np.float32)
        return self.constant(array if len(values) > 1 else array.reshape(()))

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def conv_relu(self, x: str, channels: int, source: int, kernel: int = 1, **attributes) -> str:
        return self.node("Relu", self.conv(x, channels, source, kernel, **attributes))

    def silu(self, x: str) -> str:
        return self.node("Mul", x, self.node("Sigmoid", x))

    def pool(self, op: str, x: str, kernel: int, stride: int, pad: int = 0, **attributes) -> str:
        window = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
        return self.node(op, x, **window, **attributes)

    def gemm(self, x: str, source: int, columns: int) -> str:
        weight = self.weight(columns, source)
        return self.node("Gemm", x, weight, self.vector(columns), transB=1)

    def head(self, x: str, source: int, columns: int = 7) -> str:
        x = self.node("Flatten", self.node("GlobalAveragePool", x))
        return self.gemm(x, source, columns)

    def slice(self, x: str, axis: int, start: int, end: int, step: int = 1) -> str:
        return self.node("Slice", x, *(self.ints(each) for each in (start, end, axis, step)))

    def shuffled(self, x: str, shape: tuple[int, int, int, int], groups: int = 2) -> str:
        images, channels, height, width = shape
        x = self.reshape(x, images, groups, channels // groups, height, width)
        x = self.node("Transpose", x, perm=[0, 2, 1, 3, 4])
        return self.reshape(x, images, -1, height, width)

    def twice_as_large(self, x: str) -> str:
        scales = self.floats(1, 1, 2, 2)
        return self.node(
            "Resize",
            x,
            "",
            scales,
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )

    def batch_norm(self, x: str, channels: int) -> str:
        variance = self.constant(self.rng.uniform(0.5, 2, channels).astype(np.float32))
        offset, mean = self.vector(channels), self.vector(channels)
        return self.node(
            "BatchNormalization", x, self.vector(channels, 1.0), offset, mean, variance
        )

    def layer_norm(self, x: str, width: int) -> str:
        return self.node("LayerNormalization", x, self.vector(width, 1.0), self.vector(width))

    def gelu_by_parts(self, x: str) -> str:
        erf = self.node("Erf", self.node("Div", x, self.floats(2**0.5)))
        twice = self.node("Mul", x, self.node("Add", erf, self.floats(1)))
        return self.node("Mul", twice, self.floats(0.5))

    def gelu_by_tanh(self, x: str) -> str:
        cube = self.node("Mul", self.node("Pow", x, self.floats(3)), self.floats(0.044715))
        inner = self.node("Mul", self.node("Add", x, cube), self.floats(0.79788456))
        factor = self.node("Add", self.node("Tanh", inner), self.floats(1))
        return self.node("Mul", self.node("Mul", x, self.floats(0.5)), factor)

    def attention(self, x: str, shape: tuple[int, int, int], heads: int, mask: str = "") -> str:
        batch, tokens, width = shape

        def split(perm: list[int]) -> str:
            y = self.reshape(self.dense(x, width, width), batch, tokens, heads, width // heads)
            return self.node("Transpose", y, perm=perm)

        scores = self.node("MatMul", split([0, 2, 1, 3]), split([0, 2, 3, 1]))
        scores = self.node("Div", scores, self.floats((width // heads) ** 0.5))
        scores = self.node("Add", scores, mask) if mask else scores
        mixed = self.node("MatMul", self.node("Softmax", scores), split([0, 2, 1, 3]))
        mixed = self.node("Transpose", mixed, perm=[0, 2, 1, 3])
        return self.dense(self.reshape(mixed, *shape), width, width)


def vgg() -> onnx.ModelProto:
    """Odd images, odd channels, a batch; Flatten in front of three Gemm."""
    m = ZooModel((4, 3, 13, 7))
    x = m.pool("MaxPool", m.conv_relu(m.conv_relu("input", 17, 3, 3), 17, 17, 3), 2, 2)
    x = m.pool("MaxPool", m.conv_relu(x, 33, 17, 3), 2, 2)
    x = m.node("Dropout", m.node("Relu", m.gemm(m.node("Flatten", x), 99, 40)))
    return m.model(m.gemm(m.node("Relu", m.gemm(x, 40, 17)), 17, 5))


def inception() -> onnx.ModelProto:
    m = ZooModel((1, 16, 9, 9))
    pooled = m.pool("MaxPool", "input", 3, 1, 1)
    three = m.conv_relu(m.conv_relu("input", 6, 16), 8, 6, 3)
    x = m.node("Concat", m.conv_relu("input", 8, 16), three, m.conv_relu(pooled, 8, 16), axis=1)
    counted = m.pool("AveragePool", x, 3, 1, 1, count_include_pad=1)
    inside = m.pool("AveragePool", x, 3, 1, 1, count_include_pad=0)
    parts = [m.conv_relu(counted, 8, 24), m.conv(inside, 8, 24), m.pool("MaxPool", x, 3, 1, 1)]
    return m.model(m.head(m.node("Concat", *parts, axis=1), 40))


def dense_network() -> onnx.ModelProto:
    """Concat of Concat, and batch normalisation in front of the convolutions."""
    m = ZooModel((1, 3, 9, 9))
    x, channels = m.conv("input", 8, 3, 3), 8
    for _ in range(2):
        y = m.node("Relu", m.batch_norm(x, channels))
        x = m.node("Concat", x, m.conv(y, 5, channels, 3), axis=1)
        channels += 5
    return m.model(m.head(m.node("Relu", m.batch_norm(x, channels)), channels))


def squeeze_network() -> onnx.ModelProto:
    m = ZooModel((1, 3, 24, 24))
    x = m.pool("MaxPool", m.conv_relu("input", 16, 3, 3, strides=[2, 2]), 3, 2, ceil_mode=1)
    narrow = m.conv_relu(x, 4, 16)
    parts = [m.conv_relu(narrow, 16, 4), m.conv_relu(narrow, 16, 4, 3)]
    x = m.conv_relu(m.node("Concat", *parts, axis=1), 10, 32)
    x = m.reshape(m.node("GlobalAveragePool", x), 1, -1)
    return m.model(m.node("Softmax", x, axis=1))


def efficient_network() -> onnx.ModelProto:
    """SiLU by parts, and squeeze-excitation by ReduceMean."""
    m = ZooModel((2, 5, 7, 13))
    x = m.silu(m.conv("input", 20, 5, 3))
    gate = m.silu(m.conv(m.node("ReduceMean", x, axes=[2, 3], keepdims=1), 5, 20))
    gate = m.node("Sigmoid", m.conv(gate, 20, 5))
    return m.model(m.conv(m.node("Mul", gate, x), 7, 20))


def hard_swish_by_parts() -> onnx.ModelProto:
    m = ZooModel((1, 3, 8, 8))
    x = m.conv("input", 16, 3, 3)
    six = m.node("Clip", m.node("Add", x, m.floats(3)), m.floats(0), m.floats(6))
    x = m.node("Mul", x, m.node("Div", six, m.floats(6)))
    return m.model(m.head(m.conv(x, 16, 16, 3, group=16), 16))


def shuffle_network() -> onnx.ModelProto:
    """Halves of an input, which the quantiser gives scales of their own; channels shuffled."""
    m = ZooModel((1, 24, 8, 8))
    left, right = m.slice("input", 1, 0, 12), m.slice("input", 1, 12, 24)
    right = m.conv_relu(m.conv(m.conv_relu(right, 12, 12), 12, 12, 3, group=12), 12, 12)
    x = m.shuffled(m.node("Concat", left, right, axis=1), (1, 24, 8, 8))
    x = m.conv(x, 24, 24, 3, group=24, strides=[2, 2])
    return m.model(m.head(m.conv_relu(x, 12, 24, group=2), 12))


def focus() -> onnx.ModelProto:
    """Every second pixel as channels; quant_pre_process makes SpaceToDepth of it."""
    m = ZooModel((1, 3, 8, 8))
    parts = [
        m.slice(m.slice("input", 2, row, 8, 2), 3, column, 8, 2)
        for column in (0, 1)
        for row in (0, 1)
    ]
    x = m.conv(m.node("Concat", *parts, axis=1), 12, 12, 3)
    return m.model(m.node("DepthToSpace", x, blocksize=2, mode="CRD"))


def u_network() -> onnx.ModelProto:
    m = ZooModel((1, 1, 16, 16))
    first = m.conv_relu("input", 8, 1, 3)
    second = m.conv_relu(m.pool("MaxPool", first, 2, 2), 16, 8, 3)
    x = m.node("Concat", m.twice_as_large(second), first, axis=1)
    return m.model(m.node("Sigmoid", m.conv(m.conv_relu(x, 8, 24, 3), 2, 8)))


def detector() -> onnx.ModelProto:
    """Heads on two maps, transposed and joined; pyramids of pools."""
    m = ZooModel((1, 3, 16, 16))
    fine = m.silu(m.conv("input", 8, 3, 3, strides=[2, 2]))
    coarse = m.silu(m.conv(fine, 16, 8, 3, strides=[2, 2]))
    pooled = m.pool("MaxPool", coarse, 5, 1, 2)
    joined = m.node("Concat", coarse, pooled, m.pool("MaxPool", pooled, 5, 1, 2), axis=1)
    coarse = m.conv(joined, 8, 48)
    fine = m.node("Add", fine, m.twice_as_large(coarse))
    heads = []
    for x in (fine, coarse):
        head = m.node("Transpose", m.conv(x, 14, 8, 3), perm=[0, 2, 3, 1])
        heads.append(m.reshape(head, 1, -1, 7))
    return m.model(m.node("Sigmoid", m.node("Concat", *heads, axis=1)), coarse)


def temporal_network() -> onnx.ModelProto:
    """Causal convolutions of one dimension, dilated."""
    m = ZooModel((1, 5, 33))
    x, channels = "input", 5
    for dilation in (1, 2, 4):
        y = m.node(
            "Conv",
            x,
            m.weight(12, channels, 3),
            m.vector(12),
            dilations=[dilation],
            pads=[2 * dilation, 0],
        )
        other = x if channels == 12 else m.node("Conv", x, m.weight(12, channels, 1))
        x, channels = m.node("Relu", m.node("Add", m.node("Relu", y), other)), 12
    return m.model(m.head(x, 12))


def paddings() -> onnx.ModelProto:
    """Sides padded differently, by rule, by a node; channels last at both ends."""
    m = ZooModel((1, 13, 7, 3))
    x = m.node("Transpose", "input", perm=[0, 3, 1, 2])
    same = {"auto_pad": "SAME_UPPER", "strides": [2, 2]}
    x = m.node("Relu", m.node("Conv", x, m.weight(8, 3, 3, 3), m.vector(8), **same))
    x = m.node("Pad", x, m.ints(0, 0, 1, 0, 0, 0, 1, 2), m.floats(0))
    x = m.node("Conv", x, m.weight(8, 1, 3, 2), group=8, pads=[0, 1, 1, 0])
    x = m.node("Pad", x, m.ints(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect")
    return m.model(m.node("Transpose", m.conv(x, 5, 8), perm=[0, 2, 3, 1]))


def mixer() -> onnx.ModelProto:
    m = ZooModel((1, 3, 16, 16))
    x = m.node("Conv", "input", m.weight(24, 3, 4, 4), m.vector(24), strides=[4, 4])
    x = m.node("Transpose", m.reshape(x, 1, 24, 16), perm=[0, 2, 1])
    y = m.node("Transpose", m.layer_norm(x, 24), perm=[0, 2, 1])
    y = m.dense(m.gelu_by_parts(m.dense(y, 16, 32)), 32, 16)
    x = m.node("Add", x, m.node("Transpose", y, perm=[0, 2, 1]))
    y = m.gelu_by_tanh(m.dense(m.layer_norm(x, 24), 24, 48))
    x = m.node("Add", x, m.dense(y, 48, 24))
    return m.model(m.gemm(m.node("ReduceMean", x, axes=[1], keepdims=0), 24, 7))


def vision_transformer() -> onnx.ModelProto:
    """A class token in front of the patches."""
    m, width, shape = ZooModel((1, 3, 16, 16)), 32, (1, 17, 32)
    x = m.node("Conv", "input", m.weight(width, 3, 4, 4), m.vector(width), strides=[4, 4])
    x = m.node("Transpose", m.reshape(x, 1, width, 16), perm=[0, 2, 1])
    token = m.constant(m.rng.standard_normal((1, 1, width)).astype(np.float32))
    places = m.constant(m.rng.standard_normal(shape).astype(np.float32))
    x = m.node("Add", m.node("Concat", token, x, axis=1), places)
    x = m.node("Add", x, m.attention(m.layer_norm(x, width), shape, 4))
    y = m.gelu_by_parts(m.dense(m.layer_norm(x, width), width, 64))
    x = m.layer_norm(m.node("Add", x, m.dense(y, 64, width)), width)
    return m.model(m.gemm(m.node("Gather", x, m.constant(np.int64(0)), axis=1), width, 7))


def encoder() -> onnx.ModelProto:
    """Embeddings, a causal mask, a pooler; two outputs."""
    m, width, shape = ZooModel(), 32, (1, 11, 32)
    table = m.constant(m.rng.standard_normal((50, width)).astype(np.float32))
    places = m.constant(m.rng.standard_normal(shape).astype(np.float32))
    x = m.node("Gather", table, m.input("ids", shape[:2], TensorProto.INT64))
    x = m.layer_norm(m.node("Add", x, places), width)
    mask = m.constant(np.triu(np.full(shape[1:2] * 2, -20, np.float32), 1))
    x = m.layer_norm(m.node("Add", x, m.attention(x, shape, 2, mask)), width)
    first = m.node("Gather", x, m.constant(np.int64(0)), axis=1)
    return m.model(x, m.gemm(m.node("Tanh", m.gemm(first, width, width)), width, 2))


def recommender() -> onnx.ModelProto:
    """Numbers and indices; the products of all pairs."""
    m = ZooModel()
    numbers, ids = m.input("numbers", (4, 13)), m.input("ids", (4, 3), TensorProto.INT64)
    x = m.node("Relu", m.batch_norm(m.gemm(numbers, 13, 16), 16))
    rows = m.node("Gather", m.constant(m.rng.standard_normal((40, 16)).astype(np.float32)), ids)
    rows = m.node("Concat", m.node("Unsqueeze", x, m.ints(1)), rows, axis=1)
    pairs = m.node("MatMul", rows, m.node("Transpose", rows, perm=[0, 2, 1]))
    x = m.node("Concat", x, m.reshape(pairs, 4, 16), axis=1)
    return m.model(m.node("Sigmoid", m.gemm(x, 32, 1)))


ZOO = {
    each.__name__: each
    for each in (
        *(vgg, inception, dense_network, squeeze_network, efficient_network, hard_swish_by_parts),
        *(shuffle_network, focus, u_network, detector, temporal_network, paddings),
        *(mixer, vision_transformer, encoder, recommender),
    )
}
