"""How a linear layer is cut into tiles, and what that costs, in closed form.

A layer [M, K] x [K, N] is computed in blocks of ``rows`` x ``group_tiles`` n tiles, one block in an
accumulator half. K is streamed in chunks of ``chunk_tiles``; an instruction covers
``instruction_tiles`` n tiles of one chunk. A chunk that is still in its buffer is not loaded again.
"""

from __future__ import annotations

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


@dataclass(frozen=True)
class Shape:
    """A linear layer: M, K, N and the bytes of an element of what streams through its buffers.

    They are 0 where output, residual or input stay in a buffer, or where there is no residual.
    """

    m: int
    k: int
    n: int
    output_bytes: int = 1
    residual_bytes: int = 0
    input_bytes: int = 1


@dataclass(frozen=True)
class Partition:
    """Bytes of each buffer for what streams, by use."""

    activation: int
    residual: int
    output: int
    weight: int
    parameter: int


@dataclass(frozen=True)
class Tiling:
    """See the module. ``n_outer``: groups of n are the outer loop, blocks of rows the inner."""

    rows: int
    group_tiles: int
    instruction_tiles: int
    chunk_tiles: int
    n_outer: bool


def ceil_div(value: int, divisor: int) -> int:
    """``value / divisor``, rounded up."""
    return -(-value // divisor)


def round_up(value: int, multiple: int) -> int:
    """The least multiple of `multiple` that is not below `value`."""
    return ceil_div(value, multiple) * multiple


@dataclass(frozen=True)
class Estimate(EngineEstimate):
    """Cycles of one layer on its own under one tiling: the slowest engine, start and tail.

    Each engine is taken to be busy throughout or to wait for a busier one.
    """

    shape: Shape
    tiling: Tiling
    config: Config
    space: Partition

    @property
    def edge_cycles(self) -> float:
        return self._start_cycles + self._tail_cycles + self._bubble_cycles

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
        if not self.shape.input_bytes:
            return True
        return self._chunks * self._activation_chunk_bytes <= self.space.activation

    @property
    def _activation_chunk_bytes(self) -> int:
        width = round_up(self.tiling.chunk_tiles * self.config.rows, self.config.word_bytes)
        return self.tiling.rows * width

    @property
    def _activation_loads(self) -> int:
        """Times the activations are loaded."""
        if not self.shape.input_bytes:
            return 0
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
        """LOAD cycles for all activations once; many short runs are bounded by the latency."""
        runs = self.shape.m * self._chunks
        if self._chunks == 1 and self.shape.k % self.config.word_bytes == 0:
            runs = self._blocks
        padded = round_up(self.shape.k, self.config.axi_bytes)
        return max(
            self._load_cycles_of(self.shape.m * padded),
            runs * self.config.dram_latency_cycles / self.config.max_outstanding_reads,
        )

    @property
    def _streamed_bytes(self) -> int:
        """Bytes of weights, parameters and residuals that LOAD brings."""
        return (
            self._weight_bytes * self._weight_loads
            + self._n_tiles * 8 * self.config.cols
            + self.shape.m * self.shape.n * self.shape.residual_bytes
        )

    @property
    def load_cycles(self) -> float:
        """Cycles of LOAD, bounded by what may be outstanding (rule T-LD-03)."""
        activations = self._activation_loads * self._activation_pass_cycles
        return self._load_cycles_of(self._streamed_bytes) + activations

    @property
    def store_cycles(self) -> float:
        """Cycles of STORE, a burst for each row of a group unless rows touch (rule T-ST-04)."""
        if not self.shape.output_bytes:
            return 0
        bursts = self.shape.m * self._groups if self._groups > 1 else self._blocks
        return bursts * self.config.dram_latency_cycles / self.config.max_outstanding_writes

    @cached_property
    def _instructions(self) -> int:
        parts = ceil_div(self.tiling.group_tiles, self.tiling.instruction_tiles)
        loads = self._weight_loads * self._groups * parts * self._chunks
        loads += self._activation_loads * self._blocks * self._chunks
        return loads + self._blocks * self._groups * (parts * (self._chunks + 1) + 1)

    @property
    def dram_cycles(self) -> float:
        """Cycles in which DRAM moves data and instructions."""
        activations = self._activation_loads * self.shape.m * self.shape.k
        outputs = self.shape.m * self.shape.n * self.shape.output_bytes
        instructions = self._instructions * INSTRUCTION_BYTES
        return self._cycles_of(self._streamed_bytes + activations + outputs + instructions)

    @property
    def fetch_cycles(self) -> float:
        """Cycles in which the front end gets all instructions (rule T-FE-02)."""
        return self._instructions * self.config.dram_latency_cycles / PREFETCH_INSTRUCTIONS

    @property
    def _weight_chunk_bytes(self) -> int:
        tile_bytes = self.config.rows * self.config.cols
        return self.tiling.chunk_tiles * self.tiling.instruction_tiles * tile_bytes

    @property
    def _start_cycles(self) -> float:
        """Fetch, and the first chunk of activations and weights."""
        first = self._activation_chunk_bytes * self.shape.input_bytes + self._weight_chunk_bytes
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
        streams = self.shape.input_bytes and self._activation_resident
        if self.tiling.n_outer or not streams or self._blocks == 1:
            return 0.0
        room = self.space.activation // self._activation_chunk_bytes - self._chunks
        late = max(0, self._chunks - room) / self._chunks
        load = late * self._activation_pass_cycles / self._blocks
        group = self.tiling.group_tiles * self._k_tiles
        pass_cycles = group * max(self.tiling.rows, self.config.rows)
        weights = self._load_cycles_of(group * self.config.rows * self.config.cols)
        return (self._blocks - 1) * max(0.0, load + weights - pass_cycles)
