"""How a window over images is cut into blocks, and what that costs, in closed form.

A block is some rows of output pixels (or part of one row) times some n tiles; its sums fill an
accumulator half. What it reads of the image, a *slab*, is loaded with its halo unless the image is
on chip, in one piece or in parts of the channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from arch.config import Config
from arch.isa import INSTRUCTION_BYTES
from arch.timing import (
    FETCH_TO_DISPATCH_CYCLES,
    MATRIX_PIPELINE_CYCLES,
    PREFETCH_INSTRUCTIONS,
    VECTOR_PARAMETER_CYCLES,
    VECTOR_PIPELINE_CYCLES,
)
from model.estimate import EngineEstimate
from model.tiling import Partition, ceil_div

CHUNK_TILES = 16
"""Weights of an instruction: few enough that the first ones are soon there, and many enough that
fetching instructions costs little."""
_CHANNEL_PARTS = (1, 2, 4, 8, 16, 32, 64, 128)
_WIDTH_CUTS = 63
"""Ways to cut rows to columns that are looked at."""


@dataclass(frozen=True)
class WindowShape:
    """A convolution or pooling as the closed form sees it.

    Attributes
    ----------
    batch, height, width, channels
        Of the images that it reads.
    output_height, output_width, n_tiles
        Of those that it makes.
    stride, reach
        Of the window, rows and columns.
    tiles, weight_bytes
        Weight tiles and their bytes for one n tile.
    own_channels
        Channels that an n tile has to itself, at most; 0 where all n tiles read all channels.
    whole_channels
        Whether a slab must hold all channels.
    output_bytes, residual_bytes, input_bytes
        Of an element of what streams; 0 where it stays in a buffer, or is not there.
    """

    batch: int
    height: int
    width: int
    channels: int
    output_height: int
    output_width: int
    n_tiles: int
    stride: tuple[int, int]
    reach: tuple[int, int]
    tiles: int
    weight_bytes: int
    own_channels: int
    whole_channels: bool = False
    output_bytes: int = 1
    residual_bytes: int = 0
    input_bytes: int = 1


@dataclass(frozen=True)
class WindowTiling:
    """See the module. ``n_outer``: groups of n tiles are the outer loop, blocks the inner.

    Attributes
    ----------
    rows, columns
        Output pixels of a block at most; `rows` is 1 where `columns` are not all.
    group_tiles
        n tiles of a block.
    channel_parts
        In how many parts the channels of a slab are loaded.
    by_group
        A slab holds the channels of one group only, where n tiles have channels of their own.
    """

    rows: int
    columns: int
    group_tiles: int
    channel_parts: int
    by_group: bool
    n_outer: bool


def best_window_tiling(shape: WindowShape, config: Config, space: Partition) -> WindowTiling | None:
    """The tiling of least estimated cycles; None where not even one row of a part fits."""
    candidates = _candidates(shape, config, space)
    return min(
        candidates,
        key=lambda tiling: WindowEstimate(shape, tiling, config, space).cycles,
        default=None,
    )


def _candidates(shape: WindowShape, config: Config, space: Partition) -> Iterator[WindowTiling]:
    for rows, columns in _extents(shape, config):
        for group in _groups(shape, config, space, rows * columns):
            for parts, by_group in _slab_cuts(shape, config):
                for n_outer in (False, True):
                    tiling = WindowTiling(rows, columns, group, parts, by_group, n_outer)
                    if WindowEstimate(shape, tiling, config, space).fits:
                        yield tiling


def _slab_cuts(shape: WindowShape, config: Config) -> list[tuple[int, bool]]:
    """Parts of the channels of a slab, and whether it holds those of a group."""
    if not shape.input_bytes or shape.whole_channels:
        return [(1, False)]
    if shape.own_channels:
        return [(1, False), (1, True)]
    tiles = ceil_div(shape.channels, config.rows)
    return [(parts, False) for parts in _CHANNEL_PARTS if parts <= tiles]


def _extents(shape: WindowShape, config: Config) -> Iterator[tuple[int, int]]:
    """Even cuts of the output's rows, or where not even one row fits a half, of its columns."""
    width, depth = shape.output_width, config.accumulator_depth
    seen = set()
    for blocks in range(1, shape.output_height + 1):
        rows = ceil_div(shape.output_height, blocks)
        if rows * width <= depth and rows not in seen:
            seen.add(rows)
            yield rows, width
    least = max(2, ceil_div(width, depth))
    for cuts in range(least, min(least + _WIDTH_CUTS, width + 1)):
        yield 1, ceil_div(width, cuts)


