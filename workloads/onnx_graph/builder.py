"""The graph under construction: what every lowering reads from and writes to."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from workloads.epilogue import UnaryTable
from workloads.graph import Constant
from workloads.onnx_graph import layouts
from workloads.onnx_graph.additions import Sum
from workloads.onnx_graph.codes import all_codes
from workloads.onnx_graph.consumers import Consumers
from workloads.onnx_graph.layouts import FILL, Indices, Layout, Source, View
from workloads.onnx_graph.naming import Names, OperatorNames, readable
from workloads.onnx_graph.tables import clamp_range, table_of
from workloads.onnx_import.messages import extents, fail, quoted
from workloads.onnx_import.normal import Node, Normalized, Value
from workloads.operators import Map, Move, Operator
from workloads.quantize import Quantization
from workloads.tensor import DTYPES, Tensor

_RANK_LIMIT = 6
_ELEMENT_LIMIT = 1 << 26
"""Of a tensor; each takes eight bytes of this process."""


class Builder:
    """Operators so far, and where each value of the model is.

    Attributes
    ----------
    operators
        In the order in which they run.
    constants
        Values of tensors that are part of the graph, by name.
    inputs
        Of the model, by its names.
    image_extents
        Height and width of the images in a tensor, by name, where its rows are pixels.
    exchanges
        For each Map that adds: its sum with the operands exchanged, if there is one (fusing.py).
    """

    def __init__(self, model: Normalized) -> None:
        self.operators: list[Operator] = []
        self.constants: dict[str, Constant] = {}
        self.inputs: dict[str, Source] = {}
        self.image_extents: dict[str, tuple[int, int]] = {}
        self.exchanges: dict[str, Callable[[], Sum | None]] = {}
        self.consumers = Consumers(model)
        self._views: dict[str, View] = {}
        self._input_names: dict[Source, str] = {}
        self._input_values: dict[Source, Value] = {}
        self._operator_names = OperatorNames()
        self._tensor_names = Names()
        for node in model.nodes:
            for value in (*node.inputs, *node.outputs):
                if value is not None:
                    _check_extents(node, value)
        for name, value in model.inputs.items():
            self._input(name, value)
        self.output_names = {
            name: self._tensor_names.unique(readable(name)) for name in model.outputs
        }

    def _input(self, name: str, value: Value) -> None:
        elements = math.prod(value.shape)
        source = Source(elements, None)
        self.inputs[name] = source
        self._input_names[source] = self._tensor_names.unique(readable(name))
        self._input_values[source] = value
        self._views[value.name] = View(value.shape, (source,), perm=tuple(range(len(value.shape))))

    def view(self, node: Node, value: Value) -> View:
        """Where a value is that a node reads."""
        if value.name not in self._views:
            if value.constant is None:
                fail(node, f"nothing before it makes {quoted(value.name)}: sort the nodes")
            kind = value.element_type
            if kind is None:
                fail(node, f"{quoted(value.name)} is floating-point: quantise it")
            self._views[value.name] = self.constant(node, value.constant, kind)
        return self._views[value.name]

    def set_view(self, value: Value, view: View) -> None:
        """What a node makes without moving anything."""
        self._views[value.name] = view

    def constant(self, node: Node, codes: NDArray[Any], element_type: ElementType) -> View:
        """Codes that are part of the model."""
        layout = layouts.natural(codes.shape)
        array = codes.reshape(layout.rows, layout.cols).astype(DTYPES[element_type])
        tensor = self._constant(self.tensor_name(node, "const"), array, element_type)
        return View(codes.shape, (Source(codes.size, tensor),), perm=layout.perm)

    def _constant(self, name: str, array: NDArray[Any], element_type: ElementType) -> Tensor:
        tensor = Tensor(name, len(array), array.shape[1], element_type)
        self.constants[name] = Constant(tensor, np.ascontiguousarray(array))
        return tensor

    def operator_name(self, node: Node, part: str = "") -> str:
        return self._operator_names.name(node.name, node.op, part)

    def tensor_name(self, node: Node, part: str = "") -> str:
        """Of a tensor that is no output of an operator; those are called as their operator."""
        return self._tensor_names.unique(f"{self._operator_names.layer(node.name, node.op)}.{part}")

    def tensor(self, name: str, rows: int, cols: int, element_type: ElementType) -> Tensor:
        """An output of the operator `name`."""
        return Tensor(self._tensor_names.unique(name), rows, cols, element_type)

    def add(self, operator: Operator) -> Tensor:
        """Append an operator."""
        self.operators.append(operator)
        return operator.outputs[0]

    def define(self, value: Value, tensor: Tensor, layout: Layout) -> None:
        """A value of the model is this tensor."""
        elements = tensor.rows * tensor.cols
        view = View(value.shape, (Source(elements, tensor),), perm=layout.perm)
        view.made[layout] = tensor
        self._views[value.name] = view
        if len(value.shape) == 4 and layout == layouts.channels_last(value.shape):
            self.image_extents[tensor.name] = (value.shape[2], value.shape[3])

    def free(self, view: View, layout: Layout) -> Tensor | None:
        """The matrix of a view, where no element has to move for it."""
        if layout in view.made:
            return view.made[layout]
        source = view.sources[0]
        found: Tensor | None = None
        if view.holds(layout):
            found = source.tensor
        elif all(s.tensor is not None and s.tensor.name in self.constants for s in view.sources):
            found = self._rearranged(view, layout)
        elif len(view.sources) == 1:
            if source.tensor is None:
                found = self._chosen(view, source, layout)
            elif (source.tensor.rows, source.tensor.cols) == (layout.rows, layout.cols):
                order = view.matrix(layout).reshape(-1)
                if np.array_equal(order, np.arange(source.elements)):
                    found = source.tensor
        if found is not None:
            view.made[layout] = found
        return found

    def matrix(self, node: Node, view: View, layout: Layout, part: str = "move") -> Tensor:
        """The matrix of a view, moved where it has to be."""
        found = self.free(view, layout)
        if found is None:
            found = view.made[layout] = self._moved(node, view, layout, part)
        return found

    def _rearranged(self, view: View, layout: Layout) -> Tensor:
        """A constant in another layout."""
        tensors = [source.tensor for source in view.sources if source.tensor is not None]
        flat = [self.constants[tensor.name].values.reshape(-1) for tensor in tensors]
        fill = np.array([view.fill], flat[0].dtype)
        array = np.concatenate([*flat, fill])[view.matrix(layout)]
        name = self._tensor_names.unique(tensors[0].name)
        return self._constant(name, array, tensors[0].element_type)

    def _chosen(self, view: View, source: Source, layout: Layout) -> Tensor | None:
        """An input that nothing has read yet, as the first reader wants it."""
        order = view.matrix(layout).reshape(-1)
        whole = np.arange(source.elements, dtype=np.int64)
        if not np.array_equal(order, whole):
            if len(order) != source.elements or not np.array_equal(np.sort(order), whole):
                return None
            source.order = order
        element_type = self._input_values[source].element_type
        assert element_type is not None
        source.tensor = Tensor(self._input_names[source], layout.rows, layout.cols, element_type)
        return source.tensor

    def _moved(self, node: Node, view: View, layout: Layout, part: str) -> Tensor:
        for source in view.sources:
            if source.tensor is None:
                value = self._input_values[source]
                whole = self._views[value.name]
                self._chosen(whole, source, self.consumers.wanted(value))
        index = np.ascontiguousarray(view.matrix(layout))
        tensors: list[Tensor] = []
        for source in view.sources:
            assert source.tensor is not None
            tensors.append(source.tensor)
        tensors, index = _used(tensors, index)
        name = self.operator_name(node, part)
        made = self.tensor(name, layout.rows, layout.cols, tensors[0].element_type)
        return self.add(
            Move(name=name, inputs=tuple(tensors), index=index, output=made, fill=view.fill)
        )

    def copied(self, node: Node, tensor: Tensor) -> Tensor:
        """The same matrix as the output of an operator."""
        index = np.arange(tensor.rows * tensor.cols, dtype=np.int64)
        name = self.operator_name(node, "copy")
        made = self.tensor(name, tensor.rows, tensor.cols, tensor.element_type)
        return self.add(
            Move(
                name=name,
                inputs=(tensor,),
                index=index.reshape(tensor.rows, tensor.cols),
                output=made,
            )
        )

    def layout_of(self, value: Value, view: View) -> Layout:
        """The layout in which an operator that takes any should read a value."""
        if view.layout is not None:
            return view.layout
        if view.made:
            return next(iter(view.made))
        return self.consumers.wanted(value)

    def map(self, node: Node, tensor: Tensor, table: UnaryTable, part: str = "") -> Tensor:
        """A table look-up."""
        name = self.operator_name(node, part)
        made = self.tensor(name, tensor.rows, tensor.cols, table.element_type)
        return self.add(Map(name=name, input=tensor, output=made, table=table))

    def clamped(self, node: Node, tensor: Tensor, target: Quantization) -> Tensor:
        """What the node's clamps leave of codes, where its operator has none of its own."""
        clamp = clamp_range(node, target)
        if clamp is None:
            return tensor
        codes = np.clip(all_codes(target.element_type), *clamp)
        return self.map(node, tensor, table_of(codes, target, target), "clamp")


