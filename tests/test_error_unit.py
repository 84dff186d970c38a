"""The error unit: which error counts, how a run ends, and the soft reset."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from component_simulator import simulate_component

from arch.isa import INSTRUCTION_BYTES, ErrorCode
from hdl.error_unit import ErrorUnit

pytestmark = pytest.mark.usefixtures("each_simulator")

SOURCES = 10
CODES = [ErrorCode(1 + index % 8) for index in range(SOURCES)]


class Unit:
    """The unit in a run: keeps ``running`` as the registers do."""

    def __init__(self, ctx: Any, unit: Any) -> None:
        self.ctx = ctx
        self.unit = unit

    def set(self, **inputs: int) -> None:
        for name, value in inputs.items():
            self.ctx.set(getattr(self.unit, name), value)

    def get(self, name: str) -> int:
        return int(self.ctx.get(getattr(self.unit, name)))

    async def start(self, address: int = 0x1000) -> None:
        self.set(start=1, address=address)
        await self.ctx.tick()
        self.set(start=0, address=0, running=1)

    async def tick(self, cycles: int = 1) -> None:
        for _ in range(cycles):
            finished = self.get("finished")
            await self.ctx.tick()
            if finished:
                self.set(running=0)

    def raise_faults(self, *sources: int) -> None:
        """Of these sources and of no other; index 100 + source."""
        for source, fault in enumerate(self.unit.faults):
            self.ctx.set(fault.valid, source in sources)
            self.ctx.set(fault.code, CODES[source])
            self.ctx.set(fault.instruction, 100 + source)

    async def fault(self, *sources: int) -> None:
        """Raise them in one cycle."""
        self.raise_faults(*sources)
        await self.tick()
        self.raise_faults()

    async def reset(self) -> None:
        self.set(reset=1)
        await self.tick()
        self.set(reset=0)

    @property
    def blamed(self) -> tuple[int, int, int]:
        return self.get("code"), self.get("instruction"), self.get("instruction_address")


def simulate(body: Callable[[Unit], Awaitable[None]]) -> None:
    unit = ErrorUnit(sources=SOURCES)

    async def bench(ctx: Any) -> None:
        await body(Unit(ctx, unit))

    simulate_component(unit, bench)


NOTHING = (ErrorCode.NONE, 0, 0)


def test_of_several_errors_in_one_cycle_the_first_source_counts() -> None:
    """E-01: for every pair, and for all at once; the watchdog comes last."""

    async def body(unit: Unit) -> None:
        cases = [*itertools.combinations(range(SOURCES), 2), tuple(range(SOURCES))]
        unit.set(quiet=1, limit=1)
        for sources in cases:
            await unit.start(address=0x2300)
            await unit.fault(*sources)
            first = min(sources)
            address = 0x2300 + INSTRUCTION_BYTES * (100 + first)
            assert unit.blamed == (CODES[first], 100 + first, address), sources
            await unit.tick()
            await unit.reset()
            await unit.tick()

    simulate(body)


def test_the_first_error_of_a_run_is_kept() -> None:
    """E-01: later ones are not even looked at."""

    async def body(unit: Unit) -> None:
        await unit.start()
        await unit.fault(6)
        first = unit.blamed
        await unit.fault(0)
        unit.set(quiet=1)
        await unit.tick()
        await unit.fault(1)
        assert unit.blamed == first
        assert first[0] == CODES[6]

    simulate(body)


def test_an_error_halts_from_the_next_cycle_on_and_the_run_ends_when_the_bus_is_quiet() -> None:
    """E-08"""

    async def body(unit: Unit) -> None:
        await unit.start()
        unit.raise_faults(2)
        assert (unit.get("halt"), unit.get("finished")) == (0, 0)
        await unit.tick()
        unit.raise_faults()
        for _ in range(50):
            assert (unit.get("halt"), unit.get("finished"), unit.get("error")) == (1, 0, 0)
            await unit.tick()
        unit.set(quiet=1)
        assert [unit.get(n) for n in ("finished", "failed", "completed", "error")] == [1, 1, 0, 0]
        await unit.tick()
        assert [unit.get(n) for n in ("finished", "failed", "error", "halt")] == [0, 0, 1, 1]
        assert not unit.get("bus_stuck")

    simulate(body)


def test_a_drained_run_is_completed_without_looking_at_the_bus() -> None:
    """T-RUN-02"""

    async def body(unit: Unit) -> None:
        await unit.start()
        await unit.tick(5)
        assert not unit.get("finished")
        unit.set(drained=1)
        assert [unit.get(n) for n in ("finished", "completed", "failed")] == [1, 1, 0]
        await unit.tick()
        assert [unit.get(n) for n in ("finished", "error", "halt")] == [0, 0, 0]
        assert unit.blamed == NOTHING

    simulate(body)


def test_an_error_in_what_would_be_the_last_cycle_counts() -> None:
    async def body(unit: Unit) -> None:
        await unit.start()
        unit.set(drained=1, quiet=1)
        unit.raise_faults(3)
        assert not unit.get("finished")
        await unit.tick()
        assert [unit.get(n) for n in ("finished", "completed", "failed")] == [1, 0, 1]

    simulate(body)


def test_errors_outside_a_run_do_not_count() -> None:
    async def body(unit: Unit) -> None:
        unit.set(limit=1, quiet=1)
        await unit.fault(*range(SOURCES))
        assert not unit.get("halt")
        assert unit.blamed == NOTHING

    simulate(body)


def test_the_watchdog_looks_at_all_progress_until_the_halt_and_at_the_bus_behind_it() -> None:
    """E-06, E-08"""

    async def body(unit: Unit) -> None:
        unit.set(limit=10, oldest=7)
        await unit.start(address=0x500)
        for name in ("progress", "handshake"):
            await unit.tick(9)
            unit.set(**{name: 1})
            await unit.tick()
            unit.set(**{name: 0})
        await unit.tick(9)
        assert not unit.get("halt")
        await unit.tick()
        assert unit.get("halt")
        assert unit.blamed == (ErrorCode.WATCHDOG, 7, 0x500 + 7 * INSTRUCTION_BYTES)
        await unit.tick(9)
        unit.set(handshake=1)
        await unit.tick()
        unit.set(handshake=0, progress=1)
        await unit.tick(9)
        assert [unit.get(n) for n in ("finished", "error", "bus_stuck")] == [1, 0, 0]
        await unit.tick()
        assert [unit.get(n) for n in ("finished", "error", "bus_stuck")] == [0, 1, 1]
        assert unit.blamed[0] == ErrorCode.WATCHDOG

    simulate(body)


def test_the_halt_gives_the_bus_its_own_cycles() -> None:
    """E-08: those before the error do not count."""

    async def body(unit: Unit) -> None:
        unit.set(limit=10)
        await unit.start()
        await unit.tick(8)
        await unit.fault(0)
        await unit.tick(9)
        assert unit.get("finished")
        await unit.tick()
        assert unit.get("bus_stuck")

    simulate(body)


def test_a_reset_of_an_idle_device_takes_one_cycle() -> None:
    """E-09"""

    async def body(unit: Unit) -> None:
        await unit.reset()
        assert (unit.get("resetting"), unit.get("soft_reset")) == (1, 1)
        await unit.tick()
        assert (unit.get("resetting"), unit.get("soft_reset")) == (0, 0)

    simulate(body)


def test_a_reset_after_an_error_clears_what_it_left() -> None:
    """E-09"""

    async def body(unit: Unit) -> None:
        unit.set(limit=3)
        await unit.start()
        await unit.fault(4)
        await unit.tick(3)
        assert [unit.get(n) for n in ("running", "halt", "error", "bus_stuck")] == [0, 1, 1, 1]
        await unit.reset()
        await unit.tick()
        assert [unit.get(n) for n in ("halt", "error", "bus_stuck", "resetting")] == [0] * 4
        assert unit.blamed == NOTHING

    simulate(body)


def test_a_reset_in_a_run_waits_for_the_bus_and_leaves_no_error() -> None:
    """E-09"""

    async def body(unit: Unit) -> None:
        unit.set(limit=100)
        await unit.start()
        await unit.tick(5)
        await unit.reset()
        for _ in range(20):
            assert [unit.get(n) for n in ("halt", "resetting", "soft_reset")] == [1, 1, 0]
            assert not unit.get("finished")
            await unit.tick()
        await unit.fault(0)
        unit.set(quiet=1)
        assert [unit.get(n) for n in ("finished", "failed", "completed")] == [1, 0, 0]
        await unit.tick()
        assert [unit.get(n) for n in ("error", "resetting", "soft_reset")] == [0, 1, 1]
        await unit.tick()
        assert [unit.get(n) for n in ("error", "resetting", "halt", "soft_reset")] == [0] * 4
        assert unit.blamed == NOTHING

    simulate(body)


def test_a_reset_gives_the_bus_its_own_cycles() -> None:
    """E-09, as E-08: those before it do not count."""

    async def body(unit: Unit) -> None:
        unit.set(limit=10)
        await unit.start()
        await unit.tick(8)
        await unit.reset()
        await unit.tick(9)
        assert [unit.get(n) for n in ("halt", "finished", "failed")] == [1, 1, 0]
        await unit.tick()
        assert [unit.get(n) for n in ("soft_reset", "bus_stuck")] == [1, 1]

    simulate(body)


def test_a_reset_takes_over_a_halt() -> None:
    """E-09: neither does it put off the end of a stuck bus."""

    async def body(unit: Unit) -> None:
        unit.set(limit=10)
        await unit.start()
        await unit.fault(5)
        await unit.tick(4)
        await unit.reset()
        await unit.tick(4)
        assert [unit.get(n) for n in ("finished", "failed", "soft_reset")] == [1, 0, 0]
        await unit.tick()
        assert unit.get("soft_reset")
        await unit.tick()
        assert unit.get("bus_stuck"), "the reset must tell that it gave up waiting"
        await unit.reset()
        assert not unit.get("bus_stuck")

    simulate(body)


def test_a_run_behind_a_reset_is_like_the_first() -> None:
    async def body(unit: Unit) -> None:
        for _ in range(2):
            await unit.start(address=0x700)
            await unit.tick(3)
            await unit.fault(8)
            unit.set(quiet=1)
            await unit.tick()
            assert unit.get("error")
            assert unit.blamed == (CODES[8], 108, 0x700 + 108 * INSTRUCTION_BYTES)
            await unit.reset()
            await unit.tick()
            unit.set(quiet=0)

    simulate(body)
