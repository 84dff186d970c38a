"""Registers and counters alone, driven over AXI4-Lite."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from amaranth.hdl import Elaboratable, Module
from component_simulator import simulate_component

from arch.config import Config, load_config
from arch.registers import register_map
from hdl.counters import Counters
from hdl.csr import Csr

CONFIG = load_config("tiny")
REGISTERS = register_map().registers
START, SNAPSHOT, RESET = 1, 2, 4


class Bench(Elaboratable):
    """Registers and counters, with everything counted named from outside."""

    def __init__(self, config: Config) -> None:
        self.csr = Csr(config)
        self.counters = Counters(config)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.csr = self.csr
        m.submodules.counters = self.counters
        m.d.comb += [
            self.counters.clear.eq(self.csr.start),
            self.counters.enable.eq(self.csr.running),
            self.counters.snapshot.eq(self.csr.snapshot),
            self.counters.read.eq(self.csr.counter_read),
            self.counters.address.eq(self.csr.counter_address),
            self.csr.counter_word.eq(self.counters.word),
        ]
        return m


async def write(ctx: Any, bus: Any, offset: int, value: int, strobe: int = 0xF) -> None:
    """One write; returns after the response was taken."""
    for name, setting in (("awaddr", offset), ("wdata", value), ("wstrb", strobe)):
        ctx.set(getattr(bus, name), setting)
    ctx.set(bus.awvalid, 1)
    ctx.set(bus.wvalid, 1)
    ctx.set(bus.bready, 1)
    assert ctx.get(bus.awready)
    assert ctx.get(bus.wready)
    await ctx.tick()
    ctx.set(bus.awvalid, 0)
    ctx.set(bus.wvalid, 0)
    assert ctx.get(bus.bvalid)
    assert ctx.get(bus.bresp) == 0
    await ctx.tick()
    assert not ctx.get(bus.bvalid)


async def read(ctx: Any, bus: Any, offset: int) -> int:
    ctx.set(bus.araddr, offset)
    ctx.set(bus.arvalid, 1)
    ctx.set(bus.rready, 1)
    assert ctx.get(bus.arready)
    await ctx.tick()
    ctx.set(bus.arvalid, 0)
    assert ctx.get(bus.rvalid)
    assert ctx.get(bus.rresp) == 0
    value = int(ctx.get(bus.rdata))
    await ctx.tick()
    assert not ctx.get(bus.rvalid)
    return value


async def read_counters(ctx: Any, bench: Bench) -> dict[str, int]:
    bus = bench.csr.bus
    return {
        counter.name: await read(ctx, bus, counter.offset_bytes)
        | await read(ctx, bus, counter.offset_bytes + 4) << 32
        for counter in register_map().counters
    }


async def end(ctx: Any, csr: Any, kind: str | None) -> None:
    """The last cycle of a run that is ``completed`` or ``failed``, or that a reset ends."""
    names = ["finished", kind] if kind else ["finished"]
    for name in names:
        ctx.set(getattr(csr, name), 1)
    await ctx.tick()
    for name in names:
        ctx.set(getattr(csr, name), 0)


_bench = functools.cache(Bench)


def simulate(body: Callable[[Any, Bench], Awaitable[None]], config: Config = CONFIG) -> None:
    bench = _bench(config)

    async def testbench(ctx: Any) -> None:
        await body(ctx, bench)

    simulate_component(bench, testbench)


def offset(name: str) -> int:
    return REGISTERS[name].offset_bytes
