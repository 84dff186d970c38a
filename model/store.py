"""STORE: buffer reads through a FIFO to W, an address behind the first beat of each burst."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from arch.config import Config
from arch.isa import Engine, Instruction, Store
from arch.timing import STORE_READ_TO_WRITE_CYCLES, WRITE_FIFO_BEATS
from model.beat_masks import beat_masks
from model.dma import cut, slot_free_from
from model.dram import Dram
from model.kernel import NEVER, Semaphores, Sequencer, count_union
from model.sub_banks import SubBanks
from model.vector import VectorEngine

_STRETCH_CYCLES = 64
"""Cycles that are looked at together."""


class _Burst(NamedTuple):
    """A burst: its first beat counted over the run."""

    first: int
    beats: int
    ends_instruction: bool


class StoreEngine(Sequencer):
    """Reads are decided one by one, W beats as soon as their reads are.

    Beats are numbered over the whole run. A beat is read one cycle after the one before at the
    earliest, after beat ``WRITE_FIFO_BEATS`` before it went out (T-ST-03), and where neither MATRIX
    nor VECTOR asks for its sub-banks (B-04).

    Attributes
    ----------
    address_cycle
        Cycle in which the next burst is presented on AW, ``NEVER`` while there is none or that is
        not known.
    undecided_cycle
        Before this cycle the next read cannot be; ``NEVER`` while there is none, or it waits for
        what is not known.
    """

    def __init__(
        self, semaphores: Semaphores, dram: Dram, config: Config, vector: VectorEngine
    ) -> None:
        super().__init__(Engine.STORE, semaphores)
        self.address_cycle = NEVER
        self.undecided_cycle = NEVER
        self._dram = dram
        self._config = config
        self._vector = vector
        self._sub_banks = SubBanks(config)
        self._waiting: deque[_Burst] = deque()
        self._presented: deque[_Burst] = deque()
        self._begun: tuple[_Burst, int] | None = None
        self._bursts = 0
        self._data_bytes = 0
        self._wanted: list[int] = []
        self._read_from = 0
        self._read: list[int] = []
        self._sent: list[int] = []
        self._denied: list[int] = []
        self._responses: list[int] = []

    def accepts_from(self) -> int | None:
        """T-ST-02: all beats of the instruction before are read, and few enough are in flight."""
        slot = slot_free_from(len(self.starts), self.ends)
        if slot is None or len(self._read) < len(self._wanted):
            return None
        return max(slot, self._read[-1] + 1) if self._read else slot

    def begin(self, cycle: int, instruction: Instruction) -> None:
        assert isinstance(instruction, Store)
        self._data_bytes += instruction.planes * instruction.runs * instruction.run_bytes
        first = len(self._wanted)
        for beats, _ in cut(instruction, self._config):
            self._waiting.append(_Burst(first, beats, False))
            first += beats
        self._waiting.append(self._waiting.pop()._replace(ends_instruction=True))
        self._wanted += beat_masks(instruction, self._config, self._sub_banks).tolist()
        self._read_from = cycle + 1
        self._find_next_read()

    def decide(self, until: int) -> bool:
        """Decide reads up to the cycle ``until``; whether the last one is, or a STORE retired.

        What MATRIX and VECTOR read up to that cycle is known, or up to where something follows from
        the reads: the last one of the instruction, or one that completes a burst, behind which the
        memory goes on with others.
        """
        retired, answered = len(self.ends), len(self._responses)
        while self.undecided_cycle <= min(until, NEVER - 1) and len(self._responses) == answered:
            first = self.undecided_cycle
            left = len(self._wanted) - len(self._read)
            if self._begun is not None:
                burst = self._begun[0]
                left = burst.first + burst.beats - len(self._read)
            length = min(_STRETCH_CYCLES, left, until - first + 1)
            self._decide_stretch(first, self._vector.asked(first, length).tolist())
        if self.address_cycle == NEVER:
            self._schedule()
        return len(self._read) == len(self._wanted) or len(self.ends) > retired

    def _decide_stretch(self, first: int, taken: list[int]) -> None:
        """Decide reads in the cycles from ``first`` on whose taken sub-banks are given."""
        while self.undecided_cycle < first + len(taken):
            cycle = self.undecided_cycle
            self._read_from = cycle + 1
            if taken[cycle - first] & self._wanted[len(self._read)]:
                self._denied.append(cycle)
            else:
                self._read.append(cycle)
                self._send()
            self._find_next_read()

    def _find_next_read(self) -> None:
        """T-ST-03: room in the FIFO is counted by the state at the start of the cycle."""
        beat = len(self._read)
        creditor = beat - WRITE_FIFO_BEATS
        if beat == len(self._wanted) or creditor >= len(self._sent):
            self.undecided_cycle = NEVER
        elif creditor < 0:
            self.undecided_cycle = self._read_from
        else:
            self.undecided_cycle = max(self._read_from, self._sent[creditor] + 1)

    def request(self) -> None:
        """Hand over the next burst on AW."""
        burst = self._waiting.popleft()
        self._dram.write(self.address_cycle, burst.beats, self._begin_burst)
        self._presented.append(burst)
        self._bursts += 1
        self._schedule()

    def _begin_burst(self, served: int) -> bool:
        """Send the next burst from ``served`` on; whether a STORE retires."""
        retired = len(self.ends)
        self._begun = (self._presented.popleft(), served)
        self._dram.hold()
        self._send()
        self._find_next_read()
        return len(self.ends) > retired

    def _send(self) -> None:
        """Send what is read of the burst that is served; a STORE retires with its last response.

        A beat is on W ``STORE_READ_TO_WRITE_CYCLES`` after its read, and taken when the memory is
        ready for it (T-ST-04, T-DRAM-04, T-ST-05).
        """
        if self._begun is None:
            return
        burst, served = self._begun
        end = burst.first + burst.beats
        for beat in range(len(self._sent), min(end, len(self._read))):
            cycle = max(
                served + self._dram.offset(beat - burst.first),
                self._read[beat] + STORE_READ_TO_WRITE_CYCLES,
            )
            self._sent.append(max(cycle, self._sent[-1] + 1) if self._sent else cycle)
        if len(self._sent) < end:
            return
        self._begun = None
        self._responses.append(self._dram.written(self._sent[-1]))
        if burst.ends_instruction:
            self.retire(self._responses[-1])
        if self.address_cycle == NEVER:
            self._schedule()

    def _schedule(self) -> None:
        """Find when the next burst is presented (T-ST-04).

        Reads and responses come one a cycle at most, so addresses do.
        """
        oldest = self._bursts - self._config.max_outstanding_writes
        self.address_cycle = NEVER
        if not self._waiting or oldest >= len(self._responses):
            return
        first = self._waiting[0].first
        if first < len(self._read):
            self.address_cycle = self._read[first] + STORE_READ_TO_WRITE_CYCLES
            if oldest >= 0:
                self.address_cycle = max(self.address_cycle, self._responses[oldest] + 1)

    def counters(self) -> dict[str, int]:
        return {
            "store_instructions": len(self.ends),
            "store_bursts": len(self._responses),
            "store_beats": len(self._sent),
            "store_bytes": self._data_bytes,
        }

    def working_cycles(self) -> int:
        """Buffer reads and W handshakes, less the cycles that have both."""
        return count_union(np.array(self._read, np.int64), np.array(self._sent, np.int64))

    def port_cycles(self) -> int:
        """Denied reads, but for those in the cycle of a W handshake."""
        return len(np.setdiff1d(self._denied, self._sent, assume_unique=True))
