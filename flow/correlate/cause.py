"""Which number of the contract, taken otherwise, would make the model follow RTL.

A parting names an event and its rules; whether a latency there is off, and by how much, shows in
what else moves. So each number is tried at values about its own: one that moves every start and end
of every run to where RTL has them is the cause, wherever it first shows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from arch import timing
from arch.config import Config
from arch.errors import AssayError
from arch.image import Image, Section
from arch.isa import End, Engine, Instruction
from flow.correlate.measure import Measurement, compile_point
from flow.correlate.parting import FRONT_END, Retired
from flow.correlate.schema import Cause
from model import dma, frontend, load, matrix, store, vector
from model.timeline import Prediction, predict_program

REACH = 8
"""How far from its value a number is tried."""
MOST_RUNS = 6
"""Runs on which a cause must hold, at most."""
_MODULES = (frontend, dma, load, matrix, vector, store)
"""Where the timeline takes its constants from."""


@dataclass(frozen=True)
class _Number:
    """A constant of ``arch.timing``, or a field of the configuration."""

    name: str
    engine: str
    rules: tuple[str, ...]

    @property
    def configured(self) -> bool:
        return self.name in Config.model_fields

    def in_contract(self, config: Config) -> int:
        """What the contract says."""
        return int(getattr(config if self.configured else timing, self.name))

    def in_model(self, config: Config) -> int:
        """What the model takes."""
        if self.configured:
            return int(getattr(config, self.name))
        return next(int(getattr(each, self.name)) for each in _MODULES if hasattr(each, self.name))


_NUMBERS = (
    _Number("FETCH_TO_DISPATCH_CYCLES", FRONT_END, ("T-FE-03",)),
    _Number("STORE_READ_TO_WRITE_CYCLES", "STORE", ("T-ST-04",)),
    _Number("MATRIX_PIPELINE_CYCLES", "MATRIX", ("T-MX-05",)),
    _Number("VECTOR_PARAMETER_CYCLES", "VECTOR", ("T-VX-02",)),
    _Number("VECTOR_SETUP_CYCLES", "VECTOR", ("T-VX-02", "T-VX-07")),
    _Number("VECTOR_PIPELINE_CYCLES", "VECTOR", ("T-VX-04",)),
    _Number("TABLE_PIPELINE_CYCLES", "VECTOR", ("T-VX-06",)),
    _Number("SCALE_PIPELINE_CYCLES", "VECTOR", ("T-VX-07",)),
    _Number("GATHER_CYCLES", "LOAD", ("T-LD-07",)),
    _Number("dram_latency_cycles", "reference memory", ("T-DRAM-03", "T-DRAM-05")),
    _Number("dram_bytes_per_cycle", "reference memory", ("T-DRAM-02", "T-DRAM-03", "T-DRAM-04")),
    _Number("PREFETCH_INSTRUCTIONS", FRONT_END, ("T-FE-02",)),
    _Number("queue_depth", FRONT_END, ("T-FE-03",)),
    _Number("DMA_INSTRUCTIONS_IN_FLIGHT", "LOAD, STORE", ("T-LD-02", "T-ST-02")),
    _Number("max_outstanding_reads", "LOAD", ("T-LD-03",)),
    _Number("read_window_beats", "LOAD", ("T-LD-03",)),
    _Number("WRITE_FIFO_BEATS", "STORE", ("T-ST-03",)),
    _Number("max_outstanding_writes", "STORE", ("T-ST-04",)),
)


@dataclass(frozen=True)
class _Trial:
    """A number of the model moved by ``shift``."""

    number: _Number
    shift: int

    def predict(
        self, program: Sequence[Instruction], config: Config, sections: Sequence[Section]
    ) -> Prediction | None:
        """What the changed model predicts; None where it cannot run the program."""
        name = self.number.name
        value = self.number.in_model(config) + self.shift
        if value < 1:
            return None
        try:
            if self.number.configured:
                changed = config.model_copy(update={name: value})
                if changed.dram_bytes_per_cycle > changed.axi_bytes:
                    return None
                return predict_program(program, changed, sections)
            with _moved(name, value):
                return predict_program(program, config, sections)
        except AssayError:
            return None


def causes(measurements: Sequence[Measurement]) -> list[Cause]:
    """Find the numbers that explain every run which parts, shortest programs first.

    None are found where a rule is broken that has no number, or more than one number is off.
    """
    parted = [each for each in measurements if each.run.parting and each.run.parting.partings]
    parted.sort(key=_instructions)
    chosen = [(each, compile_point(each.run.point)) for each in parted[:MOST_RUNS]]
    trials = [
        _Trial(number, shift) for number in _NUMBERS for shift in range(-REACH, REACH + 1) if shift
    ]
    for measurement, image in chosen:
        trials = [trial for trial in trials if _explains(trial, measurement, image)]
    return [_cause(trial, [each for each, _ in chosen]) for trial in trials] if chosen else []


def _instructions(measurement: Measurement) -> int:
    parting = measurement.run.parting
    return parting.instructions if parting else 0


def _explains(trial: _Trial, measurement: Measurement, image: Image) -> bool:
    """Whether the changed model follows RTL: to the first parting, then to the end."""
    program, sections = image.program, image.sections
    parting, config = measurement.run.parting, measurement.run.point.loaded
    assert parting is not None
    until = max(parting.predicted, parting.measured or 0)
    begun = max(index for index, (start, _) in measurement.retired.items() if start <= until)
    # What is queued and prefetched behind the last one that has started can still disturb it.
    behind = len(Engine) * config.queue_depth + 2 * timing.PREFETCH_INSTRUCTIONS
    beginning = [*program[: begun + 1 + behind], End()]
    early = trial.predict(min(beginning, program, key=len), config, sections)
    if early is None or not _follows(early, measurement.retired, until):
        return False
    whole = trial.predict(program, config, sections)
    return whole is not None and _follows(whole, measurement.retired, whole.cycles)


def _follows(prediction: Prediction, retired: Retired, until: int) -> bool:
    """Whether every start and end up to a cycle is as measured."""
    for each in prediction.instructions:
        measured = retired.get(each.index, (until + 1, until + 1))
        for got, wanted in zip(measured, (each.start, each.end), strict=True):
            if got != wanted and min(got, wanted) <= until:
                return False
    return True


@contextlib.contextmanager
def _moved(name: str, value: int) -> Iterator[None]:
    """The model with another value of a constant, wherever it takes it."""
    taken = [(module, getattr(module, name)) for module in _MODULES if hasattr(module, name)]
    for module, _ in taken:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, before in taken:
            setattr(module, name, before)


def _cause(trial: _Trial, explained: Sequence[Measurement]) -> Cause:
    """Say what the number is on the first of the runs; configurations may differ in it."""
    number, config = trial.number, explained[0].run.point.loaded
    value = number.in_model(config)
    return Cause(
        name=number.name,
        engine=number.engine,
        rules=list(number.rules),
        contract=number.in_contract(config),
        model=value,
        rtl=value + trial.shift,
        runs=[each.run.point for each in explained],
    )
