"""The zoo through ONNX Runtime's quantiser, the importer, the compiler and the golden machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from float_models import quantized
from imported import compiled, differences, imported, random_feeds
from onnx import version_converter
from onnx_models import onnx_runtime
from onnx_zoo import ZOO
from onnxruntime.quantization import QuantFormat, QuantType

from arch.errors import AssayError
from flow.evaluate import evaluate
from workloads.onnx_graph.edges import Edges

QDQ, QOPERATOR = QuantFormat.QDQ, QuantFormat.QOperator
UINT8, INT8 = QuantType.QUInt8, QuantType.QInt8
ALL = sorted({node.op_type for build in ZOO.values() for node in build().graph.node} - {"Dropout"})
"""What ONNX Runtime leaves in floating point by default is among it, such as ReduceMean."""
VARIANTS = {
    "uint8": {"op_types_to_quantize": ALL},
    "int8": {"activations": INT8, "op_types_to_quantize": ALL},
    "uint8 by channel, prepared": {
        "weights": UINT8,
        "per_channel": True,
        "prepared": True,
        "op_types_to_quantize": [*ALL, "SpaceToDepth"],
    },
    "QOperator": {"form": QOPERATOR, "per_channel": True},
}
NOT_AS_QOPERATOR = {"dense_network", "mixer", "encoder", "vision_transformer"}
"""ONNX Runtime leaves normalisations in floating point there."""
ROUNDED = {"AveragePool", "GlobalAveragePool", "LayerNormalization", "ReduceMean", "Softmax"}
NORMALIZED = "BatchNormalization"


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("network", ZOO)
def test_models_of_the_zoo_equal_onnx_runtime(network, variant, tmp_path: Path):
    if variant == "QOperator" and network in NOT_AS_QOPERATOR:
        pytest.skip("not quantised as a whole in this format")
    model = quantized(ZOO[network](), tmp_path, **VARIANTS[variant])
    exact = True
    for name, (op, most, share) in differences(model).items():
        close = op in ROUNDED or NORMALIZED in name
        assert most <= close, (name, op, most, share)
        exact &= not close
    assert apart(model, "tiny" if variant == "int8" else "base") <= (0 if exact else 4)


def apart(model: onnx.ModelProto, config: str) -> float:
    """Codes that an output is from ONNX Runtime's at most; the golden machine agrees."""
    edges, got = compiled(model, config, 3)
    want = onnx_runtime(model, random_feeds(model, 3))
    assert set(got) == set(want)
    return max(_codes_apart(edges, name, got[name], want[name]) for name in want)


def _codes_apart(edges: Edges, name: str, got: np.ndarray, want: np.ndarray) -> float:
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    (scale,) = (edge.scale for edge in edges.outputs if edge.name == name)
    return float(np.abs(np.rint((got - want) / scale)).max())


def test_an_input_can_be_quantised_in_several_ways(tmp_path: Path):
    graph, edges = imported(quantized(ZOO["shuffle_network"](), tmp_path))
    assert [edge.name for edge in edges.inputs] == ["input", "input"]
    assert len({edge.tensor.name for edge in edges.inputs}) == len(graph.inputs) == 2
    assert edges.inputs[0].codes != edges.inputs[1].codes
    assert edges.host_operators.count("quantise 'input'") == 2
    with pytest.raises(AssayError, match=r"has no input 'y': its inputs are 'input'$"):
        edges.quantize({"y": np.zeros(1)})


def listed_as_inputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """As up to IR version 3."""
    for tensor in model.graph.initializer:
        model.graph.input.append(
            onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        )
    model.ir_version = 3
    return model


def made_by_nodes(model: onnx.ModelProto) -> onnx.ModelProto:
    nodes = [
        onnx.helper.make_node("Constant", [], [tensor.name], value=tensor)
        for tensor in model.graph.initializer
    ]
    nodes += model.graph.node
    del model.graph.initializer[:]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def of_opset(version: int):
    return lambda model: version_converter.convert_version(model, version)


@pytest.mark.parametrize(
    "change", [listed_as_inputs, made_by_nodes, of_opset(14), of_opset(21), of_opset(23)]
)
def test_other_ways_to_write_a_model_change_nothing(change, tmp_path: Path):
    model = quantized(ZOO["inception"](), tmp_path)
    feeds = random_feeds(model)

    def outputs() -> list[np.ndarray]:
        graph, edges = imported(model)
        return list(edges.dequantize(evaluate(graph, edges.quantize(feeds))).values())

    expected = outputs()
    model = change(model)
    np.testing.assert_array_equal(outputs(), expected)


ISLANDS = {
    "vgg": (["Conv"], r"\(Gemm\).*'Relu' in op_types_to_quantize"),
    "detector": (["Conv"], r"\((Resize|Add|MaxPool|Concat|Mul)\).*op_types_to_quantize"),
    "efficient_network": (["Conv"], r"\(ReduceMean\).*'Mul' in op_types_to_quantize"),
    "vision_transformer": (["MatMul"], "input 'input' in floating.*'Conv' in op_types_to_quantize"),
    "encoder": (["MatMul", "Gemm"], r"\(Gather\).*its constant 'c0' is not quantised"),
    "mixer": (["Conv", "MatMul", "Gemm"], r"\(Div\).*'Add' in op_types_to_quantize"),
}


@pytest.mark.parametrize("network", ISLANDS)
def test_islands_of_floating_point_are_refused(network, tmp_path: Path):
    kinds, said = ISLANDS[network]
    model = quantized(ZOO[network](), tmp_path, op_types_to_quantize=kinds)
    with pytest.raises(AssayError, match=f"^node '.*{said}") as caught:
        imported(model)
    assert "\n" not in str(caught.value)