def _groups(shape: WindowShape, config: Config, space: Partition, pixels: int) -> list[int]:
    limits = [config.accumulator_depth // pixels, space.parameter // (16 * config.cols)]
    for room, size in (
        (space.output, shape.output_bytes),
        (space.residual, shape.residual_bytes),
    ):
        if size:
            limits.append(room // (2 * config.cols * size * pixels))
    limit = min(shape.n_tiles, *limits)
    groups = {limit} | {1 << bit for bit in range(limit.bit_length())} if limit > 0 else set()
    return sorted({ceil_div(shape.n_tiles, ceil_div(shape.n_tiles, group)) for group in groups})


def _even_sizes(total: int, count: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Sizes of `count` even cuts, and how many there are of each."""
    size, larger = divmod(total, count)
    return (size, count - larger), (size + 1, larger)


@dataclass(frozen=True)
class WindowEstimate(EngineEstimate):
    """Cycles of one operator on its own under one tiling: the slowest engine, start and tail."""

    shape: WindowShape
    tiling: WindowTiling
    config: Config
    space: Partition

    @property
    def fits(self) -> bool:
        """Whether a part of a slab has room."""
        return not self.shape.input_bytes or self.part_bytes <= self.space.activation

    @property
    def edge_cycles(self) -> float:
        return self._start_cycles + self._tail_cycles + self._bubble_cycles

    @cached_property
    def _cuts(self) -> tuple[int, int]:
        """Blocks down and across an image."""
        return (
            ceil_div(self.shape.output_height, self.tiling.rows),
            ceil_div(self.shape.output_width, self.tiling.columns),
        )

    @cached_property
    def blocks(self) -> int:
        down, across = self._cuts
        return self.shape.batch * down * across

    @cached_property
    def _groups(self) -> int:
        return ceil_div(self.shape.n_tiles, self.tiling.group_tiles)

    @cached_property
    def _pixels(self) -> float:
        """Of a block, on average."""
        image = self.shape.output_height * self.shape.output_width
        return self.shape.batch * image / self.blocks

    @property
    def matrix_cycles(self) -> int:
        """Cycles in which rows are issued or weights hold them up (rule T-MX-04)."""
        down, across = self._cuts
        rows = 0
        for height, downs in _even_sizes(self.shape.output_height, down):
            for width, acrosses in _even_sizes(self.shape.output_width, across):
                rows += downs * acrosses * max(height * width, self.config.rows)
        return self.shape.batch * rows * self.shape.tiles * self.shape.n_tiles

    @property
    def vector_cycles(self) -> float:
        tiles = self.shape.n_tiles * self.blocks
        rows = self._pixels * tiles
        return rows + VECTOR_PARAMETER_CYCLES * tiles + VECTOR_PIPELINE_CYCLES * self._turns

    @property
    def _turns(self) -> int:
        return self.blocks * self._groups

    @cached_property
    def _slab_extent(self) -> tuple[int, int]:
        """Rows and columns of the image that a block has: whole rows where it makes such."""
        shape, tiling = self.shape, self.tiling
        rows = (tiling.rows - 1) * shape.stride[0] + shape.reach[0]
        columns = (tiling.columns - 1) * shape.stride[1] + shape.reach[1]
        if tiling.columns == shape.output_width:
            columns = shape.width
        return min(rows, shape.height), min(columns, shape.width)

    @cached_property
    def _slab_bytes(self) -> int:
        """Of all channels."""
        rows, columns = self._slab_extent
        return rows * columns * self.shape.channels

    @cached_property
    def part_bytes(self) -> int:
        """Of what is loaded at once."""
        rows, columns = self._slab_extent
        channels = self.shape.channels
        if self.tiling.by_group:
            channels = min(channels, self.tiling.group_tiles * self.shape.own_channels)
        elif self.tiling.channel_parts > 1:
            tiles = ceil_div(channels, self.config.rows)
            channels = ceil_div(tiles, self.tiling.channel_parts) * self.config.rows
        return rows * columns * channels

    @cached_property
    def _pass_bytes(self) -> int:
        """Loaded for all blocks once; a block's halo stays where it is part of whole rows."""
        if self.tiling.channel_parts > 1 or self.tiling.by_group or self._cuts[1] > 1:
            return self.blocks * self._slab_bytes
        shape, rows = self.shape, self._slab_extent[0]
        row_bytes = shape.width * shape.channels
        new_rows = min(rows, self.tiling.rows * shape.stride[0])
        image_rows = rows + (self._cuts[0] - 1) * new_rows
        # At the end of the ring a slab is loaded whole.
        wraps = image_rows * row_bytes // max(1, self.space.activation)
        return shape.batch * (image_rows + wraps * (rows - new_rows)) * row_bytes

    @cached_property
    def _passes(self) -> int:
        """Times that all blocks are loaded."""
        stays = self._slab_bytes if not self.tiling.n_outer else self._pass_bytes
        if not self.shape.input_bytes:
            return 0
        if self.shape.own_channels or stays <= self.space.activation:
            return 1
        return self._groups

    @property
    def _slab_load_cycles(self) -> float:
        """LOAD cycles for all channels of a slab; many short runs are bounded by the latency."""
        rows, columns = self._slab_extent
        if self.tiling.by_group or self.tiling.channel_parts > 1:
            parts = self._groups if self.tiling.by_group else self.tiling.channel_parts
            runs = rows * columns * parts
        else:
            runs = 1 if columns == self.shape.width else rows
        return max(self._load_cycles_of(self._slab_bytes), self._burst_cycles(runs))

    def _burst_cycles(self, bursts: int) -> float:
        return bursts * self.config.dram_latency_cycles / self.config.max_outstanding_reads

    @cached_property
    def _weight_bytes(self) -> int:
        """Of all weights, each time they are loaded."""
        total = self.shape.n_tiles * self.shape.weight_bytes
        group = self.tiling.group_tiles * self.shape.weight_bytes
        fits = total <= self.space.weight or (self.tiling.n_outer and group <= self.space.weight)
        return total if fits else total * self.blocks

    @cached_property
    def _output_elements(self) -> float:
        return self.blocks * self._pixels * self.shape.n_tiles * self.config.cols

    @property
    def load_cycles(self) -> float:
        """Cycles of LOAD, bounded by what may be outstanding (rule T-LD-03)."""
        slabs = self._passes * self._pass_bytes / self._slab_bytes * self._slab_load_cycles
        return slabs + self._load_cycles_of(self._weight_bytes) + self._residual_cycles

    @property
    def _residual_cycles(self) -> float:
        if not self.shape.residual_bytes:
            return 0.0
        size = self._output_elements * self.shape.residual_bytes
        return max(self._load_cycles_of(size), self._burst_cycles(self._pixel_runs))

    @property
    def _pixel_runs(self) -> int:
        """Runs of the output or of a residual: a pixel's group, or whole blocks."""
        return int(self.blocks * self._pixels * self._groups) if self._groups > 1 else self.blocks

    @property
    def store_cycles(self) -> float:
        """Cycles of STORE, a burst for each pixel of a group unless pixels touch (T-ST-04)."""
        if not self.shape.output_bytes:
            return 0.0
        config = self.config
        return self._pixel_runs * config.dram_latency_cycles / config.max_outstanding_writes

    @property
    def dram_cycles(self) -> float:
        """Cycles in which DRAM moves data and instructions."""
        elements = self.shape.output_bytes + self.shape.residual_bytes
        data = self._output_elements * elements + self._weight_bytes
        data += self._passes * self._pass_bytes
        return self._cycles_of(data + self._instructions * INSTRUCTION_BYTES)

    @property
    def _instructions(self) -> int:
        """MATRIX and its weights for each chunk of a turn, VECTOR and STORE; and slabs."""
        tiles = self.tiling.group_tiles * self.shape.tiles
        chunks = max(self.tiling.channel_parts, ceil_div(tiles, CHUNK_TILES))
        slabs = self._passes * self.blocks * self.tiling.channel_parts
        return self._turns * (2 * chunks + 3) + slabs

    @property
    def fetch_cycles(self) -> float:
        """Cycles in which the front end gets all instructions (rule T-FE-02)."""
        return self._instructions * self.config.dram_latency_cycles / PREFETCH_INSTRUCTIONS

    @property
    def _start_cycles(self) -> float:
        """Fetch, and what the first block waits for its slab and weights, part by part."""
        parts = self.tiling.channel_parts
        weights = self.tiling.group_tiles * self.shape.weight_bytes / parts
        slab = self._slab_load_cycles / parts if self.shape.input_bytes else 0.0
        load = slab + self._cycles_of(weights)
        rows = max(self._pixels, self.config.rows)
        work = rows * self.shape.tiles * self.tiling.group_tiles / parts
        chunk = min(weights, CHUNK_TILES * self.config.rows * self.config.cols)
        first = slab + self._cycles_of(chunk)
        latency = 2 * self.config.dram_latency_cycles + FETCH_TO_DISPATCH_CYCLES
        return latency + max(first, first + (parts - 1) * (load - work))

    @property
    def _tail_cycles(self) -> float:
        """The last VECTOR and the last STORE."""
        vector = self.tiling.group_tiles * (self._pixels + VECTOR_PARAMETER_CYCLES)
        stored = self._pixels * self.tiling.group_tiles * self.config.cols
        latency = self.config.dram_latency_cycles + VECTOR_PIPELINE_CYCLES + MATRIX_PIPELINE_CYCLES
        return latency + vector + self._cycles_of(stored * self.shape.output_bytes)

    @property
    def _bubble_cycles(self) -> float:
        """What MATRIX waits for slabs of which the ring does not hold two."""
        if not self.shape.input_bytes or 2 * self.part_bytes <= self.space.activation:
            return 0.0
        waits = self._passes * self.blocks - 1
        return waits * (self._slab_load_cycles + self.config.dram_latency_cycles)
