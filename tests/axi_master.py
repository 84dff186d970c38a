"""A scripted AXI4 master on the memory in Python, with the protocol checker between them."""

from __future__ import annotations

from collections import deque

from tb.axi_channels import Address, Channel, Cycle, Driven, ReadBeat, Response, WriteBeat
from tb.axi_checker import AxiChecker
from tb.axi_memory import AxiMemory

AXI_BYTES = 8
SIZE_LOG2 = 3
INCR = 1


class AxiMaster:
    """Presents each payload from its cycle on, in order of each channel.

    Parameters
    ----------
    memory
        The slave.
    takes_from
        First cycle in which R and B are ready.

    Attributes
    ----------
    reads
        (cycle, beat) of every R handshake.
    responses
        (cycle, response) of every B handshake.
    accepted
        Cycles of the handshakes of AR, AW and W.
    """

    def __init__(self, memory: AxiMemory, takes_from: int = 0) -> None:
        self.checker = AxiChecker(AXI_BYTES)
        self.reads: list[tuple[int, ReadBeat]] = []
        self.responses: list[tuple[int, int]] = []
        self.accepted: dict[Channel, list[int]] = {c: [] for c in Channel}
        self._memory, self._takes_from = memory, takes_from
        self._script: dict[Channel, deque[tuple[int, str]]] = {c: deque() for c in Channel}
        self._driven = Driven(False, False, False, None, None)
        self._now = 0

    def read(self, at: int, address: int, beats: int = 1, read_id: int = 0) -> None:
        """Ask for a burst."""
        burst = Address(address, beats, SIZE_LOG2, INCR, read_id)
        self._script[Channel.AR].append((at, burst.encode()))

    def write(self, at: int, address: int, data: bytes, data_at: int | None = None) -> None:
        """Write whole words; the data are presented from ``data_at`` on."""
        beats = len(data) // AXI_BYTES
        burst = Address(address, beats, SIZE_LOG2, INCR, 0)
        self._script[Channel.AW].append((at, burst.encode()))
        for beat in range(beats):
            word = data[beat * AXI_BYTES : (beat + 1) * AXI_BYTES]
            payload = WriteBeat(word, 0xFF, beat == beats - 1).encode()
            self._script[Channel.W].append((at if data_at is None else data_at, payload))

    def run(self, cycles: int, *, at_rest: bool = True) -> list[str]:
        """Go on for so many cycles; returns violations, and what is outstanding if it is one."""
        for _ in range(cycles):
            self._cycle()
        return [*map(str, self.checker.finish(at_rest=at_rest))]

    def _cycle(self) -> None:
        driven = self._driven
        shown = [""] * len(Channel)
        for channel, script in self._script.items():
            if script and script[0][0] <= self._now:
                shown[channel] = script[0][1]
        shown[Channel.R], shown[Channel.B] = driven.r or "", driven.b or ""
        ready = "".join("01"[flag] for flag in (driven.arready, driven.awready, driven.wready))
        valid = "".join("01"[bool(payload)] for payload in shown)
        ready += "11" if self._now >= self._takes_from else "00"
        cycle = Cycle(valid, ready, tuple(shown))
        self.checker.step(cycle)
        for channel in (Channel.AR, Channel.AW, Channel.W):
            if cycle.transfers(channel):
                self._script[channel].popleft()
                self.accepted[channel].append(self._now)
        if cycle.transfers(Channel.R):
            self.reads.append((self._now, ReadBeat.decode(shown[Channel.R])))
        if cycle.transfers(Channel.B):
            self.responses.append((self._now, Response.decode(shown[Channel.B]).response))
        self._driven = self._memory.step(cycle)
        self._now += 1
