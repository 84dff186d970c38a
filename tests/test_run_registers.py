"""Runs and errors as software sees them in the registers."""

from __future__ import annotations

from typing import Any

from register_bench import (
    RESET,
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

from arch.isa import ErrorCode

RUNNING, DONE, ERROR, RESETTING, BUS_STUCK = 1, 2, 4, 8, 16


def test_start_runs_until_finished_and_then_interrupts() -> None:
    """T-RUN-02: running falls and the interrupt rises in the cycle after the last."""

    async def body(ctx: Any, bench: Bench) -> None:
        csr, bus = bench.csr, bench.csr.bus
        await write(ctx, bus, offset("INTERRUPT_ENABLE"), 1)
        await write(ctx, bus, offset("CONTROL"), START)
        assert await read(ctx, bus, offset("STATUS")) == RUNNING
        assert (ctx.get(csr.running), ctx.get(csr.interrupt)) == (1, 0)
        await end(ctx, csr, "completed")
        assert (ctx.get(csr.running), ctx.get(csr.interrupt)) == (0, 1)
        assert await read(ctx, bus, offset("STATUS")) == DONE
        await write(ctx, bus, offset("INTERRUPT_STATUS"), 0)
        assert ctx.get(csr.interrupt)
        await write(ctx, bus, offset("INTERRUPT_STATUS"), 1)
        assert not ctx.get(csr.interrupt)
        await write(ctx, bus, offset("CONTROL"), START)
        assert await read(ctx, bus, offset("STATUS")) == RUNNING

    simulate(body)


def test_an_interrupt_that_is_not_enabled_is_pending_only() -> None:
    async def body(ctx: Any, bench: Bench) -> None:
        csr, bus = bench.csr, bench.csr.bus
        await write(ctx, bus, offset("CONTROL"), START)
        await end(ctx, csr, "completed")
        assert not ctx.get(csr.interrupt)
        assert await read(ctx, bus, offset("INTERRUPT_STATUS")) == 1
        await write(ctx, bus, offset("INTERRUPT_ENABLE"), 1)
        assert ctx.get(csr.interrupt)

    simulate(body)


def test_a_start_while_running_is_ignored() -> None:
    async def body(ctx: Any, bench: Bench) -> None:
        ctx.set(bench.counters.add.cycles, 1)
        await write(ctx, bench.csr.bus, offset("CONTROL"), START)
        await write(ctx, bench.csr.bus, offset("CONTROL"), START)
        assert ctx.get(bench.counters.cycle) == 3

    simulate(body)


def test_a_failed_run_tells_error_and_not_done() -> None:
    """E-08: with an interrupt of its own."""

    async def body(ctx: Any, bench: Bench) -> None:
        csr, bus = bench.csr, bench.csr.bus
        await write(ctx, bus, offset("INTERRUPT_ENABLE"), 0b01)
        await write(ctx, bus, offset("CONTROL"), START)
        await end(ctx, csr, "failed")
        ctx.set(csr.error, 1)
        assert (ctx.get(csr.running), ctx.get(csr.interrupt)) == (0, 0)
        assert await read(ctx, bus, offset("INTERRUPT_STATUS")) == 0b10
        await write(ctx, bus, offset("INTERRUPT_ENABLE"), 0b10)
        assert ctx.get(csr.interrupt)
        assert await read(ctx, bus, offset("STATUS")) == ERROR
        ctx.set(csr.bus_stuck, 1)
        assert await read(ctx, bus, offset("STATUS")) == ERROR | BUS_STUCK
        await write(ctx, bus, offset("INTERRUPT_STATUS"), 0b10)
        assert not ctx.get(csr.interrupt)

    simulate(body)


def test_error_registers_tell_code_instruction_and_address() -> None:
    """E-01: and ignore writes."""

    async def body(ctx: Any, bench: Bench) -> None:
        csr, bus = bench.csr, bench.csr.bus
        ctx.set(csr.error_code, ErrorCode.WATCHDOG)
        ctx.set(csr.error_instruction, 0x8000_0001)
        ctx.set(csr.error_address, 0x8765_4321)
        for name, value in (
            ("ERROR_CODE", ErrorCode.WATCHDOG),
            ("ERROR_INSTRUCTION", 0x8000_0001),
            ("ERROR_ADDRESS", 0x8765_4321),
        ):
            await write(ctx, bus, offset(name), 0)
            assert await read(ctx, bus, offset(name)) == value

    simulate(body)


def test_start_is_ignored_after_an_error_and_while_resetting() -> None:
    """E-09: and in the very write that asks for the reset."""

    async def body(ctx: Any, bench: Bench) -> None:
        csr, bus = bench.csr, bench.csr.bus
        for condition in ("error", "resetting"):
            ctx.set(getattr(csr, condition), 1)
            await write(ctx, bus, offset("CONTROL"), START)
            assert not ctx.get(csr.running)
            ctx.set(getattr(csr, condition), 0)
        await write(ctx, bus, offset("CONTROL"), START | RESET)
        assert not ctx.get(csr.running)
        await write(ctx, bus, offset("CONTROL"), START)
        assert ctx.get(csr.running)

    simulate(body)


def test_a_soft_reset_keeps_what_software_wrote() -> None:
    """E-09: it clears STATUS and INTERRUPT_STATUS."""
    kept = {
        "PROGRAM_ADDRESS": 0x100,
        "PROGRAM_LENGTH": 9,
        "INTERRUPT_ENABLE": 3,
        "WATCHDOG_CYCLES": 77,
    }

    async def body(ctx: Any, bench: Bench) -> None:
        csr, bus = bench.csr, bench.csr.bus
        ctx.set(bench.counters.add.cycles, 1)
        for name, value in kept.items():
            await write(ctx, bus, offset(name), value)
        await write(ctx, bus, offset("CONTROL"), START)
        await end(ctx, csr, "completed")
        await write(ctx, bus, offset("CONTROL"), SNAPSHOT)
        assert ctx.get(csr.interrupt)
        assert ctx.get(csr.watchdog_cycles) == 77
        ctx.set(csr.soft_reset, 1)
        await ctx.tick()
        ctx.set(csr.soft_reset, 0)
        assert not ctx.get(csr.interrupt)
        for name in ("STATUS", "INTERRUPT_STATUS"):
            assert await read(ctx, bus, offset(name)) == 0
        for name, value in kept.items():
            assert await read(ctx, bus, offset(name)) == value
        assert (await read_counters(ctx, bench))["cycles"] == 2

    simulate(body)


def test_a_reset_in_a_run_is_shown_and_ends_it_without_interrupt() -> None:
    """E-09"""

    async def body(ctx: Any, bench: Bench) -> None:
        csr, bus = bench.csr, bench.csr.bus
        await write(ctx, bus, offset("CONTROL"), START)
        ctx.set(bus.awvalid, 1)
        ctx.set(bus.wvalid, 1)
        ctx.set(bus.awaddr, offset("CONTROL"))
        ctx.set(bus.wdata, RESET)
        ctx.set(bus.wstrb, 0xF)
        assert ctx.get(csr.reset)
        await ctx.tick()
        assert not ctx.get(csr.reset)
        ctx.set(bus.awvalid, 0)
        ctx.set(bus.wvalid, 0)
        await ctx.tick()
        ctx.set(csr.resetting, 1)
        assert await read(ctx, bus, offset("STATUS")) == RUNNING | RESETTING
        await end(ctx, csr, None)
        assert not ctx.get(csr.running)
        assert await read(ctx, bus, offset("STATUS")) == RESETTING
        assert await read(ctx, bus, offset("INTERRUPT_STATUS")) == 0

    simulate(body)
