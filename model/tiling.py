"""How a linear layer is cut into tiles: what is possible, and what it costs, in closed form.

A layer [M, K] x [K, N] is computed in blocks of ``rows`` x ``group_tiles`` n tiles, one block in an
accumulator half. K is streamed in chunks of ``chunk_tiles``; an instruction covers
``instruction_tiles`` n tiles of one chunk. A chunk that is still in its buffer is not loaded again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from arch.config import ACTIVATION_BANKS, Config
from arch.isa import INSTRUCTION_BYTES
from arch.timing import (
    FETCH_TO_DISPATCH_CYCLES,
    MATRIX_PIPELINE_CYCLES,
    VECTOR_PARAMETER_CYCLES,
    VECTOR_PIPELINE_CYCLES,
)

_INSTRUCTION_CYCLES = 256
"""Work an instruction should bring, so that fetching it costs little."""
_RUN_BEATS = 8
"""Beats an activation run should have, so that outstanding bursts cover the latency."""
_RUN_BYTES_LIMIT = (1 << 20) - 1
_ROW_CANDIDATES = 24


@dataclass(frozen=True)
class Shape:
    """A linear layer: M, K, N and the bytes of an output and a residual element (0: none)."""

    m: int
    k: int
    n: int
    output_bytes: int = 1
    residual_bytes: int = 0


@dataclass(frozen=True)
class Partition:
    """Bytes of each buffer by use.

    The activation buffer's banks are dealt out so that what MATRIX reads, VECTOR reads and STORE
    reads lies in different banks (rule B-04).
    """

    activation: int
    residual: int
    output: int
    weight: int
    parameter: int


def partition(config: Config, residual: bool) -> Partition:
    """Deal out the buffers; one bank is for residuals where there are any, one for outputs."""
    bank = config.activation_buffer_bytes // ACTIVATION_BANKS
    return Partition(
        activation=bank * (ACTIVATION_BANKS - 1 - residual),
        residual=bank * residual,
        output=bank,
        weight=config.weight_buffer_bytes,
        parameter=config.parameter_buffer_bytes,
    )


@dataclass(frozen=True)
class Tiling:
    """See the module. ``n_outer``: groups of n are the outer loop, blocks of rows the inner."""

    rows: int
    group_tiles: int
    instruction_tiles: int
    chunk_tiles: int
    n_outer: bool


def ceil_div(value: int, divisor: int) -> int:
    return -(-value // divisor)


def round_up(value: int, multiple: int) -> int:
    return ceil_div(value, multiple) * multiple


def best_tilings(shape: Shape, config: Config, space: Partition, count: int) -> list[Tiling]:
    """The `count` tilings of least estimated cycles, best first; there is always one."""
    ranked = sorted(
        (
            (Estimate(shape, tiling, config, space).cycles, index, tiling)
            for index, tiling in enumerate(_candidates(shape, config, space))
        ),
        key=lambda entry: entry[:2],
    )
    return [tiling for _, _, tiling in ranked[:count]]


def _candidates(shape: Shape, config: Config, space: Partition) -> Iterator[Tiling]:
    n_tiles = ceil_div(shape.n, config.cols)
    for rows in _row_candidates(shape, config, space):
        limit = min(
            n_tiles,
            _group_rows(shape, config, space) // rows,
            space.parameter // (16 * config.cols),
        )
        groups = {limit} | {1 << bit for bit in range(limit.bit_length())}
        balanced = {ceil_div(n_tiles, ceil_div(n_tiles, group)) for group in groups}
        for group in sorted(balanced):
            chunk = _chunk_tiles(rows, shape, config, space)
            per_instruction = _instruction_tiles(rows, group, chunk, config, space)
            yield Tiling(rows, group, per_instruction, chunk, n_outer=False)
            if rows < shape.m and group < n_tiles:
                yield Tiling(rows, group, per_instruction, chunk, n_outer=True)


def _row_candidates(shape: Shape, config: Config, space: Partition) -> list[int]:
    """Even cuts of M that leave room for two of everything a block needs, largest first."""
    room = _group_rows(shape, config, space)
    most = min(room, space.activation // (2 * config.word_bytes))
    m = shape.m
    fewest_blocks = ceil_div(m, most)
    cuts: list[int] = []
    blocks = fewest_blocks
    while len(cuts) < _ROW_CANDIDATES and blocks <= m:
        rows = ceil_div(m, blocks)
        if not cuts or rows < cuts[-1]:
            cuts.append(rows)
        if rows <= config.rows // 2:
            break
        blocks = max(blocks + 1, blocks * 9 // 8)
    return cuts


def _group_rows(shape: Shape, config: Config, space: Partition) -> int:
    """Rows times n tiles that an accumulator half and half of output and residual space hold."""
    limits = [config.accumulator_depth]
    for size, element_bytes in (
        (space.output, shape.output_bytes),
        (space.residual, shape.residual_bytes),
    ):
        if element_bytes:
            limits.append(size // (2 * config.cols * element_bytes))
    return min(limits)


def _chunk_tiles(rows: int, shape: Shape, config: Config, space: Partition) -> int:
    k_tiles = ceil_div(shape.k, config.rows)
    tile_bytes = config.rows * config.cols
    step = config.word_bytes // config.rows
    wanted = max(
        ceil_div(_RUN_BEATS * config.axi_bytes, config.rows),
        ceil_div(_INSTRUCTION_CYCLES, max(rows, config.rows)),
        step,
    )
    limit = min(
        max(space.activation // 4 // rows // config.rows, step),
        space.weight // 4 // tile_bytes,
        _RUN_BYTES_LIMIT // tile_bytes,
    )
    chunk = min(k_tiles, wanted, limit)
    even = ceil_div(k_tiles, ceil_div(k_tiles, chunk))
    return min(round_up(even, step), chunk) if chunk >= step else even


def _instruction_tiles(rows: int, group: int, chunk: int, config: Config, space: Partition) -> int:
    """The largest divisor of `group` that the work wanted of an instruction asks for."""
    chunk_bytes = chunk * config.rows * config.cols
    wanted = min(
        ceil_div(_INSTRUCTION_CYCLES, chunk * max(rows, config.rows)),
        max(1, space.weight // 4 // chunk_bytes),
    )
    return max(tiles for tiles in range(1, min(group, wanted) + 1) if group % tiles == 0)


@dataclass(frozen=True)
class Estimate:
    """Cycles of one layer on its own under one tiling: the slowest engine, start and tail."""

    shape: Shape
    tiling: Tiling
    config: Config
    space: Partition

    @property
    def cycles(self) -> float:
        steady = max(self.matrix_cycles, self.vector_cycles, self.dram_cycles)
        return steady + self._start_cycles + self._tail_cycles + self._bubble_cycles

    @cached_property
    def _blocks(self) -> int:
        return ceil_div(self.shape.m, self.tiling.rows)

    @cached_property
    def _n_tiles(self) -> int:
        return ceil_div(self.shape.n, self.config.cols)

    @cached_property
    def _k_tiles(self) -> int:
        return ceil_div(self.shape.k, self.config.rows)

    @cached_property
    def _groups(self) -> int:
        return ceil_div(self._n_tiles, self.tiling.group_tiles)

    @cached_property
    def _chunks(self) -> int:
        return ceil_div(self._k_tiles, self.tiling.chunk_tiles)

    @property
    def matrix_cycles(self) -> int:
        """Cycles in which rows are issued or weights hold them up (rule T-MX-04)."""
        rest = self.shape.m - (self._blocks - 1) * self.tiling.rows
        rows = (self._blocks - 1) * max(self.tiling.rows, self.config.rows)
        return (rows + max(rest, self.config.rows)) * self._k_tiles * self._n_tiles

    @property
    def vector_cycles(self) -> int:
        tiles = self._n_tiles * self._blocks
        instructions = ceil_div(tiles, self.tiling.instruction_tiles)
        rows = self.shape.m * self._n_tiles
        return rows + VECTOR_PARAMETER_CYCLES * tiles + VECTOR_PIPELINE_CYCLES * instructions

    @cached_property
    def _activation_resident(self) -> bool:
        """Whether all chunks of one block of rows stay in the buffer."""
        return self._chunks * self._activation_chunk_bytes <= self.space.activation

    @property
    def _activation_chunk_bytes(self) -> int:
        width = round_up(self.tiling.chunk_tiles * self.config.rows, self.config.word_bytes)
        return self.tiling.rows * width

    @property
    def _activation_loads(self) -> int:
        """Times the activations are loaded."""
        total = self._blocks * self._chunks * self._activation_chunk_bytes
        if self._groups == 1 or total <= self.space.activation:
            return 1
        if not self.tiling.n_outer and self._activation_resident:
            return 1
        return self._groups

    @property
    def _weight_bytes(self) -> int:
        return self._k_tiles * self._n_tiles * self.config.rows * self.config.cols

    @property
    def _weight_loads(self) -> int:
        """Times the weights are loaded."""
        if self._blocks == 1 or self._weight_bytes <= self.space.weight:
            return 1
        group = self.tiling.group_tiles * self._k_tiles * self.config.rows * self.config.cols
        if self.tiling.n_outer and group <= self.space.weight:
            return 1
        return self._blocks

    @cached_property
    def _activation_pass_cycles(self) -> float:
        """DRAM cycles to load all activations once, bounded by outstanding bursts."""
        runs = self.shape.m * self._chunks
        if self._chunks == 1 and self.shape.k % self.config.word_bytes == 0:
            runs = self._blocks
        padded = round_up(self.shape.k, self.config.axi_bytes)
        return max(
            self._cycles_of(self.shape.m * padded),
            runs * self.config.dram_latency_cycles / self.config.max_outstanding_reads,
        )

    @property
    def dram_cycles(self) -> float:
        """Cycles in which DRAM moves data and instructions."""
        per_block = self._blocks * self._groups
        instructions = per_block * 2 + self._chunks * self._weight_loads * ceil_div(
            self._n_tiles, self.tiling.instruction_tiles
        )
        instructions += (
            per_block
            * self._chunks
            * ceil_div(self.tiling.group_tiles, self.tiling.instruction_tiles)
        )
        streamed = (
            self._weight_bytes * self._weight_loads
            + self._n_tiles * 8 * self.config.cols
            + self.shape.m * self.shape.n * (self.shape.output_bytes + self.shape.residual_bytes)
            + instructions * INSTRUCTION_BYTES
        )
        writes = self.shape.m * self._groups * self.config.dram_latency_cycles
        return max(
            self._cycles_of(streamed) + self._activation_pass_cycles * self._activation_loads,
            writes / self.config.max_outstanding_writes if self._groups > 1 else 0,
        )

    @property
    def _weight_chunk_bytes(self) -> int:
        tile_bytes = self.config.rows * self.config.cols
        return self.tiling.chunk_tiles * self.tiling.instruction_tiles * tile_bytes

    @property
    def _start_cycles(self) -> float:
        """Fetch, and the first chunk of activations and weights."""
        first = self._activation_chunk_bytes + self._weight_chunk_bytes
        latency = 2 * self.config.dram_latency_cycles
        return latency + FETCH_TO_DISPATCH_CYCLES + self._cycles_of(first)

    @property
    def _tail_cycles(self) -> float:
        """The last VECTOR and the last STORE."""
        rows = min(self.tiling.rows, self.shape.m)
        tiles = self.tiling.instruction_tiles
        vector = tiles * (rows + VECTOR_PARAMETER_CYCLES) + VECTOR_PIPELINE_CYCLES
        rest = self._n_tiles - (self._groups - 1) * self.tiling.group_tiles
        stored = rows * rest * self.config.cols * self.shape.output_bytes
        latency = self.config.dram_latency_cycles
        return MATRIX_PIPELINE_CYCLES + vector + self._cycles_of(stored) + latency

    @property
    def _bubble_cycles(self) -> float:
        """What MATRIX waits at each new block of rows whose activations found no free room."""
        if self.tiling.n_outer or not self._activation_resident or self._blocks == 1:
            return 0.0
        room = self.space.activation // self._activation_chunk_bytes - self._chunks
        late = max(0, self._chunks - room) / self._chunks
        load = late * self._activation_pass_cycles / self._blocks
        group = self.tiling.group_tiles * self._k_tiles
        pass_cycles = group * max(self.tiling.rows, self.config.rows)
        weights = self._cycles_of(group * self.config.rows * self.config.cols)
        return (self._blocks - 1) * max(0.0, load + weights - pass_cycles)

    def _cycles_of(self, size: int) -> float:
        return size / self.config.dram_bytes_per_cycle
