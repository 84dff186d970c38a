"""Every rule of AXI4 that the checker knows is reported where synthetic traffic breaks it."""

from __future__ import annotations

import pytest

from tb.axi_channels import Address, Channel, Cycle, ReadBeat, Response, WriteBeat
from tb.axi_checker import AxiChecker

AXI_BYTES = 8
SIZE_LOG2 = 3
INCR = 1
DATA = bytes(range(AXI_BYTES))
IDLE = {
    Channel.AR: "x" * 46,
    Channel.AW: "x" * 46,
    Channel.W: "x" * (9 * AXI_BYTES + 1),
    Channel.R: "x" * (8 * AXI_BYTES + 4),
    Channel.B: "xxx",
}


def address(at: int = 0, beats: int = 1, *, size_log2: int = SIZE_LOG2, burst: int = INCR) -> str:
    return Address(at, beats, size_log2, burst, 0).encode()


def write(*, strobes: int = 0xFF, last: bool = True) -> str:
    return WriteBeat(DATA, strobes, last).encode()


def read(*, response: int = 0, last: bool = True, read_id: int = 0) -> str:
    return ReadBeat(DATA, response, last, read_id).encode()


OKAY = Response(0, 0).encode()


class Bus:
    """Every channel is ready unless a cycle says otherwise."""

    def __init__(self) -> None:
        self.checker = AxiChecker(AXI_BYTES)

    def cycle(self, *, ready: str = "11111", **payloads: str) -> None:
        """A cycle with a payload on each of the named channels."""
        valid = "".join("1" if channel.name.lower() in payloads else "0" for channel in Channel)
        shown = tuple(payloads.get(channel.name.lower(), IDLE[channel]) for channel in Channel)
        self.checker.step(Cycle(valid, ready, shown))

    def read_burst(self, beats: int = 1) -> None:
        self.cycle(ar=address(0, beats))

    def write_burst(self) -> None:
        self.cycle(aw=address(), w=write())

    def violations(self) -> list[tuple[str, str]]:
        """Channel and message of each, the bus being at rest."""
        return [(v.channel.name, v.message) for v in self.checker.finish()]


@pytest.fixture
def bus() -> Bus:
    return Bus()


def test_what_the_protocol_allows_is_no_violation(bus):
    bus.cycle(ar=address(4096 - 16 - 3, 3), ready="01111")
    bus.cycle(ar=address(4096 - 16 - 3, 3), w=write(strobes=0xF8, last=False))
    bus.cycle(r=read(last=False), w=write(), ready="11101")
    bus.cycle(r=read(last=False), aw=address(3, 2), ar=address(0, 256))
    bus.cycle(r=read(last=False, response=2), b=Response(3, 0).encode(), ready="11110")
    bus.cycle(r=read(), b=Response(3, 0).encode())
    for beat in range(256):
        bus.cycle(r=read(last=beat == 255))
    bus.cycle()
    assert bus.violations() == []


def test_violations_name_the_cycle_and_are_reported_once(bus):
    bus.cycle()
    bus.cycle(ar=address(burst=2), ready="01111")
    bus.cycle(ar=address(burst=2))
    bus.cycle(r=read())
    [violation] = bus.checker.finish()
    assert str(violation) == "AXI protocol, cycle 1, AR: burst type 2, not INCR"
    assert bus.checker.finish() == []


PAYLOADS = {
    "ar": (address(), address(8)),
    "aw": (address(), address(8)),
    "w": (write(), write(strobes=1)),
    "r": (read(), read(response=2)),
    "b": (OKAY, Response(2, 0).encode()),
}


def _present(bus: Bus, channel: str) -> None:
    """Show a legal payload on a channel that is not ready."""
    if channel == "r":
        bus.read_burst()
    if channel == "b":
        bus.write_burst()
    bus.cycle(**{channel: PAYLOADS[channel][0]}, ready="00000")


