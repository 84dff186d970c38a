"""The register map, and the registers and counters built from it."""

from __future__ import annotations

from typing import Any

import pytest
from register_bench import (
    CONFIG,
    REGISTERS,
    SNAPSHOT,
    START,
    Bench,
    end,
    offset,
    read,
    read_counters,
    simulate,
    write,
)

from arch.config import load_config
from arch.isa import Engine
from arch.registers import register_map
from hdl.counters import counter_widths

pytestmark = pytest.mark.usefixtures("each_simulator")

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
FREE_OFFSET = 0x060


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


def test_offsets_are_apart() -> None:
    words = [register.offset_bytes for register in REGISTERS.values()]
    for counter in register_map().counters:
        words += [counter.offset_bytes, counter.offset_bytes + 4]
    assert len(words) == len(set(words))
    assert all(word % 4 == 0 and word < 1 << 12 for word in words)
    assert min(counter.offset_bytes for counter in register_map().counters) == 0x400


def test_everything_is_described() -> None:
    for register in REGISTERS.values():
        assert register.description
        assert all(field.description for field in register.fields.values())
    assert all(counter.description for counter in register_map().counters)


@pytest.mark.parametrize("name", ["tiny", "base", "16x8"])
def test_registers_tell_identity_and_sizes(name: str) -> None:
    config = load_config(name)

    async def body(ctx: Any, bench: Bench) -> None:
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
    async def body(ctx: Any, bench: Bench) -> None:
        bus = bench.csr.bus
        await write(ctx, bus, offset("PROGRAM_ADDRESS"), 0x1122_3344)
        await write(ctx, bus, offset("PROGRAM_ADDRESS"), 0xAABB_CCDD, strobe=0b0101)
        assert await read(ctx, bus, offset("PROGRAM_ADDRESS")) == 0x11BB_33DD
        assert ctx.get(bench.csr.program_address) == 0x11BB_33DD
        await write(ctx, bus, offset("ID"), 0)
        assert await read(ctx, bus, offset("ID")) == REGISTERS["ID"].reset_value(CONFIG)
        await write(ctx, bus, FREE_OFFSET, 0xFFFF_FFFF)
        assert await read(ctx, bus, FREE_OFFSET) == 0
        assert await read(ctx, bus, offset("CONTROL")) == 0

    simulate(body)


def test_a_snapshot_latches_all_counters_in_one_cycle_of_the_run() -> None:
    """T-RUN-01, section 8: START clears, only cycles of the run count, reading disturbs nothing."""

    async def body(ctx: Any, bench: Bench) -> None:
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
        cycles = ctx.get(bench.counters.cycle) + 1
        await end(ctx, csr, "completed")
        await ctx.tick().repeat(5)
        assert await read_counters(ctx, bench) == first
        await write(ctx, bus, offset("CONTROL"), SNAPSHOT)
        assert await read_counters(ctx, bench) == {n: cycles * step for n, step in steps.items()}
        await write(ctx, bus, offset("CONTROL"), START)
        await write(ctx, bus, offset("CONTROL"), SNAPSHOT)
        assert (await read_counters(ctx, bench))["cycles"] == 1

    simulate(body)


def test_counters_read_zero_before_the_first_snapshot() -> None:
    """Section 2: what a memory holds at power-up is not told."""

    async def body(ctx: Any, bench: Bench) -> None:
        ctx.set(bench.counters.add.cycles, 1)
        await write(ctx, bench.csr.bus, offset("CONTROL"), START)
        assert set((await read_counters(ctx, bench)).values()) == {0}
        await write(ctx, bench.csr.bus, offset("CONTROL"), SNAPSHOT)
        assert (await read_counters(ctx, bench))["cycles"] > 0

    simulate(body)


def test_address_and_data_of_a_write_may_come_apart() -> None:
    """AXI4-Lite: either channel waits for the other, and the response for the master."""

    async def body(ctx: Any, bench: Bench) -> None:
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
