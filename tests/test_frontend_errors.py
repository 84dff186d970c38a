"""What stops a program in front of its engines: bad instructions, bad reads, bad programs."""

from __future__ import annotations

import pytest
from control_bench import NEVER, PROGRAM_ADDRESS, Run, instruction, run_control
from dma_bench import small_config
from reference_memory import Respond

from arch.isa import INSTRUCTION_BYTES, End, Engine, ErrorCode, FillTable, Instruction
from arch.timing import FETCH_TO_DISPATCH_CYCLES

pytestmark = pytest.mark.usefixtures("each_simulator")

OKAY, EXOKAY, SLVERR, DECERR = range(4)
BEATS_EACH = 8
ILLEGAL_OPCODE = bytes([0x55]) + bytes(INSTRUCTION_BYTES - 1)
ILLEGAL_FIELD = instruction(Engine.LOAD, wait_load=1).encode()


def loads(count: int) -> list[Instruction]:
    return [instruction(Engine.LOAD)] * count


def error_of(index: int, code: ErrorCode) -> tuple[ErrorCode, int, int]:
    return code, index, PROGRAM_ADDRESS + INSTRUCTION_BYTES * index


def read_error(index: int, beat: int, response: int) -> Respond:
    """A response to one beat of one instruction."""
    bad = PROGRAM_ADDRESS + INSTRUCTION_BYTES * index + beat * INSTRUCTION_BYTES // BEATS_EACH
    return lambda channel, address: response if (channel, address) == ("r", bad) else OKAY


def noticed_when_checked(run: Run, index: int) -> bool:
    """Whether the run was halted by what the check found in the first cycle it could."""
    received = run.axi.r[BEATS_EACH * (index + 1) - 1][0]
    return run.halted == received + FETCH_TO_DISPATCH_CYCLES + 1


@pytest.mark.parametrize("index", [0, 1, 6])
@pytest.mark.parametrize(
    ("word", "code"),
    [(ILLEGAL_OPCODE, ErrorCode.ILLEGAL_OPCODE), (ILLEGAL_FIELD, ErrorCode.ILLEGAL_FIELD)],
)
def test_an_illegal_instruction_stops_the_program_in_front_of_it(
    index: int, word: bytes, code: ErrorCode
) -> None:
    """E-02: it is not dispatched, nor is anything behind it."""
    run = run_control([*loads(index), word, *loads(3), End()])
    assert run.error == error_of(index, code)
    assert len(run.dispatches) == index
    assert noticed_when_checked(run, index)


def test_an_instruction_is_checked_although_its_queue_is_full() -> None:
    """E-02: in the cycle in which it could be dispatched, a full queue aside."""
    bad = FillTable(table=0, parameter_address=1).encode()
    config = small_config(queue_depth=2)
    run = run_control(
        [*[instruction(Engine.VECTOR)] * 3, bad, End()],
        config=config,
        duration=lambda engine, index: NEVER,
    )
    assert run.error == error_of(3, ErrorCode.ILLEGAL_FIELD)
    assert noticed_when_checked(run, 3)


@pytest.mark.parametrize("beat", range(BEATS_EACH))
@pytest.mark.parametrize(
    ("response", "code"), [(SLVERR, ErrorCode.READ_SLVERR), (DECERR, ErrorCode.READ_DECERR)]
)
def test_a_failing_beat_marks_its_instruction(beat: int, response: int, code: ErrorCode) -> None:
    """E-05: whichever of its beats it is; noticed when the instruction would be checked."""
    run = run_control([*loads(5), End()], respond=read_error(2, beat, response))
    assert run.error == error_of(2, code)
    assert len(run.dispatches) == 2
    assert noticed_when_checked(run, 2)


def test_the_first_failing_beat_of_an_instruction_counts() -> None:
    bad = {PROGRAM_ADDRESS + 8: SLVERR, PROGRAM_ADDRESS + 16: DECERR}
    run = run_control([*loads(1), End()], respond=lambda channel, at: bad.get(at, OKAY))
    assert run.error == error_of(0, ErrorCode.READ_SLVERR)


