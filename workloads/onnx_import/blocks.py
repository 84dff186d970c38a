"""Operators between channels and blocks of pixels: several movements, one behind the other."""

from __future__ import annotations

from collections.abc import Callable

from workloads.onnx_import import attributes
from workloads.onnx_import.entries import Move
from workloads.onnx_import.messages import extents, fail
from workloads.onnx_import.movement import Moving, Shape


def _depth_to_space(moving: Moving) -> tuple[Move, ...]:
    table = {"blocksize": attributes.integer(), "mode": attributes.text("DCR")}
    given = attributes.read(moving.operation, table)
    mode = attributes.choice(moving.operation, "mode", given["mode"], ("DCR", "CRD"))
    size = _size(moving, given["blocksize"], 1)
    images, channels, height, width = moving.shape
    depth = channels // size**2
    if mode == "DCR":
        split, perm = (images, size, size, depth, height, width), (0, 3, 4, 1, 5, 2)
    else:
        split, perm = (images, depth, size, size, height, width), (0, 1, 4, 2, 5, 3)
    return _through(moving, split, perm, (images, depth, height * size, width * size))


def _space_to_depth(moving: Moving) -> tuple[Move, ...]:
    given = attributes.read(moving.operation, {"blocksize": attributes.integer()})
    size = _size(moving, given["blocksize"], 2, 3)
    images, channels, height, width = moving.shape
    rows, columns = height // size, width // size
    split = (images, channels, rows, size, columns, size)
    made = (images, channels * size**2, rows, columns)
    return _through(moving, split, (0, 3, 5, 1, 2, 4), made)


def _size(moving: Moving, size: int, *axes: int) -> int:
    """The side of a block; an AssayError where `axes` of the tensor are not made of blocks."""
    elements = size if axes != (1,) else size**2
    whole = len(moving.shape) == 4 and size > 0
    if not whole or any(moving.shape[axis] % elements for axis in axes):
        fail(moving.operation, f"blocksize {size} does not divide {extents(moving.shape)}")
    return size


def _through(moving: Moving, split: Shape, perm: Shape, shape: Shape) -> tuple[Move, ...]:
    operation, name = moving.operation, moving.operation.outputs[0]
    turned = tuple(split[axis] for axis in perm)
    return (
        Move(operation, f"{name}.split", "Reshape", split),
        Move(operation, f"{name}.turned", "Transpose", turned, {"perm": perm}),
        moving.made("Reshape", shape),
    )


BLOCKS: dict[str, Callable[[Moving], tuple[Move, ...]]] = {
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
}
"""By ONNX's names: the movements, of which the last makes the result."""
