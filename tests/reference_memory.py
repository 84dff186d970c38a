"""The reference memory of rules T-DRAM in Python, on the AXI4 port of a simulated component."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from axi_rules import AxiRules
from component_simulator import enabled_bytes

Stall = Callable[[str, int], bool]
"""(channel, cycle): whether the memory's side of ``ar``, ``r``, ``aw``, ``w`` or ``b`` pauses."""

Respond = Callable[[str, int], int]
"""(channel, address): the response code of a beat (``r``) or of a burst (``b``) at an address."""

OKAY, EXOKAY, SLVERR, DECERR = range(4)


def random_stall(seed: int, *channels: str) -> Stall:
    """Each of the channels pauses in about half of all cycles."""
    noise = random.Random(seed)
    return lambda channel, cycle: channel in channels and noise.random() < 0.5


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
    stall
        Pauses of its channels; what it presents on R and B stays until it is taken.
    respond
        The responses; a burst that is refused is written all the same.
    data_first
        Write data are taken whether or not their address is accepted, which AXI4 allows.
    """

    def __init__(
        self,
        axi: Any,
        dram: bytearray,
        *,
        axi_bytes: int,
        bytes_per_cycle: int,
        latency: int,
        stall: Stall = lambda channel, cycle: False,
        respond: Respond = lambda channel, address: OKAY,
        data_first: bool = False,
    ) -> None:
        self.axi = axi
        self.dram = dram
        self.trace = Trace()
        self._rules = AxiRules(axi, axi_bytes=axi_bytes)
        self._axi_bytes = axi_bytes
        self._rate = bytes_per_cycle
        self._latency = latency
        self._stall = stall
        self._respond = respond
        self._data_first = data_first
        self._queue: deque[_Burst] = deque()
        self._reads: deque[tuple[int, int, int, int]] = deque()
        self._data: deque[tuple[list[tuple[int, int]], int]] = deque()
        self._responses: deque[tuple[int, int]] = deque()
        self._held = {"r": False, "b": False}
        self._free = 0
        self._writing: _Burst | None = None
        self._serve_from = 0
        self._beat = 0

    @property
    def idle(self) -> bool:
        """Nothing that was accepted is still to be served or answered."""
        return not (self._queue or self._reads or self._data or self._responses or self._writing)

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
        ctx.set(axi.arready, not self._stall("ar", cycle))
        ctx.set(axi.awready, not self._stall("aw", cycle))
        # What no valid covers is noise: an error here must not be noticed.
        for name in ("rid", "rlast", "rresp", "rdata", "bresp"):
            ctx.set(getattr(axi, name), (1 << len(getattr(axi, name))) - 1)
        if self._offers(ctx, "r", cycle, self._reads):
            _, read_id, address, last = self._reads[0]
            ctx.set(axi.rid, read_id)
            ctx.set(axi.rlast, last)
            ctx.set(axi.rresp, self._respond("r", address))
            word = self.dram[address : address + self._axi_bytes]
            ctx.set(axi.rdata, int.from_bytes(word, "little"))
        due = self._serve_from + self._paced(self._beat)
        served = self._writing is not None and due <= cycle
        ctx.set(axi.wready, (served or self._data_first) and not self._stall("w", cycle))
        if self._offers(ctx, "b", cycle, self._responses):
            ctx.set(axi.bresp, self._responses[0][1])

    def _offers(self, ctx: Any, channel: str, cycle: int, queue: deque[Any]) -> bool:
        due = bool(queue) and queue[0][0] <= cycle
        valid = due and (self._held[channel] or not self._stall(channel, cycle))
        ctx.set(getattr(self.axi, f"{channel}valid"), valid)
        return valid

    def observe(self, ctx: Any, cycle: int) -> None:
        """Take the handshakes of this cycle."""
        axi = self.axi
        self._rules.observe(ctx)
        if ctx.get(axi.arvalid) and ctx.get(axi.arready):
            address, beats = ctx.get(axi.araddr), ctx.get(axi.arlen) + 1
            read_id = ctx.get(axi.arid)
            self.trace.ar.append((cycle, read_id, address, beats))
            self._queue.append(_Burst(False, cycle, read_id, address, beats))
        if ctx.get(axi.awvalid) and ctx.get(axi.awready):
            address, beats = ctx.get(axi.awaddr), ctx.get(axi.awlen) + 1
            self.trace.aw.append((cycle, address, beats))
            self._queue.append(_Burst(True, cycle, 0, address, beats))
        if self._taken(ctx, "r"):
            self.trace.r.append((cycle, self._reads.popleft()[1]))
        if ctx.get(axi.wvalid) and ctx.get(axi.wready):
            strobes, last = ctx.get(axi.wstrb), ctx.get(axi.wlast)
            self.trace.w.append((cycle, strobes, last))
            self._data.append((enabled_bytes(ctx, axi.wdata, strobes), last))
        while self._writing and self._data:
            self._write_beat(self._writing, cycle)
        if self._taken(ctx, "b"):
            self.trace.b.append(cycle)
            self._responses.popleft()

    def _taken(self, ctx: Any, channel: str) -> bool:
        valid = bool(ctx.get(getattr(self.axi, f"{channel}valid")))
        taken = valid and bool(ctx.get(getattr(self.axi, f"{channel}ready")))
        self._held[channel] = valid and not taken
        return taken

    def _write_beat(self, burst: _Burst, cycle: int) -> None:
        written, last = self._data.popleft()
        base = burst.address + self._beat * self._axi_bytes
        for lane, byte in written:
            self.dram[base + lane] = byte
        self._beat += 1
        assert last == (self._beat == burst.beats), f"WLAST in beat {self._beat} of {burst.beats}"
        if last:
            self._writing = None
            self._free = max(self._free, cycle + 1)
            self._responses.append((cycle + self._latency, self._respond("b", burst.address)))
