"""The engines over time as a Chrome trace, which Perfetto opens: measured beside predicted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from arch.image import Image
from arch.isa import Engine
from model.timeline import Prediction

_MEASURED, _PREDICTED = 1, 2
_LANES = 16
"""Lanes kept for an engine: instructions of one lane do not overlap."""


@dataclass(frozen=True)
class Interval:
    """An instruction from the cycle of its issue to that of its retirement."""

    engine: Engine
    instruction: int
    start: int
    end: int


def measured(retired: NDArray[Any]) -> list[Interval]:
    """Intervals of the retire log, an array of ``tb.run_files.RETIRE_RECORD``."""
    return [
        Interval(Engine(engine), instruction, start, end)
        for engine, instruction, start, end in retired.tolist()
    ]


def predicted(prediction: Prediction) -> list[Interval]:
    """Intervals of the timeline model."""
    return [
        Interval(timing.engine, timing.index, timing.start, timing.end)
        for timing in prediction.instructions
    ]


def write_timelines(
    path: Path, image: Image, retired: NDArray[Any], prediction: Prediction
) -> None:
    """Write both timelines; one microsecond of the trace is one cycle."""
    sides = ((_MEASURED, "RTL", measured(retired)), (_PREDICTED, "model", predicted(prediction)))
    events = [event for side in sides for event in _events(*side, image)]
    path.write_text(json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}) + "\n")


def _events(
    process: int, name: str, intervals: Iterable[Interval], image: Image
) -> Iterator[dict[str, Any]]:
    yield _named("process_name", process, 0, name)
    threads = set()
    for interval, lane in _in_lanes(intervals):
        thread = interval.engine * _LANES + lane
        if thread not in threads:
            threads.add(thread)
            engine = interval.engine.name
            yield _named("thread_name", process, thread, f"{engine} {lane}" if lane else engine)
        instruction = image.program[interval.instruction]
        operator = image.debug.operator_of[interval.instruction]
        yield {
            "ph": "X",
            "pid": process,
            "tid": thread,
            "ts": interval.start,
            "dur": interval.end - interval.start + 1,
            "name": f"{instruction.OPCODE.name} {interval.instruction}",
            "cat": image.debug.operators[operator].name,
            "args": {
                "instruction": interval.instruction,
                "start": interval.start,
                "end": interval.end,
                "disassembly": instruction.disassemble(),
            },
        }


def _named(what: str, process: int, thread: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": process, "tid": thread, "args": {"name": name}}


def _in_lanes(intervals: Iterable[Interval]) -> Iterator[tuple[Interval, int]]:
    """Each interval with the first lane of its engine that is free at its start."""
    free: dict[Engine, list[int]] = {engine: [] for engine in Engine}
    for interval in sorted(intervals, key=lambda each: (each.start, each.end)):
        ends = free[interval.engine]
        lane = next((number for number, end in enumerate(ends) if end < interval.start), len(ends))
        ends[lane:] = [interval.end, *ends[lane + 1 :]]
        yield interval, lane
