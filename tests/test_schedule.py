"""The order of the program: when instructions would issue, and what stands before what."""

from __future__ import annotations

import pytest
from hand_programs import config, load, matrix, store, table, vector

from arch.isa import Buffer, Engine, Instruction, Load, Matrix
from compiler import compile
from compiler.dependencies import dependencies
from compiler.schedule import order_of_issue
from compiler.step import Region, Step
from model.timeline import issue_cycles, predict
from workloads.registry import load as load_workload

TO_VECTOR, TO_STORE = 1 << Engine.VECTOR, 1 << Engine.STORE
CHUNK_BYTES = 1024
HALF = Region("accumulator", 0, 1)


def test_issue_without_a_front_end_is_bounded_by_engines_and_signals_alone() -> None:
    """T-LD-02, T-SEM-02, T-VX-01: LOADs in 0 and 2; the first beat is on R in 2 - 1 + 10, written
    in 12; VECTOR in 13, rows from 18 on, written in 34; STORE in 35."""
    program = [
        load(signal=TO_VECTOR),
        vector(wait_load=1, signal=TO_STORE),
        load(),
        store(wait_vector=1),
    ]
    assert issue_cycles(program, config()) == [0, 13, 2, 35]


def test_issue_without_a_front_end_knows_no_queue() -> None:
    """T-VX-01, T-VX-06: 40 tables of 67 cycles; behind them a STORE, at once."""
    issues = issue_cycles([*[table()] * 40, store()], config(queue_depth=2))
    assert issues == [*range(0, 40 * 67, 67), 0]


def steps_of_chunks(chunks: int, room: int) -> list[Step]:
    """Weight chunks in a ring of ``room`` chunks, one MATRIX for each, behind a long VECTOR."""
    output = Region("activation buffer", 0, 64)
    steps = [Step(vector(rows=4000), (), (HALF, output), 0)]
    for chunk in range(chunks):
        address = chunk % room * CHUNK_BYTES
        region = Region("weight buffer", address, CHUNK_BYTES)
        fields = {"buffer": Buffer.WEIGHT, "buffer_address": address}
        steps.append(Step(load(CHUNK_BYTES, **fields), (), (region,), 1))
        reads = (region, output)
        steps.append(Step(matrix(16, 4, weight_address=address), reads, (HALF,), 1))
    return steps


def kinds(steps: list[Step]) -> list[type[Instruction]]:
    order = order_of_issue(steps, dependencies(steps), config())
    return [type(steps[index].instruction) for index in order]


@pytest.mark.parametrize("room", [4, 40, 64])
def test_loads_stand_as_early_as_their_room_allows(room: int) -> None:
    """The whole ring is filled while VECTOR is at work, however many loads that takes."""
    found = kinds(steps_of_chunks(80, room))
    first = found.index(Matrix)
    assert found[1 : 1 + room] == [Load] * room
    assert first == 1 + room


def test_every_step_stands_behind_what_it_needs() -> None:
    steps = steps_of_chunks(30, 5)
    needs = dependencies(steps)
    order = order_of_issue(steps, needs, config())
    place = {index: position for position, index in enumerate(order)}
    for index, need in enumerate(needs):
        assert all(place[other] < place[index] for other in need if other >= 0)
    for engine in Engine:
        own = [index for index in order if steps[index].engine is engine]
        assert own == sorted(own)


def test_dispatch_in_order_costs_little_more_than_fetch() -> None:
    """DRAM binds: whatever the front end held back would be lost."""
    workload = load_workload("gemm:16x384x1536")
    base = config(axi_data_bits=128, dram_bytes_per_cycle=16, weight_buffer_kib=64)
    image = compile(workload.graph, workload.inputs, base)
    last = max(issue_cycles(image.program[:-1], base))
    prediction = predict(image, base)
    fetched = prediction.counters["fetch_beats"]
    assert max(each.start for each in prediction.instructions) <= last + fetched + 100
