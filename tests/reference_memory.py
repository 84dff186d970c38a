"""The reference memory of rules T-DRAM in Python, on the AXI4 port of a simulated component."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any


@dataclass
class _Burst:
    write: bool
    accepted: int
    id: int
    address: int
    beats: int


@dataclass
class Trace:
    """Handshakes of each channel; every entry starts with its cycle."""

    ar: list[tuple[int, int, int, int]] = field(default_factory=list)
    """(cycle, id, address, beats)"""
    aw: list[tuple[int, int, int]] = field(default_factory=list)
    """(cycle, address, beats)"""
    r: list[tuple[int, int]] = field(default_factory=list)
    """(cycle, id)"""
    w: list[tuple[int, int, int]] = field(default_factory=list)
    """(cycle, strobes, last)"""
    b: list[int] = field(default_factory=list)


class ReferenceMemory:
    """Call ``drive`` at the start of a cycle and ``observe`` at its end, before the clock edge.

    Parameters
    ----------
    axi
        An interface with the members of Axi4, seen from outside the accelerator.
    dram
        Contents, changed in place.
    axi_bytes, bytes_per_cycle, latency
        Sizes and rates of the rules.
    """

    def __init__(
        self, axi: Any, dram: bytearray, *, axi_bytes: int, bytes_per_cycle: int, latency: int
    ) -> None:
        self.axi = axi
        self.dram = dram
        self.trace = Trace()
        self._axi_bytes = axi_bytes
        self._rate = bytes_per_cycle
        self._latency = latency
        self._queue: deque[_Burst] = deque()
        self._reads: deque[tuple[int, int, int, int]] = deque()
        self._responses: deque[int] = deque()
        self._free = 0
        self._writing: _Burst | None = None
        self._serve_from = 0
        self._beat = 0

    def _paced(self, beat: int) -> int:
        return beat * self._axi_bytes // self._rate

    def _cost(self, beats: int) -> int:
        return -(-beats * self._axi_bytes // self._rate)

    def _serve(self, cycle: int) -> None:
        """T-DRAM-02, T-DRAM-03: start the next burst if the server is free."""
        if self._writing or not self._queue:
            return
        start = max(self._queue[0].accepted + 1, self._free)
        if cycle < start:
            return
        burst = self._queue.popleft()
        self._serve_from = start
        self._free = start + self._cost(burst.beats)
        if burst.write:
            self._writing, self._beat = burst, 0
            return
        for beat in range(burst.beats):
            due = start - 1 + self._latency + self._paced(beat)
            self._reads.append(
                (due, burst.id, burst.address + beat * self._axi_bytes, beat == burst.beats - 1)
            )

    def drive(self, ctx: Any, cycle: int) -> None:
        """Set what the memory says in this cycle."""
        self._serve(cycle)
        axi = self.axi
        ctx.set(axi.arready, 1)
        ctx.set(axi.awready, 1)
        valid = bool(self._reads) and self._reads[0][0] <= cycle
        ctx.set(axi.rvalid, valid)
        if valid:
            _, read_id, address, last = self._reads[0]
            ctx.set(axi.rid, read_id)
            ctx.set(axi.rlast, last)
            word = self.dram[address : address + self._axi_bytes]
            ctx.set(axi.rdata, int.from_bytes(word, "little"))
        due = self._serve_from + self._paced(self._beat)
        ctx.set(axi.wready, self._writing is not None and due <= cycle)
        ctx.set(axi.bvalid, bool(self._responses) and self._responses[0] <= cycle)

    def observe(self, ctx: Any, cycle: int) -> None:
        """Take the handshakes of this cycle."""
        axi = self.axi
        if ctx.get(axi.arvalid):
            address, beats = ctx.get(axi.araddr), ctx.get(axi.arlen) + 1
            read_id = ctx.get(axi.arid)
            self.trace.ar.append((cycle, read_id, address, beats))
            self._queue.append(_Burst(False, cycle, read_id, address, beats))
        if ctx.get(axi.awvalid):
            address, beats = ctx.get(axi.awaddr), ctx.get(axi.awlen) + 1
            self.trace.aw.append((cycle, address, beats))
            self._queue.append(_Burst(True, cycle, 0, address, beats))
        if ctx.get(axi.rvalid) and ctx.get(axi.rready):
            self.trace.r.append((cycle, self._reads.popleft()[1]))
        if ctx.get(axi.wvalid) and ctx.get(axi.wready):
            self._take_beat(ctx, cycle)
        if ctx.get(axi.bvalid) and ctx.get(axi.bready):
            self.trace.b.append(cycle)
            self._responses.popleft()

    def _take_beat(self, ctx: Any, cycle: int) -> None:
        burst = self._writing
        assert burst is not None
        strobes, last = ctx.get(self.axi.wstrb), ctx.get(self.axi.wlast)
        value = ctx.get(self.axi.wdata).to_bytes(self._axi_bytes, "little")
        base = burst.address + self._beat * self._axi_bytes
        for lane in range(self._axi_bytes):
            if strobes >> lane & 1:
                self.dram[base + lane] = value[lane]
        self.trace.w.append((cycle, strobes, last))
        self._beat += 1
        assert last == (self._beat == burst.beats), f"WLAST in beat {self._beat} of {burst.beats}"
        if last:
            self._writing = None
            self._free = max(self._free, cycle + 1)
            self._responses.append(cycle + self._latency)
