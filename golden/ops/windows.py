"""Where the taps of a sliding window meet an image: what convolution and pooling have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

Pair = tuple[int, int]
"""Rows, columns."""
Padding = tuple[int, int, int, int]
"""Rows above, columns left, rows below, columns right."""
Slices = tuple[slice, slice, slice]
"""Images, rows, columns of (N, H, W, channels)."""


class Tap(NamedTuple):
    """A position ``(ky, kx)`` in the kernel, outputs whose tap there is inside, and these taps."""

    ky: int
    kx: int
    outputs: Slices
    inputs: Slices


def output_extents(
    image: Pair, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
) -> Pair:
    """Windows along each axis: those that lie within the padded image."""
    padded = image[0] + padding[0] + padding[2], image[1] + padding[1] + padding[3]
    rows, columns = (
        (padded[axis] - (kernel[axis] - 1) * dilation[axis] - 1) // stride[axis] + 1
        for axis in (0, 1)
    )
    return rows, columns


def taps(
    image: Pair, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
) -> Iterator[Tap]:
    """Every position in the kernel that meets the image at all.

    Output ``o`` has its tap ``k`` at ``o * stride + k * dilation - padding`` of the image.
    """
    made = output_extents(image, kernel, stride, padding, dilation)
    by_axis = [
        [
            _inside(image[axis], made[axis], stride[axis], k * dilation[axis] - padding[axis])
            for k in range(kernel[axis])
        ]
        for axis in (0, 1)
    ]
    every = slice(None)
    for ky, (oy, iy) in enumerate(by_axis[0]):
        for kx, (ox, ix) in enumerate(by_axis[1]):
            if oy.start < oy.stop and ox.start < ox.stop:
                yield Tap(ky, kx, (every, oy, ox), (every, iy, ix))


def _inside(extent: int, made: int, stride: int, origin: int) -> tuple[slice, slice]:
    """Outputs ``o`` with ``0 <= o * stride + origin < extent``, and these places."""
    first = max(0, -(origin // stride))
    stop = min(made, -((origin - extent) // stride))
    start = first * stride + origin
    return slice(first, stop), slice(start, start + (stop - first) * stride, stride)
