"""The ledger decides as the table of section 7 says."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from component_simulator import simulate_component

from arch.isa import Engine
from arch.registers import register_map
from hdl.ledger import Ledger

pytestmark = pytest.mark.usefixtures("each_simulator")

TABLE = {
    Engine.LOAD: ["working", "wait_port", "wait_memory"],
    Engine.STORE: ["working", "wait_port", "wait_memory"],
    Engine.MATRIX: ["working", "fill"],
    Engine.VECTOR: ["working", "wait_port", "fill"],
}


def expected(
    engine: Engine, working: int, wait_port: int, in_flight: int, lacks: int, waiting: int, end: int
) -> str:
    holds = {"working": working, "wait_port": wait_port, "wait_memory": in_flight}
    holds["fill"] = in_flight
    for state in TABLE[engine]:
        if holds[state]:
            return state
    if waiting:
        for producer in Engine:
            if lacks >> producer & 1:
                return f"wait_{producer.name.lower()}"
        return "idle"
    return "done" if end else "idle"


@pytest.mark.parametrize("engine", Engine)
def test_the_first_state_that_applies_is_the_only_one(engine: Engine) -> None:
    """Section 7, for every input."""
    ledger = Ledger(engine=engine)
    states = register_map().ledger_states[engine]

    async def bench(ctx: Any) -> None:
        flags = itertools.product([0, 1], repeat=5)
        for (working, wait_port, in_flight, waiting, end), lacks in itertools.product(
            flags, range(16)
        ):
            lacks &= ~(1 << engine)
            wait_port = wait_port if "wait_port" in TABLE[engine] else 0
            ctx.set(ledger.status.working, working)
            ctx.set(ledger.status.wait_port, wait_port)
            ctx.set(ledger.status.in_flight, in_flight)
            ctx.set(ledger.waiting, waiting)
            ctx.set(ledger.ended, end)
            ctx.set(ledger.lacks, lacks)
            state = expected(engine, working, wait_port, in_flight, lacks, waiting, end)
            assert ctx.get(ledger.state) == 1 << states.index(state)

    simulate_component(ledger, bench)
