"""The Chrome trace shows what the retire log and the model say, and nothing overlaps in a lane."""

import itertools
import json
from collections import defaultdict

import numpy as np
import pytest

from arch.config import load_config
from arch.isa import Engine
from flow.run import compile_workload
from flow.timelines import write_timelines
from model.timeline import predict
from tb.run_files import RETIRE_RECORD
from workloads.registry import load

TINY = load_config("tiny")


@pytest.fixture(scope="module")
def image():
    return compile_workload(load("gemm:9x21x10"), TINY).image


@pytest.fixture
def trace(image, tmp_path):
    """A trace whose RTL is three cycles behind the model."""
    prediction = predict(image, TINY)
    retired = [(t.engine, t.index, t.start + 3, t.end + 3) for t in prediction.instructions]
    path = tmp_path / "timeline.json"
    write_timelines(path, image, np.array(retired, RETIRE_RECORD), prediction)
    return json.loads(path.read_text())["traceEvents"], prediction


def spans(events, process):
    return {
        event["args"]["instruction"]: event
        for event in events
        if event["ph"] == "X" and event["pid"] == process
    }


def test_measured_and_predicted_are_side_by_side(trace, image):
    events, prediction = trace
    names = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    assert names == {1: "RTL", 2: "model"}
    rtl, model = spans(events, 1), spans(events, 2)
    assert len(rtl) == len(model) == len(image.program) - 1
    for timing in prediction.instructions:
        assert model[timing.index]["ts"] == timing.start
        assert model[timing.index]["dur"] == timing.end - timing.start + 1
        assert rtl[timing.index]["ts"] == timing.start + 3
        assert (
            model[timing.index]["args"]["disassembly"] == image.program[timing.index].disassemble()
        )


def test_events_of_a_lane_do_not_overlap_and_lanes_are_named_by_engine(trace, image):
    events, _ = trace
    threads = {
        (e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"
    }
    lanes = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            lanes[event["pid"], event["tid"]].append(event)
    assert {name.split()[0] for name in threads.values()} == {engine.name for engine in Engine}
    for key, lane in lanes.items():
        for before, after in itertools.pairwise(lane):
            assert before["ts"] + before["dur"] <= after["ts"]
        for event in lane:
            engine = image.program[event["args"]["instruction"]].engine
            assert threads[key].split()[0] == engine.name
