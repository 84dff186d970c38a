"""Pieces of images in the activation buffer, at home there or loaded with their halo."""

from __future__ import annotations

from dataclasses import dataclass

from arch.isa import Buffer, Load
from compiler.emitter import Emitter
from compiler.runs import merge_planes
from compiler.step import Region
from workloads.tensor import Tensor
from workloads.window import Image


@dataclass(frozen=True)
class Slab:
    """Some rows, columns and channels of one image.

    Attributes
    ----------
    ys, xs, channels
        What it holds.
    address
        Byte of the first channel of its first pixel.
    row_bytes, pixel_bytes
        From image row to image row, from pixel to pixel.
    regions
        What is read of it.
    """

    ys: range
    xs: range
    channels: range
    address: int
    row_bytes: int
    pixel_bytes: int
    regions: tuple[Region, ...]


class Slabs:
    """Slabs of one operator's input.

    Parameters
    ----------
    emitter
        Takes the loads.
    tensor, image
        The input, and how it is to be seen.
    step
        Rows and columns from one that is read to the next; the others are not loaded, and `ys` and
        `xs` of slabs do not count them. 1 where the image is at home in the buffer.
    """

    def __init__(
        self, emitter: Emitter, tensor: Tensor, image: Image, step: tuple[int, int]
    ) -> None:
        self._emitter = emitter
        self._tensor = tensor
        self._image = image
        self._step = step

    def get(self, batch: int, ys: range, xs: range, channels: range) -> Slab:
        """A slab of image `batch`, loaded unless it is there."""
        if self._emitter.streams(self._tensor):
            return self._loaded(batch, ys, xs, channels)
        first = (batch * self._image.height + ys.start) * self._image.width
        pixels = range(first, first + len(ys) * self._image.width)
        operand = self._emitter.source(self._tensor, pixels, range(self._image.channels))
        stride = operand.row_stride
        return Slab(
            ys,
            xs,
            channels,
            operand.address + xs.start * stride + channels.start,
            self._image.width * stride,
            stride,
            (operand.part(channels.start, len(channels)).region,),
        )

    def _loaded(self, batch: int, ys: range, xs: range, channels: range) -> Slab:
        """Pixels touch in the buffer, whatever lies between them in DRAM."""
        size = len(channels)
        key = (self._tensor.name, batch, ys, xs, channels)
        address, is_new = self._emitter.ring(self._tensor).place(
            (self._emitter.index, key), len(ys) * len(xs) * size
        )
        row_bytes = len(xs) * size
        region = Region("activation buffer", address, len(ys) * row_bytes)
        if is_new:
            self._load(batch, ys, xs, channels, address)
        return Slab(ys, xs, channels, address, row_bytes, size, (region,))

    def _load(self, batch: int, ys: range, xs: range, channels: range, address: int) -> None:
        image, home = self._image, self._emitter.placement.homes[self._tensor.name]
        if image.in_rows(self._tensor):
            row_stride, pixel_stride = home.row_bytes, image.channels
        else:
            row_stride, pixel_stride = image.width * home.row_bytes, home.row_bytes
        row_bytes = (image.width - 1) * pixel_stride + image.channels
        first_row = home.address + (batch * image.height + ys.start * self._step[0]) * row_stride
        offset = first_row - home.address + channels.start
        row_stride, pixel_stride = row_stride * self._step[0], pixel_stride * self._step[1]
        offset += xs.start * pixel_stride
        # Of whole image rows: where a load reads more than its slab it waits for more, no less.
        source = Region(
            f"dram {home.origin}",
            first_row,
            row_bytes,
            len(ys),
            row_stride,
        )
        size = len(channels)
        self._emitter.append(
            Load(
                buffer=Buffer.ACTIVATION,
                buffer_address=address,
                dram_address=self._emitter.layout.address(self._tensor.name) + offset,
                **merge_planes(
                    size, (len(xs), pixel_stride, size), (len(ys), row_stride, len(xs) * size)
                ),
            ),
            reads=(source,),
            writes=(Region("activation buffer", address, len(ys) * len(xs) * size),),
        )
