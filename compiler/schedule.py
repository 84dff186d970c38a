"""The order of the program: by the cycle in which each instruction is expected to issue.

The front end dispatches in order and stops at a full queue. An instruction that stands far before
its time fills its queue and holds up all behind it; one that stands late starves its engine. In
order of issue neither happens, and since what an instruction depends on issues before it, the
order is a legal sequential execution.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from arch.config import Config
from arch.isa import Engine, FillTable, Instruction, Load, Matrix, Store, Table, Vector
from arch.timing import (
    DMA_INSTRUCTIONS_IN_FLIGHT,
    MATRIX_PIPELINE_CYCLES,
    VECTOR_PARAMETER_CYCLES,
    VECTOR_PIPELINE_CYCLES,
)
from compiler.dependencies import Needs
from compiler.step import Step

_LOADS_AHEAD = 32
"""Loads that may stand before the use of a load. Enough to hide any latency; more would stand
before their time as soon as memory is slower than expected."""


def order_of_issue(steps: Sequence[Step], needs: Sequence[Needs], config: Config) -> list[int]:
    """Indices of `steps` in the order of the program.

    Parameters
    ----------
    steps
        In the plain order: what loads bring is used by the next step that is no load.
    needs
        Their dependencies in that order.
    config
        Memory and limits of the engines.
    """
    timers: dict[Engine, _Timer] = {
        Engine.LOAD: _DmaTimer(config, config.max_outstanding_reads, config.read_window_beats),
        Engine.MATRIX: _MatrixTimer(config),
        Engine.VECTOR: _VectorTimer(),
        Engine.STORE: _DmaTimer(config, config.max_outstanding_writes, None),
    }
    issues: list[float] = []
    ends: list[float] = []
    uses: list[float] = []  # of each load, the issue of the step that uses it
    loads = 0
    for step, need in zip(steps, needs, strict=True):
        ready = max((ends[index] + 1 for index in need if index >= 0), default=0.0)
        if step.engine is Engine.LOAD:
            loads += 1
            if loads > _LOADS_AHEAD:
                ready = max(ready, uses[loads - _LOADS_AHEAD - 1])
        issue, end = timers[step.engine].run(step.instruction, ready)
        if step.engine is not Engine.LOAD:
            uses.extend([issue] * (loads - len(uses)))
        issues.append(issue)
        ends.append(end)
    return sorted(range(len(steps)), key=issues.__getitem__)


class _Timer(Protocol):
    """When an engine issues and completes; `run` is called in the engine's order."""

    def run(self, instruction: Instruction, ready: float) -> tuple[float, float]:
        """Issue and end of an instruction whose operands are there in cycle `ready`."""
        ...


class _DmaTimer(_Timer):
    """LOAD or STORE alone at the memory: latency, bandwidth and what may be outstanding.

    Parameters
    ----------
    outstanding_bursts
        Bursts in flight, at most.
    window_beats
        Beats in flight beyond which no further burst is asked for; None: any number.
    """

    def __init__(self, config: Config, outstanding_bursts: int, window_beats: int | None) -> None:
        self._config = config
        self._burst_cycles = config.dram_latency_cycles / outstanding_bursts
        self._window_beats = window_beats
        self._beat_cycles = config.axi_bytes / config.dram_bytes_per_cycle
        self._generator_free = 0.0
        self._memory_free = 0.0
        self._flight: deque[tuple[float, int]] = deque(maxlen=DMA_INSTRUCTIONS_IN_FLIGHT)

    def run(self, instruction: Instruction, ready: float) -> tuple[float, float]:
        assert isinstance(instruction, Load | Store)
        full = len(self._flight) == DMA_INSTRUCTIONS_IN_FLIGHT
        oldest_end = self._flight[0][0] + 1 if full else 0.0
        issue = max(ready, self._generator_free, oldest_end)
        beats = -(-instruction.run_bytes // self._config.axi_bytes)
        bursts = -(-instruction.run_bytes // self._config.burst_bytes)
        runs = instruction.runs * instruction.planes
        cycles = runs * max(beats * self._beat_cycles, bursts * self._burst_cycles)
        self._memory_free = max(issue + 1, self._memory_free) + cycles
        end = self._memory_free + self._config.dram_latency_cycles
        self._flight.append((end, runs * beats))
        self._generator_free = max(issue + runs * bursts + 1, self._window_opens())
        return issue, end

    def _window_opens(self) -> float:
        """When fewer beats than the window holds are left in flight."""
        if self._window_beats is None:
            return 0.0
        in_flight = 0
        for end, beats in reversed(self._flight):
            in_flight += beats
            if in_flight >= self._window_beats:
                arrived = in_flight - self._window_beats + 1
                return end - (beats - arrived) * self._beat_cycles
        return 0.0


class _MatrixTimer(_Timer):
    """MATRIX: weights of a tile load while those before it stream (rules T-MX-01 to T-MX-05)."""

    def __init__(self, config: Config) -> None:
        self._reads = config.rows
        self._loader_free = 0.0
        self._stream_free = 0.0

    def run(self, instruction: Instruction, ready: float) -> tuple[float, float]:
        assert isinstance(instruction, Matrix)
        issue = max(ready, self._loader_free)
        tile_cycles = max(instruction.output_rows * instruction.output_columns, self._reads)
        tiles = instruction.n_tiles * instruction.k_tiles
        start = max(self._stream_free, issue + self._reads + 1)
        self._stream_free = start + tiles * tile_cycles
        self._loader_free = max(
            issue + tiles * self._reads, self._stream_free - 2 * tile_cycles + self._reads
        )
        return issue, self._stream_free + MATRIX_PIPELINE_CYCLES


class _VectorTimer(_Timer):
    """VECTOR: one instruction at a time (rules T-VX-01 to T-VX-06)."""

    def __init__(self) -> None:
        self._free = 0.0

    def run(self, instruction: Instruction, ready: float) -> tuple[float, float]:
        issue = max(ready, self._free)
        if isinstance(instruction, FillTable):
            cycles = Table(instruction.table).words
        else:
            assert isinstance(instruction, Vector)
            rows = instruction.rows + VECTOR_PARAMETER_CYCLES
            cycles = instruction.n_tiles * rows + VECTOR_PIPELINE_CYCLES
        self._free = issue + cycles + 1
        return issue, issue + cycles
