"""The reference memory: one server, bursts in order of acceptance, in closed form per burst."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from arch.config import Config
from model.kernel import NEVER
from model.read_channel import ReadChannel, Receive


class ReadBurst(NamedTuple):
    """Beats of one read burst that are taken as they come.

    From cycle ``ready`` on the memory has the first beat, from ``start`` on the channel is free;
    the last beat is taken in cycle ``last``.
    """

    ready: int
    start: int
    beats: int
    last: int


class Dram:
    """Server of the reference memory, and its R channel.

    Bursts must be presented in order of acceptance: by cycle, a read before a write in the same
    cycle (T-DRAM-02). When a burst is served is not known before the one ahead of it is through,
    and that one may be a write that waits for its data.

    Attributes
    ----------
    serve_cycle
        From which cycle on the next burst is served, ``NEVER`` while that is not known, and while
        there is none but reads that were served on acceptance.
    """

    def __init__(self, config: Config) -> None:
        self.serve_cycle = NEVER
        self._axi_bytes = config.axi_bytes
        self._rate = config.dram_bytes_per_cycle
        self._latency = config.dram_latency_cycles
        self._waiting: deque[tuple[int, int, Callable[[int], bool]]] = deque()
        self._accepted = 0
        self._free = 0
        self._writing = False
        self._channel = ReadChannel()

    def offset(self, beat: int) -> int:
        """Cycles from the first to the given beat of a burst (T-DRAM-03, T-DRAM-04)."""
        return beat * self._axi_bytes // self._rate

    def read(self, cycle: int, beats: int, receive: Receive) -> bool:
        """Accept a read when it is presented, in ``cycle`` (T-DRAM-01, T-DRAM-03).

        Returns whether a receiver knows when it takes a last beat, so anything may follow.
        """
        if self._waiting or self._writing:
            self.write(cycle, beats, lambda served: self._bring(served, receive))
            return False
        assert cycle >= self._accepted, "bursts are accepted in order of time"
        self._accepted = cycle
        served = max(cycle + 1, self._free)
        self._free = served - (-beats * self._axi_bytes // self._rate)
        return self._bring(served, receive)

    def write(self, cycle: int, beats: int, begin: Callable[[int], bool]) -> None:
        """Accept a write when it is presented, in ``cycle`` (T-DRAM-01).

        ``begin`` gets the cycle from which it is served on; whether anything follows from that
        outside the engine, it returns.
        """
        assert cycle >= self._accepted, "bursts are accepted in order of time"
        self._accepted = cycle
        self._waiting.append((cycle, beats, begin))
        self._find_served()

    def serve(self) -> bool:
        """Serve the next burst; whether anything follows."""
        served = self.serve_cycle
        _, beats, begin = self._waiting.popleft()
        self._free = served - (-beats * self._axi_bytes // self._rate)
        follows = begin(served)
        self._find_served()
        return follows

    def _find_served(self) -> None:
        """T-DRAM-02."""
        self.serve_cycle = NEVER
        if self._waiting and not self._writing:
            self.serve_cycle = max(self._waiting[0][0] + 1, self._free)

    def _bring(self, served: int, receive: Receive) -> bool:
        return self._channel.bring(served - 1 + self._latency, receive)

    def read_on(self, last: int) -> bool:
        """Go on behind the last beat of a burst whose receiver did not know when it takes it.

        Returns as :meth:`read` does.
        """
        return self._channel.taken(last)

    def burst(self, ready: int, start: int, beats: int) -> ReadBurst:
        """Take the beats of a burst as they come."""
        last = max(ready + self.offset(beats - 1), start + beats - 1)
        return ReadBurst(ready, start, beats, last)

    def taken(self, burst: ReadBurst, beat: int) -> int:
        """Cycle of the handshake of a beat: one a cycle, and not before the memory has it.

        No beat but the first is delayed by the one before it alone: ``offset`` grows by at least 1.
        """
        return max(burst.ready + self.offset(beat), burst.start + beat)

    def hold(self) -> None:
        """Hold the server for the write that begins, until its last beat is known."""
        self._writing = True
        self.serve_cycle = NEVER

    def written(self, last_beat: int) -> int:
        """Take the last beat of the write that is served; returns the cycle of its B handshake.

        A late one keeps the server (T-DRAM-04). Last beats differ, so one response a cycle needs no
        arbitration (T-DRAM-05).
        """
        self._writing = False
        self._free = max(self._free, last_beat + 1)
        self._find_served()
        return last_beat + self._latency
