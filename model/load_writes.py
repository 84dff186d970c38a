"""The beats of LOAD: from R through one register stage into a buffer, padding behind runs."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from arch.config import Config
from arch.isa import Buffer
from model.beat_masks import WriteMasks
from model.kernel import NEVER
from model.sub_banks import Integers
from model.vector import VectorEngine

_GROWTH_BEATS = 1 << 12


class LoadBurst(NamedTuple):
    """A burst of LOAD.

    Attributes
    ----------
    first
        Its first beat, counted in the instruction.
    padding
        Pieces of padding behind it.
    ended_run
        The run that ends with it, if one does.
    ends
        Whether the instruction ends with it.
    masks
        Sub-banks of what the instruction writes; None where nothing can hold it.
    """

    buffer: Buffer
    first: int
    beats: int
    padding: int
    ended_run: int | None
    ends: bool
    masks: WriteMasks | None


class _Pending:
    """A burst on R or in the stage.

    Attributes
    ----------
    earliest
        Cycles before which beats and padding cannot be written, whatever comes before them; each is
        later than the one before.
    written, taken
        How many of them are, and how many beats are taken, as far as decided.
    """

    def __init__(self, burst: LoadBurst, earliest: Integers) -> None:
        self.burst = burst
        self.earliest = earliest
        self.written = 0
        self.taken = 0


class Decided(NamedTuple):
    """What became known: when a burst's last beat is taken, and when an instruction retires."""

    taken: int | None
    retired: int | None


class LoadWrites:
    """Writes in order, each a cycle after the one before at the earliest.

    A beat taken in t is written in t+1 (T-LD-04), padding follows, and the next beat is taken with
    the last write before it (T-LD-05). VECTOR's writes come first (B-04).

    Attributes
    ----------
    beats
        Beats of the run whose cycle of being taken is known.
    """

    def __init__(self, config: Config, vector: VectorEngine) -> None:
        self._vector = vector
        beat = np.arange(config.burst_bytes // config.axi_bytes)
        self._offsets = beat * config.axi_bytes // config.dram_bytes_per_cycle
        self._numbers = beat
        self._pending: deque[_Pending] = deque()
        self._from = 0
        self._taken = np.zeros(_GROWTH_BEATS, np.int64)
        self.beats = 0
        self._written: list[Integers] = [np.zeros(0, np.int64)]
        self._denied: list[Integers] = [np.zeros(0, np.int64)]

    def taken(self, beat: int) -> int:
        """Cycle in which a beat of the run is taken, one of the first ``beats``."""
        return int(self._taken[beat])

    def written_cycles(self) -> Integers:
        """In which something is written, in order."""
        return np.concatenate(self._written)

    def denied_cycles(self) -> Integers:
        """In which a write waits, in order."""
        return np.concatenate(self._denied)

    def add(self, burst: LoadBurst, ready: int, start: int) -> bool:
        """Add a burst that the memory has from ``ready`` on, and R is free for from ``start`` on.

        Returns whether nothing can hold it, and what is before it is decided.
        """
        beats = burst.beats
        earliest = np.maximum(ready + self._offsets[:beats], start + self._numbers[:beats]) + 1
        if burst.padding:
            behind = earliest[-1] + 1 + np.arange(burst.padding)
            earliest = np.concatenate((earliest, behind))
        self._pending.append(_Pending(burst, earliest))
        return burst.masks is None and len(self._pending) == 1

    def known_from(self, beat: int) -> int:
        """Before this cycle nothing is to be decided that others wait for; ``NEVER`` if nothing is.

        They wait for the last beat and the last write of the oldest burst, and for the given beat.
        """
        if not self._pending:
            return NEVER
        head = self._pending[0]
        last = head.burst.beats - 1
        if head.taken > last:
            return self._earliest(head, len(head.earliest) - 1)
        wanted = head.taken + beat - self.beats
        return self._earliest(head, min(last, wanted) if wanted >= head.taken else last) - 1

    def _earliest(self, head: _Pending, write: int) -> int:
        """Of a write that is not decided, if none of the undecided ones is denied."""
        return max(int(head.earliest[write]), self._from + write - head.written)

    def decide(self, horizon: int) -> Decided:
        """Decide writes of the oldest burst up to the cycle ``horizon``.

        VECTOR's rows up to ``VECTOR_PIPELINE_CYCLES`` before it are known.
        """
        head = self._pending[0]
        beats, before = head.burst.beats, head.taken
        while head.written < len(head.earliest):
            earliest = head.earliest[head.written :]
            planned = np.maximum(earliest, self._from + np.arange(len(earliest)))
            known = int(np.searchsorted(planned, horizon, side="right"))
            granted = self._granted(head, planned[:known])
            self._take(head, planned, granted)
            if granted:
                self._written.append(planned[:granted])
                self._from = int(planned[granted - 1]) + 1
                head.written += granted
            if granted == known:
                break
            if not self._wait(head, int(planned[granted]), horizon):
                break
        taken = self.taken(self.beats - 1) if before < beats == head.taken else None
        if head.written < len(head.earliest):
            return Decided(taken, None)
        self._pending.popleft()
        # T-LD-06
        return Decided(taken, self._from - 1 if head.burst.ends else None)

    def _take(self, head: _Pending, planned: Integers, granted: int) -> None:
        """Note when beats are taken: those that are written, and the next one.

        It is taken in the cycle before it would be written, and waits in the stage.
        """
        taken = min(head.burst.beats, head.written + granted + 1)
        if taken <= head.taken:
            return
        end = self.beats + taken - head.taken
        if end > len(self._taken):
            self._taken = np.concatenate((self._taken, np.zeros(end, np.int64)))
        first = head.taken - head.written
        self._taken[self.beats : end] = planned[first : taken - head.written] - 1
        self.beats = end
        head.taken = taken

    def _granted(self, head: _Pending, planned: Integers) -> int:
        """How many writes planned for these cycles are made before one is denied."""
        burst = head.burst
        if burst.masks is None or not len(planned):
            return len(planned)
        first = int(planned[0])
        others = self._vector.written(burst.buffer, first, int(planned[-1]) - first + 1)
        if not others.any():
            return len(planned)
        masks = burst.masks.of(burst.first, burst.beats, burst.ended_run)[head.written :]
        denied = others[planned - first] & masks[: len(planned)] != 0
        return int(denied.argmax()) if denied.any() else len(planned)

    def _wait(self, head: _Pending, cycle: int, horizon: int) -> bool:
        """Let the next write, denied in ``cycle``, wait; whether it is made up to ``horizon``."""
        burst = head.burst
        assert burst.masks is not None, "nothing holds it"
        mask = burst.masks.of(burst.first, burst.beats, burst.ended_run)[head.written]
        others = self._vector.written(burst.buffer, cycle, horizon - cycle + 1)
        free = others & mask == 0
        waited = int(free.argmax()) if free.any() else len(free)
        self._denied.append(cycle + np.arange(waited))
        self._from = cycle + waited
        return waited < len(free)
