"""Operators that move elements: what each does to a tensor of a given shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.onnx_import import attributes
from workloads.onnx_import.entries import Move
from workloads.onnx_import.messages import extents, fail
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.resize import resize
from workloads.onnx_import.shapes import WINDOW_TABLE, reshaped, window

Array = NDArray[Any]
Shape = tuple[int, ...]

_LONGEST_LIST = 64
_LARGEST_PAD = 1 << 16


@dataclass(frozen=True, eq=False)
class Moving:
    """An operation that moves a tensor.

    Attributes
    ----------
    shape
        Of the tensor.
    constant
        Gives input number n, None where it is left out; an AssayError where it is not constant.
    integer
        Whether the tensor holds integers for the operation, not numbers.
    """

    operation: Operation
    shape: Shape
    constant: Callable[[int], Array | None]
    integer: bool = False

    def integers(self, place: int, what: str) -> Shape | None:
        """A constant input that is a short list."""
        array = self.constant(place)
        if array is None:
            return None
        if array.dtype not in (np.int32, np.int64) or array.ndim > 1 or array.size > _LONGEST_LIST:
            fail(
                self.operation,
                f"its {what} are {array.dtype.name} {extents(array.shape)}: give a short list of "
                "int64",
            )
        return tuple(int(each) for each in array.reshape(-1))

    def required(self, place: int, what: str) -> Shape:
        values = self.integers(place, what)
        if values is None:
            fail(self.operation, f"it lacks its {what}: export it again")
        return values

    def made(self, op: str, shape: Shape, place: int = 0, **given: Any) -> Move:
        """The movement that makes output number `place`."""
        return Move(self.operation, self.operation.outputs[place], op, shape, given)


def moves_of(moving: Moving) -> tuple[Move, ...]:
    """One movement for each output of the operation; its operator must be in `MOVEMENTS`."""
    return MOVEMENTS[moving.operation.op](moving)


def _reshape(moving: Moving) -> tuple[Move, ...]:
    given = attributes.read(moving.operation, {"allowzero": attributes.integer(0)})
    zero_copies = not attributes.flag(moving.operation, "allowzero", given["allowzero"])
    wanted = moving.required(1, "shape")
    shape = reshaped(moving.operation, moving.shape, wanted, zero_copies)
    return (moving.made("Reshape", shape),)


def _flatten(moving: Moving) -> tuple[Move, ...]:
    rank = len(moving.shape)
    axis: int = attributes.read(moving.operation, {"axis": attributes.integer(1)})["axis"]
    if not -rank <= axis <= rank:
        fail(moving.operation, f"axis = {axis} must be {-rank} to {rank}")
    shape = (math.prod(moving.shape[:axis]), math.prod(moving.shape[axis:]))
    return (moving.made("Reshape", shape),)


def _squeeze(moving: Moving) -> tuple[Move, ...]:
    attributes.read(moving.operation, {})
    listed = moving.integers(1, "axes")
    if listed is None:
        axes = tuple(axis for axis, extent in enumerate(moving.shape) if extent == 1)
    else:
        axes = attributes.axes_of(moving.operation, listed, len(moving.shape))
    for axis in axes:
        if moving.shape[axis] != 1:
            fail(moving.operation, f"axis {axis} of {extents(moving.shape)} must have extent 1")
    kept = tuple(extent for axis, extent in enumerate(moving.shape) if axis not in axes)
    return (moving.made("Reshape", kept),)


def _unsqueeze(moving: Moving) -> tuple[Move, ...]:
    attributes.read(moving.operation, {})
    listed = moving.required(1, "axes")
    axes = attributes.axes_of(moving.operation, listed, len(moving.shape) + len(listed))
    shape = list(moving.shape)
    for axis in sorted(axes):
        shape.insert(axis, 1)
    return (moving.made("Reshape", tuple(shape)),)


def _transpose(moving: Moving) -> tuple[Move, ...]:
    rank = len(moving.shape)
    given = attributes.read(moving.operation, {"perm": attributes.integers(None)})["perm"]
    perm = tuple(reversed(range(rank))) if given is None else given
    if sorted(perm) != list(range(rank)):
        fail(moving.operation, f"perm {extents(perm)} must name each of {rank} axes once")
    return (moving.made("Transpose", tuple(moving.shape[axis] for axis in perm), perm=perm),)


def _slice(moving: Moving) -> tuple[Move, ...]:
    attributes.read(moving.operation, {})
    operation, rank = moving.operation, len(moving.shape)
    starts, ends = moving.required(1, "starts"), moving.required(2, "ends")
    axes, steps = moving.integers(3, "axes"), moving.integers(4, "steps")
    axes = tuple(range(len(starts))) if axes is None else axes
    steps = (1,) * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        fail(operation, "its starts, ends, axes and steps must be of one length, and no step 0")
    first, stride, shape = [0] * rank, [1] * rank, list(moving.shape)
    for axis, *bounds in zip(
        attributes.axes_of(operation, axes, rank), starts, ends, steps, strict=True
    ):
        chosen = range(*slice(*bounds).indices(moving.shape[axis]))
        first[axis], stride[axis], shape[axis] = chosen.start, chosen.step, len(chosen)
    return (moving.made("Slice", tuple(shape), starts=tuple(first), steps=tuple(stride)),)


def _split(moving: Moving) -> tuple[Move, ...]:
    operation, rank = moving.operation, len(moving.shape)
    table = {"axis": attributes.integer(0), "num_outputs": attributes.integer(None)}
    given = attributes.read(operation, table)
    axis = attributes.axis_of(operation, given["axis"], rank)
    extent, count = moving.shape[axis], len(operation.outputs)
    listed = moving.integers(1, "split")
    if given["num_outputs"] not in (None, count):
        fail(operation, f"num_outputs = {given['num_outputs']} must be that of its {count} outputs")
    if listed is None:
        part = -(-extent // count)
        listed = tuple(min(part, max(0, extent - place * part)) for place in range(count))
        if given["num_outputs"] is None and extent % count:
            fail(operation, f"{count} outputs do not divide the extent {extent}: give split")
    if len(listed) != count or sum(listed) != extent or min(listed) < 0:
        fail(operation, f"split {extents(listed)} must be {count} parts of {extent}")
    moves, start = [], 0
    for place, part in enumerate(listed):
        shape = (*moving.shape[:axis], part, *moving.shape[axis + 1 :])
        starts = tuple(start if each == axis else 0 for each in range(rank))
        moves.append(moving.made("Slice", shape, place, starts=starts, steps=(1,) * rank))
        start += part
    return tuple(moves)


def _pad(moving: Moving) -> tuple[Move, ...]:
    operation, rank = moving.operation, len(moving.shape)
    mode = attributes.read(operation, {"mode": attributes.text("constant")})["mode"]
    attributes.choice(operation, "mode", mode, ("constant", "edge", "reflect", "wrap"))
    listed, axes = moving.required(1, "pads"), moving.integers(3, "axes")
    axes = attributes.axes_of(operation, tuple(range(rank)) if axes is None else axes, rank)
    if len(listed) != 2 * len(axes) or not all(0 <= pad <= _LARGEST_PAD for pad in listed):
        fail(
            operation,
            f"pads {extents(listed)} must be {2 * len(axes)} integers, 0 to {_LARGEST_PAD}; Slice "
            "makes smaller",
        )
    pads = [0] * (2 * rank)
    for place, axis in enumerate(axes):
        pads[axis], pads[axis + rank] = listed[place], listed[place + len(axes)]
    for place, pad in enumerate(pads):
        limit = {"reflect": moving.shape[place % rank] - 1, "wrap": moving.shape[place % rank]}
        if pad > limit.get(mode, _LARGEST_PAD):
            fail(operation, f"pad {pad} reaches beyond {extents(moving.shape)} in mode {mode}")
    shape = tuple(
        extent + pads[axis] + pads[axis + rank] for axis, extent in enumerate(moving.shape)
    )
    attributes_ = {"pads": tuple(pads), "mode": mode}
    move = Move(operation, operation.outputs[0], "Pad", shape, attributes_, fill=_fill(moving))
    return (move,)


def _fill(moving: Moving) -> float | int:
    given = moving.constant(2)
    if given is None:
        return 0 if moving.integer else 0.0
    if given.size != 1 or (given.dtype.kind in "iu") != moving.integer:
        fail(moving.operation, "its constant_value must be one number of the type of its input")
    return int(given.item()) if moving.integer else float(given.item())


def _gather(moving: Moving) -> tuple[Move, ...]:
    operation = moving.operation
    axis = attributes.read(operation, {"axis": attributes.integer(0)})["axis"]
    axis = attributes.axis_of(operation, axis, len(moving.shape))
    indices = moving.constant(1)
    if indices is None or indices.dtype not in (np.int32, np.int64):
        fail(operation, "its indices must be int32 or int64")
    extent = moving.shape[axis]
    if indices.size and not -extent <= indices.min() <= indices.max() < extent:
        fail(operation, f"its indices must be {-extent} to {extent - 1}")
    places = indices.astype(np.int64)
    places = np.where(places < 0, places + extent, places)
    shape = (*moving.shape[:axis], *places.shape, *moving.shape[axis + 1 :])
    return (Move(operation, operation.outputs[0], "Gather", shape, {"axis": axis}, places),)


def _resize(moving: Moving) -> tuple[Move, ...]:
    indices = resize(
        moving.operation, moving.shape, moving.constant(2), moving.integers(3, "sizes")
    )
    return (moving.made("Resize", tuple(len(each) for each in indices), indices=indices),)


def _max_pool(moving: Moving) -> tuple[Move, ...]:
    operation = moving.operation
    table = {
        **WINDOW_TABLE,
        "ceil_mode": attributes.integer(0),
        "storage_order": attributes.integer(0),
    }
    given = attributes.read(operation, table)
    if any(operation.outputs[1:]):
        fail(operation, "its output Indices is not supported: leave it out")
    ceil_mode = attributes.flag(operation, "ceil_mode", given["ceil_mode"])
    over = window(operation, given, moving.shape, (), ceil_mode)
    return (moving.made("MaxPool", (*moving.shape[:2], *over.made), **over.attributes),)


def _global_max_pool(moving: Moving) -> tuple[Move, ...]:
    attributes.read(moving.operation, {})
    whole = {"kernel_shape": moving.shape[2:]}
    given = {**{name: each.default for name, each in WINDOW_TABLE.items()}, **whole}
    over = window(moving.operation, given, moving.shape, ())
    return (moving.made("MaxPool", (*moving.shape[:2], *over.made), **over.attributes),)


MOVEMENTS: dict[str, Callable[[Moving], tuple[Move, ...]]] = {
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Slice": _slice,
    "Split": _split,
    "Pad": _pad,
    "Gather": _gather,
    "Resize": _resize,
    "MaxPool": _max_pool,
    "GlobalMaxPool": _global_max_pool,
}
"""By ONNX's names. Each checks its attributes and constant inputs."""
