"""The five channels of an AXI4 port, cycle by cycle, as ``axi_port.sv`` packs them.

Signals stay strings of ``0``, ``1``, ``x`` and ``z``, most significant bit first: slicing and
comparing them costs next to nothing, and an unknown value stays one.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Final, NamedTuple

ADDRESS_BITS: Final = 46
RESPONSE_BITS: Final = 3

_UNKNOWN_AS_0 = str.maketrans("xXzZuU", "000000")


class Channel(enum.IntEnum):
    """In the order of the vector."""

    AR = 0
    AW = 1
    W = 2
    R = 3
    B = 4


class Cycle(NamedTuple):
    """Every channel in one cycle.

    Attributes
    ----------
    valid, ready
        One character for each :class:`Channel`.
    payload
        By :class:`Channel`.
    """

    valid: str
    ready: str
    payload: tuple[str, ...]

    def transfers(self, channel: Channel) -> bool:
        """Whether the channel's handshake is in this cycle."""
        return self.valid[channel] == "1" == self.ready[channel]


class Driven(NamedTuple):
    """What the slave says in a cycle; a payload of None is no valid."""

    arready: bool
    awready: bool
    wready: bool
    r: str | None
    b: str | None


class Address(NamedTuple):
    """AR or AW."""

    address: int
    beats: int
    size_log2: int
    burst: int
    id: int

    def encode(self) -> str:
        where = f"{self.address:032b}{self.beats - 1:08b}"
        return f"{where}{self.size_log2:03b}{self.burst:02b}{self.id:b}"

    @classmethod
    def decode(cls, payload: str) -> Address:
        bits = _known(payload)
        return cls(
            address=int(bits[:32], 2),
            beats=int(bits[32:40], 2) + 1,
            size_log2=int(bits[40:43], 2),
            burst=int(bits[43:45], 2),
            id=int(bits[45], 2),
        )


class WriteBeat(NamedTuple):
    """W; bit ``i`` of ``strobes`` is for byte ``i`` of ``data``."""

    data: bytes
    strobes: int
    last: bool

    def encode(self) -> str:
        return f"{_data_bits(self.data)}{self.strobes:0{len(self.data)}b}{self.last:b}"

    @classmethod
    def decode(cls, payload: str) -> WriteBeat:
        bits = _known(payload)
        lanes = len(bits) // 9
        data = int(bits[: 8 * lanes], 2).to_bytes(lanes, "little")
        return cls(data, strobes=int(bits[8 * lanes : -1], 2), last=bits[-1] == "1")


class ReadBeat(NamedTuple):
    """R."""

    data: bytes
    response: int
    last: bool
    id: int

    def encode(self) -> str:
        return f"{_data_bits(self.data)}{self.response:02b}{self.last:b}{self.id:b}"

    @classmethod
    def decode(cls, payload: str) -> ReadBeat:
        bits = _known(payload)
        data = int(bits[:-4], 2).to_bytes(len(bits) // 8, "little")
        return cls(data, int(bits[-4:-2], 2), last=bits[-2] == "1", id=int(bits[-1], 2))


class Response(NamedTuple):
    """B."""

    response: int
    id: int

    def encode(self) -> str:
        return f"{self.response:02b}{self.id:b}"

    @classmethod
    def decode(cls, payload: str) -> Response:
        bits = _known(payload)
        return cls(int(bits[:2], 2), int(bits[2], 2))


def splitter(axi_bytes: int) -> Callable[[str], Cycle]:
    """The function that takes ``observed`` of an ``axi_port`` apart."""
    ar = 10
    aw = ar + ADDRESS_BITS
    w = aw + ADDRESS_BITS
    r = w + 9 * axi_bytes + 1
    b = r + 8 * axi_bytes + 4

    def split(text: str) -> Cycle:
        return Cycle(
            text[:5], text[5:ar], (text[ar:aw], text[aw:w], text[w:r], text[r:b], text[b:])
        )

    return split


def driven_bytes(bits: int) -> int:
    """Bytes of a beat of the ``axi_port`` whose ``driven`` has so many bits."""
    return (bits - len(Channel) - RESPONSE_BITS) // 8


def join_driven(driven: Driven, axi_bytes: int) -> str:
    """Value of ``driven`` of an ``axi_port``."""
    flags = (
        driven.arready,
        driven.awready,
        driven.wready,
        driven.r is not None,
        driven.b is not None,
    )
    r = driven.r or "0" * (8 * axi_bytes + 4)
    return "".join("1" if flag else "0" for flag in flags) + r + (driven.b or "0" * RESPONSE_BITS)


def _known(bits: str) -> str:
    """The bits with 0 for every unknown one, which the checker reports."""
    return bits.translate(_UNKNOWN_AS_0)


def _data_bits(data: bytes) -> str:
    return f"{int.from_bytes(data, 'little'):0{8 * len(data)}b}"
