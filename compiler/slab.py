"""Pieces of images in the activation buffer, at home there or loaded with their halo."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class _Piece:
    """What a slab holds of which image."""

    batch: int
    ys: range
    xs: range
    channels: range


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
        self._last: _Piece | None = None

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
        piece = _Piece(batch, ys, xs, channels)
        row_bytes = len(xs) * len(channels)
        address = self._behind(piece, row_bytes)
        if address is None:
            ring = self._emitter.ring(self._tensor)
            address, is_new = ring.place(self._key(piece), len(ys) * row_bytes)
            if is_new:
                self._load(piece, address)
        self._last = piece
        region = Region("activation buffer", address, len(ys) * row_bytes)
        return Slab(ys, xs, channels, address, row_bytes, len(channels), (region,))

    def _key(self, piece: _Piece) -> Hashable:
        return (self._emitter.index, self._tensor.name, piece)

    def _behind(self, piece: _Piece, row_bytes: int) -> int | None:
        """The address of a piece that begins with rows of the one before, its halo.

        Only the rows behind those are loaded.
        """
        last = self._last
        if last is None or last == piece or replace(last, ys=piece.ys) != piece:
            return None
        if not last.ys.start <= piece.ys.start < last.ys.stop <= piece.ys.stop:
            return None
        skip = (piece.ys.start - last.ys.start) * row_bytes
        size = len(piece.ys) * row_bytes
        ring = self._emitter.ring(self._tensor)
        address = ring.extend(self._key(last), self._key(piece), skip, size)
        rest = replace(piece, ys=range(last.ys.stop, piece.ys.stop))
        if address is not None and len(rest.ys):
            self._load(rest, address + (last.ys.stop - piece.ys.start) * row_bytes)
        return address

    def _load(self, piece: _Piece, address: int) -> None:
        ys, xs, channels = piece.ys, piece.xs, piece.channels
        image, home = self._image, self._emitter.placement.homes[self._tensor.name]
        if image.in_rows(self._tensor):
            row_stride, pixel_stride = home.row_bytes, image.channels
        else:
            row_stride, pixel_stride = image.width * home.row_bytes, home.row_bytes
        row_bytes = (image.width - 1) * pixel_stride + image.channels
        first_row = (
            home.address + (piece.batch * image.height + ys.start * self._step[0]) * row_stride
        )
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
