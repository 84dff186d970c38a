"""Who reads each value of a model, and in which layout they would like it."""

from __future__ import annotations

from workloads.onnx_graph import layouts
from workloads.onnx_graph.layouts import Layout
from workloads.onnx_graph.tables import FUNCTIONS
from workloads.onnx_import.normal import Node, Normalized, Value

_IMAGES = ("Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "ConvInteger")
_ROWS = ("Gemm", "MatMul", "MatMulInteger", "Softmax", "LayerNormalization")
_ELEMENTWISE = ("Add", "Sub", "Mul", "Div", "Requantize", *FUNCTIONS)


class Consumers:
    """Readers of the values of a model."""

    def __init__(self, model: Normalized) -> None:
        self._nodes: dict[str, list[Node]] = {}
        for node in model.nodes:
            for name in {value.name for value in node.inputs if value is not None}:
                self._nodes.setdefault(name, []).append(node)
        self._outputs = {value.name for value in model.outputs.values()}

    def of(self, value: Value) -> list[Node]:
        """Nodes that read a value, in order."""
        return self._nodes.get(value.name, [])

    def is_output(self, value: Value) -> bool:
        """Whether the model returns it."""
        return value.name in self._outputs

    def wanted(self, value: Value) -> Layout:
        """The layout that the first reader with a preference has; else the usual one."""
        found = self._wanted(value, set())
        if found is not None:
            return found
        if len(value.shape) == 4:
            return layouts.channels_last(value.shape)
        return layouts.natural(value.shape)

    def _wanted(self, value: Value, seen: set[str]) -> Layout | None:
        if value.name in seen:
            return None
        seen.add(value.name)
        for node in self.of(value):
            layout = self._wanted_by(node, value, seen)
            if layout is not None:
                return layout
        return None

    def _wanted_by(self, node: Node, value: Value, seen: set[str]) -> Layout | None:
        result = node.outputs[0]
        if node.op in _IMAGES and len(value.shape) >= 3:
            return layouts.channels_last(value.shape)
        if node.op in _ROWS:
            return layouts.natural(value.shape)
        if node.op in _ELEMENTWISE and result.shape == value.shape:
            return self._wanted(result, seen)
        if node.op == "Reshape":
            behind = self._wanted(result, seen)
            if behind is not None and list(behind.perm) == sorted(behind.perm):
                return Layout(tuple(range(len(value.shape))), behind.rows, behind.cols)
        if node.op == "Transpose":
            behind = self._wanted(result, seen)
            if behind is not None:
                axes = node.attributes["perm"]
                return Layout(tuple(axes[axis] for axis in behind.perm), behind.rows, behind.cols)
        return None
