"""Movements of whatever a tensor stands for."""

from __future__ import annotations

from dataclasses import replace

from workloads.onnx_import import attributes
from workloads.onnx_import.blocks import BLOCKS
from workloads.onnx_import.context import Context, bytes_of, refusal
from workloads.onnx_import.entries import Codes, Constant, Entry, Move, Moved, Real
from workloads.onnx_import.messages import fail, title
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.movement import Moving, moves_of
from workloads.onnx_import.moves import moved
from workloads.onnx_import.normal import Value
from workloads.onnx_import.quantization import element_type_of
from workloads.onnx_import.shapes import checked
from workloads.onnx_import.tensors import check_extents

_MOST_MOVES = 64


def moved_entries(context: Context, operation: Operation) -> tuple[Entry, ...]:
    """What the outputs of an operation of `MOVEMENTS` or `BLOCKS` are."""
    entry = context.entry(operation, 0)
    if operation.op == "Gather" and not isinstance(entry, Codes):
        indices = context.entry(operation, 1)
        if isinstance(indices, Codes):
            return (_looked_up(context, operation, entry, indices.value),)
    integer = isinstance(entry, Codes) or (
        isinstance(entry, Constant) and entry.array.dtype.kind in "iu"
    )
    moving = Moving(operation, entry.shape, context.constants(operation), integer)
    if operation.op in BLOCKS:
        for move in BLOCKS[operation.op](moving):
            entry = _moved(context, entry, move)
        return (entry,)
    return tuple(_moved(context, entry, move) for move in moves_of(moving))


def _moved(context: Context, entry: Entry, move: Move) -> Entry:
    if isinstance(entry, Constant):
        return _moved_constant(context, entry, move)
    checked(move.operation, move.shape)
    if isinstance(entry, Codes):
        return Codes(context.emitter.move(_movable(move, entry.value), move))
    if isinstance(entry, Real):
        return Real(context.emitter.move(_movable(move, entry.value), move))
    if not isinstance(entry, Moved):
        return Moved(entry, (move,))
    if len(entry.moves) >= _MOST_MOVES:
        fail(
            move.operation, f"more than {_MOST_MOVES} movements in floating point: quantise before"
        )
    return Moved(entry.source, (*entry.moves, move))


def _moved_constant(context: Context, entry: Constant, move: Move) -> Constant:
    elements = check_extents(f"the result of {title(move.operation)}", move.shape)
    if move.op in ("Gather", "Resize", "Pad"):
        # The others are views, or as large as what the file holds.
        context.spend(move.operation, elements, entry.array.dtype)
    return Constant(move.name, moved(entry.array, move))


def _movable(move: Move, value: Value) -> Value:
    """A value that can be moved so: only bytes are compared."""
    return bytes_of(move.operation, value) if move.op == "MaxPool" else value


def _looked_up(context: Context, operation: Operation, entry: Entry, indices: Value) -> Entry:
    """Rows of a constant table, by computed indices."""
    axis = attributes.read(operation, {"axis": attributes.integer(0)})["axis"]
    axis = attributes.axis_of(operation, axis, len(entry.shape))
    shape = (*entry.shape[:axis], *indices.shape, *entry.shape[axis + 1 :])
    checked(operation, shape)
    if isinstance(entry, Real) and entry.value.constant is not None:
        table = bytes_of(operation, entry.value)
    elif isinstance(entry, Constant) and entry.array.dtype.kind in "iu":
        kind = element_type_of(operation, entry.array.dtype)
        table = Value(operation.inputs[0], entry.shape, kind, constant=entry.array)
    elif isinstance(entry, Constant):
        raise refusal(operation, entry, operation.inputs[0])
    else:
        fail(operation, "it looks up in a computed tensor: only constant tables are supported")
    if table.axis is not None:
        fail(operation, "its table is quantised by channel: quantise it with one scale")
    output = replace(table, name=operation.outputs[0], shape=shape, constant=None)
    indices = replace(indices, scale=None, zero_point=None, axis=None)
    made = context.emitter.emit(operation, "Gather", (table, indices), output, {"axis": axis})
    return Real(made) if isinstance(entry, Real) else Codes(made)
