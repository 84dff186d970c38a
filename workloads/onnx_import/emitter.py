"""Nodes of the normal form, made where a quantisation decides what they yield."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from workloads.onnx_import.entries import (
    Computed,
    Constant,
    Entry,
    HostInput,
    Joined,
    Move,
    Moved,
    Parameters,
    Real,
)
from workloads.onnx_import.messages import fail, problem
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.moves import axis_after, is_identity, moved
from workloads.onnx_import.normal import Function, Node, Value
from workloads.onnx_import.quantization import codes_of, numbers_of, parameters_of
from workloads.onnx_import.unique_names import UniqueNames
from workloads.onnx_import.values import (
    constant_value,
    fill_code,
    integer_value,
    refuse_sums,
    value_of,
)


class Emitter:
    """Collects nodes, in the order in which they run.

    Parameters
    ----------
    tensors
        All names of tensors of the model: names that are made up differ from them.

    Attributes
    ----------
    nodes
        Those made so far.
    inputs
        Codes of floating-point inputs of the model that were quantised, by the inputs' names; those
        of an input that is quantised in another way too by their own.
    origins
        For those by the codes' own name: the input of the model.
    """

    def __init__(self, tensors: Iterable[str]) -> None:
        self.nodes: list[Node] = []
        self.inputs: dict[str, Value] = {}
        self.origins: dict[str, str] = {}
        self._node_names = UniqueNames()
        self._value_names = UniqueNames()
        self._free = set(tensors)
        for name in self._free:
            self._value_names.unique(name)
        # Entries are kept beside what became of them, so that no other gets the same identity.
        self._quantized: dict[tuple[object, ...], tuple[Entry, Value]] = {}

    def fresh(self, wanted: str) -> str:
        """A name of a value that no other has; a name of the model only the first time."""
        if wanted in self._free:
            self._free.discard(wanted)
            return wanted
        return self._value_names.unique(wanted)

    def emit(
        self,
        operation: Operation,
        op: str,
        inputs: tuple[Value | None, ...],
        output: Value,
        attributes: dict[str, Any] | None = None,
        functions: tuple[Function, ...] = (),
    ) -> Value:
        """Add a node; give its output, whose name may have become another."""
        if all(value is None or value.constant is not None for value in inputs):
            fail(operation, "all its inputs are constant: compute it before exporting")
        output = replace(output, name=self.fresh(output.name))
        name = self._node_names.unique(operation.name)
        self.nodes.append(Node(name, op, inputs, (output,), functions, attributes or {}))
        return output

    def quantize(
        self, operation: Operation, entry: Entry, parameters: Parameters, name: str
    ) -> Value:
        """Codes of an entry in a quantisation; of the same entry in the same one they are the same.

        `operation` is what quantises, `name` that of the value, where it is not there already.
        """
        key = (id(entry), parameters.key)
        if key not in self._quantized:
            self._quantized[key] = entry, self._codes(operation, entry, parameters, name)
        return self._quantized[key][1]

    def _codes(
        self, operation: Operation, entry: Entry, parameters: Parameters, name: str
    ) -> Value:
        match entry:
            case Constant():
                if entry.array.dtype.kind != "f":
                    fail(operation, f"it quantises {entry.array.dtype.name}: give it float")
                return constant_value(name, codes_of(entry.array, parameters), parameters)
            case Real():
                return self._requantized(operation, entry.value, parameters, name)
            case HostInput():
                return self._input(entry, parameters, name)
            case Computed():
                output = value_of(name, entry.shape, parameters)
                return self.emit(
                    entry.operation,
                    entry.op,
                    entry.inputs,
                    output,
                    entry.attributes,
                    entry.functions,
                )
            case Joined():
                values = tuple(
                    self.quantize(operation, part, parameters, f"{entry.name}.{place}")
                    for place, part in enumerate(entry.parts)
                )
                output = value_of(name, entry.shape, parameters)
                axis = {"axis": entry.axis}
                return self.emit(entry.operation, "Concat", values, output, axis)
            case Moved():
                value = self.quantize(operation, entry.source, parameters, entry.source.name)
                for move in entry.moves[:-1]:
                    value = self.move(value, move, exact=False)
                return self.move(value, entry.moves[-1], name, exact=False)
        raise problem(operation, "it quantises codes: dequantise them first")

    def _requantized(
        self, operation: Operation, value: Value, parameters: Parameters, name: str
    ) -> Value:
        if value.constant is not None:
            return constant_value(name, codes_of(numbers_of(value), parameters), parameters)
        if parameters_of(value).key == parameters.key:
            return value
        refuse_sums(operation, value)
        output = value_of(name, value.shape, parameters)
        return self.emit(operation, "Requantize", (value,), output)

    def _input(self, entry: HostInput, parameters: Parameters, name: str) -> Value:
        # The input's own name stands for one of its quantisations already.
        own = self._value_names.unique(name) if name == entry.name else self.fresh(name)
        value = value_of(own, entry.shape, parameters)
        if entry.name in self.inputs:
            self.inputs[value.name] = value
            self.origins[value.name] = entry.name
        else:
            self.inputs[entry.name] = value
        return value

    def move(
        self, value: Value, move: Move, name: str | None = None, *, exact: bool = True
    ) -> Value:
        """Move codes; what is constant is moved here, and what stays in place needs no node.

        `name` is that of the result, if not the movement's. `exact` says that what a Pad puts in
        has to be a code, since no quantisation follows.
        """
        name = move.name if name is None else name
        if is_identity(move, value.shape):
            return value
        move = replace(move, fill=fill_code(move, value, exact))
        if value.constant is not None:
            return self._moved_constant(value, move, name)
        inputs: tuple[Value, ...] = (value,)
        if move.indices is not None:
            inputs = (value, integer_value(self.fresh(f"{name}.indices"), move.indices))
        attributes = dict(move.attributes)
        if move.op == "Pad":
            attributes["fill"] = move.fill
        output = replace(value, name=name, shape=move.shape)
        return self.emit(move.operation, move.op, inputs, output, attributes)

    def _moved_constant(self, value: Value, move: Move, name: str) -> Value:
        axis = value.axis
        if axis is not None:
            axis = axis_after(move, value.shape, axis)
            if axis is None:
                fail(move.operation, "it moves a weight that is quantised by channel: do it before")
        assert value.constant is not None
        constant = moved(value.constant, move)
        return replace(
            value, name=self.fresh(name), shape=constant.shape, axis=axis, constant=constant
        )