def test_an_instruction_that_was_not_read_is_not_judged() -> None:
    """E-05 before E-02: its bits mean nothing."""
    run = run_control([ILLEGAL_OPCODE, End()], respond=read_error(0, 7, DECERR))
    assert run.error == error_of(0, ErrorCode.READ_DECERR)


def test_exokay_is_okay() -> None:
    """E-05"""
    run = run_control([*loads(5), End()], respond=lambda channel, address: EXOKAY)
    assert run.error is None
    assert len(run.dispatches) == 6


@pytest.mark.parametrize("width", [32, 128, 512])
def test_every_width_of_the_port_marks_the_failing_instruction(width: int) -> None:
    config = small_config(axi_data_bits=width, dram_bytes_per_cycle=width // 8, cols=16)
    bad = PROGRAM_ADDRESS + 3 * INSTRUCTION_BYTES
    run = run_control(
        [*loads(8), End()],
        config=config,
        respond=lambda channel, address: SLVERR if address == bad else OKAY,
    )
    assert run.error == error_of(3, ErrorCode.READ_SLVERR)


def test_what_lies_behind_end_is_no_error() -> None:
    """E-05: a program may end in front of memory that does not answer, or of garbage.

    Neither is it one of the next run.
    """
    run = run_control(
        [*loads(2), End(), ILLEGAL_OPCODE, *loads(8)],
        respond=lambda channel, address: DECERR if address >= PROGRAM_ADDRESS + 256 else OKAY,
        runs=2,
    )
    assert run.error is None
    assert run.halted < 0
    assert len(run.dispatches) == 3


@pytest.mark.parametrize("count", [1, 4, 5, 20])
def test_a_program_without_end_is_an_error(count: int) -> None:
    """E-07: noticed in the cycle after its last dispatch; to blame is its length."""
    run = run_control(loads(count))
    assert run.error == error_of(count, ErrorCode.PROGRAM)
    assert len(run.dispatches) == count
    assert run.halted == run.dispatches[-1] + 2


@pytest.mark.parametrize(
    ("address", "length"), [(PROGRAM_ADDRESS, 0), (128, 4), (255, 4), (257, 0)]
)
def test_a_program_that_cannot_be_fetched_is_an_error(address: int, length: int) -> None:
    """E-07: nothing is on the bus, and the run ends at once."""
    run = run_control([*loads(3), End()], address=address, length=length)
    assert run.error == (ErrorCode.PROGRAM, 0, address)
    assert not run.axi.ar
    assert run.last_cycle == run.halted == 1


def test_a_halt_asks_for_nothing_and_takes_what_was_asked_for() -> None:
    """E-08: the run ends in the cycle after the last beat that is outstanding."""
    run = run_control([*loads(3), ILLEGAL_OPCODE, *loads(60), End()])
    assert max(cycle for cycle, *_ in run.axi.ar) < run.halted
    asked = sum(beats for *_, beats in run.axi.ar)
    assert asked > BEATS_EACH * 4
    assert len(run.axi.r) == asked
    assert run.last_cycle == run.axi.r[-1][0] + 1


def test_an_address_presented_stays_through_a_halt() -> None:
    """E-08: the memory accepts it late, and the burst is taken."""
    config = small_config(axi_data_bits=512, cols=16, dram_bytes_per_cycle=64)
    run = run_control(
        [ILLEGAL_OPCODE, *loads(12), End()],
        config=config,
        stall=lambda channel, cycle: channel == "ar" and 1 < cycle < 100,
    )
    assert run.halted < 100
    assert [cycle for cycle, *_ in run.axi.ar] == [1, 100]
    assert len(run.axi.r) == 8
    assert run.last_cycle == run.axi.r[-1][0] + 1


def test_a_halt_stops_issue() -> None:
    """E-08: what waits in a queue stays there, engines go on with what they have."""
    vectors = [instruction(Engine.VECTOR)] * 4
    program: list[Instruction | bytes] = [*vectors, ILLEGAL_OPCODE, *loads(60), End()]
    run = run_control(program, duration=lambda engine, index: 3)
    slow = run_control(program, duration=lambda engine, index: 30)
    assert len(run.issues[Engine.VECTOR]) == 4
    assert 1 <= len(slow.issues[Engine.VECTOR]) < 4
    assert max(slow.issues[Engine.VECTOR]) < slow.halted
    for engine in Engine:
        assert len(slow.ledger[engine]) == slow.last_cycle + 1


def test_a_semaphore_that_overflows_stops_the_run() -> None:
    """E-04: to blame is the instruction that retires, not one that waits or comes later."""
    signal = instruction(Engine.LOAD, signal=1 << Engine.STORE)
    run = run_control([*[signal] * 300, End()], cycles=6000)
    assert run.error == error_of(255, ErrorCode.SEMAPHORE_OVERFLOW)
    assert run.halted == run.retires[Engine.LOAD][255][0] + 1
    assert max(run.dispatches) < run.halted, "E-08: nothing is dispatched"
    assert run.axi.r[-1][0] > run.halted + BEATS_EACH, "more was there to be dispatched"


def test_watchdog_blames_the_oldest_instruction() -> None:
    """E-06: in flight, or waiting for one that never ends; not one that is done."""
    matrix, store = instruction(Engine.MATRIX), instruction(Engine.STORE, wait_matrix=1)
    for program in ([*loads(2), matrix, *loads(1)], [*loads(2), store, matrix, *loads(1)]):
        run = run_control(
            [*program, End()],
            duration=lambda engine, index: NEVER if engine is Engine.MATRIX else 5,
            watchdog_cycles=150,
        )
        assert run.error == error_of(2, ErrorCode.WATCHDOG)


def test_watchdog_counts_from_the_last_dispatch_issue_or_retirement() -> None:
    """E-06"""
    limit = 150
    matrix, behind = instruction(Engine.MATRIX), instruction(Engine.MATRIX, wait_load=1)
    signal = instruction(Engine.LOAD, signal=1 << Engine.MATRIX)
    for last, program in (
        ("dispatch", [matrix, *loads(1), matrix]),
        ("issue", [signal, behind]),
        ("retirement", [matrix, *loads(1)]),
    ):
        run = run_control(
            [*program, End()],
            duration=lambda engine, index, last=last: (
                NEVER if engine is Engine.MATRIX else 1 if last == "dispatch" else 50
            ),
            watchdog_cycles=limit,
        )
        events = {
            "dispatch": max(run.dispatches),
            "issue": max(cycle for cycles in run.issues.values() for cycle in cycles),
            "retirement": max(cycle for cycle, *_ in run.retires[Engine.LOAD]),
        }
        assert max(events, key=lambda name: events[name]) == last
        assert run.halted == events[last] + limit + 1


def test_watchdog_blames_what_would_be_dispatched_next() -> None:
    """E-06, E-08: where memory never answers, the run ends after as many cycles once more."""
    limit = 150
    run = run_control([End()], watchdog_cycles=limit, stall=lambda channel, cycle: channel == "r")
    assert run.error == error_of(0, ErrorCode.WATCHDOG)
    asked = run.axi.ar[0][0]
    assert run.halted == asked + limit + 1
    assert run.last_cycle == asked + 2 * limit
    assert run.bus_stuck


@pytest.mark.parametrize("engine", Engine)
def test_an_engine_that_works_is_progress(engine: Engine) -> None:
    """E-06"""
    run = run_control(
        [instruction(engine), End()],
        duration=lambda engine, index: 900,
        working=lambda which, cycle: which is engine and cycle % 100 == 0,
        watchdog_cycles=101,
    )
    assert run.error is None
    idle = run_control(
        [instruction(engine), End()], duration=lambda engine, index: 900, watchdog_cycles=101
    )
    assert idle.error == error_of(0, ErrorCode.WATCHDOG)
