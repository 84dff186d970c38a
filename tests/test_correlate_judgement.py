"""Bars, counter faults, causes and groups, on runs that were never simulated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from correlate_bench import counters_of, measurement, point

from arch.registers import register_map
from flow.correlate.aggregate import groups, worst_first
from flow.correlate.bars import MEAN_TOLERANCE, PARTING_TOLERANCE_CYCLES, check_mean
from flow.correlate.cause import causes
from flow.correlate.measure import compile_point
from model import frontend, matrix, store, vector
from model.timeline import predict

POINT = point("gemm:1x300x40")
PREDICTED = predict(compile_point(POINT), POINT.loaded)
COUNTERS = counters_of(PREDICTED)
DOCUMENT = (Path(__file__).parent.parent / "docs" / "architecture.md").read_text()

ENGINE_OF = {
    **dict.fromkeys(("macs", "mac_slots", "weight_tiles"), "MATRIX"),
    **dict.fromkeys(("cycles", "instructions", "fetch_bursts", "fetch_beats"), "front end"),
    "pad_bytes": "LOAD",
}


def run_with(**changed: int):
    return measurement(
        POINT, changed={name: COUNTERS[name] + by for name, by in changed.items()}
    ).run


def test_a_run_as_predicted_breaks_nothing():
    run = run_with()
    assert (run.failures, run.counter_faults, run.parting) == ([], [], None)
    assert run.error == 0
    assert sorted(run.counters) == sorted(counter.name for counter in register_map().counters)


EVENTS = [counter.name for counter in register_map().counters if counter.exact]


@pytest.mark.parametrize("name", EVENTS)
def test_a_wrong_event_counter_is_named_with_engine_instruction_and_rule(name):
    run = run_with(**{name: 1})
    assert run.failures == [
        f"counter {name}: measured {COUNTERS[name] + 1}, predicted {COUNTERS[name]}"
    ]
    (fault,) = run.counter_faults
    engine = ENGINE_OF.get(name, name.split("_")[0].upper())
    assert (fault.counter, fault.engine) == (name, engine)
    assert fault.rules[0] == "section 8"
    assert all(f"**{rule}" in DOCUMENT for rule in fault.rules[1:])
    program = compile_point(POINT).program
    own = [i for i, each in enumerate(program) if each.engine and each.engine.name == engine]
    expected = None if COUNTERS[name] == 0 else own[0] if own else 0
    assert fault.first_instruction == expected
    assert run.unequal_events == [name]
    assert run.counters[name].error == -1


def test_a_counter_that_misses_events_is_wrong_by_the_instruction_that_exceeds_it():
    program = compile_point(POINT).program
    rows = [
        (i, each.rows * each.n_tiles) for i, each in enumerate(program) if hasattr(each, "rows")
    ]
    assert len(rows) > 1
    (fault,) = run_with(vector_rows=-1).counter_faults
    assert (fault.first_instruction, fault.latest_instruction) == (rows[0][0], rows[-1][0])
    (fault,) = run_with(vector_rows=-COUNTERS["vector_rows"]).counter_faults
    assert fault.first_instruction == fault.latest_instruction == rows[0][0]


def test_a_cycle_missed_in_the_ledger_is_named():
    run = run_with(ledger_matrix_working=-1)
    assert re.fullmatch(r"ledger of matrix: its states sum to \d+, not \d+ cycles", *run.failures)
    (fault,) = run.counter_faults
    assert (fault.counter, fault.engine) == ("ledger_matrix_working", "MATRIX")
    assert fault.rules == ["section 7", "L-01"]


def test_a_missed_cycle_of_the_run_is_named():
    run = run_with(cycles=-1)
    assert run.failures
    assert run.parting.event == "end of the run"
    assert run.counter_faults[0].counter == "cycles"
    assert run.counter_faults[0].rules == ["section 8", "T-RUN-01", "T-RUN-02"]


def changed_prediction(monkeypatch, module, name: str, by: int, where=POINT):
    """What RTL would do with another number."""
    with monkeypatch.context() as patch:
        patch.setattr(module, name, getattr(module, name) + by)
        return predict(compile_point(where), where.loaded)


@pytest.mark.parametrize("by", [PARTING_TOLERANCE_CYCLES, PARTING_TOLERANCE_CYCLES + 1])
def test_the_bar_of_the_first_parting(monkeypatch, by):
    rtl = changed_prediction(monkeypatch, vector, "VECTOR_PIPELINE_CYCLES", -by)
    failures = measurement(POINT, rtl).run.failures
    said = f"the first step that parts does so by +{by} cycles, more than 2"
    assert (said in failures) == (by > PARTING_TOLERANCE_CYCLES)


def test_the_bar_of_the_mean():
    run = run_with()
    within = run.model_copy(update={"error": MEAN_TOLERANCE})
    beyond = run.model_copy(update={"error": -1.01 * MEAN_TOLERANCE})
    assert check_mean([within, within]) == []
    assert check_mean([run, beyond]) == []
    assert len(check_mean([beyond, within])) == 1


NUMBERS = [
    (frontend, "FETCH_TO_DISPATCH_CYCLES", "T-FE-03", 3),
    (store, "STORE_READ_TO_WRITE_CYCLES", "T-ST-04", 3),
    (matrix, "MATRIX_PIPELINE_CYCLES", "T-MX-05", 3),
    (matrix, "MATRIX_PIPELINE_CYCLES", "T-MX-05", -3),
    (vector, "VECTOR_PARAMETER_CYCLES", "T-VX-02", -3),
    (vector, "VECTOR_PIPELINE_CYCLES", "T-VX-04", 3),
    (vector, "VECTOR_PIPELINE_CYCLES", "T-VX-04", -1),
]
POINTS = [POINT, point("gemm:9x21x10", 20, 3), point("gemm:9x21x10")]


@pytest.mark.parametrize(("module", "name", "rule", "by"), NUMBERS)
def test_a_number_that_is_off_is_found_whoever_has_it_wrong(monkeypatch, module, name, rule, by):
    value = getattr(module, name)
    rtl = [changed_prediction(monkeypatch, module, name, by, where) for where in POINTS]
    measurements = [measurement(*pair) for pair in zip(POINTS, rtl, strict=True)]
    (cause,) = causes(measurements)
    assert (cause.name, cause.rules[0]) == (name, rule)
    assert (cause.contract, cause.model, cause.rtl) == (value, value, value + by)
    assert getattr(module, name) == value, "the model is as before"


def test_a_memory_of_another_latency_is_found():
    rtl = [predict(compile_point(where), slower(where)) for where in POINTS]
    measurements = [measurement(*pair) for pair in zip(POINTS, rtl, strict=True)]
    (cause,) = causes(measurements)
    assert (cause.name, cause.rtl - cause.model) == ("dram_latency_cycles", 3)


def slower(where):
    config = where.loaded
    return config.model_copy(update={"dram_latency_cycles": config.dram_latency_cycles + 3})


def test_no_cause_is_named_where_no_number_explains_what_parts(monkeypatch):
    honest = vector.VectorEngine.accepts_from
    with monkeypatch.context() as patch:
        patch.setattr(vector.VectorEngine, "accepts_from", lambda self: honest(self) + 3)
        rtl = predict(compile_point(POINT), POINT.loaded)
    found = measurement(POINT, rtl)
    assert found.run.parting.governed[0].rules == ["T-VX-01"]
    assert causes([found]) == []
    assert causes([measurement(POINT)]) == []


def test_groups_have_signed_means_and_worst():
    run = run_with()
    runs = [
        run.model_copy(update={"error": error, "point": where})
        for error, where in zip((0.01, -0.02, 0.004), POINTS, strict=True)
    ]
    found = {(group.by, group.name): group for group in groups(runs)}
    everything = found["all", "all runs"]
    assert everything.runs == 3
    assert everything.mean_error == pytest.approx(-0.002)
    assert everything.mean_absolute_error == pytest.approx(0.034 / 3)
    assert everything.worst_error == -0.02
    assert found["workload", "gemm:9x21x10"].mean_error == pytest.approx(-0.008)
    assert found["timing", "20:3"].worst_error == -0.02
    assert found["configuration", "tiny"].runs == 3
    assert [each.error for each in worst_first(runs)] == [-0.02, 0.01, 0.004]


def test_the_worst_state_of_the_ledger_keeps_its_sign():
    share = run_with(ledger_store_idle=9, ledger_load_working=-4)
    assert share.worst_ledger_error == -9 / COUNTERS["cycles"]
