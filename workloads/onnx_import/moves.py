"""Movements carried out on constants."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.onnx_import.entries import Move
from workloads.onnx_import.messages import problem

Array = NDArray[Any]

RELABELLING = ("Reshape", "Transpose", "Slice", "Resize", "Gather")
"""Movements of which each result is one of the elements, whichever they are."""


def moved(array: Array, move: Move) -> Array:
    """Apply a movement to an array of any type."""
    if move.op == "Reshape":
        return array.reshape(move.shape)
    if move.op == "Transpose":
        return array.transpose(move.attributes["perm"])
    if move.op == "Slice":
        return array[_slices(move)]
    if move.op == "Gather":
        assert move.indices is not None
        return np.take(array, move.indices, axis=move.attributes["axis"])
    if move.op == "Resize":
        return array[np.ix_(*move.attributes["indices"])]
    if move.op == "Pad":
        return _padded(array, move)
    raise problem(move.operation, "its input is constant: compute it before exporting")


def _slices(move: Move) -> tuple[slice, ...]:
    starts, steps = move.attributes["starts"], move.attributes["steps"]
    slices = []
    for start, step, count in zip(starts, steps, move.shape, strict=True):
        end = start + step * count
        # A negative end would count from the back.
        slices.append(slice(start, end if end >= 0 else None, step) if count else slice(0, 0))
    return tuple(slices)


def _padded(array: Array, move: Move) -> Array:
    pads, rank = move.attributes["pads"], array.ndim
    widths = [(pads[axis], pads[axis + rank]) for axis in range(rank)]
    mode = move.attributes["mode"]
    if mode == "constant":
        return np.pad(array, widths, constant_values=array.dtype.type(move.fill))
    return np.pad(array, widths, mode=mode)


def is_identity(move: Move, shape: tuple[int, ...]) -> bool:
    """Whether it leaves a tensor of a shape as it is."""
    if move.shape != shape:
        return False
    if move.op == "Transpose":
        return list(move.attributes["perm"]) == list(range(len(shape)))
    if move.op == "Slice":
        return all(
            step == 1 or extent == 1
            for step, extent in zip(move.attributes["steps"], shape, strict=True)
        )
    if move.op == "Resize":
        indices = move.attributes["indices"]
        return all(
            each == tuple(range(extent)) for each, extent in zip(indices, shape, strict=True)
        )
    return move.op == "Reshape" or (move.op == "Pad" and not any(move.attributes["pads"]))


def axis_after(move: Move, shape: tuple[int, ...], axis: int) -> int | None:
    """Where the axis of a quantisation along it is behind a movement; None if it is not one."""
    if move.op == "Transpose":
        return list(move.attributes["perm"]).index(axis)
    if move.op != "Reshape":
        return None
    before = int(np.prod(shape[:axis], dtype=np.int64))
    for place, extent in enumerate(move.shape):
        if extent == shape[axis] and np.prod(move.shape[:place], dtype=np.int64) == before:
            return place
    return None
