"""The front end: fetch ahead, dispatch in order (rules T-FE), and the end of a run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from control_bench import PROGRAM_ADDRESS, Run, instruction, run_control
from dma_bench import small_config
from field_rules import GATHER, LOAD, MATRIX, SCALE, STORE, TABLE
from vector_field_rules import VECTOR

from arch.isa import INSTRUCTION_BYTES, End, Engine, Instruction
from arch.timing import (
    FETCH_BURST_INSTRUCTIONS,
    FETCH_TO_DISPATCH_CYCLES,
    PREFETCH_INSTRUCTIONS,
)

pytestmark = pytest.mark.usefixtures("each_simulator")

STORE_ALONE = replace(STORE, wait_vector=0)


def program_of(*engines: Engine) -> list[Instruction]:
    return [*(instruction(engine) for engine in engines), End()]


def bursts(run: Run, beats_each: int) -> list[tuple[int, int]]:
    """(cycle, instructions) of each request."""
    return [(cycle, beats // beats_each) for cycle, _, _, beats in run.axi.ar]


def complete(run: Run, beats_each: int) -> list[int]:
    """Cycle of the last beat of each instruction."""
    return [cycle for cycle, _ in run.axi.r][beats_each - 1 :: beats_each]


def test_bursts_are_of_four_instructions_and_the_rest_at_the_end() -> None:
    """T-FE-01"""
    run = run_control(program_of(*[Engine.LOAD] * 9))
    step = FETCH_BURST_INSTRUCTIONS * INSTRUCTION_BYTES
    assert [(address, beats) for _, _, address, beats in run.axi.ar] == [
        (PROGRAM_ADDRESS, 32),
        (PROGRAM_ADDRESS + step, 32),
        (PROGRAM_ADDRESS + 2 * step, 16),
    ]
    assert {read_id for _, read_id, *_ in run.axi.ar} == {0}


def test_the_first_request_is_in_cycle_1_and_one_a_cycle_follows() -> None:
    """T-FE-02"""
    run = run_control(program_of(*[Engine.LOAD] * 15))
    assert [cycle for cycle, *_ in run.axi.ar] == [1, 2, 3, 4]


@pytest.mark.parametrize("length", [17, 21, 40, 43])
def test_a_request_is_made_exactly_while_the_prefetch_has_room(length: int) -> None:
    """T-FE-02: requested - dispatched + burst, by the state at the start of the cycle."""
    run = run_control(
        program_of(*[Engine.LOAD, Engine.STORE] * (length // 2), *[Engine.LOAD] * (length % 2)),
        duration=lambda engine, index: 9,
    )
    asked = bursts(run, beats_each=8)
    made = {cycle for cycle, _ in asked}
    for cycle in range(1, max(made) + 1):
        requested = sum(count for at, count in asked if at < cycle)
        dispatched = sum(at < cycle for at in run.dispatches)
        burst = min(FETCH_BURST_INSTRUCTIONS, length + 1 - requested)
        room = requested - dispatched + burst <= PREFETCH_INSTRUCTIONS
        assert (cycle in made) == room, cycle
    assert sum(count for _, count in asked) == length + 1


@pytest.mark.parametrize("width", [32, 64, 256, 512])
def test_an_instruction_is_dispatched_two_cycles_after_its_last_beat(width: int) -> None:
    """T-FE-03: for every width of the port; one a cycle, in program order."""
    config = small_config(axi_data_bits=width, dram_bytes_per_cycle=width // 8, cols=16)
    run = run_control(program_of(*Engine, *Engine), config=config)
    received = complete(run, INSTRUCTION_BYTES // config.axi_bytes)
    assert run.dispatches == [cycle + FETCH_TO_DISPATCH_CYCLES for cycle in received]


def test_one_instruction_is_dispatched_in_each_cycle() -> None:
    """T-FE-03: once they are there; END takes a cycle like any other."""
    config = small_config(axi_data_bits=512, cols=16, dram_bytes_per_cycle=64)
    run = run_control(program_of(*list(Engine) * 3), config=config)
    first = run.dispatches[0]
    assert run.dispatches == list(range(first, first + 13))


def test_dispatch_waits_for_a_full_queue_and_holds_all_behind() -> None:
    """T-FE-03: registered occupancy; a place is free in the cycle after an issue."""
    config = small_config(axi_data_bits=512, cols=16, dram_bytes_per_cycle=64, queue_depth=2)
    run = run_control(
        program_of(*[Engine.VECTOR] * 6, Engine.LOAD),
        config=config,
        duration=lambda engine, index: 10,
    )
    issues = run.issues[Engine.VECTOR]
    first = run.dispatches[0]
    assert run.dispatches[:3] == [first, first + 1, first + 2]
    assert run.dispatches[3:6] == [cycle + 1 for cycle in issues[1:4]]
    assert run.dispatches[6] == run.dispatches[5] + 1


def test_an_instruction_can_be_issued_in_the_cycle_after_its_dispatch() -> None:
    """T-FE-03: it is in the queue from d + 1 on."""
    run = run_control(program_of(*Engine))
    assert [run.issues[engine] for engine in Engine] == [[at + 1] for at in run.dispatches[:4]]


def test_every_instruction_goes_to_the_engine_of_its_group() -> None:
    """T-FE-03: VECTOR, TABLE and SCALE to one."""
    run = run_control([VECTOR, TABLE, LOAD, SCALE, MATRIX, GATHER, STORE_ALONE, End()])
    assert run.indices == {
        Engine.LOAD: [2, 5],
        Engine.MATRIX: [4],
        Engine.VECTOR: [0, 1, 3],
        Engine.STORE: [6],
    }


def test_the_run_ends_two_cycles_after_the_last_retirement() -> None:
    """T-RUN-02: cycles = b + 2."""
    run = run_control(program_of(*Engine), duration=lambda engine, index: 50 + 10 * engine)
    last = max(cycle for entries in run.retires.values() for cycle, *_ in entries)
    assert run.last_cycle + 1 == last + 2


def test_the_run_goes_on_while_an_instruction_is_queued() -> None:
    """T-RUN-02: also between the retirement it waited for and its own issue."""
    program = [
        instruction(Engine.LOAD, signal=1 << Engine.STORE),
        instruction(Engine.STORE, wait_load=1),
        End(),
    ]
    run = run_control(program, duration=lambda engine, index: 100)
    assert run.last_cycle == run.retires[Engine.STORE][0][0] + 1


def test_a_program_of_end_alone_ends_after_its_dispatch() -> None:
    """T-RUN-02: x > d."""
    run = run_control([End()])
    assert run.last_cycle == run.dispatches[0] + 1


def test_instructions_behind_end_are_never_dispatched() -> None:
    """I-06: and what was fetched of them does not disturb the next run."""
    program = [*program_of(Engine.LOAD), *program_of(*[Engine.STORE] * 30)]
    first, second = run_control(program), run_control(program, runs=2)
    assert len(first.dispatches) == 2
    assert [len(first.issues[engine]) for engine in Engine] == [1, 0, 0, 0]
    assert first.dispatches == second.dispatches


def test_a_second_run_is_like_the_first() -> None:
    program = program_of(*Engine, *Engine)
    first, second = run_control(program), run_control(program, runs=2)
    assert (first.dispatches, first.issues, first.retires, first.ledger) == (
        second.dispatches,
        second.issues,
        second.retires,
        second.ledger,
    )


def test_issue_and_retire_port_tell_the_index_and_the_latter_the_start() -> None:
    """Section 9."""
    program = program_of(Engine.LOAD, Engine.STORE, Engine.LOAD, Engine.MATRIX)
    run = run_control(program, duration=lambda engine, index: 40 - 30 * index)
    assert [index for _, index, _ in run.retires[Engine.LOAD]] == [0, 2]
    assert [index for _, index, _ in run.retires[Engine.STORE]] == [1]
    assert [index for _, index, _ in run.retires[Engine.MATRIX]] == [3]
    for engine, entries in run.retires.items():
        assert [start for *_, start in entries] == run.issues[engine]
    told = {engine: [index for _, index, _ in run.retires[engine]] for engine in run.retires}
    assert run.indices == told
