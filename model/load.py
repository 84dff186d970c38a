"""LOAD: requests under a window, beats through one register stage, padding behind runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from arch.config import Config
from arch.isa import Buffer, Engine, Instruction, Load
from arch.timing import GATHER_CYCLES
from model.dma import cut, slot_free_from
from model.dram import Dram, ReadBurst
from model.indices import IndexBuffer
from model.kernel import NEVER, Semaphores, Sequencer


class LoadEngine(Sequencer):
    """One address handshake an event; the beats of a burst follow in closed form.

    Attributes
    ----------
    address_cycle
        Cycle in which the next burst is presented on AR, ``NEVER`` while there is none or that is
        not known.
    """

    def __init__(
        self, semaphores: Semaphores, dram: Dram, config: Config, indices: IndexBuffer
    ) -> None:
        super().__init__(Engine.LOAD, semaphores)
        self.address_cycle = NEVER
        self._dram = dram
        self._indices = indices
        self._config = config
        self._generator_free: int | None = 0
        self._bursts: Iterator[tuple[int, bool]] = iter(())
        self._burst: tuple[int, bool] | None = None
        self._burst_from = 0
        self._padding_cycles = 0
        self._run_gap = 0
        self._requested: deque[tuple[int, int, int, bool]] = deque()
        self._taken_from = 0
        self._accepted: list[tuple[int, int, ReadBurst]] = []
        self._beats = 0
        self._window_head = 0
        self._window_beat = 0
        self._data_bytes = 0
        self._padding_bytes = 0

    def accepts_from(self) -> int | None:
        """T-LD-02: the generator is free, and few enough are in flight; T-LD-07: none."""
        assert isinstance(self.head, Load)
        if self.head.gather and self.starts:
            return self.ends[-1] + 1 if len(self.ends) == len(self.starts) else None
        slot = slot_free_from(len(self.starts), self.ends)
        if self._generator_free is None or slot is None:
            return None
        return max(self._generator_free, slot)

    def begin(self, cycle: int, instruction: Instruction) -> None:
        assert isinstance(instruction, Load)
        runs = instruction.runs * instruction.planes
        self._data_bytes += runs * instruction.run_bytes
        self._padding_bytes += runs * instruction.pad_bytes
        self._padding_cycles = -(-instruction.pad_bytes // self._config.axi_bytes)
        self._generator_free = None
        # T-LD-07: the number of each run is looked up in front of its first burst.
        self._run_gap = GATHER_CYCLES if instruction.gather else 0
        rows = self._indices.rows(instruction) if instruction.gather else None
        self._bursts = cut(instruction, self._config, rows)
        self._burst, self._burst_from = next(self._bursts), cycle + 1 + self._run_gap
        self._schedule()
        if instruction.buffer == Buffer.INDEX:
            self._indices.fill(instruction)

    def request(self) -> bool:
        """Hand over the burst on AR; whether that was the last of its instruction."""
        assert self._burst is not None, "only what is presented is handed over"
        cycle = self.address_cycle
        beats, ends_run = self._burst
        padding = self._padding_cycles if ends_run else 0
        self._beats += beats
        self._dram.accept(cycle, beats, self._receive)
        self._burst = next(self._bursts, None)
        self._burst_from = cycle + 1 + (self._run_gap if ends_run else 0)
        ends = self._burst is None
        self._requested.append((cycle, beats, padding, ends))
        self._schedule()
        if ends:
            self._generator_free = cycle + 1
        return ends

    def _receive(self, served: int) -> bool:
        """Follow the beats of the oldest burst not yet served; whether its instruction retires.

        A beat taken in t is written in t+1 (T-LD-04), padding follows, and the next beat is taken
        with the last write of it (T-LD-05); the instruction retires with its last write (T-LD-06).
        """
        cycle, beats, padding, ends = self._requested.popleft()
        burst = self._dram.read(served, beats, self._taken_from)
        self._accepted.append((cycle, padding, burst))
        self._taken_from = burst.last + 1 + padding
        if ends:
            self.retire(burst.last + 1 + padding)
        if self._burst is not None and self.address_cycle == NEVER:
            self._schedule()
        return ends

    def _schedule(self) -> None:
        """Find the first cycle in which the limits let the next burst on AR (T-LD-03)."""
        self.address_cycle = NEVER
        if self._burst is None:
            return
        cycle = self._burst_from
        oldest = len(self._accepted) + len(self._requested) - self._config.max_outstanding_reads
        if oldest >= len(self._accepted):
            return
        if oldest >= 0:
            cycle = max(cycle, self._accepted[oldest][2].last + 1)
        beat = self._beats - self._config.read_window_beats
        if beat >= 0:
            taken = self._taken(beat)
            if taken is None:
                return
            cycle = max(cycle, taken + 1)
        self.address_cycle = cycle

    def _taken(self, beat: int) -> int | None:
        """Cycle in which a beat of the run is taken; beats are asked for in order."""
        while self._window_head < len(self._accepted):
            burst = self._accepted[self._window_head][2]
            if beat - self._window_beat < burst.beats:
                return self._dram.taken(burst, beat - self._window_beat)
            self._window_beat += burst.beats
            self._window_head += 1
        return None

    def counters(self) -> dict[str, int]:
        return {
            "load_instructions": len(self.ends),
            "load_bursts": len(self._accepted),
            "load_beats": self._beats,
            "load_bytes": self._data_bytes,
            "pad_bytes": self._padding_bytes,
        }

    def working_cycles(self) -> int:
        """Address handshakes and buffer writes, less the cycles that have both."""
        if not self._accepted:
            return 0
        table = np.array(
            [(cycle, padding, *burst) for cycle, padding, burst in self._accepted], np.int64
        )
        addresses, padding = table[:, 0], table[:, 1]
        writes = self._beats + int(padding.sum())
        return len(addresses) + writes - int(np.count_nonzero(self._written(addresses, table)))

    def _written(
        self, cycles: npt.NDArray[np.int64], table: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """For each cycle, whether a buffer write happens in it.

        ``table`` has a line for each burst: address cycle, padding cycles, and the ReadBurst. A
        beat is written one cycle after it is taken: at its earliest by the channel (``start``) or
        by the memory (``ready``), whichever comes later.
        """
        _, padding, ready, start, beats, last = table.T
        first = np.maximum(ready, start) + 1
        at = np.searchsorted(first, cycles, side="right") - 1
        exists = at >= 0
        ready, start, beats, last, padding = (
            column[at] for column in (ready, start, beats, last, padding)
        )
        taken = cycles - 1
        width, rate = self._config.axi_bytes, self._config.dram_bytes_per_cycle
        by_channel = taken - start
        hit = (by_channel < beats) & (ready + by_channel * width // rate <= taken)
        by_memory = -((ready - taken) * rate // width)
        hit |= (
            (by_memory < beats)
            & (ready + by_memory * width // rate == taken)
            & (start + by_memory <= taken)
        )
        hit |= (taken > last) & (taken <= last + padding)
        written: npt.NDArray[np.bool_] = exists & hit
        return written
