"""Operators of constants only, computed at import: mostly what exporters write about shapes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from workloads.onnx_import import attributes
from workloads.onnx_import.context import Context
from workloads.onnx_import.entries import Constant, Entry, Real
from workloads.onnx_import.messages import extents, fail
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.quantization import numbers_of
from workloads.onnx_import.shapes import broadcast
from workloads.onnx_import.tensors import (
    MOST_DIMENSIONS,
    MOST_ELEMENTS,
    dtype_of,
    to_array,
    type_name,
)

Array = NDArray[Any]

_ELEMENTWISE: dict[str, Callable[..., Array]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Mod": np.mod,
    "Pow": np.power,
    "Min": np.minimum,
    "Max": np.maximum,
    "Equal": np.equal,
    "Neg": np.negative,
    "Abs": np.abs,
    "Sqrt": np.sqrt,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Where": np.where,
}
_OPERANDS = {"Where": 3, "Neg": 1, "Abs": 1, "Sqrt": 1, "Floor": 1, "Ceil": 1}


def is_foldable(context: Context, operation: Operation) -> bool:
    """Whether :func:`folded` takes it: it is in the list, and all its inputs are constant."""
    inputs = [context[name] for name in operation.inputs if name]
    if not inputs or operation.op not in FOLDED:
        return False
    if operation.op in _ELEMENTWISE:
        return all(numbers_in(entry) is not None for entry in inputs)
    # What is joined only keeps its quantisation.
    return all(isinstance(entry, Constant) for entry in inputs)


def folded(context: Context, operation: Operation) -> Constant:
    """The result of an operation whose inputs are constant."""
    inputs = [context.entry(operation, place) for place in range(len(operation.inputs))]
    arrays = [array for array in map(numbers_in, inputs) if array is not None]
    with np.errstate(all="ignore"):
        made = FOLDED[operation.op](context, operation, arrays)
    return Constant(operation.outputs[0], made)


def numbers_in(entry: Entry | None) -> Array | None:
    """Numbers of what is constant."""
    if isinstance(entry, Constant):
        return entry.array
    if isinstance(entry, Real) and entry.value.constant is not None:
        return numbers_of(entry.value)
    return None


def constant_of(operation: Operation) -> Constant:
    """What a Constant node holds."""
    kinds = {
        "value": attributes.Attribute(attributes.Kind.TENSOR, None),
        "value_float": attributes.number(None),
        "value_floats": attributes.Attribute(attributes.Kind.NUMBERS, None),
        "value_int": attributes.integer(None),
        "value_ints": attributes.integers(None),
    }
    given = attributes.read(operation, kinds)
    held = [(name, value) for name, value in given.items() if value is not None]
    if len(held) != 1:
        fail(operation, "it must hold one value: export it again")
    name, value = held[0]
    if isinstance(value, TensorProto):
        array = to_array(value)
    else:
        array = np.asarray(value, np.float32 if "float" in name else np.int64)
    return Constant(operation.outputs[0], array)


def shape_of(context: Context, operation: Operation) -> Constant:
    """Shape and Size: of any tensor, since all extents are known."""
    shape = context.entry(operation, 0).shape
    if operation.op == "Size":
        attributes.read(operation, {})
        return Constant(operation.outputs[0], np.asarray(math.prod(shape), np.int64))
    table = {"start": attributes.integer(0), "end": attributes.integer(None)}
    given = attributes.read(operation, table)
    part = shape[slice(given["start"], given["end"])]
    return Constant(operation.outputs[0], np.asarray(part, np.int64))


def _elementwise(context: Context, operation: Operation, arrays: list[Array]) -> Array:
    attributes.read(operation, {})
    count = _OPERANDS.get(operation.op, 2)
    if len(arrays) != count:
        fail(operation, f"it has {len(arrays)} constant inputs, must have {count}")
    compared = arrays[1:] if operation.op == "Where" else arrays
    dtype = compared[0].dtype
    if any(array.dtype != dtype for array in compared):
        fail(operation, "its constants are of different types: cast them")
    shape: tuple[int, ...] = ()
    for array in arrays:
        shape = broadcast(operation, shape, array.shape)
    _reserve(context, operation, shape, dtype)
    if dtype.kind in "iu":
        if operation.op in ("Div", "Mod") and not np.all(arrays[1]):
            fail(operation, "it divides an integer by zero")
        if operation.op == "Pow" and np.any(arrays[1] < 0):
            fail(operation, "it raises an integer to a negative power: cast it to float")
        if operation.op == "Div":
            return _truncating(*arrays)
    if operation.op != "Equal" and operation.op != "Where" and dtype.kind == "b":
        fail(operation, "it computes with booleans: cast them")
    made: Array = np.asarray(_ELEMENTWISE[operation.op](*arrays))
    return made if operation.op == "Equal" else made.astype(dtype)


def _truncating(left: Array, right: Array) -> Array:
    """Division of integers, towards zero."""
    quotient = np.floor_divide(left, right)
    inexact = quotient * right != left
    return np.asarray(quotient + (inexact & ((left < 0) != (right < 0)))).astype(left.dtype)


def _cast(context: Context, operation: Operation, arrays: list[Array]) -> Array:
    dtype = cast_target(operation)
    _reserve(context, operation, arrays[0].shape, dtype)
    return arrays[0].astype(dtype)


def cast_target(operation: Operation) -> np.dtype[Any]:
    """Type that a Cast makes."""
    table = {
        "to": attributes.integer(),
        "saturate": attributes.integer(1),
        "round_mode": attributes.text("up"),
    }
    target = attributes.read(operation, table)["to"]
    dtype = dtype_of(target)
    if dtype is None:
        fail(operation, f"casts to {type_name(target)} are not supported: use float or integers")
    return dtype


def _filled(context: Context, operation: Operation, arrays: list[Array]) -> Array:
    table = {"value": attributes.Attribute(attributes.Kind.TENSOR, None)}
    value = attributes.read(operation, table)["value"]
    filling = np.zeros(1, np.float32) if value is None else to_array(value)
    if filling.size != 1:
        fail(operation, "its value must be one number")
    shape = _shape(operation, arrays[0])
    _reserve(context, operation, shape, filling.dtype)
    return np.full(shape, filling.reshape(())[()])


def _expanded(context: Context, operation: Operation, arrays: list[Array]) -> Array:
    attributes.read(operation, {})
    if len(arrays) != 2:
        fail(operation, "it lacks its shape: export it again")
    shape = broadcast(operation, arrays[0].shape, _shape(operation, arrays[1]))
    _reserve(context, operation, shape, arrays[0].dtype)
    return np.broadcast_to(arrays[0], shape)


def _range(context: Context, operation: Operation, arrays: list[Array]) -> Array:
    attributes.read(operation, {"stash_type": attributes.integer(1)})
    integers = [
        int(array.item()) for array in arrays if array.size == 1 and array.dtype.kind == "i"
    ]
    if len(integers) != 3 or integers[2] == 0:
        fail(operation, "it needs three integers, the last one not 0")
    chosen = range(*integers)
    # len() of a range fails from 2^63 on.
    count = max(0, -((integers[0] - integers[1]) // integers[2]))
    _reserve(context, operation, (count,), arrays[0].dtype)
    return np.asarray(chosen, arrays[0].dtype)


def _concatenated(context: Context, operation: Operation, arrays: list[Array]) -> Array:
    axis = attributes.read(operation, {"axis": attributes.integer()})["axis"]
    axis = attributes.axis_of(operation, axis, arrays[0].ndim)
    for array in arrays:
        same = [*array.shape[:axis], *array.shape[axis + 1 :]]
        first = [*arrays[0].shape[:axis], *arrays[0].shape[axis + 1 :]]
        if array.ndim != arrays[0].ndim or same != first or array.dtype != arrays[0].dtype:
            fail(operation, "its constants differ in type or shape: they do not join")
    elements = sum(array.size for array in arrays)
    _reserve(context, operation, (elements,), arrays[0].dtype)
    return np.concatenate(arrays, axis)


def _shape(operation: Operation, array: Array) -> tuple[int, ...]:
    if array.dtype != np.int64 or array.ndim != 1 or array.size > MOST_DIMENSIONS:
        fail(operation, f"its shape must be at most {MOST_DIMENSIONS} int64")
    shape = tuple(int(extent) for extent in array)
    if any(extent < 0 for extent in shape):
        fail(operation, f"its shape {extents(shape)} must not be negative")
    return shape


def _reserve(
    context: Context, operation: Operation, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> None:
    elements = math.prod(shape)
    if elements > MOST_ELEMENTS or len(shape) > MOST_DIMENSIONS:
        fail(operation, f"its constant result {extents(shape)} is too large")
    context.spend(operation, elements, dtype)


FOLDED: dict[str, Callable[[Context, Operation, list[Array]], Array]] = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    "Cast": _cast,
    "ConstantOfShape": _filled,
    "Expand": _expanded,
    "Range": _range,
    "Concat": _concatenated,
}
"""Movements of constants are not here: :mod:`~workloads.onnx_import.moves` does them."""
