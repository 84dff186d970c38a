"""Operators and layers: what each took, by hand, and that it is never below its roofline."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rich.console import Console

from arch.config import load_config
from arch.image import DebugInfo, Image, OperatorInfo
from arch.isa import Engine, Load, Store, Vector
from flow.operators import Analysis, layer_results, operator_results
from flow.report import print_result
from flow.result import (
    Accuracy,
    OperatorResult,
    Predicted,
    Result,
    RooflinePrediction,
    SimulatorSpeed,
    TimelinePrediction,
)
from flow.run import compile_workload, predict_program
from model.roofline import roofline
from model.timeline import InstructionTiming, Prediction
from tb.run_files import RETIRE_RECORD
from workloads.registry import load

BASE, TINY = load_config("base"), load_config("tiny")
NAMES = ("a.first", "b", "a.second")
OPERATOR_OF = (0, 1, 0, 2, 1, -1)
TIMES = [(2, 10), (4, 30), (5, 20), (12, 41), (13, 44)]
"""Start and end of the instructions of OPERATOR_OF; a.first ends in 20, a.second in 41, b in 44."""
CYCLES = 50


def info(name: str, macs: int = 160, vector_rows: int = 0) -> OperatorInfo:
    return OperatorInfo(
        name=name,
        kind="linear",
        macs=macs,
        read_bytes=1,
        write_bytes=1,
        vector_rows=vector_rows,
        outputs=(),
    )


def debug_info(names: tuple[str, ...] = NAMES) -> DebugInfo:
    return DebugInfo(
        workload="test",
        operators=tuple(info(name, 160, 20 * ("." in name)) for name in names),
        operator_of=OPERATOR_OF,
        tensors=(),
    )


def results(debug: DebugInfo, delay: int = 0) -> list[OperatorResult]:
    """The run of TIMES, which the model has ``delay`` cycles later."""
    retired = np.array([(0, i, *at) for i, at in enumerate(TIMES)], RETIRE_RECORD)
    rows = [
        InstructionTiming(i, Engine.LOAD, start + delay, end + delay, 0, 0, ())
        for i, (start, end) in enumerate(TIMES)
    ]
    prediction = Prediction(CYCLES + delay, {}, {}, rows)
    analysis = Analysis(roofline(debug.operators, TINY), prediction)
    return operator_results(debug, analysis, retired[::-1], CYCLES, TINY)


def test_spans_overlap_and_exclusive_cycles_partition_the_run() -> None:
    """Section 11: the first operator to end has the start too, the last one the end."""
    found = results(debug_info())
    assert [each.name for each in found] == list(NAMES)
    assert [each.span_cycles for each in found] == [19, 41, 30]
    assert [each.exclusive_cycles for each in found] == [21, 8, 21]
    assert [each.utilization for each in found] == [160 / (16 * span) for span in (19, 41, 30)]


def test_predicted_cycles_are_those_of_the_timeline() -> None:
    found = results(debug_info(), delay=3)
    assert [each.predicted_span_cycles for each in found] == [19, 41, 30]
    assert [each.predicted_exclusive_cycles for each in found] == [24, 8, 21]


def test_an_operator_without_instructions_has_no_cycles() -> None:
    found = results(debug_info((*NAMES, "none")))
    assert (found[3].span_cycles, found[3].exclusive_cycles, found[3].utilization) == (0, 0, 0)
    assert sum(each.exclusive_cycles for each in found) == CYCLES


def test_a_layer_is_what_stands_before_the_first_dot() -> None:
    debug = debug_info()
    layers = layer_results(debug, results(debug, delay=3), TINY)
    assert [(each.name, each.exclusive_cycles, each.macs) for each in layers] == [
        ("a", 42, 320),
        ("b", 8, 160),
    ]
    assert [each.predicted_exclusive_cycles for each in layers] == [45, 8]
    assert layers[0].utilization == 320 / (16 * 42)
    assert [each.bound for each in layers] == ["vector", "compute"]


def test_layers_are_shown_where_there_are_many_operators() -> None:
    """24 operators are a table of operators, 25 one of layers; JSON has both."""
    for count, title in ((24, "Operators"), (25, "Layers")):
        text = shown(count)
        assert title in text
        assert ("layer0.x4" in text) is (count == 24)


def shown(count: int) -> str:
    names = (*NAMES, *(f"layer{i % 4}.x{i}" for i in range(count - len(NAMES))))
    debug = debug_info(names)
    operators = results(debug)
    timeline = TimelinePrediction(cycles=CYCLES, counters={}, ledger={})
    result = Result(
        workload="test",
        config="tiny",
        simulator="verilator",
        memory="fast",
        seed=0,
        passed=True,
        failures=[],
        outputs_compared=1,
        bytes_untouched=0,
        mismatches=0,
        cycles=CYCLES,
        macs=1,
        utilization=0.5,
        counters={},
        ledger={},
        predicted=Predicted(
            roofline=RooflinePrediction(cycles=1, bound="compute"), timeline=timeline
        ),
        operators=operators,
        host_operators=[],
        layers=layer_results(debug, operators, TINY),
        sim=SimulatorSpeed(build_seconds=0, run_seconds=1, khz=1),
        versions={},
    )
    written = json.loads(result.model_dump_json())
    assert (len(written["operators"]), len(written["layers"])) == (count, len(result.layers))
    assert "accuracy" not in written
    compared = result.model_copy(update={"accuracy": Accuracy(cosine_mean=0.99, cosine_min=0.98)})
    assert json.loads(compared.model_dump_json())["accuracy"] == {
        "cosine_mean": 0.99,
        "cosine_min": 0.98,
    }
    console = Console(width=80)
    with console.capture() as capture:
        print_result(result, console, "")
    return capture.get()


WORKLOADS = ["gemm:33x65x40", "minilm_linear", "attention:64x4x32", "llama_block:decode:5"]
"""Of the last ones some tensors stay on chip."""


@pytest.fixture(scope="module", params=WORKLOADS)
def image(request: pytest.FixtureRequest) -> Image:
    return compile_workload(load(request.param), BASE).image


def test_no_operator_is_predicted_below_its_roofline(image: Image) -> None:
    predicted, analysis = predict_program(image, BASE)
    rows = [(t.engine, t.index, t.start, t.end) for t in analysis.timeline.instructions]
    cycles = predicted.timeline.cycles
    found = operator_results(image.debug, analysis, np.array(rows, RETIRE_RECORD), cycles, BASE)
    for each in found:
        assert each.roofline_cycles <= each.span_cycles == each.predicted_span_cycles
        assert each.exclusive_cycles == each.predicted_exclusive_cycles
    assert predicted.roofline.cycles <= cycles


def test_what_an_operator_must_do_its_own_instructions_do(image: Image) -> None:
    """What `OperatorInfo` says is a lower bound of what the program does for the operator."""
    for index, operator in enumerate(image.debug.operators):
        owner = zip(image.program, image.debug.operator_of, strict=True)
        own = [instruction for instruction, of in owner if of == index]
        loaded, stored = (
            sum(each.run_bytes * each.runs * each.planes for each in own if isinstance(each, kind))
            for kind in (Load, Store)
        )
        rows = sum(each.rows * each.n_tiles for each in own if isinstance(each, Vector))
        assert operator.read_bytes <= loaded
        assert operator.write_bytes <= stored
        assert operator.vector_rows <= rows
        assert operator.macs <= BASE.rows * BASE.cols * operator.matrix_rows
