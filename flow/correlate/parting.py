"""Where a run and its prediction first part, and which timing rules decide that event.

Nothing happens in the cycle of its cause, so in the order of the earlier of the two times, measured
and predicted, every event stands behind those that could have moved it: the first one that parts
parts by itself. What can move it without leaving a trace in the retire log is dispatch, address
handshakes, and reads; those steps are named with their rules.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from arch.isa import End, Engine, FillTable, Instruction, Load, ScaleRows
from flow.correlate.schema import Evidence, Parting
from model.timeline import InstructionTiming, Prediction

FRONT_END = "front end"

Retired = Mapping[int, tuple[int, int]]
"""Measured start and end by the index of the instruction."""

_DISPATCH = ("T-FE-03", "T-FE-02", "T-FE-01")
_READ = ("T-DRAM-03", "T-DRAM-02", "T-DRAM-01")
_WRITE = ("T-DRAM-05", "T-DRAM-04", "T-DRAM-02", "T-DRAM-01")
_ACCEPT = {
    Engine.LOAD: ("T-LD-02", "T-LD-03"),
    Engine.MATRIX: ("T-MX-01", "T-MX-02"),
    Engine.VECTOR: ("T-VX-01",),
    Engine.STORE: ("T-ST-02", "T-ST-03"),
}
_TRACELESS = frozenset({Engine.LOAD, Engine.MATRIX, Engine.STORE})
"""Engines that accept at the end of something that is not logged."""


class _Event(NamedTuple):
    """An event that parts, with the earlier of its times."""

    cycle: int
    kind: Literal["start", "end"]
    timing: InstructionTiming
    measured: int | None
    predicted: int


class _Condition(NamedTuple):
    """What an issue waits for: ``logged`` if it follows from retirements alone."""

    cycle: int
    evidence: Evidence
    logged: bool


def first_parting(
    program: Sequence[Instruction],
    prediction: Prediction,
    retired: Retired,
    cycles: int,
) -> Parting | None:
    """Find the first event in time that parts; None if the run went as predicted.

    Parameters
    ----------
    program, prediction
        What ran, and what was predicted of it.
    retired, cycles
        What was measured.
    """
    parted = list(_parted(prediction, retired))
    if not parted:
        return _end_of_run(program, prediction, cycles)
    event = min(parted, key=lambda each: (each.cycle, each.kind, each.timing.index))
    timing = event.timing
    governed = (
        _issue(event, program) if event.kind == "start" else _completion(event, program, prediction)
    )
    return Parting(
        instruction=timing.index,
        engine=timing.engine.name,
        disassembly=program[timing.index].disassemble(),
        event=event.kind,
        measured=event.measured,
        predicted=event.predicted,
        error=None if event.measured is None else event.predicted - event.measured,
        governed=governed,
        partings=len({each.timing.index for each in parted}),
        instructions=len(prediction.instructions),
    )


def _parted(prediction: Prediction, retired: Retired) -> Iterator[_Event]:
    for timing in prediction.instructions:
        measured = retired.get(timing.index)
        if measured is None:
            # Whether it started is not logged: what is sure is that it did not retire.
            yield _Event(timing.end, "end", timing, None, timing.end)
            continue
        kinds: tuple[Literal["start", "end"], ...] = ("start", "end")
        for kind, got, wanted in zip(kinds, measured, (timing.start, timing.end), strict=True):
            if got != wanted:
                yield _Event(min(got, wanted), kind, timing, got, wanted)


def _end_of_run(
    program: Sequence[Instruction], prediction: Prediction, cycles: int
) -> Parting | None:
    if prediction.cycles == cycles:
        return None
    index = next(i for i, instruction in enumerate(program) if isinstance(instruction, End))
    return Parting(
        instruction=index,
        engine=FRONT_END,
        disassembly=program[index].disassemble(),
        event="end of the run",
        measured=cycles,
        predicted=prediction.cycles,
        error=prediction.cycles - cycles,
        governed=[
            Evidence(step="end of the run and its count", rules=["T-RUN-02", "T-RUN-01"]),
            Evidence(step="dispatch of END", rules=[*_DISPATCH, *_READ]),
        ],
        partings=0,
        instructions=len(prediction.instructions),
    )


def _issue(event: _Event, program: Sequence[Instruction]) -> list[Evidence]:
    """Steps that decide a start.

    Where RTL is earlier it did not keep to the conditions that the model puts later than that.
    Where RTL is later the last condition is to blame, or one without a trace that is later in RTL
    than the model believes.
    """
    conditions = sorted(_conditions(event.timing, program), reverse=True, key=lambda c: c.cycle)
    assert event.measured is not None
    if event.measured < event.predicted:
        return [each.evidence for each in conditions if each.cycle > event.measured]
    binding = [each for each in conditions if each.cycle == event.predicted]
    others = [each for each in conditions if each.cycle < event.predicted and not each.logged]
    # Nearer ones first: a small fault is likelier than a large one.
    return [each.evidence for each in (*binding, *others)]


def _conditions(timing: InstructionTiming, program: Sequence[Instruction]) -> Iterator[_Condition]:
    engine = timing.engine
    step = f"dispatch into the queue, predicted in cycle {timing.queued - 1}"
    yield _Condition(timing.queued, Evidence(step=step, rules=[*_DISPATCH, *_READ]), False)
    if timing.accepted:
        step = f"{engine.name} accepts from cycle {timing.accepted}, predicted"
        rules = [*_ACCEPT[engine]]
        instruction = program[timing.index]
        if isinstance(instruction, Load) and instruction.gather:
            rules.insert(0, "T-LD-07")
        yield _Condition(timing.accepted, Evidence(step=step, rules=rules), engine in _TRACELESS)
    for producer in Engine:
        ready = timing.ready[producer]
        if not ready:
            continue
        giver = _giver(producer, timing, program)
        step = (
            f"signal of {producer.name} instruction {giver}, counted from cycle {ready}, predicted"
        )
        yield _Condition(ready, Evidence(step=step, rules=["T-SEM-01", "T-SEM-02"]), True)


def _giver(producer: Engine, timing: InstructionTiming, program: Sequence[Instruction]) -> int:
    """The instruction whose signal is the last that one waits for: they are taken in order."""
    wanted = sum(
        instruction.waits[producer]
        for instruction in program[: timing.index + 1]
        if instruction.engine is timing.engine
    )
    signals = (
        index
        for index, instruction in enumerate(program)
        if instruction.engine is producer and timing.engine in instruction.signals
    )
    return next(itertools.islice(signals, wanted - 1, None))


def _completion(
    event: _Event, program: Sequence[Instruction], prediction: Prediction
) -> list[Evidence]:
    """Steps that decide an end whose start agrees."""
    timing = event.timing
    instruction = program[timing.index]
    if timing.engine is Engine.VECTOR:
        if isinstance(instruction, FillTable):
            return [Evidence(step="table words and pipeline", rules=["T-VX-06"])]
        if isinstance(instruction, ScaleRows):
            return [Evidence(step="statistics of rows and pipeline", rules=["T-VX-07"])]
        rules = ["T-VX-04", "T-VX-05", "T-VX-02", "T-VX-03"]
        return [Evidence(step="parameters, rows and pipeline", rules=rules)]
    if timing.engine is Engine.MATRIX:
        rules = ["T-MX-05", "T-MX-03", "T-MX-02", "T-MX-04", "T-MX-01"]
        return [Evidence(step="weight reads, rows and pipeline", rules=rules)]
    if isinstance(instruction, Load):
        rules = ["T-LD-04", "T-LD-06", "T-LD-03", "T-LD-01"]
        if instruction.pad_bytes:
            rules.insert(0, "T-LD-05")
        if instruction.gather:
            rules.insert(0, "T-LD-07")
        own = [
            Evidence(step="bursts on AR, beats and buffer writes", rules=rules),
            Evidence(step="reads of the memory", rules=[*_READ]),
        ]
    else:
        rules = ["T-ST-04", "T-ST-05", "T-ST-03", "T-ST-01"]
        own = [
            Evidence(step="buffer reads, bursts on AW and beats on W", rules=rules),
            Evidence(step="writes of the memory", rules=[*_WRITE]),
        ]
    return own + _neighbours(event, prediction)


def _neighbours(event: _Event, prediction: Prediction) -> list[Evidence]:
    """Others that share the memory in the time of a LOAD or STORE, and so may have moved it."""
    timing = event.timing
    other, rules = (
        (Engine.STORE, ["T-ST-04", "T-ST-03"])
        if timing.engine is Engine.LOAD
        else (Engine.LOAD, ["T-LD-03", "T-LD-01"])
    )
    found = []
    busy = [
        each.index
        for each in prediction.instructions
        if each.engine is other and each.start < event.cycle and each.end > timing.start
    ]
    if busy:
        step = f"memory shared with {other.name} instruction {busy[0]}"
        found.append(Evidence(step=step, rules=rules))
    last_dispatch = max(each.queued for each in prediction.instructions)
    if last_dispatch > timing.start:
        found.append(Evidence(step="memory shared with fetch", rules=["T-FE-02", "T-FE-03"]))
    return found
