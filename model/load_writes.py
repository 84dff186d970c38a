"""The beats of LOAD: from R through one register stage into a buffer, padding behind runs."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import deque
from typing import NamedTuple

import numpy as np

from arch.config import Config
from arch.isa import Buffer
from model.beat_masks import WriteMasks
from model.kernel import NEVER
from model.sub_banks import Integers, Masks
from model.vector import VectorEngine


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
    """A burst on R or in the stage: its beats are written, then its padding.

    Attributes
    ----------
    ready
        Cycle from which on the memory has its first beat.
    start
        Cycle from which on R is free for it.
    last, end
        Cycles in which its last beat and its last write can be written, as far as it is for memory.
    writes
        Of beats and padding.
    written, taken
        How many of them are, and how many beats are taken, as far as decided.
    """

    __slots__ = ("beats", "burst", "end", "last", "ready", "start", "taken", "writes", "written")

    def __init__(self, burst: LoadBurst, ready: int, start: int, last: int) -> None:
        self.burst = burst
        self.beats = burst.beats
        self.writes = burst.beats + burst.padding
        self.ready = ready
        self.start = start
        self.last = last
        self.end = last + burst.padding
        self.written = 0
        self.taken = 0


class _Stretch(NamedTuple):
    """Beats that are taken as they come, from the given one of the run and of its burst on.

    ``ready`` is the burst's; before ``start`` the first of them cannot be taken.
    """

    beat: int
    of_burst: int
    ready: int
    start: int


class Decided(NamedTuple):
    """What became known: when a burst's last beat is taken, and when an instruction retires."""

    taken: int | None
    retired: int | None


