"""The rules of AXI4, checked in every cycle on both sides of the port.

It knows nothing of the memory that answers: what is outstanding it counts itself. A length of more
than 256 beats or of none cannot be said on AxLEN.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import NamedTuple

from tb.axi_channels import (
    Address,
    Channel,
    Cycle,
    ReadBeat,
    Response,
    WriteBeat,
)
from tb.run_files import EXOKAY

_INCR = 1
_BOUNDARY_BYTES = 4096
_MOST_VIOLATIONS = 20


class Violation(NamedTuple):
    """A broken rule; ``cycle`` counts from the release of reset."""

    cycle: int
    channel: Channel
    message: str

    def __str__(self) -> str:
        return f"AXI protocol, cycle {self.cycle}, {self.channel.name}: {self.message}"


@dataclass
class _WriteData:
    """A burst on W: its beats so far, and the bytes of the first one that are written."""

    beats: int
    first_strobes: int


class AxiChecker:
    """Call :meth:`step` in every cycle and :meth:`finish` when the bus should be at rest.

    Parameters
    ----------
    axi_bytes
        Bytes of a beat.
    """

    def __init__(self, axi_bytes: int) -> None:
        self._axi_bytes = axi_bytes
        self._cycle = 0
        self._violations: list[Violation] = []
        self._forget()

    def _forget(self) -> None:
        self._held: dict[Channel, str] = {}
        self._reads: defaultdict[int, deque[int]] = defaultdict(deque)
        self._addresses: deque[Address] = deque()
        self._data: deque[_WriteData] = deque()
        self._open = _WriteData(0, 0)
        self._responses: defaultdict[int, int] = defaultdict(int)

    def step(self, cycle: Cycle) -> None:
        """Check one cycle."""
        if cycle.valid != "00000" or self._held:
            # R and B first: what they answer was asked for in an earlier cycle.
            for channel in (Channel.R, Channel.B, Channel.AR, Channel.AW, Channel.W):
                self._check_channel(channel, cycle)
        elif cycle.ready.strip("01"):
            self._report(Channel.AR, f"READY of the channels reads {cycle.ready}")
        self._cycle += 1

    def finish(self, *, at_rest: bool = True) -> list[Violation]:
        """Start over; return the first violations since the last call, in order.

        Parameters
        ----------
        at_rest
            Whether something outstanding is a violation.
        """
        if at_rest:
            self._check_rest()
        found, self._violations = self._violations, []
        self._forget()
        return found

    def _check_rest(self) -> None:
        for read_id, bursts in self._reads.items():
            if bursts:
                self._report(Channel.R, f"at the end, reads of ID {read_id} are not answered")
        if self._addresses:
            self._report(Channel.W, "at the end, the data of a write are missing")
        if self._data or self._open.beats:
            self._report(Channel.AW, "at the end, the address of write data is missing")
        for write_id, count in self._responses.items():
            if count:
                self._report(Channel.B, f"at the end, writes of ID {write_id} are not answered")
        for channel in self._held:
            self._report(channel, "at the end, valid and not accepted")

    def _report(self, channel: Channel, message: str) -> None:
        if len(self._violations) < _MOST_VIOLATIONS:
            self._violations.append(Violation(self._cycle, channel, message))

    def _check_channel(self, channel: Channel, cycle: Cycle) -> None:
        valid, ready, payload = cycle.valid[channel], cycle.ready[channel], cycle.payload[channel]
        if valid not in "01" or ready not in "01":
            self._report(channel, f"VALID is {valid} and READY is {ready}")
        held = self._held.pop(channel, None)
        if held is not None and valid != "1":
            self._report(channel, "VALID fell before READY")
        if valid != "1":
            return
        if held is None:
            self._check_presented(channel, payload)
        elif held != payload:
            self._report(channel, "the payload changed before READY")
        if ready == "1":
            self._take(channel, payload)
        else:
            self._held[channel] = payload

    def _check_presented(self, channel: Channel, payload: str) -> None:
        """A payload in its first cycle."""
        if payload.strip("01"):
            self._report(channel, f"unknown bits under VALID: {payload}")
        if channel in (Channel.AR, Channel.AW):
            self._check_address(channel, Address.decode(payload))
        elif channel is Channel.R:
            self._check_read(payload)
        elif channel is Channel.B:
            self._check_response(payload)

    def _check_address(self, channel: Channel, burst: Address) -> None:
        if 1 << burst.size_log2 != self._axi_bytes:
            self._report(channel, f"beats of {1 << burst.size_log2} bytes, not {self._axi_bytes}")
        if burst.burst != _INCR:
            self._report(channel, f"burst type {burst.burst}, not INCR")
        last = (
            burst.address // self._axi_bytes * self._axi_bytes + burst.beats * self._axi_bytes - 1
        )
        if last // _BOUNDARY_BYTES != burst.address // _BOUNDARY_BYTES:
            self._report(
                channel, f"burst of {burst.beats} beats at {burst.address:#x} crosses 4 KiB"
            )

    def _check_read(self, payload: str) -> None:
        beat = ReadBeat.decode(payload)
        self._check_code(Channel.R, beat.response)
        bursts = self._reads[beat.id]
        if not bursts:
            self._report(Channel.R, f"a beat of ID {beat.id}, of which nothing is outstanding")
        elif beat.last != (bursts[0] == 1):
            self._report(Channel.R, f"RLAST is {beat.last:b} with {bursts[0]} beats to come")

    def _check_response(self, payload: str) -> None:
        response = Response.decode(payload)
        self._check_code(Channel.B, response.response)
        if not self._responses[response.id]:
            self._report(
                Channel.B, f"a response of ID {response.id}, of which no write is complete"
            )

    def _check_code(self, channel: Channel, response: int) -> None:
        if response == EXOKAY:
            self._report(channel, "EXOKAY, and no access was exclusive")

    def _take(self, channel: Channel, payload: str) -> None:
        if channel is Channel.AR:
            burst = Address.decode(payload)
            self._reads[burst.id].append(burst.beats)
        elif channel is Channel.AW:
            self._addresses.append(Address.decode(payload))
            self._pair()
        elif channel is Channel.W:
            self._take_data(payload)
        elif channel is Channel.R:
            self._take_read(ReadBeat.decode(payload).id)
        else:
            response = Response.decode(payload)
            self._responses[response.id] = max(0, self._responses[response.id] - 1)

    def _take_read(self, read_id: int) -> None:
        bursts = self._reads[read_id]
        if bursts:
            bursts[0] -= 1
            if bursts[0] == 0:
                bursts.popleft()

    def _take_data(self, payload: str) -> None:
        beat = WriteBeat.decode(payload)
        self._open.beats += 1
        if self._open.beats == 1:
            self._open.first_strobes = beat.strobes
        if beat.last:
            self._data.append(self._open)
            self._open = _WriteData(0, 0)
        self._pair()

    def _pair(self) -> None:
        """Complete bursts on W belong to the addresses on AW, in order."""
        while self._addresses and self._data:
            burst, data = self._addresses.popleft(), self._data.popleft()
            if data.beats != burst.beats:
                self._report(
                    Channel.W, f"WLAST in beat {data.beats} of a burst of {burst.beats} beats"
                )
            before = burst.address % self._axi_bytes
            if data.first_strobes & ((1 << before) - 1):
                self._report(
                    Channel.W, f"strobes {data.first_strobes:#x} below address {burst.address:#x}"
                )
            self._responses[burst.id] += 1
        if self._addresses and self._open.beats >= self._addresses[0].beats:
            self._report(
                Channel.W, f"no WLAST in beat {self._open.beats} of {self._addresses[0].beats}"
            )
