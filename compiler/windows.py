"""Convolution and pooling to steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arch.errors import AssayError
from arch.isa import ElementType, Matrix
from compiler.emitter import Emitter
from compiler.epilogue import Epilogue
from compiler.kernel import Chunk, Kernel, Part, WindowOperator, kernels_of
from compiler.operand import cut, even_cuts
from compiler.pool_epilogue import PoolEpilogue
from compiler.slab import Slab, Slabs
from compiler.step import Region
from compiler.vector_fields import lanes
from compiler.view import View, view_of
from model.tiling import ceil_div
from model.window_tiling import (
    CHUNK_TILES,
    WindowEstimate,
    WindowShape,
    WindowTiling,
    best_window_tiling,
)
from workloads.operators import Conv, MaxPool

_ADDRESSES = 1 << 24
"""At which addresses and strides in a buffer wrap (I-03)."""
_MAC_K_LIMIT = 127
"""What the field `mac_k` holds."""


def lower_window(emitter: Emitter, operator: WindowOperator) -> None:
    """Emit all steps, under the best tiling.

    Raises
    ------
    AssayError
        Not even one row of the window fits the buffers.
    """
    streams = emitter.streams(operator.input)
    view = view_of(operator, streams)
    choices = []
    # Pixels touch in what is loaded.
    for kernel in kernels_of(operator, emitter.config, tight=streams):
        if kernel.kernel_columns * _tile_bytes(emitter) <= emitter.space.weight // 2:
            shape = _shape(emitter, kernel, view)
            tiling = best_window_tiling(shape, emitter.config, emitter.space)
            if tiling is not None:
                estimate = WindowEstimate(shape, tiling, emitter.config, emitter.space)
                choices.append((estimate.cycles, kernel, tiling))
    if not choices:
        raise AssayError(
            f"operator '{operator.name}': its window does not fit what is left of the buffers of "
            f"configuration '{emitter.config.name}': raise activation_buffer_kib or "
            "weight_buffer_kib"
        )
    _, kernel, tiling = min(choices, key=lambda choice: choice[0])
    _WindowLowering(emitter, kernel, view, tiling).run()


def _tile_bytes(emitter: Emitter) -> int:
    return emitter.config.rows * emitter.config.cols


def _shape(emitter: Emitter, kernel: Kernel, view: View) -> WindowShape:
    operator = kernel.operator
    image, window, made = view.image, view.window, view.made
    residual = operator.residual if isinstance(operator, Conv) else None
    return WindowShape(
        batch=image.batch,
        height=image.height,
        width=image.width,
        channels=image.channels,
        output_height=made.height,
        output_width=made.width,
        n_tiles=ceil_div(operator.output.cols, emitter.config.cols),
        stride=window.stride,
        reach=window.reach,
        tiles=kernel.tiles,
        weight_bytes=kernel.weight_bytes,
        own_channels=kernel.own_channels,
        whole_channels=kernel.folded,
        output_bytes=emitter.output_bytes(operator),
        residual_bytes=emitter.residual_bytes(residual),
        input_bytes=emitter.streamed_bytes(operator.input),
    )


@dataclass(frozen=True)
class _Block:
    """Output pixels of one image; all columns, or some of one row."""

    batch: int
    ys: range
    xs: range

    @property
    def pixels(self) -> int:
        return len(self.ys) * len(self.xs)


class _WindowLowering:
    """One operator under one tiling.

    Parameters
    ----------
    emitter
        Takes the steps.
    kernel, view, tiling
        What it computes, how images are seen, and how it is cut (see :mod:`model.window_tiling`).
    """

    def __init__(self, emitter: Emitter, kernel: Kernel, view: View, tiling: WindowTiling) -> None:
        self._emitter = emitter
        self._kernel = kernel
        self._operator = kernel.operator
        self._tiling = tiling
        self._cols = emitter.config.cols
        self._n_tiles = ceil_div(self._operator.output.cols, self._cols)
        self._image, self._window, self._made = view.image, view.window, view.made
        self._slabs = Slabs(emitter, self._operator.input, view.stored, view.step)
        self._chunks = {part: self._chunks_of(part) for part in kernel.parts}
        self._offsets = self._weight_offsets()
        group_columns = tiling.group_tiles * self._cols
        self._epilogue = (
            Epilogue(emitter, self._operator, group_columns)
            if isinstance(self._operator, Conv)
            else PoolEpilogue(emitter, self._operator)
        )

    def run(self) -> None:
        """Emit all steps."""
        for block, group in self._turns():
            for part, tiles in self._parts_of(group):
                for chunk in self._chunks[part]:
                    for some in cut(len(tiles), self._instruction_tiles(part, chunk)):
                        n_tiles = range(tiles.start + some.start, tiles.start + some.stop)
                        self._matrix(block, group, part, n_tiles, chunk)
            rows, columns = self._rows_of(block), self._columns(group)
            self._epilogue.emit_group(rows, columns)
            self._epilogue.finish(rows, columns)
            self._emitter.half ^= 1

    def _turns(self) -> Iterator[tuple[_Block, range]]:
        """Blocks and their n tiles in order."""
        groups = cut(self._n_tiles, self._tiling.group_tiles)
        blocks = list(self._blocks())
        if self._tiling.n_outer:
            return ((block, group) for group in groups for block in blocks)
        return ((block, group) for block in blocks for group in groups)

    def _blocks(self) -> Iterator[_Block]:
        made = self._made
        downs = even_cuts(made.height, ceil_div(made.height, self._tiling.rows))
        acrosses = even_cuts(made.width, ceil_div(made.width, self._tiling.columns))
        for batch in range(made.batch):
            for ys in downs:
                for xs in acrosses:
                    yield _Block(batch, ys, xs)

    def _rows_of(self, block: _Block) -> range:
        """Rows of the output tensor."""
        made = self._made
        first = (block.batch * made.height + block.ys.start) * made.width + block.xs.start
        return range(first, first + block.pixels)

    def _columns(self, n_tiles: range) -> range:
        last = min(n_tiles.stop * self._cols, self._operator.output.cols)
        return range(n_tiles.start * self._cols, last)

    def _parts_of(self, group: range) -> Iterator[tuple[Part, range]]:
        """Parts that have n tiles in a group, with those."""
        for part in self._kernel.parts:
            first = part.columns.start // self._cols
            last = ceil_div(part.columns.stop, self._cols)
            tiles = range(max(first, group.start), min(last, group.stop))
            if len(tiles):
                yield part, tiles

    def _chunks_of(self, part: Part) -> list[Chunk]:
        """What instructions take of an n tile: kernel rows, or else fewer k tiles of them."""
        kernel = self._kernel
        limit = min(CHUNK_TILES * _tile_bytes(self._emitter), self._emitter.space.weight // 4)
        whole = kernel.whole(part)
        chunks = []
        for tiles in cut(len(whole.tiles), self._slab_tiles(part)):
            row_bytes = kernel.chunk_bytes(part, Chunk(range(1), tiles))
            rows = max(1, limit // row_bytes)
            counted = ceil_div(kernel.mac_k(part) * len(tiles), len(whole.tiles))
            parts = max(ceil_div(row_bytes, limit), ceil_div(counted, _MAC_K_LIMIT))
            parts = 1 if part.diagonal else min(len(tiles), parts)
            for some in even_cuts(len(tiles), parts):
                for kernel_rows in cut(len(whole.rows), rows):
                    k_tiles = range(tiles.start + some.start, tiles.start + some.stop)
                    chunks.append(Chunk(kernel_rows, k_tiles))
        return chunks

    def _slab_tiles(self, part: Part) -> int:
        """K tiles of a run that one part of a slab holds."""
        tiles = self._kernel.k_tiles(part)
        return tiles if self._kernel.folded else ceil_div(tiles, self._tiling.channel_parts)

    def _instruction_tiles(self, part: Part, chunk: Chunk) -> int:
        """N tiles of an instruction."""
        size = self._kernel.chunk_bytes(part, chunk)
        room = min(CHUNK_TILES * _tile_bytes(self._emitter), self._emitter.space.weight // 4)
        return max(1, room // size)

    def _matrix(
        self, block: _Block, group: range, part: Part, n_tiles: range, chunk: Chunk
    ) -> None:
        emitter, kernel, operator = self._emitter, self._kernel, self._operator
        weight_address, weights = self._load_weights(part, n_tiles, chunk)
        slab = self._slab(block, group, part, chunk)
        columns = self._columns(n_tiles)
        first_chunk = self._chunks[part][0]
        weight_zero_point, zero_row = kernel.zero_points
        emitter.append(
            Matrix(
                **self._walk(block, part, n_tiles, chunk, slab),
                **self._depth(part, chunk),
                activation_signed=int(operator.input.element_type is ElementType.INT8),
                activation_zero_point=self._zero_point(),
                weight_address=weight_address,
                weight_signed=int(kernel.signed),
                weight_zero_point=weight_zero_point,
                weight_zero_row=int(zero_row is not None),
                weight_diagonal=int(part.diagonal),
                accumulator_address=(n_tiles.start - group.start) * block.pixels,
                accumulator_half=emitter.half,
                accumulate=int(chunk != first_chunk),
                maximum=int(isinstance(operator, MaxPool)),
                **lanes(len(columns), self._cols),
            ),
            reads=(weights, *slab.regions),
            writes=(emitter.accumulators(emitter.half),),
        )

    def _zero_point(self) -> int:
        """Of padding: what adds nothing, or is never the greatest."""
        operator = self._operator
        if isinstance(operator, MaxPool):
            return operator.input.element_type.low
        return operator.input_zero_point

    def _depth(self, part: Part, chunk: Chunk) -> dict[str, int]:
        """Fields of the loops over k."""
        kernel, rows = self._kernel, self._emitter.config.rows
        k = min(chunk.tiles.stop * rows, kernel.run(part)) - chunk.tiles.start * rows
        # The MACs of a run are those of all that it is cut into; a piece counts one at least.
        pieces = sorted({each.tiles.start for each in self._chunks[part]})
        counted = kernel.mac_k(part)
        share = len(even_cuts(counted, len(pieces))[pieces.index(chunk.tiles.start)])
        return {
            "ky_count": len(chunk.rows),
            "kx_count": kernel.kernel_columns,
            "k_tiles": len(chunk.tiles),
            "last_k": k - (len(chunk.tiles) - 1) * rows,
            "mac_k": max(share, min(counted, 1)),
        }

    def _walk(
        self, block: _Block, part: Part, n_tiles: range, chunk: Chunk, slab: Slab
    ) -> dict[str, int]:
        """Fields of the walk over the slab (I-03)."""
        window, kernel = self._window, self._kernel
        first_tile = part.columns.start // self._cols
        channel = part.channels.start + (n_tiles.start - first_tile) * part.n_stride
        k = chunk.tiles.start * self._emitter.config.rows
        x = (block.xs.start * window.stride[1] - window.padding[1] - slab.xs.start) * (
            slab.pixel_bytes
        )
        y = block.ys.start * window.stride[0] - window.padding[0] - slab.ys.start
        y += chunk.rows.start * window.dilation[0]
        channel -= slab.channels.start
        if kernel.folded:
            x += k
        else:
            channel += k
        return {
            "activation_address": (slab.address + channel + y * slab.row_bytes) % _ADDRESSES,
            "y_origin": y,
            "y_row_step": window.stride[0],
            "y_ky_step": window.dilation[0],
            "y_limit": len(slab.ys),
            "row_stride": window.stride[0] * slab.row_bytes % _ADDRESSES,
            "ky_stride": window.dilation[0] * slab.row_bytes % _ADDRESSES,
            "x_origin": x,
            "column_stride": window.stride[1] * slab.pixel_bytes,
            "kx_stride": 0 if kernel.folded else window.dilation[1] * slab.pixel_bytes,
            "n_stride": part.n_stride,
            "x_limit": len(slab.xs) * slab.pixel_bytes,
            "output_rows": len(block.ys),
            "output_columns": len(block.xs),
        }

    def _slab(self, block: _Block, group: range, part: Part, chunk: Chunk) -> Slab:
        image, window = self._image, self._window
        ys = _needed(block.ys, window.stride[0], window.padding[0], window.reach[0])
        xs = _needed(block.xs, window.stride[1], window.padding[1], window.reach[1])
        if len(block.xs) == self._made.width:
            xs = range(image.width)
        return self._slabs.get(
            block.batch,
            _within(ys, image.height),
            _within(xs, image.width),
            self._slab_channels(group, part, chunk),
        )

    def _slab_channels(self, group: range, part: Part, chunk: Chunk) -> range:
        """All channels, those of a group, or those of a part of all k tiles."""
        channels = range(self._operator.image.channels)
        if self._kernel.own_channels:
            return self._group_channels(group) if self._tiling.by_group else channels
        if self._kernel.folded:
            return channels
        size = self._slab_tiles(part) * self._emitter.config.rows
        first = chunk.tiles.start * self._emitter.config.rows // size * size
        return range(first, min(first + size, len(channels)))

    def _group_channels(self, group: range) -> range:
        """What the parts of a group read."""
        low, high = self._operator.image.channels, 0
        for part, tiles in self._parts_of(group):
            before = tiles.start - part.columns.start // self._cols
            first = part.channels.start + before * part.n_stride
            low = min(low, first)
            high = max(high, first + (len(tiles) - 1) * part.n_stride + len(part.channels))
        return range(low, high)

    def _weight_offsets(self) -> dict[tuple[Part, Chunk], tuple[int, int]]:
        """For each chunk where that of the first n tile lies, and how far to the next one's."""
        offsets = {}
        end = 0
        for part in self._kernel.parts:
            sizes = [self._kernel.chunk_bytes(part, chunk) for chunk in self._chunks[part]]
            start = end
            for chunk, size in zip(self._chunks[part], sizes, strict=True):
                offsets[part, chunk] = (start, sum(sizes))
                start += size
            end += sum(sizes) * ceil_div(len(part.columns), self._cols)
        return offsets

    def _load_weights(self, part: Part, n_tiles: range, chunk: Chunk) -> tuple[int, Region]:
        base = self._emitter.layout.constant(f"weights.{self._operator.name}", self._pack)
        offset, stride = self._offsets[part, chunk]
        before = n_tiles.start - part.columns.start // self._cols
        return self._emitter.weight_tiles(
            (part, n_tiles, chunk),
            base + offset + before * stride,
            self._kernel.chunk_bytes(part, chunk),
            len(n_tiles),
            stride,
        )

    def _pack(self) -> bytes:
        parts = self._kernel.parts
        return b"".join(self._kernel.pack(part, self._chunks[part]).tobytes() for part in parts)


def _needed(made: range, stride: int, padding: int, reach: int) -> range:
    """Rows or columns that some output rows or columns read, padding among them."""
    return range(made.start * stride - padding, (made.stop - 1) * stride - padding + reach)


def _within(wanted: range, extent: int) -> range:
    """Those that exist; one that is not needed where none is."""
    first = min(max(wanted.start, 0), extent - 1)
    return range(first, max(min(wanted.stop, extent), first + 1))
