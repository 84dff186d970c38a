"""Errors on the whole system: what hardware reports, and that it is as new after a soft reset.

Every program with an error is followed, after CONTROL.RESET and on the buffers that the error left,
by a legal one that must be bit-exact and take the cycles it takes after power-up (E-09).
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import numpy as np
import pytest
from four_engines import DATA, MARKER, MARKER_CONTENT, RESULT, FourEngines, image_of
from golden_support import load, with_fields
from illegal_programs import IllegalProgram, illegal_programs
from sequence_bench import (
    TIMEOUT_CYCLES,
    TINY,
    after_power_up,
    assert_as_after_power_up,
    assert_bit_exact,
    assert_clean,
    assert_completed,
    golden_state,
    legal,
    legal_image,
    only,
    run_steps,
)

from arch.image import Image
from arch.isa import INSTRUCTION_BYTES, End, ErrorCode, Instruction
from flow.simulate import Simulation, Step
from flow.toolchain import Simulator
from tb.exchange import Action
from tb.run_files import DECERR, EXOKAY, SLVERR, MemoryFaults
from tb.scoreboard import DRAM

BASE = FourEngines(TINY)
FOUR = image_of(BASE.around(), TINY)
STORE = BASE.prologue.index(BASE.store)
LOAD_PARAMETERS = BASE.prologue.index(BASE.load_parameters)

LOADS = 3
STOPPED_WHILE_LOADING = image_of(
    load(0, 0, DATA, 512).encode() * LOADS + bytes(INSTRUCTION_BYTES), TINY
)
"""The undefined opcode 0 behind LOADs, the first of which has begun when it is met."""

ILLEGAL = list(illegal_programs(TINY))
CODES = sorted({program.code for program in ILLEGAL})


def step(image: Image, **changes: object) -> Step:
    return Step(image=image, timeout_cycles=TIMEOUT_CYCLES, **changes)


def with_recovery(
    steps: Iterable[Step], simulator: Simulator = "verilator", *, reset_memory: bool = False
) -> list[Simulation]:
    """The simulations of the steps, behind each of which a legal program runs as ever."""
    steps = list(steps)
    recovery = legal(reset=True, reset_memory=reset_memory, keep_buffers=True)
    simulations = run_steps([part for step in steps for part in (step, recovery)], simulator)
    for simulation in simulations[1::2]:
        assert_as_after_power_up(simulation)
    return simulations[::2]


def assert_stopped(simulation: Simulation, code: ErrorCode, instruction: int) -> None:
    """E-01, E-08: code, index and address, one interrupt, and a bus at rest."""
    outcome = simulation.outcome
    reported = ErrorCode(outcome.error_code).name, outcome.error_instruction
    assert reported == (code.name, instruction)
    assert outcome.error_address == instruction * INSTRUCTION_BYTES
    assert not outcome.timed_out
    assert outcome.status == only("STATUS", "ERROR")
    assert outcome.interrupt_status == only("INTERRUPT_STATUS", "ERROR")
    beyond_memory = code in (ErrorCode.READ_DECERR, ErrorCode.WRITE_DECERR)
    assert beyond_memory or outcome.outside_beats == 0
    assert_clean(simulation)


def check_illegal(programs: list[IllegalProgram], simulator: Simulator) -> None:
    images = [image_of(program.program, TINY) for program in programs]
    simulations = with_recovery([step(image) for image in images], simulator)
    for program, simulation in zip(programs, simulations, strict=True):
        try:
            assert_stopped(simulation, program.code, program.instruction)
            marker = simulation.after[DRAM][MARKER : MARKER + len(MARKER_CONTENT)]
            assert marker.tobytes() == MARKER_CONTENT
            if program.code in (ErrorCode.ILLEGAL_OPCODE, ErrorCode.ILLEGAL_FIELD):  # E-02
                assert simulation.outcome.counters["instructions"] == program.instruction
        except AssertionError as error:
            raise AssertionError(f"{program.name}: {error}") from None
    assert programs


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_an_illegal_program_is_stopped_and_the_next_one_runs_as_after_power_up(code):
    """E-02, E-03, E-04, E-05, E-07."""
    check_illegal([program for program in ILLEGAL if program.code is code], "verilator")


def test_illegal_programs_are_stopped_on_icarus():
    check_illegal([next(p for p in ILLEGAL if p.code is code) for code in CODES], "icarus")


@pytest.mark.parametrize(("response", "name"), [(SLVERR, "SLVERR"), (DECERR, "DECERR")])
def test_a_bad_response_stops_the_program_and_blames_the_instruction(response, name):
    """E-05, E-02: of LOAD, of STORE, of the fetch; the bad beats of LOAD are not written."""
    read, write = ErrorCode[f"READ_{name}"], ErrorCode[f"WRITE_{name}"]
    parameter_byte = 1024
    last_store = len(BASE.prologue) + BASE.epilogue.index(BASE.epilogue[-1])
    cases = [
        (range(DATA + parameter_byte, DATA + parameter_byte + 8), read, LOAD_PARAMETERS),
        (range(RESULT, RESULT + 4), write, STORE),
        (range(MARKER, MARKER + 64), write, last_store),
    ]
    for index in range(len(BASE.around())):
        first = index * INSTRUCTION_BYTES
        cases += [(range(first + beat, first + beat + 4), read, index) for beat in (0, 60)]
    simulations = with_recovery(
        step(FOUR, faults=MemoryFaults(addresses, read=response, write=response))
        for addresses, _, _ in cases
    )
    for simulation, (_, code, index) in zip(simulations, cases, strict=True):
        assert_stopped(simulation, code, index)
        assert simulation.outcome.outside_beats == 0
    bad = slice(parameter_byte, parameter_byte + 8)
    loaded = simulations[0]
    assert np.array_equal(loaded.after["parameter"][bad], loaded.before["parameter"][bad])
    refused = slice(RESULT, RESULT + 4)
    stored = simulations[1]
    assert np.array_equal(stored.after[DRAM][refused], stored.before[DRAM][refused])


def test_exokay_is_okay():
    """E-05."""
    faults = MemoryFaults(range(1 << 32), read=EXOKAY, write=EXOKAY)
    assert_as_after_power_up(run_steps([legal(faults=faults)])[0])


@pytest.mark.parametrize("response", [SLVERR, DECERR])
def test_memory_behind_end_may_answer_badly(response):
    """E-05: fetch goes on behind END (T-FE-02), to a length that is larger than the program."""
    image = legal_image()
    section = image.program_section
    end = section.address + len(section.data)
    faults = MemoryFaults(range(end, end + 4096), read=response)
    length = len(section.data) // INSTRUCTION_BYTES
    for simulation in run_steps([legal(length=length + more, faults=faults) for more in (1, 8)]):
        assert_completed(simulation)
        assert_bit_exact(simulation, image, golden_state())


def test_a_program_without_end_or_at_a_bad_place_is_refused():
    """E-07."""
    length = len(BASE.around())
    short = with_recovery(step(FOUR, length=length - cut) for cut in (1, 2, 5))
    for simulation, cut in zip(short, (1, 2, 5), strict=True):
        assert_stopped(simulation, ErrorCode.PROGRAM, length - cut)
    places = [{"length": 0}, {"address": 64}, {"address": 255}, {"address": 256, "length": 0}]
    refused = with_recovery(step(FOUR, **place) for place in places)
    for simulation, place in zip(refused, places, strict=True):
        outcome = simulation.outcome
        assert (outcome.error_code, outcome.error_instruction) == (ErrorCode.PROGRAM, 0)
        assert outcome.error_address == place.get("address", 0)
        assert outcome.status == only("STATUS", "ERROR")
        assert outcome.counters["fetch_bursts"] == 0
        assert_clean(simulation)


def waiting(*program: Instruction) -> Image:
    return image_of([*program, End()], TINY)


def test_the_watchdog_stops_a_wait_that_nobody_serves():
    """E-06: the least index of those that wait; only the time until then depends on its cycles."""
    served = [
        with_fields(BASE.load_activations, signal=0b0010),
        with_fields(BASE.matrix, wait_load=1),
    ]
    cases = {
        0: waiting(with_fields(BASE.load_activations, wait_store=1)),
        1: waiting(BASE.load_activations, with_fields(BASE.matrix, wait_vector=1)),
        2: waiting(*served, with_fields(BASE.vector, wait_store=1), BASE.store),
        3: waiting(*served, BASE.load_weights, *[with_fields(BASE.store, wait_load=1)] * 40),
    }
    limits = (200, 300, 1000)
    for index, image in cases.items():
        simulations = with_recovery(step(image, watchdog_cycles=limit) for limit in limits)
        for simulation in simulations:
            assert_stopped(simulation, ErrorCode.WATCHDOG, index)
        cycles = [simulation.outcome.counters["cycles"] for simulation in simulations]
        assert [count - cycles[0] for count in cycles] == [limit - limits[0] for limit in limits]


def test_without_a_watchdog_only_a_reset_ends_a_wait_that_nobody_serves():
    """E-06, E-09."""
    image = waiting(with_fields(BASE.load_activations, wait_store=1))
    [simulation] = with_recovery([Step(image=image, timeout_cycles=5000, watchdog_cycles=0)])
    assert simulation.outcome.timed_out
    assert simulation.outcome.status == only("STATUS", "RUNNING")


def test_a_dead_bus_ends_the_run_as_stuck():
    """E-08: whatever is outstanding; after a reset of both sides all is well."""
    counters = after_power_up().outcome.counters
    bursts = sum(counters[f"{client}_bursts"] for client in ("fetch", "load", "store"))
    faults = [MemoryFaults(answered_bursts=count) for count in range(bursts)]
    steps = [legal(faults=fault, watchdog_cycles=300) for fault in faults]
    for simulation in with_recovery(steps, reset_memory=True):
        outcome = simulation.outcome
        assert outcome.error_code == ErrorCode.WATCHDOG
        assert outcome.status == only("STATUS", "ERROR", "BUS_STUCK")
        assert outcome.interrupt_status == only("INTERRUPT_STATUS", "ERROR")
        assert not outcome.timed_out
        assert not outcome.bus.idle


def test_an_error_on_a_dead_bus_keeps_its_code():
    """E-01, E-08: MATRIX leaves the accumulator after the bus died with a LOAD outstanding."""
    long = with_fields(BASE.matrix, output_rows=TINY.accumulator_depth + 1)
    faults = MemoryFaults(answered_bursts=2)
    image = waiting(long, BASE.load_parameters)
    [simulation] = with_recovery(
        [step(image, faults=faults, watchdog_cycles=300)], reset_memory=True
    )
    outcome = simulation.outcome
    assert (outcome.error_code, outcome.error_instruction) == (ErrorCode.BUFFER_OVERRUN, 0)
    assert outcome.status == only("STATUS", "ERROR", "BUS_STUCK")


@pytest.mark.parametrize(("seed", "simulator"), [(0, "verilator"), (1, "verilator"), (2, "icarus")])
def test_a_reset_in_the_middle_of_a_run_leaves_nothing_behind(seed, simulator):
    """E-09: no code, no interrupt, a bus at rest; counters tell of the part that ran."""
    cycles = after_power_up().outcome.counters["cycles"]
    count = 40 if simulator == "verilator" else 5
    times = sorted(Random(seed).sample(range(cycles - 40), count))
    simulations = with_recovery(
        (legal(actions=(Action(after_cycles=at, what="reset"),)) for at in times), simulator
    )
    for simulation, at in zip(simulations, times, strict=True):
        outcome = simulation.outcome
        assert outcome.status == only("STATUS")
        assert outcome.interrupt_status == only("INTERRUPT_STATUS")
        assert (outcome.error_code, outcome.error_instruction, outcome.error_address) == (0, 0, 0)
        assert at <= outcome.counters["cycles"]
        assert_clean(simulation)


def test_a_reset_during_a_halt_ends_it_without_a_trace():
    """E-09 while E-08 waits for data."""
    resets = [(Action(after_cycles=at, what="reset"),) for at in range(0, 600, 17)]
    steps = [step(STOPPED_WHILE_LOADING, actions=actions) for actions in resets]
    stopped = 0
    for simulation in with_recovery(steps):
        outcome = simulation.outcome
        if outcome.interrupt_status["ERROR"]:
            assert_stopped(simulation, ErrorCode.ILLEGAL_OPCODE, LOADS)
            stopped += 1
        else:
            assert outcome.status == only("STATUS")
            assert outcome.error_code == 0
            assert_clean(simulation)
    assert 0 < stopped < len(steps)


def test_start_is_ignored_after_an_error():
    """E-09: state and counters stay those of the error, nothing moves, until a reset."""
    program = ILLEGAL[0]
    again = Step(image=legal_image(), timeout_cycles=2000, keep_buffers=True)
    error, ignored, recovered = run_steps(
        [step(image_of(program.program, TINY)), again, legal(reset=True, keep_buffers=True)]
    )
    assert_stopped(error, program.code, program.instruction)
    assert ignored.outcome.timed_out
    assert ignored.outcome.status == error.outcome.status
    assert ignored.outcome.error_instruction == error.outcome.error_instruction
    assert ignored.outcome.counters == error.outcome.counters
    assert ignored.outcome.interrupt_status == only("INTERRUPT_STATUS")
    assert all(np.array_equal(ignored.before[m], ignored.after[m]) for m in ignored.before)
    assert ignored.retired.size == 0
    assert_as_after_power_up(recovered)