class LoadWrites:
    """Writes in order, each a cycle after the one before at the earliest.

    A beat taken in t is written in t+1 (T-LD-04), padding follows, and the next beat is taken with
    the last write before it (T-LD-05). VECTOR's writes come first (B-04). Between two writes that
    are denied all is in closed form.

    Attributes
    ----------
    beats
        Beats of the run whose cycle of being taken is known.
    """

    def __init__(self, config: Config, vector: VectorEngine) -> None:
        self._vector = vector
        self._width = config.axi_bytes
        self._rate = config.dram_bytes_per_cycle
        self._pending: deque[_Pending] = deque()
        # Earliest cycle of the next write.
        self._from = 0
        self._stretches: deque[_Stretch] = deque()
        self.beats = 0
        # Lines of (ready, beats, first write, writes, cycle of the first write without `ready`).
        self._granted = array("q")
        self._denied = array("q")

    def taken(self, beat: int) -> int:
        """Cycle in which a beat of the run is taken, one of the first ``beats``.

        Nobody asks for one before it again.
        """
        stretches = self._stretches
        while len(stretches) > 1 and stretches[1].beat <= beat:
            stretches.popleft()
        first, of_burst, ready, start = stretches[0]
        ahead = beat - first
        return max(ready + (of_burst + ahead) * self._width // self._rate, start + ahead)

    def written_cycles(self) -> Integers:
        """In which something is written, in order."""
        lines = np.array(self._granted, np.int64).reshape(-1, 5)
        counts = lines[:, 3]
        ready, beats, first, _, start = np.repeat(lines, counts, axis=0).T
        ahead = np.arange(len(ready)) - np.repeat(np.cumsum(counts) - counts, counts)
        write = first + ahead
        beat = np.minimum(write, beats - 1)
        earliest = ready + beat * self._width // self._rate + 1 + write - beat
        cycles: Integers = np.maximum(earliest, start + ahead)
        return cycles

    def denied_cycles(self) -> Integers:
        """In which a write waits, in order."""
        first, count = np.array(self._denied, np.int64).reshape(-1, 2).T
        ahead = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        cycles: Integers = np.repeat(first, count) + ahead
        return cycles

    def add(self, burst: LoadBurst, ready: int, start: int) -> bool:
        """Add a burst that the memory has from ``ready`` on, and R is free for from ``start`` on.

        Returns whether nothing can hold it, and what is before it is decided.
        """
        last = ready + (burst.beats - 1) * self._width // self._rate + 1
        self._pending.append(_Pending(burst, ready, start, last))
        if len(self._pending) > 1:
            return False
        self._from = max(self._from, start + 1)
        return burst.masks is None

    def known_from(self, beat: int) -> int:
        """Before this cycle nothing is to be decided that others wait for; ``NEVER`` if nothing is.

        They wait for the last beat and the last write of the oldest burst, and for the given beat.
        """
        if not self._pending:
            return NEVER
        head = self._pending[0]
        ahead = self._from - head.written
        if head.taken == head.beats:
            return max(head.end, ahead + head.writes - 1)
        wanted = head.taken + beat - self.beats
        if head.taken <= wanted < head.beats:
            return self._planned(head, wanted) - 1
        return max(head.last, ahead + head.beats - 1) - 1

    def _planned(self, head: _Pending, write: int) -> int:
        """Cycle of a write that is not decided, if none of the undecided ones is denied."""
        beat = min(write, head.beats - 1)
        earliest = head.ready + beat * self._width // self._rate + 1 + write - beat
        return max(earliest, self._from + write - head.written)

    def decide(self, horizon: int) -> Decided:
        """Decide writes of the oldest burst up to the cycle ``horizon``.

        What VECTOR writes up to it is known.
        """
        head = self._pending[0]
        taken: int | None = None
        while head.written < head.writes:
            granted, all_known = self._grant(head, horizon)
            if head.taken < head.beats:
                taken = self._take(head, granted)
            if granted:
                self._write(head, granted)
            if all_known or not self._wait(head, horizon):
                break
        if head.written < head.writes:
            return Decided(taken, None)
        self._pending.popleft()
        # T-LD-06
        retired = self._from - 1 if head.burst.ends else None
        if self._pending:
            self._from = max(self._from, self._pending[0].start + 1)
        return Decided(taken, retired)

    def _grant(self, head: _Pending, horizon: int) -> tuple[int, bool]:
        """How many writes up to ``horizon`` are made before one is denied; whether none is."""
        burst, written = head.burst, head.written
        known = head.writes - written
        last = max(head.end, self._from + known - 1)
        if last > horizon:
            left = range(written, head.writes)
            known = bisect_right(left, horizon, key=lambda write: self._planned(head, write))
            last = horizon
        if burst.masks is None or known == 0:
            return known, True
        first = self._planned(head, written)
        if not self._vector.writes_in(burst.buffer, first, last):
            return known, True
        write = np.arange(written, written + known)
        beat = np.minimum(write, head.beats - 1)
        earliest = head.ready + beat * self._width // self._rate + 1 + write - beat
        planned = np.maximum(earliest, self._from + write - written)
        others = self._vector.written(burst.buffer, first, last - first + 1)[planned - first]
        denied = others & self._masks(head)[:known] != 0
        return (int(denied.argmax()), False) if denied.any() else (known, True)

    def _masks(self, head: _Pending) -> Masks:
        """Sub-banks of the writes of a burst that are left."""
        burst = head.burst
        assert burst.masks is not None, "nothing holds it"
        return burst.masks.of(burst.first, burst.beats, burst.ended_run)[head.written :]

    def _take(self, head: _Pending, granted: int) -> int | None:
        """Note when beats are taken: those that are written, and the next one, if there is one.

        It is taken in the cycle before it would be written, and waits in the stage. Returns when
        the last one of the burst is taken, if it is.
        """
        ahead = head.taken - head.written
        taken = min(head.beats, head.written + granted + 1)
        if taken > head.taken:
            start = self._from - 1 + ahead
            self._stretches.append(_Stretch(self.beats, head.taken, head.ready, start))
            self.beats += taken - head.taken
            head.taken = taken
        if taken < head.beats:
            return None
        return max(head.last, self._from + head.beats - 1 - head.written) - 1

    def _write(self, head: _Pending, granted: int) -> None:
        """Make so many writes."""
        line = head.ready, head.beats, head.written, granted, self._from
        self._granted.extend(line)
        self._from = self._planned(head, head.written + granted - 1) + 1
        head.written += granted

    def _wait(self, head: _Pending, horizon: int) -> bool:
        """Let the next write wait where it is planned; whether it is made up to ``horizon``."""
        cycle = self._planned(head, head.written)
        others = self._vector.written(head.burst.buffer, cycle, horizon - cycle + 1)
        free = others & self._masks(head)[0] == 0
        waited = int(free.argmax()) if free.any() else len(free)
        self._denied.extend((cycle, waited))
        self._from = cycle + waited
        return waited < len(free)
