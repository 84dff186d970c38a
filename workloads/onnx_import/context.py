"""What is known of a model while its operations are taken one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.errors import AssayError
from workloads.onnx_import.emitter import Emitter
from workloads.onnx_import.entries import (
    Codes,
    Computed,
    Constant,
    Entry,
    HostInput,
    Joined,
    Moved,
    Parameters,
    Real,
)
from workloads.onnx_import.messages import as_the_quantizer, fail, problem, quoted, title
from workloads.onnx_import.model_graph import ModelGraph, Operation
from workloads.onnx_import.normal import Value
from workloads.onnx_import.quantization import (
    BYTES,
    element_type_of,
    make_parameters,
    numbers_of,
)
from workloads.onnx_import.values import constant_value, refuse_sums
from workloads.tensor import DTYPES

_FOLDED_BYTES = 1 << 28
_FOLDED_SHARE = 4
"""Bytes of constants computed at import: these, and so many for each byte that the model holds."""


class Context:
    """Entries by the names of tensors, and the nodes made so far.

    Attributes
    ----------
    emitter
        Makes nodes.
    """

    def __init__(self, graph: ModelGraph) -> None:
        names = [name for operation in graph.operations for name in operation.outputs if name]
        self.emitter = Emitter([*names, *graph.inputs, *graph.initializers])
        self._entries: dict[str, Entry] = {}
        held = sum(len(tensor.raw_data) for tensor in graph.initializers.values())
        self._bytes_to_fold = _FOLDED_BYTES + _FOLDED_SHARE * held

    def __getitem__(self, name: str) -> Entry | None:
        return self._entries.get(name)

    def bind(self, operation: Operation, *entries: Entry) -> None:
        """Say what the outputs of an operation are, the first ones if not all are given."""
        for name, entry in zip(operation.outputs, entries, strict=False):
            if name:
                self._entries[name] = entry

    def define(self, name: str, entry: Entry) -> None:
        """Say what an input or an initializer is."""
        self._entries[name] = entry

    def optional(self, operation: Operation, place: int) -> Entry | None:
        """Input number `place` of an operation, None where it is left out."""
        if place >= len(operation.inputs) or not operation.inputs[place]:
            return None
        name = operation.inputs[place]
        if name not in self._entries:
            fail(operation, f"it reads {quoted(name)}, an optional result that is not supported")
        return self._entries[name]

    def entry(self, operation: Operation, place: int) -> Entry:
        """Input number `place` of an operation; an AssayError where it is left out."""
        entry = self.optional(operation, place)
        if entry is None:
            fail(operation, f"it lacks its input {place}: export it again")
        return entry

    def constant(self, operation: Operation, place: int) -> NDArray[Any] | None:
        """Numbers of a constant input, None where it is left out."""
        entry = self.optional(operation, place)
        if entry is None:
            return None
        if isinstance(entry, Constant):
            return entry.array
        if isinstance(entry, Real) and entry.value.constant is not None:
            return numbers_of(entry.value)
        raise problem(operation, f"its input {place} must be constant: compute it before exporting")

    def constants(self, operation: Operation) -> Callable[[int], NDArray[Any] | None]:
        """:meth:`constant` of one operation."""
        return lambda place: self.constant(operation, place)

    def operand(self, operation: Operation, place: int) -> Value:
        """Input number `place` of an operation, int8 or uint8 codes that it reads dequantised."""
        entry = self.entry(operation, place)
        if not isinstance(entry, Real):
            raise refusal(operation, entry, operation.inputs[place])
        return bytes_of(operation, entry.value)

    def codes(self, operation: Operation, place: int, parameters: Parameters) -> Value:
        """Input number `place` of an operation of integers, with parameters of the operation."""
        entry = self.entry(operation, place)
        if isinstance(entry, Constant):
            return constant_value(operation.inputs[place], entry.array, parameters)
        if isinstance(entry, Codes):
            return replace(
                entry.value,
                scale=parameters.scale,
                zero_point=parameters.zero_point,
                axis=parameters.axis,
            )
        name = quoted(operation.inputs[place])
        raise problem(operation, f"its input {name} must be integers: quantise it")

    def parameters(
        self, operation: Operation, place: int, source: int | None, axis: int | None = None
    ) -> Parameters:
        """Quantisation that inputs `place` (scale) and ``place + 1`` (zero point) give.

        It is that of the codes of input `source`, or if that is None, of the operation's result;
        along `axis` where the scale is no scalar.
        """
        scale, zero_point = self.constant(operation, place), self.constant(operation, place + 1)
        if scale is None:
            fail(operation, f"it lacks the scale, its input {place}: export it again")
        shape: tuple[int, ...] = ()
        dtype = np.dtype(np.uint8) if zero_point is None else zero_point.dtype
        if source is not None:
            entry = self.entry(operation, source)
            shape, dtype = entry.shape, self.dtype_of(operation, entry)
        element_type = element_type_of(operation, dtype)
        return make_parameters(operation, scale, zero_point, element_type, axis, shape)

    def dtype_of(self, operation: Operation, entry: Entry) -> np.dtype[Any]:
        """Type of integers."""
        if isinstance(entry, Constant):
            return entry.array.dtype
        if isinstance(entry, Codes):
            assert entry.value.element_type is not None
            return DTYPES[entry.value.element_type]
        raise problem(operation, "it reads floating point where it takes integers: quantise it")

    def spend(self, operation: Operation, elements: int, dtype: np.dtype[Any]) -> None:
        """Raise an AssayError where the constants that are computed become too large."""
        self._bytes_to_fold -= elements * dtype.itemsize
        if self._bytes_to_fold < 0:
            fail(operation, "constants computed from others take too much memory: store them")


def bytes_of(operation: Operation, value: Value) -> Value:
    """A value, if it is of a type that operators read."""
    refuse_sums(operation, value)
    if value.element_type is not None and value.element_type not in BYTES:
        fail(
            operation,
            f"{quoted(value.name)} is {value.element_type.name.lower()}: quantise to int8 or uint8",
        )
    return value


def _instead(operation: Operation, entry: Computed | Joined) -> str:
    """How a result that an operation reads comes to be quantised."""
    if operation.op == "Sub" and entry.operation.op == "ReduceMean":
        return "or export with opset 17, where LayerNormalization is one operator"
    if operation.op == "BatchNormalization":
        return "or fold it before quantising; onnxruntime's quant_pre_process does so"
    return as_the_quantizer(entry.operation)


def refusal(operation: Operation, entry: Entry, name: str) -> AssayError:
    """The error to raise about an input that is not quantised as it has to be."""
    between = "put QuantizeLinear and DequantizeLinear between them"
    if isinstance(entry, Moved):
        entry = entry.source
    if isinstance(entry, Constant):
        return problem(operation, f"its constant {quoted(name)} is not quantised: quantise it")
    if isinstance(entry, Codes):
        return problem(
            operation,
            f"it reads the integers {quoted(name)}: dequantise them, or use its quantised form",
        )
    if isinstance(entry, HostInput):
        # The quantiser leaves this one as it finds its input.
        instead = "" if operation.op == "AveragePool" else f", {as_the_quantizer(operation)}"
        return problem(
            operation,
            f"it reads input {quoted(entry.name)} in floating point: {between}{instead}",
        )
    if isinstance(entry, Computed | Joined):
        return problem(
            operation,
            f"it reads {quoted(name)}, which {title(entry.operation)} makes in floating point: "
            f"{between}, {_instead(operation, entry)}",
        )
    return problem(operation, f"it cannot read {quoted(name)}: quantise it anew")
