"""The first event that parts is found, and the rules named are those that decide it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from correlate_bench import as_measured, point

from arch.config import load_config
from arch.isa import (
    Buffer,
    End,
    Engine,
    FillTable,
    Load,
    Matrix,
    RowFunction,
    ScaleRows,
    Store,
    Table,
    Vector,
)
from flow.correlate.measure import compile_point
from flow.correlate.parting import FRONT_END, first_parting
from model.timeline import predict, predict_program

TINY = load_config("tiny")
POINT = point("gemm:17x33x65")
PROGRAM = compile_point(POINT).program
PREDICTED = predict(compile_point(POINT), TINY)


def parting(retired, program=PROGRAM, predicted=PREDICTED, cycles=None):
    cycles = predicted.cycles if cycles is None else cycles
    return first_parting(program, predicted, retired, cycles)


def moved(index: int, start: int = 0, end: int = 0, predicted=PREDICTED):
    """As predicted, but for one instruction."""
    retired = as_measured(predicted)
    old_start, old_end = retired[index]
    return retired | {index: (old_start + start, old_end + end)}


def test_nothing_parts_where_all_is_as_predicted():
    assert parting(as_measured(PREDICTED)) is None


ENDS = {
    Load: ("LOAD", ["T-LD-04", "T-LD-06", "T-LD-03", "T-LD-01"]),
    Matrix: ("MATRIX", ["T-MX-05", "T-MX-03", "T-MX-02", "T-MX-04", "T-MX-01"]),
    Vector: ("VECTOR", ["T-VX-04", "T-VX-05", "T-VX-02", "T-VX-03"]),
    Store: ("STORE", ["T-ST-04", "T-ST-05", "T-ST-03", "T-ST-01"]),
}


@pytest.mark.parametrize("kind", ENDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("cycles", [3, -3])
def test_an_end_that_parts_names_the_rules_of_its_engine(kind, cycles):
    index = next(i for i, each in enumerate(PROGRAM) if isinstance(each, kind))
    found = parting(moved(index, end=cycles))
    engine, rules = ENDS[kind]
    assert (found.engine, found.instruction, found.event) == (engine, index, "end")
    assert found.error == -cycles
    assert found.disassembly == PROGRAM[index].disassemble()
    assert found.governed[0].rules == rules
    assert (found.partings, found.instructions) == (1, len(PROGRAM) - 1)


def test_the_memory_and_those_that_share_it_may_move_the_end_of_a_dma():
    index = next(i for i, each in enumerate(PROGRAM) if isinstance(each, Store))
    steps = [each.rules[0] for each in parting(moved(index, end=1)).governed]
    assert steps[:2] == ["T-ST-04", "T-DRAM-05"]
    assert "T-FE-02" in steps
    index = next(i for i, each in enumerate(PROGRAM) if isinstance(each, Load))
    steps = [each.rules[0] for each in parting(moved(index, end=1)).governed]
    assert steps == ["T-LD-04", "T-DRAM-03", "T-FE-02"]


def test_a_padded_load_names_padding_first():
    load = Load(buffer=Buffer.ACTIVATION, buffer_address=0, dram_address=0, run_bytes=8)
    program = [replace(load, pad_bytes=4), End()]
    predicted = predict_program(program, TINY)
    found = parting(moved(0, end=1, predicted=predicted), program, predicted)
    assert found.governed[0].rules[0] == "T-LD-05"


def test_a_table_has_a_rule_of_its_own():
    program = [FillTable(table=Table.UNARY, parameter_address=0), End()]
    predicted = predict_program(program, TINY)
    found = parting(moved(0, end=1, predicted=predicted), program, predicted)
    assert found.governed[0].rules == ["T-VX-06"]


def test_row_scales_have_a_rule_of_their_own():
    program = [ScaleRows(function=RowFunction.RECIPROCAL, rows=3), End()]
    predicted = predict_program(program, TINY)
    found = parting(moved(0, end=1, predicted=predicted), program, predicted)
    assert found.governed[0].rules == ["T-VX-07"]


@pytest.mark.parametrize("event", ["start", "end"])
def test_a_gathering_load_names_its_rule_first(event):
    load = Load(buffer=Buffer.ACTIVATION, buffer_address=0, dram_address=0, run_bytes=8)
    program = [load, replace(load, gather=1), End()]
    predicted = predict_program(program, TINY)
    found = parting(moved(1, predicted=predicted, **{event: 1}), program, predicted)
    assert found.governed[0].rules[0] == "T-LD-07"


def bound_by(condition: str, predicted=PREDICTED) -> list[int]:
    """Instructions whose issue waits for one thing alone, longest waits first."""
    found = []
    for each in predicted.instructions:
        times = {"queued": each.queued, "accepted": each.accepted}
        times |= {producer.name: each.ready[producer] for producer in Engine}
        last = times.pop(condition)
        if last == each.start and max(times.values()) < last:
            found.append((max(times.values()) - last, each.index))
    return [index for _, index in sorted(found)]


@pytest.mark.parametrize(
    ("condition", "engine", "rules"),
    [
        ("queued", Engine.LOAD, ["T-FE-03", "T-FE-02", "T-FE-01"]),
        ("accepted", Engine.LOAD, ["T-LD-02", "T-LD-03"]),
        ("accepted", Engine.MATRIX, ["T-MX-01", "T-MX-02"]),
        ("LOAD", Engine.MATRIX, ["T-SEM-01", "T-SEM-02"]),
        ("MATRIX", Engine.VECTOR, ["T-SEM-01", "T-SEM-02"]),
        ("VECTOR", Engine.STORE, ["T-SEM-01", "T-SEM-02"]),
    ],
)
@pytest.mark.parametrize("cycles", [1, -1])
def test_a_start_that_parts_names_what_it_waited_for(condition, engine, rules, cycles):
    index = next(i for i in bound_by(condition) if PROGRAM[i].engine is engine)
    found = parting(moved(index, start=cycles))
    assert (found.engine, found.instruction, found.event) == (engine.name, index, "start")
    assert found.governed[0].rules[: len(rules)] == rules
    if cycles < 0:
        assert len(found.governed) == 1, "only the last condition was not kept"


def test_a_vector_may_wait_for_the_one_before_it():
    program = compile_point(point("gemm:1x300x40")).program
    predicted = predict_program(program, TINY)
    index = next(i for i in bound_by("accepted", predicted) if isinstance(program[i], Vector))
    found = parting(moved(index, start=1, predicted=predicted), program, predicted)
    assert found.governed[0].rules == ["T-VX-01"]


def test_a_signal_is_named_by_the_instruction_that_gave_it():
    index = next(i for i in bound_by("LOAD") if PROGRAM[i].engine is Engine.MATRIX)
    found = parting(moved(index, start=1))
    timing = next(each for each in PREDICTED.instructions if each.index == index)
    giver = next(
        each
        for each in PREDICTED.instructions
        if each.engine is Engine.LOAD and each.end == timing.ready[Engine.LOAD] - 1
    )
    assert f"signal of LOAD instruction {giver.index}," in found.governed[0].step


def test_where_rtl_is_later_dispatch_is_named_behind_what_bound():
    index = next(i for i in bound_by("VECTOR") if PROGRAM[i].engine is Engine.STORE)
    steps = [each.rules[0] for each in parting(moved(index, start=2)).governed]
    assert steps[0] == "T-SEM-01"
    assert "T-FE-03" in steps[1:]


def test_where_rtl_is_much_earlier_every_condition_it_broke_is_named():
    index = next(i for i in bound_by("VECTOR") if PROGRAM[i].engine is Engine.STORE)
    timing = next(each for each in PREDICTED.instructions if each.index == index)
    found = parting(moved(index, start=timing.queued - 1 - timing.start))
    assert "T-FE-03" in [each.rules[0] for each in found.governed]


def test_the_first_in_time_counts_not_the_first_in_the_program():
    ordered = sorted(PREDICTED.instructions, key=lambda each: each.end)
    early, late = next((a, b) for a, b in itertools.pairwise(ordered) if a.index > b.index)
    retired = moved(late.index, end=5)
    retired |= {early.index: (early.start, early.end + 500)}
    found = parting(retired)
    assert (found.instruction, found.partings) == (early.index, 2)


def test_an_instruction_that_never_retires_is_named():
    last = max(PREDICTED.instructions, key=lambda each: each.end)
    retired = as_measured(PREDICTED)
    del retired[last.index]
    found = parting(retired)
    assert (found.instruction, found.event, found.error) == (last.index, "end", None)
    assert "which RTL never reaches" in str(found)


def test_the_end_of_the_run_parts_where_no_instruction_does():
    found = parting(as_measured(PREDICTED), cycles=PREDICTED.cycles - 1)
    assert (found.engine, found.event, found.error) == (FRONT_END, "end of the run", 1)
    assert found.instruction == len(PROGRAM) - 1
    assert found.governed[0].rules == ["T-RUN-02", "T-RUN-01"]