def _complete(bus: Bus, channel: str) -> None:
    """What is missing after the handshake of the payload."""
    if channel == "ar":
        bus.cycle(r=read())
    if channel in {"aw", "w"}:
        other = "w" if channel == "aw" else "aw"
        bus.cycle(**{other: PAYLOADS[other][0]})
        bus.cycle(b=OKAY)


@pytest.mark.parametrize("channel", PAYLOADS)
def test_valid_that_falls_before_ready(bus, channel):
    _present(bus, channel)
    bus.cycle(ready="00000")
    bus.cycle(**{channel: PAYLOADS[channel][0]})
    _complete(bus, channel)
    assert bus.violations() == [(channel.upper(), "VALID fell before READY")]


@pytest.mark.parametrize("channel", PAYLOADS)
def test_payload_that_changes_before_ready(bus, channel):
    _present(bus, channel)
    bus.cycle(**{channel: PAYLOADS[channel][1]})
    _complete(bus, channel)
    assert bus.violations() == [(channel.upper(), "the payload changed before READY")]


@pytest.mark.parametrize("channel", PAYLOADS)
def test_payload_that_stays_until_ready_is_legal(bus, channel):
    _present(bus, channel)
    bus.cycle(**{channel: PAYLOADS[channel][0]}, ready="00000")
    bus.cycle(**{channel: PAYLOADS[channel][0]})
    _complete(bus, channel)
    assert bus.violations() == []


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("unknown", "xz")
def test_unknown_valid_or_ready(channel, unknown):
    flags = "".join(unknown if other is channel else "0" for other in Channel)
    for valid, ready in ((flags, "11111"), ("00000", flags)):
        checker = AxiChecker(AXI_BYTES)
        checker.step(Cycle(valid, ready, tuple(IDLE.values())))
        assert len(checker.finish()) == 1


@pytest.mark.parametrize("channel", PAYLOADS)
@pytest.mark.parametrize("unknown", "xz")
def test_unknown_payload_under_valid(bus, channel, unknown):
    if channel == "r":
        bus.read_burst()
    if channel == "b":
        bus.write_burst()
    payload = unknown + PAYLOADS[channel][0][1:]
    bus.cycle(**{channel: payload})
    _complete(bus, channel)
    assert bus.violations() == [(channel.upper(), f"unknown bits under VALID: {payload}")]


@pytest.mark.parametrize("channel", ["ar", "aw"])
@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (address(size_log2=2), "beats of 4 bytes, not 8"),
        (address(burst=0), "burst type 0, not INCR"),
        (address(4096 - 8, 2), "burst of 2 beats at 0xff8 crosses 4 KiB"),
        (address(4096 - 1, 2), "burst of 2 beats at 0xfff crosses 4 KiB"),
    ],
)
def test_address_that_is_not_allowed(bus, channel, payload, message):
    bus.cycle(**{channel: payload})
    assert bus.violations()[0] == (channel.upper(), message)


def test_last_too_early_on_w(bus):
    bus.cycle(aw=address(beats=2), w=write())
    bus.cycle(b=OKAY)
    assert bus.violations() == [("W", "WLAST in beat 1 of a burst of 2 beats")]


def test_last_too_late_on_w(bus):
    bus.cycle(aw=address(), w=write(last=False))
    assert bus.violations()[0] == ("W", "no WLAST in beat 1 of 1")


def test_write_data_belong_to_addresses_in_order(bus):
    bus.cycle(aw=address(beats=2), w=write())
    bus.cycle(aw=address(), w=write(last=False))
    bus.cycle(w=write())
    bus.cycle(b=OKAY)
    bus.cycle(b=OKAY)
    assert [channel for channel, _ in bus.violations()] == ["W", "W", "W"]


def test_strobe_below_the_address_of_the_burst(bus):
    bus.cycle(aw=address(3), w=write(strobes=0x0C))
    bus.cycle(b=OKAY)
    assert bus.violations() == [("W", "strobes 0xc below address 0x3")]


