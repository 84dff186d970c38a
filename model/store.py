"""STORE: buffer reads through a FIFO to W, an address behind the first beat of each burst."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import NamedTuple

import numpy as np

from arch.config import Config
from arch.isa import Engine, Instruction, Store
from arch.timing import STORE_READ_TO_WRITE_CYCLES, WRITE_FIFO_BEATS
from model.dma import cut, slot_free_from
from model.dram import Dram
from model.kernel import NEVER, Semaphores, Sequencer


class _Burst(NamedTuple):
    """A burst to present: its first beat counted over the run, ``read_base`` of its instruction."""

    first: int
    beats: int
    read_base: int
    ends_instruction: bool


class StoreEngine(Sequencer):
    """One address handshake an event; reads and W beats follow in closed form.

    Beats are numbered over the whole run. With unlimited credit beat ``k`` of an instruction is
    read in cycle ``read_base + k``; the FIFO delays it to the cycle after beat
    ``k - WRITE_FIFO_BEATS`` went out. Beats go out one a cycle at most, so no beat delays a later
    one beyond that (T-ST-03).

    Attributes
    ----------
    address_cycle
        Cycle in which the next burst is presented on AW, ``NEVER`` while there is none.
    """

    def __init__(self, semaphores: Semaphores, dram: Dram, config: Config) -> None:
        super().__init__(Engine.STORE, semaphores)
        self.address_cycle = NEVER
        self._dram = dram
        self._config = config
        self._waiting: deque[_Burst] = deque()
        self._read_bases: list[tuple[int, int]] = []
        self._beats = 0
        self._data_bytes = 0
        self._served_first: list[int] = []
        self._served_cycle: list[int] = []
        self._sent_beats = 0
        self._responses: list[int] = []

    def accepts_from(self) -> int | None:
        """T-ST-02: all beats of the instruction before are read, and few enough are in flight."""
        slot = slot_free_from(len(self.starts), self.ends)
        if slot is None or not self._beats:
            return slot
        last_read = self._read(self._beats - 1, self._read_bases[-1][1])
        return None if last_read is None else max(slot, last_read + 1)

    def begin(self, cycle: int, instruction: Instruction) -> None:
        assert isinstance(instruction, Store)
        self._data_bytes += instruction.planes * instruction.runs * instruction.run_bytes
        first, read_base = self._beats, cycle + 1 - self._beats
        for beats, _ in cut(instruction, self._config):
            self._waiting.append(_Burst(self._beats, beats, read_base, False))
            self._beats += beats
        self._waiting.append(self._waiting.pop()._replace(ends_instruction=True))
        self._read_bases.append((first, read_base))
        if self.address_cycle == NEVER:
            self._schedule()

    def request(self) -> None:
        """Hand over the burst on AW; a STORE retires with its last response (T-ST-05)."""
        burst = self._waiting.popleft()
        served = self._dram.write(self.address_cycle, burst.beats)
        self._served_first.append(burst.first)
        self._served_cycle.append(served)
        self._sent_beats += burst.beats
        last_sent = served + self._dram.offset(burst.beats - 1)
        self._responses.append(self._dram.response(last_sent))
        if burst.ends_instruction:
            self.retire(self._responses[-1])
        self._schedule()

    def _schedule(self) -> None:
        """Find when the next burst is presented (T-ST-04).

        Reads and responses come one a cycle at most, so addresses do.
        """
        if not self._waiting:
            self.address_cycle = NEVER
            return
        burst = self._waiting[0]
        read = self._read(burst.first, burst.read_base)
        assert read is not None, "all beats before a burst to present have been served"
        self.address_cycle = read + STORE_READ_TO_WRITE_CYCLES
        oldest = len(self._responses) - self._config.max_outstanding_writes
        if oldest >= 0:
            self.address_cycle = max(self.address_cycle, self._responses[oldest] + 1)

    def _read(self, beat: int, read_base: int) -> int | None:
        """Cycle in which a beat is read, None while that depends on a burst not yet served."""
        creditor = beat - WRITE_FIFO_BEATS
        if creditor < 0:
            return read_base + beat
        if creditor >= self._sent_beats:
            return None
        at = bisect_right(self._served_first, creditor) - 1
        sent = self._served_cycle[at] + self._dram.offset(creditor - self._served_first[at])
        return max(read_base + beat, sent + 1)

    def counters(self) -> dict[str, int]:
        return {
            "store_instructions": len(self.ends),
            "store_bursts": len(self._responses),
            "store_beats": self._sent_beats,
            "store_bytes": self._data_bytes,
        }

    def working_cycles(self) -> int:
        """Buffer reads and W handshakes, less the cycles that have both."""
        beat = np.arange(self._beats)
        first = np.array(self._served_first, np.int64)
        burst = np.searchsorted(first, beat, side="right") - 1
        width, rate = self._config.axi_bytes, self._config.dram_bytes_per_cycle
        sent = np.array(self._served_cycle, np.int64)[burst] + (beat - first[burst]) * width // rate
        begins, bases = np.array(self._read_bases, np.int64).reshape(-1, 2).T
        read = beat + bases[np.searchsorted(begins, beat, side="right") - 1]
        credit = sent[: max(0, self._beats - WRITE_FIFO_BEATS)] + 1
        read[WRITE_FIFO_BEATS:] = np.maximum(read[WRITE_FIFO_BEATS:], credit)
        return 2 * self._beats - len(np.intersect1d(read, sent, assume_unique=True))
