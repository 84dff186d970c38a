"""Operators of two tensors, element by element, and functions of one."""

from __future__ import annotations

import math
from dataclasses import replace

from workloads.onnx_import import attributes
from workloads.onnx_import.absorbing import absorbed
from workloads.onnx_import.constants import numbers_in
from workloads.onnx_import.context import Context, bytes_of, refusal
from workloads.onnx_import.entries import (
    Computed,
    Constant,
    Entry,
    HostInput,
    Joined,
    Move,
    Moved,
    Real,
)
from workloads.onnx_import.functions import CLAMPS, function_of, gated, is_monotone
from workloads.onnx_import.messages import fail, problem, title
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.moves import RELABELLING
from workloads.onnx_import.normal import Function, Value
from workloads.onnx_import.quantization import BYTES, numbers_of, parameters_of
from workloads.onnx_import.shapes import broadcast, checked
from workloads.onnx_import.values import float_value

_MOST_FUNCTIONS = 16


def binary(context: Context, operation: Operation) -> Entry:
    """Add, Sub, Mul and Div in floating point."""
    attributes.read(operation, {})
    entries = context.entry(operation, 0), context.entry(operation, 1)
    whole = absorbed(operation, entries)
    if whole is not None:
        return whole
    if operation.op == "Mul":
        gate = _gated(operation, *entries)
        if gate is not None:
            return gate
    return pair(
        operation,
        _term(operation, 0, entries[0]),
        _term(operation, 1, entries[1]),
    )


def pair(operation: Operation, left: Value, right: Value, op: str | None = None) -> Computed:
    """An operator of two values, which broadcast.

    `op` is its name in floating point, where that of the operation is another.
    """
    op = op or operation.op
    if left.constant is not None and right.constant is not None:
        fail(operation, "both its inputs are constant: compute it before exporting")
    if op == "Div" and right.constant is None:
        fail(
            operation,
            "it divides by a computed tensor: only division by constants is supported; if this is "
            "a part of a normalisation, export with opset 17, which has LayerNormalization",
        )
    shape = checked(operation, broadcast(operation, left.shape, right.shape))
    return Computed(operation, operation.outputs[0], op, (left, right), shape)


def unary(context: Context, operation: Operation) -> Entry:
    """A function of one tensor in floating point."""
    function = function_of(operation, context.constants(operation))
    entry = context.entry(operation, 0)
    return applied(operation, entry, function, operation.outputs[0])


def bounded(context: Context, operation: Operation) -> Entry:
    """Max and Min of a tensor and a number."""
    attributes.read(operation, {})
    entries = tuple(context.entry(operation, place) for place in range(len(operation.inputs)))
    for entry, other in (entries, entries[::-1]) if len(entries) == 2 else ():
        number = numbers_in(other)
        if number is None or number.size != 1 or number.dtype.kind != "f":
            continue
        if number.ndim <= len(entry.shape):
            bound = "min" if operation.op == "Max" else "max"
            limits = {"min": -math.inf, "max": math.inf, bound: float(number.item())}
            return applied(operation, entry, Function("Clip", limits), operation.outputs[0])
    raise problem(operation, "only one tensor and a constant number are supported: use Clip")


def applied(operation: Operation, entry: Entry, function: Function, name: str) -> Entry:
    """A function behind an entry: with what makes it, if that is not quantised yet."""
    match entry:
        case Real():
            value = bytes_of(operation, entry.value)
            if value.constant is not None:
                fail(operation, "its input is constant: compute it before exporting")
            return _function_of(operation, value, function, name)
        case Computed():
            if len(entry.functions) >= _MOST_FUNCTIONS:
                fail(operation, f"more than {_MOST_FUNCTIONS} functions follow one another")
            return replace(entry, name=name, functions=(*entry.functions, function))
        case Joined():
            parts = tuple(
                applied(operation, part, function, f"{name}.{place}")
                for place, part in enumerate(entry.parts)
            )
            return replace(entry, name=name, parts=parts)
        case HostInput() if function.op in CLAMPS:
            return Moved(entry, (_clamp(operation, entry, function, name),))
        case Moved(source=HostInput()) if function.op in CLAMPS:
            if len(entry.moves) >= _MOST_FUNCTIONS:
                fail(operation, f"more than {_MOST_FUNCTIONS} operators in front of the first one")
            return Moved(entry.source, (*entry.moves, _clamp(operation, entry, function, name)))
        case Moved(source=Computed() | Joined()):
            for move in entry.moves:
                commutes = move.op in RELABELLING or (
                    move.op == "MaxPool" and is_monotone(function)
                )
                if not commutes:
                    fail(
                        operation,
                        f"it follows {title(move.operation)}, whose result is not quantised: put "
                        "QuantizeLinear and DequantizeLinear between them",
                    )
            source = applied(operation, entry.source, function, f"{name}.source")
            assert isinstance(source, Computed | Joined)
            last = replace(entry.moves[-1], name=name)
            return Moved(source, (*entry.moves[:-1], last))
    raise refusal(operation, entry, operation.inputs[0])


def _clamp(operation: Operation, entry: HostInput | Moved, function: Function, name: str) -> Move:
    """A clamp of what is quantised behind it: as quantisation is monotone, it may come first."""
    bounds = {"min": 0.0, "max": math.inf} | function.attributes
    return Move(operation, name, "Clip", entry.shape, bounds)


def _function_of(operation: Operation, value: Value, function: Function, name: str) -> Computed:
    return Computed(operation, name, function.op, (value,), value.shape, function.attributes)


def _term(operation: Operation, place: int, entry: Entry) -> Value:
    """An operand: codes, or a constant, in floating point unless it has one scale for all."""
    name = operation.inputs[place]
    if isinstance(entry, Constant) and entry.array.dtype.kind == "f":
        return float_value(operation, name, entry.array)
    if not isinstance(entry, Real):
        raise refusal(operation, entry, name)
    value = entry.value
    several = value.axis is not None or value.element_type not in BYTES
    if value.constant is not None and several:
        return float_value(operation, name, numbers_of(value))
    return bytes_of(operation, value)


def _gated(operation: Operation, one: Entry, other: Entry) -> Computed | None:
    """``x * f(x)`` where that is a function with a name, of what is quantised or not."""
    for plain, behind in ((one, other), (other, one)):
        if not isinstance(behind, Computed):
            continue
        if isinstance(plain, Real):
            if not _same(behind.inputs, (plain.value,)):
                continue
            first = Function(behind.op, behind.attributes)
            function = gated((), (first, *behind.functions))
            if function is not None:
                name = operation.outputs[0]
                return _function_of(operation, plain.value, function, name)
        elif isinstance(plain, Computed) and plain.op == behind.op:
            if plain.inputs != behind.inputs or plain.operation is not behind.operation:
                continue
            function = gated(plain.functions, behind.functions)
            if function is not None:
                functions = (*plain.functions, function)
                return replace(plain, name=operation.outputs[0], functions=functions)
    return None


def _same(one: tuple[Value | None, ...], other: tuple[Value | None, ...]) -> bool:
    """Whether they are the same numbers: models dequantise the same codes for each use."""
    return len(one) == len(other) and all(
        a is not None
        and b is not None
        and a.name == b.name
        and parameters_of(a).key == parameters_of(b).key
        for a, b in zip(one, other, strict=True)
    )