def _check_extents(node: Node, value: Value) -> None:
    """Require few axes, and elements that there is room for."""
    if len(value.shape) > _RANK_LIMIT:
        fail(node, f"{quoted(value.name)} has {len(value.shape)} axes: use {_RANK_LIMIT} at most")
    if not 0 < math.prod(value.shape) <= _ELEMENT_LIMIT:
        fail(
            node,
            f"{quoted(value.name)} is {extents(value.shape)}: give it 1 to {_ELEMENT_LIMIT} "
            "elements",
        )


def _used(tensors: list[Tensor], index: Indices) -> tuple[list[Tensor], Indices]:
    """Only the tensors of which some element is used, and their numbers."""
    ends = np.cumsum([tensor.rows * tensor.cols for tensor in tensors])
    holder = np.searchsorted(ends, index.reshape(-1), side="right")
    counts = np.bincount(holder[index.reshape(-1) != FILL], minlength=len(tensors))
    kept: list[Tensor] = []
    renumbered = np.full(ends[-1] + 1, FILL, np.int64)
    place = 0
    for tensor, end, count in zip(tensors, ends, counts, strict=True):
        if count:
            size = tensor.rows * tensor.cols
            renumbered[end - size : end] = np.arange(place, place + size)
            place += size
            kept.append(tensor)
    return kept, renumbered[index]
