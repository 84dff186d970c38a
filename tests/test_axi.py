"""The memory port: who goes first, and who gets which data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from component_simulator import simulate_component

from hdl.axi import FETCH_ID, LOAD_ID, MemoryPort

pytestmark = pytest.mark.usefixtures("each_simulator")

AXI_BYTES = 8


def simulate(body: Callable[[Any, Any], Awaitable[None]]) -> None:
    port = MemoryPort(axi_bytes=AXI_BYTES)

    async def bench(ctx: Any) -> None:
        await body(ctx, port)

    simulate_component(port, bench)


def ask(ctx: Any, request: Any, address: int, beats: int) -> None:
    ctx.set(request.valid, 1)
    ctx.set(request.p.address, address)
    ctx.set(request.p.beats, beats)


def presented(ctx: Any, port: Any) -> tuple[int, int, int]:
    assert ctx.get(port.axi.arvalid)
    return ctx.get(port.axi.arid), ctx.get(port.axi.araddr), ctx.get(port.axi.arlen) + 1


def test_fetch_goes_first_and_load_one_cycle_later() -> None:
    """T-DRAM-01"""

    async def body(ctx: Any, port: Any) -> None:
        ctx.set(port.axi.arready, 1)
        ask(ctx, port.fetch_request, 256, 32)
        ask(ctx, port.load_request, 4096, 256)
        assert presented(ctx, port) == (FETCH_ID, 256, 32)
        assert (ctx.get(port.fetch_request.ready), ctx.get(port.load_request.ready)) == (1, 0)
        await ctx.tick()
        ctx.set(port.fetch_request.valid, 0)
        assert presented(ctx, port) == (LOAD_ID, 4096, 256)
        assert ctx.get(port.load_request.ready)

    simulate(body)


def test_an_address_once_presented_is_held_until_accepted() -> None:
    """T-DRAM-01: fetch does not take the place of a LOAD that the memory has already seen."""

    async def body(ctx: Any, port: Any) -> None:
        ctx.set(port.axi.arready, 0)
        ask(ctx, port.load_request, 4096, 7)
        assert presented(ctx, port) == (LOAD_ID, 4096, 7)
        await ctx.tick()
        ask(ctx, port.fetch_request, 256, 32)
        for _ in range(3):
            assert presented(ctx, port) == (LOAD_ID, 4096, 7)
            await ctx.tick()
        ctx.set(port.axi.arready, 1)
        assert presented(ctx, port) == (LOAD_ID, 4096, 7)
        await ctx.tick()
        assert presented(ctx, port) == (FETCH_ID, 256, 32)

    simulate(body)


def test_read_data_goes_to_the_one_who_asked() -> None:
    """With its response (E-05); and nothing is taken before it is there."""

    async def body(ctx: Any, port: Any) -> None:
        ctx.set(port.axi.rdata, 0x0123_4567_89AB_CDEF)
        ctx.set(port.axi.rresp, 0b10)
        for read_id, mine, other in (
            (FETCH_ID, port.fetch_beats, port.load_beats),
            (LOAD_ID, port.load_beats, port.fetch_beats),
        ):
            ctx.set(port.axi.rid, read_id)
            ctx.set(other.ready, 1)
            for valid, ready in ((0, 1), (1, 0), (1, 1)):
                ctx.set(port.axi.rvalid, valid)
                ctx.set(mine.ready, ready)
                assert ctx.get(port.axi.rready) == (valid and ready)
                assert (ctx.get(mine.valid), ctx.get(other.valid)) == (valid, 0)
            assert ctx.get(mine.p.data) == 0x0123_4567_89AB_CDEF
            assert ctx.get(mine.p.response) == 0b10

    simulate(body)


def test_the_response_of_a_write_goes_to_store() -> None:
    """E-05: it is always taken."""

    async def body(ctx: Any, port: Any) -> None:
        assert not ctx.get(port.store_response)
        ctx.set(port.axi.bvalid, 1)
        for code in range(4):
            ctx.set(port.axi.bresp, code)
            assert (ctx.get(port.store_response), ctx.get(port.axi.bready)) == (1, 1)
            assert ctx.get(port.store_response_code) == code

    simulate(body)


@pytest.mark.parametrize("channel", ["ar", "aw", "r", "w", "b"])
def test_a_handshake_on_any_channel_is_told(channel: str) -> None:
    """E-06, E-08: valid alone is none, nor is ready."""
    ours = {"ar": "load_request", "aw": "store_request", "w": "store_beats"}

    async def body(ctx: Any, port: Any) -> None:
        ctx.set(port.axi.rid, LOAD_ID)
        other = "valid" if channel in ("r", "b") else "ready"
        for asked in (0, 1):
            if channel in ours:
                ctx.set(getattr(port, ours[channel]).valid, asked)
            elif channel == "r":
                ctx.set(port.load_beats.ready, asked)
            elif not asked:
                continue
            for answered in (0, 1):
                ctx.set(getattr(port.axi, f"{channel}{other}"), answered)
                assert ctx.get(port.handshake) == (asked and answered)

    simulate(body)


def test_bursts_are_incrementing_and_of_whole_beats() -> None:
    async def body(ctx: Any, port: Any) -> None:
        for channel in ("ar", "aw"):
            assert 1 << ctx.get(getattr(port.axi, f"{channel}size")) == AXI_BYTES
            assert ctx.get(getattr(port.axi, f"{channel}burst")) == 1

    simulate(body)
