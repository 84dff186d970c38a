"""Operators of two tensors, element by element, and functions of one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from workloads.onnx_import import attributes
from workloads.onnx_import.bias import bias_value
from workloads.onnx_import.context import Context, bytes_of, refusal
from workloads.onnx_import.entries import Computed, Constant, Entry, Joined, Moved, Real
from workloads.onnx_import.functions import function_of, gated, is_monotone
from workloads.onnx_import.messages import extents, fail, title
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.moves import RELABELLING
from workloads.onnx_import.normal import Function, Value
from workloads.onnx_import.quantization import BYTES, numbers_of, parameters_of
from workloads.onnx_import.shapes import broadcast, checked
from workloads.onnx_import.values import float_value

_MOST_FUNCTIONS = 16
_WITH_BIAS = ("Conv", "Gemm", "MatMul")


def binary(context: Context, operation: Operation) -> Entry:
    """Add, Sub, Mul and Div in floating point."""
    attributes.read(operation, {})
    entries = context.entry(operation, 0), context.entry(operation, 1)
    if operation.op == "Mul":
        for place in (0, 1):
            scaled = _scaled_sums(operation, entries[place], entries[1 - place])
            if scaled is not None:
                return scaled
    if operation.op == "Add":
        for place in (0, 1):
            biased = _biased(operation, entries[place], entries[1 - place], 1 - place)
            if biased is not None:
                return biased
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
        fail(operation, "it divides by a computed tensor: only division by constants is supported")
    shape = checked(operation, broadcast(operation, left.shape, right.shape))
    return Computed(operation, operation.outputs[0], op, (left, right), shape)


def unary(context: Context, operation: Operation) -> Entry:
    """A function of one tensor in floating point."""
    function = function_of(operation, context.constants(operation))
    entry = context.entry(operation, 0)
    return applied(operation, entry, function, operation.outputs[0])


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
        case Moved():
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


def _function_of(operation: Operation, value: Value, function: Function, name: str) -> Computed:
    return Computed(operation, name, function.op, (value,), value.shape, function.attributes)


def _term(operation: Operation, place: int, entry: Entry) -> Value:
    """An operand: codes, or a constant, in floating point unless it has one scale for all."""
    name = operation.inputs[place]
    if isinstance(entry, Constant) and entry.array.dtype.kind == "f":
        return float_value(name, entry.array)
    if not isinstance(entry, Real):
        raise refusal(operation, entry, name)
    value = entry.value
    several = value.axis is not None or value.element_type not in BYTES
    if value.constant is not None and several:
        return float_value(name, numbers_of(value))
    return bytes_of(operation, value)


def _biased(operation: Operation, entry: Entry, other: Entry, place: int) -> Computed | None:
    """A product that is not quantised, with the constant input `place` added as its bias."""
    if not isinstance(entry, Computed) or entry.op not in _WITH_BIAS:
        return None
    constant = isinstance(other, Constant) or (
        isinstance(other, Real) and other.value.constant is not None
    )
    if not constant or entry.functions or entry.inputs[2] is not None:
        return None
    axis = 1 if entry.op == "Conv" else len(entry.shape) - 1
    aligned = (1,) * (len(entry.shape) - len(other.shape)) + tuple(other.shape)
    channels = entry.shape[axis]
    spread = [extent for place, extent in enumerate(aligned) if place != axis]
    if len(aligned) != len(entry.shape) or any(extent != 1 for extent in spread):
        fail(
            operation,
            f"it adds a constant {extents(other.shape)} to what {title(entry.operation)} makes in "
            "floating point: quantise that first",
        )
    name = operation.inputs[place]
    flat = Constant(name, _numbers(other).reshape(-1))
    x, w = entry.inputs[:2]
    assert x is not None
    assert w is not None
    bias = bias_value(operation, flat, name, x, w, channels)
    return replace(entry, name=operation.outputs[0], inputs=(x, w, bias))


def _numbers(entry: Entry) -> NDArray[Any]:
    if isinstance(entry, Constant):
        return entry.array
    assert isinstance(entry, Real)
    return numbers_of(entry.value)


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


def _scaled_sums(operation: Operation, entry: Entry, other: Entry) -> Real | None:
    """Sums of MatMulInteger or ConvInteger times constants, which become a part of their scale."""
    if not isinstance(entry, Real) or not isinstance(other, Constant):
        return None
    value, factors = entry.value, other.array
    if value.element_type is not ElementType.INT32 or value.constant is not None:
        return None
    long = [axis - factors.ndim for axis, extent in enumerate(factors.shape) if extent != 1]
    shape = checked(operation, broadcast(operation, value.shape, factors.shape))
    if factors.dtype != np.float32 or len(long) > 1 or shape != value.shape:
        fail(operation, "it scales int32 sums: do so by one float32, or by one for each channel")
    axis = long[0] + len(shape) if long else None
    assert value.scale is not None
    if None not in (axis, value.axis) and axis != value.axis:
        fail(operation, "it scales int32 sums along two axes: do so along one")
    with np.errstate(all="ignore"):
        scale = value.scale * (factors.reshape(-1) if long else factors.reshape(()))
    if not np.all(np.isfinite(scale)):
        fail(operation, "it scales int32 sums by what is not finite")
    axis = value.axis if axis is None else axis
    return Real(replace(value, scale=scale, zero_point=np.zeros(scale.shape, np.int64), axis=axis))
