"""The register map, and the registers and counters built from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from amaranth.hdl import Elaboratable, Module
from amaranth.sim import Simulator

from arch.config import Config, load_config
from arch.isa import Engine
from arch.registers import register_map
from hdl.counters import Counters, counter_widths
from hdl.csr import Csr

CONFIG = load_config("tiny")
SCALARS = [
    "cycles",
    "instructions",
    "load_instructions",
    "matrix_instructions",
    "vector_instructions",
    "store_instructions",
    "macs",
    "mac_slots",
    "matrix_rows",
    "weight_tiles",
    "vector_rows",
    "fetch_bursts",
    "fetch_beats",
    "load_bursts",
    "load_beats",
    "load_bytes",
    "pad_bytes",
    "store_bursts",
    "store_beats",
    "store_bytes",
]
REGISTERS = register_map().registers


def test_counters_are_those_of_section_8() -> None:
    names = [counter.name for counter in register_map().counters]
    assert [name for name in names if not name.startswith("ledger_")] == SCALARS
    assert len(names) == len(set(names)) == len(SCALARS) + 31


def test_only_cycles_and_the_ledger_are_bounded() -> None:
    for counter in register_map().counters:
        bounded = counter.name == "cycles" or counter.name.startswith("ledger_")
        assert counter.exact != bounded, counter.name


def test_states_of_each_engine_are_those_of_section_7() -> None:
    common = {
        Engine.LOAD: ("working", "wait_port", "wait_memory"),
        Engine.MATRIX: ("working", "fill"),
        Engine.VECTOR: ("working", "wait_port", "fill"),
        Engine.STORE: ("working", "wait_port", "wait_memory"),
    }
    for engine in Engine:
        waits = tuple(f"wait_{other.name.lower()}" for other in Engine if other is not engine)
        states = (*common[engine], *waits, "done", "idle")
        assert register_map().ledger_states[engine] == states


def test_offsets_are_apart_and_room_is_left_for_errors() -> None:
    words = [register.offset_bytes for register in REGISTERS.values()]
    for counter in register_map().counters:
        words += [counter.offset_bytes, counter.offset_bytes + 4]
    assert len(words) == len(set(words))
    assert all(word % 4 == 0 and word < 1 << 12 for word in words)
    assert not any(0x40 <= word < 0x80 for word in words)
    assert min(counter.offset_bytes for counter in register_map().counters) == 0x400


def test_everything_is_described() -> None:
    for register in REGISTERS.values():
        assert register.description
        assert all(field.description for field in register.fields.values())
    assert all(counter.description for counter in register_map().counters)


class _Bench(Elaboratable):
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


def simulate(body: Callable[[Any, _Bench], Awaitable[None]], config: Config = CONFIG) -> None:
    bench = _Bench(config)

    async def testbench(ctx: Any) -> None:
        await body(ctx, bench)

    simulator = Simulator(bench)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


def offset(name: str) -> int:
    return REGISTERS[name].offset_bytes


START, SNAPSHOT = 1, 2


@pytest.mark.parametrize("name", ["tiny", "base", "16x8"])
def test_registers_tell_identity_and_sizes(name: str) -> None:
    config = load_config(name)

    async def body(ctx: Any, bench: _Bench) -> None:
        found = {name: await read(ctx, bench.csr.bus, offset(name)) for name in REGISTERS}
        assert found["ID"].to_bytes(4, "big") == b"ASSY"
        low, high = found["HARDWARE_HASH_LOW"], found["HARDWARE_HASH_HIGH"]
        assert high << 32 | low == config.hardware_hash
        assert (found["ROWS"], found["COLS"]) == (config.rows, config.cols)
        assert found["ACTIVATION_BUFFER_BYTES"] == 1024 * config.activation_buffer_kib
        for name, register in REGISTERS.items():
            assert found[name] == register.reset_value(config), name

    simulate(body, config)


def test_writable_registers_keep_strobed_bytes_and_others_ignore_writes() -> None:
    async def body(ctx: Any, bench: _Bench) -> None:
        bus = bench.csr.bus
        await write(ctx, bus, offset("PROGRAM_ADDRESS"), 0x1122_3344)
        await write(ctx, bus, offset("PROGRAM_ADDRESS"), 0xAABB_CCDD, strobe=0b0101)
        assert await read(ctx, bus, offset("PROGRAM_ADDRESS")) == 0x11BB_33DD
        assert ctx.get(bench.csr.program_address) == 0x11BB_33DD
        await write(ctx, bus, offset("ID"), 0)
        assert await read(ctx, bus, offset("ID")) == REGISTERS["ID"].reset_value(CONFIG)
        await write(ctx, bus, 0x040, 0xFFFF_FFFF)
        assert await read(ctx, bus, 0x040) == 0
        assert await read(ctx, bus, offset("CONTROL")) == 0

    simulate(body)


def test_start_runs_until_finished_and_then_interrupts() -> None:
    """T-RUN-02: running falls and the interrupt rises in the cycle after the last."""

    async def body(ctx: Any, bench: _Bench) -> None:
        csr, bus = bench.csr, bench.csr.bus
        await write(ctx, bus, offset("INTERRUPT_ENABLE"), 1)
        await write(ctx, bus, offset("CONTROL"), START)
        assert await read(ctx, bus, offset("STATUS")) == 0b01
        ctx.set(csr.finished, 1)
        assert (ctx.get(csr.running), ctx.get(csr.interrupt)) == (1, 0)
        await ctx.tick()
        ctx.set(csr.finished, 0)
        assert (ctx.get(csr.running), ctx.get(csr.interrupt)) == (0, 1)
        assert await read(ctx, bus, offset("STATUS")) == 0b10
        await write(ctx, bus, offset("INTERRUPT_STATUS"), 0)
        assert ctx.get(csr.interrupt)
        await write(ctx, bus, offset("INTERRUPT_STATUS"), 1)
        assert not ctx.get(csr.interrupt)
        await write(ctx, bus, offset("CONTROL"), START)
        assert await read(ctx, bus, offset("STATUS")) == 0b01

    simulate(body)


def test_an_interrupt_that_is_not_enabled_is_pending_only() -> None:
    async def body(ctx: Any, bench: _Bench) -> None:
        csr, bus = bench.csr, bench.csr.bus
        await write(ctx, bus, offset("CONTROL"), START)
        ctx.set(csr.finished, 1)
        await ctx.tick()
        ctx.set(csr.finished, 0)
        assert not ctx.get(csr.interrupt)
        assert await read(ctx, bus, offset("INTERRUPT_STATUS")) == 1
        await write(ctx, bus, offset("INTERRUPT_ENABLE"), 1)
        assert ctx.get(csr.interrupt)

    simulate(body)


async def read_counters(ctx: Any, bench: _Bench) -> dict[str, int]:
    bus = bench.csr.bus
    return {
        counter.name: await read(ctx, bus, counter.offset_bytes)
        | await read(ctx, bus, counter.offset_bytes + 4) << 32
        for counter in register_map().counters
    }


def test_a_snapshot_latches_all_counters_in_one_cycle_of_the_run() -> None:
    """T-RUN-01, section 8: START clears, only cycles of the run count, reading disturbs nothing."""

    async def body(ctx: Any, bench: _Bench) -> None:
        csr, bus = bench.csr, bench.csr.bus
        widths = counter_widths(CONFIG)
        steps = {name: (1 << width) - 1 for name, width in widths.items()}
        for name, step in steps.items():
            ctx.set(getattr(bench.counters.add, name), step)
        await ctx.tick().repeat(3)
        await write(ctx, bus, offset("CONTROL"), START)
        await ctx.tick().repeat(7)
        cycle = ctx.get(bench.counters.cycle)
        await write(ctx, bus, offset("CONTROL"), SNAPSHOT)
        first = await read_counters(ctx, bench)
        assert first == {name: cycle * step for name, step in steps.items()}
        assert ctx.get(csr.running)
        end = ctx.get(bench.counters.cycle) + 1
        ctx.set(csr.finished, 1)
        await ctx.tick()
        ctx.set(csr.finished, 0)
        await ctx.tick().repeat(5)
        assert await read_counters(ctx, bench) == first
        await write(ctx, bus, offset("CONTROL"), SNAPSHOT)
        assert await read_counters(ctx, bench) == {n: end * step for n, step in steps.items()}
        await write(ctx, bus, offset("CONTROL"), START)
        await write(ctx, bus, offset("CONTROL"), SNAPSHOT)
        assert (await read_counters(ctx, bench))["cycles"] == 1

    simulate(body)


def test_a_start_while_running_is_ignored() -> None:
    async def body(ctx: Any, bench: _Bench) -> None:
        ctx.set(bench.counters.add.cycles, 1)
        await write(ctx, bench.csr.bus, offset("CONTROL"), START)
        await write(ctx, bench.csr.bus, offset("CONTROL"), START)
        assert ctx.get(bench.counters.cycle) == 3

    simulate(body)


def test_address_and_data_of_a_write_may_come_apart() -> None:
    """AXI4-Lite: either channel waits for the other, and the response for the master."""

    async def body(ctx: Any, bench: _Bench) -> None:
        bus = bench.csr.bus
        ctx.set(bus.awaddr, offset("PROGRAM_LENGTH"))
        ctx.set(bus.awvalid, 1)
        assert not ctx.get(bus.awready)
        await ctx.tick()
        ctx.set(bus.wdata, 77)
        ctx.set(bus.wstrb, 0xF)
        ctx.set(bus.wvalid, 1)
        assert ctx.get(bus.awready)
        await ctx.tick()
        ctx.set(bus.wdata, 78)
        assert not ctx.get(bus.wready)
        await ctx.tick()
        assert ctx.get(bus.bvalid)
        assert ctx.get(bench.csr.program_length) == 77

    simulate(body)
