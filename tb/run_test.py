"""The cocotb test of the fast path: run one program, read the counters, dump the memories.

Between START and the interrupt no Python runs: clock, memory and logs are in the simulator.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge, SimTimeoutError, with_timeout

from tb.csr_agent import CsrAgent
from tb.exchange import OUTCOME_FILE, REQUEST_FILE, RUN_DIRECTORY_VARIABLE, Outcome, Request

_CLOCK_PERIOD_STEPS = 2
_RESET_CYCLES = 4


@cocotb.test()
async def run_program(top: Any) -> None:
    """Reset, check the identity, run the program of the request, leave the outcome."""
    folder = Path(os.environ[RUN_DIRECTORY_VARIABLE])
    request = Request.model_validate_json((folder / REQUEST_FILE).read_bytes())
    await RisingEdge(top.loaded)
    await ClockCycles(top.clk, _RESET_CYCLES)
    top.reset.value = 0
    csr = CsrAgent(top, top.clk)
    await _check_identity(csr, request)

    await csr.write("PROGRAM_ADDRESS", request.program_address)
    await csr.write("PROGRAM_LENGTH", request.program_length)
    await csr.set_field("INTERRUPT_ENABLE", "DONE")
    first_cycle = int(top.cycle.value)
    started = time.perf_counter()
    timed_out = not await _start_and_wait(csr, top, request.watchdog_cycles)
    run_seconds = time.perf_counter() - started
    simulated_cycles = int(top.cycle.value) - first_cycle

    counters = await csr.read_counters()
    top.dump.value = 1
    await RisingEdge(top.dumped)
    outcome = Outcome(
        counters=counters,
        timed_out=timed_out,
        memory_error=bool(top.memory_error.value),
        simulated_cycles=simulated_cycles,
        run_seconds=run_seconds,
    )
    (folder / OUTCOME_FILE).write_text(outcome.model_dump_json(indent=2))


async def _check_identity(csr: CsrAgent, request: Request) -> None:
    for name, expected in request.constants.items():
        value = await csr.read(name)
        assert value == expected, f"register {name} reads {value:#x}, expected {expected:#x}"


async def _start_and_wait(csr: CsrAgent, top: Any, cycles: int) -> bool:
    """Start the program; whether the interrupt came within ``cycles``."""
    interrupt = cocotb.start_soon(_rise(top))
    await csr.set_field("CONTROL", "START")
    try:
        await with_timeout(interrupt, cycles * _CLOCK_PERIOD_STEPS, "step")
    except SimTimeoutError:
        return False
    return True


async def _rise(top: Any) -> None:
    await RisingEdge(top.interrupt)
