"""The outputs of a model: which tensors of the graph hold them, and how."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from workloads.epilogue import Residual
from workloads.onnx_graph.builder import Builder
from workloads.onnx_graph.edges import OutputEdge
from workloads.onnx_graph.layouts import View
from workloads.onnx_import.messages import fail, quoted
from workloads.onnx_import.normal import Node, Normalized, Value
from workloads.operators import Operator
from workloads.tensor import Tensor


class Outputs:
    """Of a model whose nodes have all been lowered.

    Attributes
    ----------
    tensors
        That hold outputs, each once, as operators made them.
    edges
        One for each output, with tensors of the output's name.
    copies
        How many of the tensors an operator only copies, so that they are not inputs.
    host_operators
        What happens outside to the outputs, beyond what the model says.
    """

    def __init__(self, builder: Builder, model: Normalized) -> None:
        self._builder = builder
        self.copies = 0
        self._names: dict[str, Tensor] = {}
        edges = [self._edge(name, value, model) for name, value in model.outputs.items()]
        self.tensors = tuple(dict.fromkeys(edge.tensor for edge in edges))
        self.edges = tuple(replace(edge, tensor=self._renamed(edge.tensor)) for edge in edges)
        self.host_operators = tuple(
            f"join the halves of {quoted(edge.name)}" for edge in edges if edge.halves
        )

    def _edge(self, name: str, value: Value, model: Normalized) -> OutputEdge:
        makers = [node for node in model.nodes if value in node.outputs]
        node = makers[0] if makers else Node(name, "Identity", (value,), (value,))
        view = self._builder.view(node, value)
        halves = value.element_type is ElementType.INT32
        tensor, place = self._halves(node, view) if halves else self._placed(node, value, view)
        if tensor.name not in self._names:
            wanted = self._builder.output_names[name]
            self._names[tensor.name] = replace(tensor, name=wanted)
        scale = value.scale if name in model.float_outputs else None
        if scale is not None and scale.size > 1 and value.axis is not None:
            extents = [1] * len(value.shape)
            extents[value.axis] = scale.size
            scale = scale.reshape(extents)
        zero_point = 0 if value.zero_point is None else int(value.zero_point.reshape(-1)[0])
        return OutputEdge(name, value.shape, tensor, place, scale, zero_point, halves)

    def _halves(self, node: Node, view: View) -> tuple[Tensor, NDArray[np.int64] | None]:
        """Sums lie as they were made."""
        tensor = view.sources[0].tensor
        if len(view.sources) > 1 or view.filled or tensor is None:
            fail(
                node, "its int32 is joined, padded or no sum: only sums of products can be outputs"
            )
        return tensor, _place(view)

    def _placed(
        self, node: Node, value: Value, view: View
    ) -> tuple[Tensor, NDArray[np.int64] | None]:
        """The tensor as it was made if it holds just these elements; else a new one."""
        source, builder = view.sources[0], self._builder
        made = {tensor.name for operator in builder.operators for tensor in operator.outputs}
        if len(view.sources) == 1 and source.tensor is not None and source.tensor.name in made:
            numbers = np.sort(view.numbers().reshape(-1))
            if np.array_equal(numbers, np.arange(source.elements)):
                return source.tensor, _place(view)
        layout = builder.consumers.wanted(value)
        before = len(builder.operators)
        tensor = builder.matrix(node, view, layout)
        if tensor.name not in made and len(builder.operators) == before:
            self.copies += 1
            tensor = builder.copied(node, tensor)
        index = np.arange(len(view.numbers().reshape(-1)), dtype=np.int64)
        extents = [value.shape[axis] for axis in layout.perm]
        whole = index.reshape(extents).transpose(np.argsort(layout.perm))
        return tensor, _unless_in_order(whole)

    def _renamed(self, tensor: Tensor) -> Tensor:
        return self._names.get(tensor.name, tensor)

    def renamed(self, operator: Operator) -> Operator:
        """An operator with output tensors called as the model calls them."""
        if not any(tensor.name in self._names for tensor in (*operator.inputs, *operator.outputs)):
            return operator
        changes: dict[str, Any] = {}
        for field in fields(operator):
            value = getattr(operator, field.name)
            if isinstance(value, Tensor):
                changes[field.name] = self._renamed(value)
            elif isinstance(value, Residual):
                changes[field.name] = replace(value, tensor=self._renamed(value.tensor))
            elif isinstance(value, tuple) and value and isinstance(value[0], Tensor):
                changes[field.name] = tuple(self._renamed(tensor) for tensor in value)
        return replace(operator, **changes)


def _place(view: View) -> NDArray[np.int64] | None:
    return _unless_in_order(view.numbers())


def _unless_in_order(numbers: NDArray[np.int64]) -> NDArray[np.int64] | None:
    flat = numbers.reshape(-1)
    return None if np.array_equal(flat, np.arange(len(flat))) else flat
