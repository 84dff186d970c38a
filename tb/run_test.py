"""The cocotb test: run programs, read the counters, dump the memories.

On the fast path no Python runs between START and the interrupt, unless the request has actions for
that time: clock, memory and logs are in the simulator. Otherwise the memory is an ``AxiAgent``.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import cocotb
from cocotb.task import Task
from cocotb.triggers import ClockCycles, First, ReadOnly, RisingEdge, Timer

from tb.axi_agent import AxiAgent
from tb.csr_agent import CsrAgent
from tb.exchange import (
    REQUEST_FILE,
    RUN_DIRECTORY_VARIABLE,
    Bus,
    Outcome,
    ProgramRequest,
    Request,
    outcome_file,
)

_CLOCK_PERIOD_STEPS = 2
_RESET_CYCLES = 4
_RESETTING_READS = 10_000
"""How often STATUS is read at most before RESETTING falls."""


@cocotb.test()
async def run_programs(top: Any) -> None:
    """Reset, check the identity, run the programs of the request, leave their outcomes."""
    folder = Path(os.environ[RUN_DIRECTORY_VARIABLE])
    request = Request.model_validate_json((folder / REQUEST_FILE).read_bytes())
    agent = None
    if any(program.axi for program in request.programs):
        agent = AxiAgent(top.dram, top.clk, folder)
    await ClockCycles(top.clk, _RESET_CYCLES)
    top.reset.value = 0
    csr = CsrAgent(top, top.clk)
    await _check_identity(csr, request)
    await csr.set_fields("INTERRUPT_ENABLE", "DONE", "ERROR")
    for number, program in enumerate(request.programs):
        outcome = await _run_program(csr, top, agent, program)
        if agent is not None:
            seen = {"violations": agent.finish(), "outside_beats": agent.outside_beats}
            outcome = outcome.model_copy(update=seen)
        (folder / outcome_file(number)).write_text(outcome.model_dump_json(indent=2))


async def _check_identity(csr: CsrAgent, request: Request) -> None:
    for name, expected in request.constants.items():
        value = await csr.read(name)
        assert value == expected, f"register {name} reads {value:#x}, expected {expected:#x}"


async def _run_program(
    csr: CsrAgent, top: Any, agent: AxiAgent | None, program: ProgramRequest
) -> Outcome:
    await _prepare(csr, top, agent, program)
    protocol_errors, outside_beats = _complaints(top)
    first_cycle = int(top.cycle.value)
    started = time.perf_counter()
    ended = await _start_and_wait(csr, top, program)
    run_seconds = time.perf_counter() - started
    await ReadOnly()
    simulated_cycles = int(top.cycle.value) - first_cycle
    bus = Bus(
        open_reads=int(top.open_reads.value),
        open_writes=int(top.open_writes.value),
        presents=bool(top.presents.value),
    )
    counters = await csr.read_counters()
    status = await csr.read_fields("STATUS")
    interrupt_status = await csr.read_fields("INTERRUPT_STATUS")
    await _clear_interrupts(csr, top, interrupt_status)
    await _shake(top.dump, top.dumped)
    complaints = _complaints(top)
    return Outcome(
        counters=counters,
        status=status,
        interrupt_status=interrupt_status,
        error_code=await csr.read("ERROR_CODE"),
        error_instruction=await csr.read("ERROR_INSTRUCTION"),
        error_address=await csr.read("ERROR_ADDRESS"),
        timed_out=not ended,
        trace=await csr.read_trace() if program.read_trace else None,
        bus=bus,
        protocol_errors=complaints[0] - protocol_errors,
        outside_beats=complaints[1] - outside_beats,
        unknown_words=int(top.unknown_words.value),
        unknown_cycles=int(top.unknown_cycles.value),
        simulated_cycles=simulated_cycles,
        run_seconds=run_seconds,
    )


async def _prepare(
    csr: CsrAgent, top: Any, agent: AxiAgent | None, program: ProgramRequest
) -> None:
    """Resets, memories, and every register that a driver writes before START."""
    top.memory_reset.value = program.reset_memory
    if program.reset:
        await _reset(csr)
    top.memory_reset.value = 0
    if agent is not None and program.axi is not None:
        agent.load(program.axi)
    await _shake(top.load, top.loaded)
    await csr.write("PROGRAM_ADDRESS", program.address)
    await csr.write("PROGRAM_LENGTH", program.length)
    await csr.write("WATCHDOG_CYCLES", program.watchdog_cycles)


async def _reset(csr: CsrAgent) -> None:
    """E-09: write RESET and wait until it is done."""
    await csr.set_fields("CONTROL", "RESET")
    for _ in range(_RESETTING_READS):
        if not (await csr.read_fields("STATUS"))["RESETTING"]:
            return
    raise AssertionError("STATUS.RESETTING does not fall")


async def _start_and_wait(csr: CsrAgent, top: Any, program: ProgramRequest) -> bool:
    """Start the program and carry out its actions; whether it came to an end."""
    interrupt = cocotb.start_soon(_rise(top.interrupt))
    await csr.set_fields("CONTROL", "START")
    for action in program.actions:
        if await _comes_within(interrupt, action.after_cycles):
            return True
        if action.what == "reset":
            interrupt.cancel()
            await _reset(csr)
            return True
        if action.what == "start":
            await csr.set_fields("CONTROL", "START")
        else:
            await csr.read_counters()
    ended = await _comes_within(interrupt, program.timeout_cycles)
    interrupt.cancel()
    return ended


async def _comes_within(interrupt: Task[None], cycles: int) -> bool:
    if not interrupt.done():
        await First(interrupt.complete, Timer(max(1, cycles) * _CLOCK_PERIOD_STEPS, "step"))
    return interrupt.done()


async def _clear_interrupts(csr: CsrAgent, top: Any, pending: dict[str, bool]) -> None:
    """Clear what is pending, bit by bit: the interrupt falls with the last one."""
    names = [name for name, is_pending in pending.items() if is_pending]
    for name in names:
        assert top.interrupt.value, f"INTERRUPT_STATUS.{name} is set and the interrupt is low"
        await csr.set_fields("INTERRUPT_STATUS", name)
    await RisingEdge(top.clk)
    assert not top.interrupt.value, "the interrupt is high after every pending bit was cleared"


def _complaints(top: Any) -> tuple[int, int]:
    return int(top.protocol_errors.value), int(top.outside_beats.value)


async def _shake(request: Any, done: Any) -> None:
    request.value = 1
    await RisingEdge(done)
    request.value = 0


async def _rise(signal: Any) -> None:
    await RisingEdge(signal)
