"""Float models of common shapes, for ONNX Runtime's own quantiser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process


class FloatModel:
    """Nodes in order; every method gives the name of the tensor that it makes."""

    def __init__(self, shape: Sequence[int] | None = None, seed: int = 0) -> None:
        self._inputs: list[onnx.ValueInfoProto] = []
        if shape is not None:
            self.input("input", shape)
        self.rng = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def input(self, name: str, shape: Sequence[int], kind: int = TensorProto.FLOAT) -> str:
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def constant(self, array) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op: str, *inputs: str, **attributes) -> str:
        made = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, inputs, [made], f"{op}_{made}", **attributes))
        return made

    def weight(self, *shape: int) -> str:
        fan = int(np.prod(shape[1:])) if len(shape) > 2 else shape[0]
        return self.constant((self.rng.standard_normal(shape) / np.sqrt(fan)).astype(np.float32))

    def vector(self, count: int, centre: float = 0.0) -> str:
        return self.constant((self.rng.standard_normal(count) * 0.2 + centre).astype(np.float32))

    def conv(self, x: str, channels: int, source: int, kernel: int = 1, **attributes) -> str:
        groups = attributes.get("group", 1)
        weight = self.weight(channels, source // groups, kernel, kernel)
        pads = [kernel // 2] * 4
        return self.node("Conv", x, weight, self.vector(channels), pads=pads, **attributes)

    def dense(self, x: str, source: int, columns: int) -> str:
        product = self.node("MatMul", x, self.weight(source, columns))
        return self.node("Add", product, self.vector(columns))

    def reshape(self, x: str, *shape: int) -> str:
        return self.node("Reshape", x, self.constant(np.array(shape, np.int64)))

    def model(self, *outputs: str) -> onnx.ModelProto:
        infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self._nodes, "test", self._inputs, infos, self._constants)
        opsets = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        return onnx.shape_inference.infer_shapes(model)


def residual_network() -> onnx.ModelProto:
    """A stem, a block with identity, one with a strided shortcut, a head on pooled features."""
    m = FloatModel((2, 3, 16, 16))
    x = m.node("Relu", m.conv("input", 16, 3, 7, strides=[2, 2]))
    x = m.node("MaxPool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])
    y = m.conv(m.node("Relu", m.conv(x, 16, 16, 3)), 16, 16, 3)
    x = m.node("Relu", m.node("Add", y, x))
    y = m.conv(m.node("Relu", m.conv(x, 32, 16, 3, strides=[2, 2])), 32, 32, 3)
    x = m.node("Relu", m.node("Add", y, m.conv(x, 32, 16, strides=[2, 2])))
    x = m.node("Flatten", m.node("GlobalAveragePool", x))
    return m.model(m.node("Gemm", x, m.weight(10, 32), m.vector(10), transB=1))


def mobile_network() -> onnx.ModelProto:
    """Inverted residuals with squeeze-excitation and hard swish."""
    m = FloatModel((1, 3, 16, 16))
    x = m.node("HardSwish", m.conv("input", 16, 3, 3, strides=[2, 2]))
    y = m.node("Clip", m.conv(x, 48, 16), m.constant(np.float32(0)), m.constant(np.float32(6)))
    y = m.conv(y, 48, 48, 3, group=48)
    s = m.node("Relu", m.conv(m.node("GlobalAveragePool", y), 12, 48))
    s = m.node("HardSigmoid", m.conv(s, 48, 12))
    y = m.conv(m.node("Mul", y, s), 16, 48)
    x = m.node("Add", x, y)
    a, b = m.conv(x, 8, 16, 3), m.node("Sigmoid", m.conv(x, 24, 16))
    x = m.node("Concat", a, b, axis=1)
    x = m.node("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    x = m.node("Flatten", x)
    return m.model(m.node("Gemm", x, m.weight(512, 10), m.vector(10)))


def transformer_block() -> onnx.ModelProto:
    """Attention of four heads and a feed-forward network, post-norm."""
    tokens, width, heads = 12, 32, 4
    m = FloatModel((2, tokens, width))

    def split(x: str, perm: Sequence[int]) -> str:
        return m.node("Transpose", m.reshape(x, 2, tokens, heads, width // heads), perm=perm)

    query = split(m.dense("input", width, width), (0, 2, 1, 3))
    key = split(m.dense("input", width, width), (0, 2, 3, 1))
    value = split(m.dense("input", width, width), (0, 2, 1, 3))
    root = m.constant(np.float32(np.sqrt(width // heads)))
    scores = m.node("Div", m.node("MatMul", query, key), root)
    mixed = m.node("MatMul", m.node("Softmax", scores, axis=-1), value)
    mixed = m.reshape(m.node("Transpose", mixed, perm=[0, 2, 1, 3]), 2, tokens, width)
    x = m.node("Add", m.dense(mixed, width, width), "input")
    x = m.node("LayerNormalization", x, m.vector(width, 1.0), m.vector(width))
    y = m.node("Tanh", m.dense(x, width, 2 * width))
    x = m.node("Add", m.dense(y, 2 * width, width), x)
    x = m.node("LayerNormalization", x, m.vector(width, 1.0), m.vector(width))
    return m.model(m.dense(x, width, 8))


def _sample(value: onnx.ValueInfoProto, rng: np.random.Generator) -> np.ndarray:
    """Normal floats, or indices 0 to 9."""
    kind = value.type.tensor_type
    shape = [dim.dim_value for dim in kind.shape.dim]
    if kind.elem_type == TensorProto.FLOAT:
        return rng.standard_normal(shape).astype(np.float32) * 2
    return rng.integers(0, 10, shape)


class _Samples(CalibrationDataReader):
    def __init__(self, model: onnx.ModelProto, count: int) -> None:
        rng = np.random.default_rng(7)
        self._feeds = iter(
            [{each.name: _sample(each, rng) for each in model.graph.input} for _ in range(count)]
        )

    def get_next(self):
        return next(self._feeds, None)


def quantized(
    model: onnx.ModelProto,
    folder: Path,
    form: QuantFormat = QuantFormat.QDQ,
    activations: QuantType = QuantType.QUInt8,
    weights: QuantType = QuantType.QInt8,
    per_channel: bool = False,
    prepared: bool = False,
    **options: object,
) -> onnx.ModelProto:
    """What onnxruntime.quantization.quantize_static makes of it, prepared by quant_pre_process."""
    made = folder / "quantized.onnx"
    source: onnx.ModelProto | Path = model
    if prepared:
        source = folder / "prepared.onnx"
        onnx.save(model, made)
        quant_pre_process(made, source, skip_symbolic_shape=True)
    quantize_static(
        source,
        made,
        _Samples(model, 4),
        quant_format=form,
        per_channel=per_channel,
        activation_type=activations,
        weight_type=weights,
        **options,
    )
    return onnx.load(made)
