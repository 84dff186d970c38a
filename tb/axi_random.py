"""Timing of an AXI4 memory that does all that the protocol allows, at random."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import get_args

from tb.axi_behaviour import WriteOrder
from tb.axi_channels import (
    Address,
    Channel,
    Cycle,
    Driven,
    Response,
    WriteBeat,
)
from tb.axi_store import AxiStore

_READINESS = (1.0, 0.8, 0.5, 0.2)
"""Chances that a channel moves in a cycle; each channel draws one."""
_MOST_LATENCY_CYCLES = (1, 8, 60, 300)


@dataclass
class _Read:
    """A burst answered from cycle ``due`` on; ``sampled`` where its data are read early."""

    burst: Address
    due: int
    sampled: list[str] | None
    beat: int = 0


@dataclass
class _Write:
    """A burst with all its data; ``response`` is None until it is written to the store."""

    burst: Address
    beats: list[WriteBeat]
    due: int
    response: int | None = None


class RandomTiming:
    """Call :meth:`step` in every cycle; it returns what the memory says in the next one.

    Reads of one ID are answered in order, those of different IDs interleave and overtake. Data are
    read at any time from the acceptance of the address to their beat, and written at any time
    from the last beat to the response, so that whoever does not wait for responses is found out.

    Parameters
    ----------
    store
        The contents.
    seed
        Of everything drawn.
    write_order
        See :class:`tb.axi_behaviour.AxiBehaviour`; None draws one.
    """

    def __init__(self, store: AxiStore, *, seed: int, write_order: WriteOrder | None) -> None:
        self._store = store
        self._random = random.Random(seed)
        drawn: WriteOrder = self._random.choice(get_args(WriteOrder))
        self._order = write_order or drawn
        self._readiness = [self._random.choice(_READINESS) for _ in Channel]
        self._most_latency_cycles = self._random.choice(_MOST_LATENCY_CYCLES)
        self._now = 0
        self._reads: dict[int, deque[_Read]] = {}
        self._addresses: deque[Address] = deque()
        self._data: deque[list[WriteBeat]] = deque([[]])
        self._writes: deque[_Write] = deque()
        self._r: str | None = None
        self._b: str | None = None

    def step(self, cycle: Cycle) -> Driven:
        if cycle.transfers(Channel.AR):
            self._accept_read(Address.decode(cycle.payload[Channel.AR]))
        if cycle.transfers(Channel.AW):
            self._addresses.append(Address.decode(cycle.payload[Channel.AW]))
        if cycle.transfers(Channel.W):
            self._take(WriteBeat.decode(cycle.payload[Channel.W]))
        if cycle.transfers(Channel.R):
            self._r = None
        if cycle.transfers(Channel.B):
            self._b = None
        self._pair()
        self._now += 1
        if self._r is None and self._moves(Channel.R):
            self._r = self._next_beat()
        if self._b is None and self._moves(Channel.B):
            self._b = self._next_response()
        data_wait = cycle.valid[Channel.W] == "1" and not cycle.transfers(Channel.W)
        awready, wready = self._write_ready(data_wait)
        return Driven(self._moves(Channel.AR), awready, wready, self._r, self._b)

    def _moves(self, channel: Channel) -> bool:
        return self._random.random() < self._readiness[channel]

    def _due(self) -> int:
        return self._now + self._random.randint(1, self._most_latency_cycles)

    def _accept_read(self, burst: Address) -> None:
        sampled = None
        if self._random.random() < 0.5:
            sampled = [self._store.read(burst, beat) for beat in range(burst.beats)]
        self._reads.setdefault(burst.id, deque()).append(_Read(burst, self._due(), sampled))

    def _next_beat(self) -> str | None:
        """A beat of any ID whose oldest burst is due."""
        due = [reads for reads in self._reads.values() if reads and reads[0].due <= self._now]
        if not due:
            return None
        reads = self._random.choice(due)
        read = reads[0]
        if read.sampled is None:
            payload = self._store.read(read.burst, read.beat)
        else:
            payload = read.sampled[read.beat]
        read.beat += 1
        if read.beat == read.burst.beats:
            reads.popleft()
        return payload

    def _write_ready(self, data_wait: bool) -> tuple[bool, bool]:
        """AWREADY and WREADY of the next cycle; ``data_wait`` if W is valid and not taken yet."""
        awready, wready = self._moves(Channel.AW), self._moves(Channel.W)
        if self._order == "data_first":
            return awready and len(self._data) > 1, wready
        if self._order == "address_waits":
            return awready and data_wait and not self._addresses, wready and bool(self._addresses)
        return awready, wready

    def _take(self, beat: WriteBeat) -> None:
        """The last entry of ``_data`` is the burst that is not complete."""
        self._data[-1].append(beat)
        if beat.last:
            self._data.append([])

    def _pair(self) -> None:
        while self._addresses and len(self._data) > 1:
            write = _Write(self._addresses.popleft(), self._data.popleft(), self._due())
            self._writes.append(write)
            if self._random.random() < 0.5:
                self._commit_up_to(write)

    def _commit_up_to(self, last: _Write) -> None:
        """Write bursts to the store, in order."""
        for write in self._writes:
            if write.response is None:
                answers = [
                    self._store.write(write.burst, beat, data)
                    for beat, data in enumerate(write.beats)
                ]
                write.response = max(answers)
            if write is last:
                return

    def _next_response(self) -> str | None:
        if not self._writes or self._writes[0].due > self._now:
            return None
        self._commit_up_to(self._writes[0])
        write = self._writes.popleft()
        assert write.response is not None
        return Response(write.response, write.burst.id).encode()
