"""Timing of the reference memory, rules T-DRAM-01 to T-DRAM-05 of docs/architecture.md."""

from __future__ import annotations

from collections import deque

from tb.axi_channels import (
    Address,
    Channel,
    Cycle,
    Driven,
    Response,
    WriteBeat,
)
from tb.axi_store import AxiStore
from tb.run_files import OKAY


class ReferenceTiming:
    """Call :meth:`step` in every cycle; it returns what the memory says in the next one.

    Parameters
    ----------
    store, axi_bytes
        The contents and the bytes of a beat.
    latency_cycles, bytes_per_cycle
        Of the rules.
    """

    def __init__(
        self, store: AxiStore, axi_bytes: int, *, latency_cycles: int, bytes_per_cycle: int
    ) -> None:
        self._store = store
        self._axi_bytes = axi_bytes
        self._latency = latency_cycles
        self._rate = bytes_per_cycle
        self._now = 0
        self._free = 0
        self._accepted: deque[tuple[int, Channel, Address]] = deque()
        self._reads: deque[tuple[int, Address, int]] = deque()
        self._writing: tuple[int, Address] | None = None
        self._beat = 0
        self._response = OKAY
        self._responses: deque[tuple[int, str]] = deque()
        self._r: str | None = None
        self._b: str | None = None

    def step(self, cycle: Cycle) -> Driven:
        for channel in (Channel.AR, Channel.AW):
            if cycle.transfers(channel):
                burst = Address.decode(cycle.payload[channel])
                self._accepted.append((self._now, channel, burst))
        if cycle.transfers(Channel.W):
            self._take(cycle.payload[Channel.W])
        if cycle.transfers(Channel.R):
            self._r = None
        if cycle.transfers(Channel.B):
            self._b = None
        self._serve()
        self._now += 1
        if self._r is None and self._reads and self._reads[0][0] <= self._now:
            _, burst, beat = self._reads.popleft()
            self._r = self._store.read(burst, beat)
        if self._b is None and self._responses and self._responses[0][0] <= self._now:
            self._b = self._responses.popleft()[1]
        return Driven(True, True, self._wready(), self._r, self._b)  # T-DRAM-01

    def _paced(self, beats: int) -> int:
        return beats * self._axi_bytes // self._rate

    def _end(self, start: int, beats: int) -> int:
        return start - (-beats * self._axi_bytes // self._rate)

    def _serve(self) -> None:
        """T-DRAM-02: one server, in order of acceptance."""
        while self._accepted and self._writing is None:
            accepted, channel, burst = self._accepted.popleft()
            start = max(accepted + 1, self._free)
            if channel is Channel.AW:
                self._writing, self._beat, self._response = (start, burst), 0, OKAY
                continue
            self._free = self._end(start, burst.beats)
            first = start - 1 + self._latency  # T-DRAM-03
            self._reads.extend(
                (first + self._paced(beat), burst, beat) for beat in range(burst.beats)
            )

    def _wready(self) -> bool:
        """T-DRAM-04."""
        return self._writing is not None and self._now >= self._writing[0] + self._paced(self._beat)

    def _take(self, payload: str) -> None:
        assert self._writing is not None
        start, burst = self._writing
        response = self._store.write(burst, self._beat, WriteBeat.decode(payload))
        self._response = max(self._response, response)
        self._beat += 1
        if self._beat == burst.beats:
            self._writing = None
            self._free = max(self._end(start, burst.beats), self._now + 1)
            answer = Response(self._response, burst.id).encode()
            self._responses.append((self._now + self._latency, answer))  # T-DRAM-05
