"""Concat: of codes where all have one quantisation, else of what is quantised behind it."""

from __future__ import annotations

from dataclasses import replace

from workloads.onnx_import import attributes
from workloads.onnx_import.context import Context, refusal
from workloads.onnx_import.entries import Codes, Constant, Entry, Joined, Moved, Real
from workloads.onnx_import.messages import extents, fail
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.normal import Value
from workloads.onnx_import.quantization import element_type_of, parameters_of
from workloads.onnx_import.shapes import checked

_DEEPEST = 16
_MOST_PARTS = 1024


def joined(context: Context, operation: Operation, parts: tuple[Entry, ...], axis: int) -> Entry:
    """Concatenation of entries, all in floating point or all integers."""
    shapes = [part.shape for part in parts]
    axis = attributes.axis_of(operation, axis, len(shapes[0]))
    first = shapes[0]
    for shape in shapes:
        fits = len(shape) == len(first) and all(
            extent == other
            for place, (extent, other) in enumerate(zip(shape, first, strict=True))
            if place != axis
        )
        if not fits:
            fail(operation, f"{extents(first)} and {extents(shape)} do not join along axis {axis}")
    total = sum(shape[axis] for shape in shapes)
    shape = checked(operation, (*first[:axis], total, *first[axis + 1 :]))
    if any(isinstance(part, Codes) for part in parts):
        return _integers(context, operation, parts, axis, shape)
    values = [part.value for part in parts if isinstance(part, Real)]
    computed = next((value for value in values if value.constant is None), None)
    if computed is not None and len(values) == len(parts):
        key = parameters_of(computed).key
        if all(parameters_of(value).key == key for value in values):
            return Real(_emitted(context, operation, values, axis, shape))
    return _waiting(operation, parts, axis, shape)


def _waiting(
    operation: Operation, parts: tuple[Entry, ...], axis: int, shape: tuple[int, ...]
) -> Joined:
    inner = [part.source if isinstance(part, Moved) else part for part in parts]
    nested = [part for part in inner if isinstance(part, Joined)]
    depth = 1 + max((part.depth for part in nested), default=0)
    size = len(parts) + sum(part.size for part in nested)
    if depth > _DEEPEST or size > _MOST_PARTS:
        fail(operation, "too many tensors are joined in floating point: quantise between them")
    return Joined(operation, operation.outputs[0], parts, axis, shape, depth, size)


def _integers(
    context: Context,
    operation: Operation,
    parts: tuple[Entry, ...],
    axis: int,
    shape: tuple[int, ...],
) -> Codes:
    """Codes, whose quantisation is that of the first computed one."""
    model = next(part.value for part in parts if isinstance(part, Codes))
    values = []
    for part, name in zip(parts, operation.inputs, strict=True):
        if isinstance(part, Constant) and part.array.dtype.kind in "iu":
            kind = element_type_of(operation, part.array.dtype)
            value = replace(model, name=name, shape=part.shape, constant=part.array)
            values.append(replace(value, element_type=kind))
        elif isinstance(part, Codes):
            values.append(part.value)
        else:
            raise refusal(operation, part, name)
    if any(value.element_type is not model.element_type for value in values):
        fail(operation, "its inputs are of different types: quantise them to one")
    return Codes(_emitted(context, operation, values, axis, shape, model))


def _emitted(
    context: Context,
    operation: Operation,
    values: list[Value],
    axis: int,
    shape: tuple[int, ...],
    model: Value | None = None,
) -> Value:
    model = model or values[0]
    output = replace(model, name=operation.outputs[0], shape=shape, constant=None)
    return context.emitter.emit(operation, "Concat", tuple(values), output, {"axis": axis})
