"""ONNX models for tests, written operator by operator, and what ONNX Runtime makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
Array = np.ndarray


class ModelBuilder:
    """Nodes in order; every method gives the name of the tensor that it makes."""

    def __init__(self, seed: int = 0, opset: int = 17) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self._opset = opset
        self._count = 0

    def fresh(self, prefix: str = "t") -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def input(
        self, shape: Sequence[int | str], kind: int = TensorProto.FLOAT, name: str = "x"
    ) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def constant(self, array: Any, name: str | None = None) -> str:
        name = name or self.fresh("c")
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op: str, inputs: Sequence[str], outputs: int = 1, **attributes: Any) -> Any:
        made = [self.fresh() for _ in range(outputs)]
        name = f"{op.lower()}_{made[0]}"
        self.nodes.append(helper.make_node(op, inputs, made, name=name, **attributes))
        return made[0] if outputs == 1 else made

    def parameters(self, scale: Any, zero_point: Any, dtype: type = np.uint8) -> list[str]:
        points = np.broadcast_to(np.asarray(zero_point, dtype), np.shape(scale))
        return [self.constant(np.asarray(scale, np.float32)), self.constant(points)]

    def quantize(
        self, x: str, scale: Any, zero_point: Any = 0, dtype: type = np.uint8, **attributes: Any
    ) -> str:
        return self.node(
            "QuantizeLinear", [x, *self.parameters(scale, zero_point, dtype)], **attributes
        )

    def dequantize(
        self, x: str, scale: Any, zero_point: Any = 0, dtype: type = np.uint8, **attributes: Any
    ) -> str:
        return self.node(
            "DequantizeLinear", [x, *self.parameters(scale, zero_point, dtype)], **attributes
        )

    def through(
        self, x: str, scale: float = 0.05, zero_point: int = 128, dtype: type = np.uint8
    ) -> str:
        """Quantised and dequantised."""
        if dtype is np.int8 and zero_point > 127:
            zero_point -= 128
        parameters = scale, zero_point, dtype
        return self.dequantize(self.quantize(x, *parameters), *parameters)

    def weight(self, shape: Sequence[int], axis: int | None = None, dtype: type = np.int8) -> str:
        """A dequantised constant; along an axis each scale is another."""
        limits = np.iinfo(dtype)
        codes = self.rng.integers(limits.min, limits.max, shape, endpoint=True).astype(dtype)
        if axis is None:
            zero_point = 0 if dtype is np.int8 else 120
            return self.dequantize(self.constant(codes), 0.01, zero_point, dtype)
        scale = self.rng.uniform(0.005, 0.02, shape[axis])
        return self.dequantize(self.constant(codes), scale, np.zeros(shape[axis]), dtype, axis=axis)

    def floats(self, *shape: int, scale: float = 1.0) -> str:
        return self.constant((self.rng.standard_normal(shape) * scale).astype(np.float32))

    def model(self, *outputs: str, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
        infos = [helper.make_tensor_value_info(name, kind, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "test", self.inputs, infos, self.initializers)
        opsets = [helper.make_opsetid("", self._opset), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def sample_of(shape: Sequence[int], seed: int = 1) -> Array:
    """An input, of deviation 2."""
    return np.random.default_rng(seed).normal(0, 2, shape).astype(np.float32)


def onnx_runtime(
    model: onnx.ModelProto, feeds: dict[str, Array], optimize: bool = True
) -> dict[str, Array]:
    """Outputs by name."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))
