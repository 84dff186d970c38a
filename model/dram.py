"""The reference memory: one server, bursts in order of acceptance, in closed form per burst."""

from __future__ import annotations

from typing import NamedTuple

from arch.config import Config


class ReadBurst(NamedTuple):
    """Beats of one accepted read burst on R.

    From cycle ``ready`` on the memory has the first beat, from ``start`` on the channel is free and
    the receiver takes it; the last beat is taken in cycle ``last``.
    """

    ready: int
    start: int
    beats: int
    last: int


class Dram:
    """Server and R channel of the reference memory.

    Bursts must be presented in order of acceptance: by cycle, a read before a write in the same
    cycle (T-DRAM-02).
    """

    def __init__(self, config: Config) -> None:
        self._axi_bytes = config.axi_bytes
        self._rate = config.dram_bytes_per_cycle
        self._latency = config.dram_latency_cycles
        self._accepted = 0
        self._free = 0
        self._channel_free = 0

    def offset(self, beat: int) -> int:
        """Cycles from the first to the given beat of a burst (T-DRAM-03, T-DRAM-04)."""
        return beat * self._axi_bytes // self._rate

    def read(self, cycle: int, beats: int, taken_from: int = 0) -> ReadBurst:
        """Accept a read burst in ``cycle``; its receiver takes beats from ``taken_from`` on.

        R is in order over all IDs, so a beat that waits for its receiver holds those behind it
        (T-DRAM-03).
        """
        ready = self._serve(cycle, beats) - 1 + self._latency
        start = max(self._channel_free, taken_from)
        last = max(ready + self.offset(beats - 1), start + beats - 1)
        self._channel_free = last + 1
        return ReadBurst(ready, start, beats, last)

    def taken(self, burst: ReadBurst, beat: int) -> int:
        """Cycle of the handshake of a beat: one a cycle, and not before the memory has it.

        No beat but the first is delayed by the one before it alone: ``offset`` grows by at least 1.
        """
        return max(burst.ready + self.offset(beat), burst.start + beat)

    def write(self, cycle: int, beats: int) -> int:
        """Accept a write burst in ``cycle``; returns the cycle in which its first beat is taken.

        Beat ``i`` is taken ``offset(i)`` cycles later (T-DRAM-04). No beat of STORE is ever late:
        AW waits for the first, the server starts after AW, and reads run at one beat a cycle.
        """
        return self._serve(cycle, beats)

    def _serve(self, cycle: int, beats: int) -> int:
        """T-DRAM-01, T-DRAM-02: accepted when presented, served in order."""
        assert cycle >= self._accepted, "bursts are accepted in order of time"
        self._accepted = cycle
        served = max(cycle + 1, self._free)
        self._free = served - (-beats * self._axi_bytes // self._rate)
        return served

    def response(self, last_beat: int) -> int:
        """Cycle of the B handshake of a burst whose last beat was taken in ``last_beat``.

        Last beats differ, so one response a cycle needs no arbitration (T-DRAM-05).
        """
        return last_beat + self._latency
