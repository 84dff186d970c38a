"""Resize to nearest elements: which element of the input each of the output is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.onnx_import import attributes
from workloads.onnx_import.messages import extents, fail
from workloads.onnx_import.model_graph import Operation

Floats = NDArray[np.float32]
Shape = tuple[int, ...]

_TABLE: attributes.Table = {
    "mode": attributes.text("nearest"),
    "coordinate_transformation_mode": attributes.text("half_pixel"),
    "nearest_mode": attributes.text("round_prefer_floor"),
    "keep_aspect_ratio_policy": attributes.text("stretch"),
    "axes": attributes.integers(None),
    # These matter only to other modes.
    "antialias": attributes.integer(0),
    "cubic_coeff_a": attributes.number(-0.75),
    "exclude_outside": attributes.integer(0),
    "extrapolation_value": attributes.number(0.0),
}
_COORDINATES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
)
_NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
_LARGEST_EXTENT = 1 << 16


def resize(
    operation: Operation, shape: Shape, scales: NDArray[Any] | None, sizes: Shape | None
) -> tuple[Shape, ...]:
    """For each dimension, the input's coordinate of each output coordinate."""
    given = attributes.read(operation, _TABLE)
    attributes.choice(operation, "mode", given["mode"], ("nearest",))
    policy = given["keep_aspect_ratio_policy"]
    attributes.choice(operation, "keep_aspect_ratio_policy", policy, ("stretch",))
    coordinates = attributes.choice(
        operation,
        "coordinate_transformation_mode",
        given["coordinate_transformation_mode"],
        _COORDINATES,
    )
    nearest = attributes.choice(operation, "nearest_mode", given["nearest_mode"], _NEAREST)
    rank = len(shape)
    axes = tuple(range(rank)) if given["axes"] is None else given["axes"]
    axes = attributes.axes_of(operation, axes, rank)
    if max(shape, default=1) > _LARGEST_EXTENT:
        fail(operation, f"{extents(shape)} has an extent beyond {_LARGEST_EXTENT}")
    indices = [tuple(range(extent)) for extent in shape]
    for axis, (count, scale) in zip(
        axes, _targets(operation, [shape[axis] for axis in axes], scales, sizes), strict=True
    ):
        if not 1 <= count <= _LARGEST_EXTENT:
            fail(operation, f"extent {count} of its result must be 1 to {_LARGEST_EXTENT}")
        at = _coordinates(coordinates, shape[axis], count, scale)
        places = np.clip(_nearest(nearest, at), 0, shape[axis] - 1).astype(np.int64)
        indices[axis] = tuple(places.tolist())
    return tuple(indices)


def _targets(
    operation: Operation, shape: list[int], scales: NDArray[Any] | None, sizes: Shape | None
) -> list[tuple[int, np.float32]]:
    """New extents and scales."""
    if scales is not None and scales.size:
        if sizes:
            fail(operation, "it has scales and sizes: give one of them")
        if scales.dtype != np.float32 or scales.shape != (len(shape),):
            fail(operation, f"its scales must be {len(shape)} float32")
        if not np.all((scales > 0) & (scales < _LARGEST_EXTENT)):
            fail(operation, f"its scales must be positive and less than {_LARGEST_EXTENT}")
        return [
            (int(np.float32(extent) * scale), scale)
            for extent, scale in zip(shape, scales, strict=True)
        ]
    if sizes is None or len(sizes) != len(shape):
        fail(operation, f"it needs scales or sizes, one for each of {extents(shape)}")
    return [
        (size, np.float32(size) / np.float32(extent))
        for extent, size in zip(shape, sizes, strict=True)
    ]


def _coordinates(mode: str, extent: int, count: int, scale: np.float32) -> Floats:
    """In the input, of each output coordinate; float32 like ONNX Runtime."""
    x = np.arange(count, dtype=np.float32)
    half = np.float32(0.5)
    if mode == "asymmetric":
        return x / scale
    if mode == "align_corners":
        step = np.float32(extent - 1)
        return np.zeros_like(x) if count == 1 else x * step / np.float32(count - 1)
    if mode == "pytorch_half_pixel" and count == 1:
        return np.zeros_like(x)
    centred: Floats = (x + half) / scale - half
    if mode == "half_pixel_symmetric":
        adjustment = np.float32(count) / (scale * np.float32(extent))
        centred += np.float32(extent) * half * (1 - adjustment)
    return centred


def _nearest(mode: str, at: Floats) -> Floats:
    if mode == "floor":
        return np.floor(at)
    if mode == "ceil":
        return np.ceil(at)
    low = np.floor(at)
    middle = at - low == np.float32(0.5)
    nearest: Floats = np.where(
        middle, low if mode == "round_prefer_floor" else low + 1, np.rint(at)
    )
    return nearest
