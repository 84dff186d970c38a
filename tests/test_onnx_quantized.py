"""Models quantised by onnxruntime.quantization, and operators of integers, against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import normal_interpreter
import numpy as np
import onnx
import pytest
from onnx_models import ModelBuilder, onnx_runtime, sample_of
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from workloads.onnx_import.normal import Normalized
from workloads.onnx_import.normalize import normalize_model
from workloads.onnx_import.reader import read_model

Shape = tuple[int, ...]


class Samples(CalibrationDataReader):
    """Inputs that activation ranges come from."""

    def __init__(self, shape: Shape) -> None:
        self._samples = iter([{"x": sample_of(shape, seed)} for seed in range(8)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._samples, None)


def convolutional() -> tuple[onnx.ModelProto, Shape]:
    b, shape = ModelBuilder(opset=17), (1, 3, 8, 8)
    x = b.input(shape)
    stem = b.node("Conv", [x, b.floats(8, 3, 3, 3, scale=0.3), b.floats(8)], pads=[1] * 4)
    pooled = b.node("MaxPool", [b.node("Relu", [stem])], kernel_shape=[2, 2], strides=[2, 2])
    y = b.node(
        "Conv", [pooled, b.floats(8, 1, 3, 3, scale=0.3), b.floats(8)], pads=[1] * 4, group=8
    )
    y = b.node("Clip", [y, b.constant(np.float32(0)), b.constant(np.float32(6))])
    y = b.node("Conv", [y, b.floats(8, 8, 1, 1, scale=0.3)])
    y = b.node("LeakyRelu", [b.node("Add", [pooled, y])], alpha=0.1)
    y = b.node("Concat", [y, pooled], axis=1)
    y = b.node("AveragePool", [y], kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4)
    y = b.node("Resize", [y, "", b.constant(np.array([1, 1, 2, 2], np.float32))], mode="nearest")
    y = b.node("Flatten", [b.node("GlobalAveragePool", [y])])
    y = b.node("Gemm", [y, b.floats(5, 16, scale=0.5), b.floats(5)], transB=1)
    return b.model(b.node("Sigmoid", [y])), shape


def attention() -> tuple[onnx.ModelProto, Shape]:
    b, shape = ModelBuilder(opset=17), (1, 6, 16)
    x = b.input(shape)

    def heads(perm: list[int]) -> str:
        y = b.node("Add", [b.node("MatMul", [x, b.floats(16, 16, scale=0.3)]), b.floats(16)])
        y = b.node("Reshape", [y, b.constant(np.array([0, 0, 2, 8]))])
        return b.node("Transpose", [y], perm=perm)

    query, key, value = heads([0, 2, 1, 3]), heads([0, 2, 3, 1]), heads([0, 2, 1, 3])
    scores = b.node("Mul", [b.node("MatMul", [query, key]), b.constant(np.float32(8**-0.5))])
    mixed = b.node("MatMul", [b.node("Softmax", [scores]), value])
    mixed = b.node(
        "Reshape",
        [b.node("Transpose", [mixed], perm=[0, 2, 1, 3]), b.constant(np.array([1, 6, 16]))],
    )
    y = b.node("Add", [x, b.node("MatMul", [mixed, b.floats(16, 16, scale=0.3)])])
    y = b.node("LayerNormalization", [y, b.floats(16), b.floats(16)])
    y = b.node("Relu", [b.node("MatMul", [y, b.floats(16, 32, scale=0.3)])])
    return b.model(b.node("MatMul", [y, b.floats(32, 16, scale=0.3)])), shape


NETWORKS = {"convolutional": convolutional, "attention": attention}
OPERATORS = [
    *("Conv", "Gemm", "MatMul", "Add", "Mul", "Relu", "Clip", "LeakyRelu", "Sigmoid", "Softmax"),
    *("MaxPool", "AveragePool", "GlobalAveragePool", "Concat", "Reshape", "Transpose", "Resize"),
    *("Flatten", "LayerNormalization"),
]
TYPES = {
    "uint8, int8": (QuantType.QUInt8, QuantType.QInt8),
    "uint8, uint8": (QuantType.QUInt8, QuantType.QUInt8),
    "int8, int8": (QuantType.QInt8, QuantType.QInt8),
}


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize("form", QuantFormat)
@pytest.mark.parametrize("network", NETWORKS)
def test_models_of_onnx_runtimes_quantizer(network, form, types, per_channel, tmp_path: Path):
    model, shape = NETWORKS[network]()
    activation, weight = TYPES[types]
    path = tmp_path / "model.onnx"
    quantize_static(
        model,
        path,
        Samples(shape),
        quant_format=form,
        per_channel=per_channel,
        activation_type=activation,
        weight_type=weight,
        op_types_to_quantize=OPERATORS,
    )
    normalized = normalize_model(read_model(path), "model")
    normal_interpreter.check_form(normalized)
    assert normalized.host_operators[0] == "quantise 'x'"
    compared = 0
    for seed in range(5):
        feeds = {"x": sample_of(shape, 100 + seed)}
        for node, made, expected in on_equal_inputs(path, normalized, feeds):
            apart = np.abs(made.astype(int) - expected)
            assert apart.max() <= ("averagepool" in node), node
            compared += apart.size
    assert compared > 1000


def on_equal_inputs(
    path: Path, normalized: Normalized, feeds: dict[str, np.ndarray]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """What each node makes of the codes that ONNX Runtime has in front of it, and what that makes.

    ONNX Runtime runs node by node: where it fuses QDQ models it rounds softmax otherwise.
    """
    model = onnx.load(path)
    made = {name for node in model.graph.node for name in node.output}
    made -= {output.name for output in model.graph.output}
    names = [node.outputs[0].name for node in normalized.nodes]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name in made)
    expected = onnx_runtime(model, feeds, optimize=False)
    (value,) = normalized.inputs.values()
    codes = {value.name: normal_interpreter.quantize(feeds["x"], value)}
    for node, name in zip(normalized.nodes, names, strict=True):
        made_codes = normal_interpreter.evaluate(node, codes)
        codes[name] = made_codes.astype(normal_interpreter.DTYPES[node.outputs[0].element_type])
        # Movements in floating point have names of floating-point tensors.
        if name in expected and expected[name].dtype == codes[name].dtype:
            yield node.name, codes[name], expected[name]
            codes[name] = expected[name]