def test_read_beat_that_nobody_asked_for(bus):
    bus.cycle(r=read())
    assert bus.violations() == [("R", "a beat of ID 0, of which nothing is outstanding")]


def test_read_beat_in_the_cycle_of_its_address_is_too_early(bus):
    bus.cycle(ar=address(), r=read())
    assert bus.violations()[0] == ("R", "a beat of ID 0, of which nothing is outstanding")


def test_read_beat_of_another_id(bus):
    bus.read_burst()
    bus.cycle(r=read(read_id=1))
    bus.cycle(r=read())
    assert bus.violations() == [("R", "a beat of ID 1, of which nothing is outstanding")]


def test_last_too_early_on_r(bus):
    bus.read_burst(2)
    bus.cycle(r=read())
    bus.cycle(r=read())
    assert bus.violations() == [("R", "RLAST is 1 with 2 beats to come")]


def test_last_missing_on_r(bus):
    bus.read_burst()
    bus.cycle(r=read(last=False))
    assert bus.violations() == [("R", "RLAST is 0 with 1 beats to come")]


NO_WRITE = ("B", "a response of ID 0, of which no write is complete")


def test_response_before_the_last_beat(bus):
    bus.cycle(aw=address(beats=2), w=write(last=False))
    bus.cycle(b=OKAY)
    bus.cycle(w=write())
    assert bus.violations()[0] == NO_WRITE


def test_response_in_the_cycle_of_the_last_beat_is_too_early(bus):
    bus.cycle(aw=address())
    bus.cycle(w=write(), b=OKAY)
    assert bus.violations()[0] == NO_WRITE


def test_response_before_the_address(bus):
    bus.cycle(w=write())
    bus.cycle(b=OKAY)
    bus.cycle(aw=address())
    assert bus.violations()[0] == NO_WRITE


def test_second_response_to_one_write(bus):
    bus.write_burst()
    bus.cycle(b=OKAY)
    bus.cycle(b=OKAY)
    assert bus.violations() == [NO_WRITE]


def test_response_of_another_id(bus):
    bus.write_burst()
    bus.cycle(b=Response(0, 1).encode())
    bus.cycle(b=OKAY)
    assert bus.violations() == [("B", "a response of ID 1, of which no write is complete")]


def test_exokay_without_exclusive_access(bus):
    bus.read_burst()
    bus.write_burst()
    bus.cycle(r=read(response=1), b=Response(1, 0).encode())
    message = "EXOKAY, and no access was exclusive"
    assert bus.violations() == [("R", message), ("B", message)]


@pytest.mark.parametrize(
    ("payloads", "violation"),
    [
        ({"ar": address()}, ("R", "at the end, reads of ID 0 are not answered")),
        ({"aw": address()}, ("W", "at the end, the data of a write are missing")),
        ({"w": write()}, ("AW", "at the end, the address of write data is missing")),
        ({"w": write(last=False)}, ("AW", "at the end, the address of write data is missing")),
        (
            {"aw": address(), "w": write()},
            ("B", "at the end, writes of ID 0 are not answered"),
        ),
    ],
)
def test_what_is_outstanding_at_the_end(bus, payloads, violation):
    bus.cycle(**payloads)
    assert bus.violations() == [violation]


def test_what_is_presented_at_the_end(bus):
    bus.cycle(ar=address(), ready="01111")
    assert bus.violations() == [("AR", "at the end, valid and not accepted")]


def test_a_bus_that_died_is_not_at_rest(bus):
    bus.cycle(ar=address(), aw=address(), w=write())
    bus.cycle(ar=address(), ready="01111")
    assert bus.checker.finish(at_rest=False) == []
    bus.cycle()
    assert bus.violations() == []


def test_only_the_first_violations_are_kept(bus):
    for _ in range(1000):
        bus.cycle(r=read())
    assert len(bus.violations()) == 20
