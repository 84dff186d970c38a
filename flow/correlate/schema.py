"""The result of a correlation as JSON, version by version.

Every error is signed, predicted less measured: a positive one says that the model is slow.
Version 1:

============= =====================================================================================
passed        no bar is broken
failures      bars that runs together break, in words; those of one run stand in it
runs          worst first; see :class:`Run`
failed        runs that did not happen: point, and what the simulator said
groups        by ``configuration``, ``workload``, ``timing``, and ``all``; see :class:`Group`
causes        numbers of the contract a change of which makes the model follow RTL
versions      of the tools
============= =====================================================================================
"""

from __future__ import annotations

import shlex
from typing import Literal

from pydantic import BaseModel, ConfigDict

from flow.result import Counters, Ledger
from flow.suite import point as suite_point


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Point(suite_point.Point):
    """What one run is made of."""

    @property
    def command(self) -> str:
        """Correlates this point alone."""
        return shlex.join(
            [
                *("assay", "correlate", "--workload", self.workload, "--config", self.config),
                *("--timing", self.timing, "--seed", str(self.seed)),
            ]
        )


class Evidence(_Model):
    """A step that may have parted: what it is, and the rules of docs/architecture.md for it."""

    step: str
    rules: list[str]


class Parting(_Model):
    """Where in time model and RTL first part.

    Attributes
    ----------
    instruction, engine, disassembly
        Which one; the END for the end of a run all of whose instructions agree.
    event
        What parts: everything before it agrees, in particular the start where it is an ``end``.
    measured, predicted
        Its cycle; ``measured`` is absent where RTL never came there.
    error
        Predicted less measured, absent likewise.
    governed
        The steps that decide this event, likeliest first.
    partings
        Instructions whose start or end differs, of ``instructions``.
    """

    instruction: int
    engine: str
    disassembly: str
    event: Literal["start", "end", "end of the run"]
    measured: int | None = None
    predicted: int
    error: int | None = None
    governed: list[Evidence]
    partings: int
    instructions: int

    def __str__(self) -> str:
        by = "which RTL never reaches" if self.error is None else f"{self.error:+d}"
        first, *others = self.governed
        said = f"{self.engine} instruction {self.instruction}: {self.event} predicted in cycle "
        said += f"{self.predicted}" + (f", measured {self.measured}" if self.error else "")
        said += f" ({by}); {first.step}: {', '.join(first.rules)}"
        return said + "".join(f"; or {other.step}: {', '.join(other.rules)}" for other in others)


class CounterFault(_Model):
    """A counter whose difference no parting of instructions explains.

    Attributes
    ----------
    first_instruction, latest_instruction
        RTL and model agree on retirements, so the counter went wrong not before the first one, the
        first of ``engine`` that counts; where RTL counted less, by the retirement of the latest
        one the prediction exceeds all that RTL ever counted. Absent where nothing counts.
    """

    counter: str
    engine: str
    measured: int
    predicted: int
    description: str
    rules: list[str]
    first_instruction: int | None = None
    latest_instruction: int | None = None
    disassembly: str = ""

    def __str__(self) -> str:
        said = f"counter {self.counter} of {self.engine}: measured {self.measured}, predicted "
        said += f"{self.predicted}; {', '.join(self.rules)}"
        if self.first_instruction is None:
            return said
        where = f"instruction {self.first_instruction}"
        if self.latest_instruction not in (None, self.first_instruction):
            where += f" to {self.latest_instruction}"
        return f"{said}; {where} ({self.disassembly.split(' ', 1)[0]})"


class Cause(_Model):
    """A number that the model would have to take otherwise to follow RTL in every cycle.

    Attributes
    ----------
    name, engine, rules
        The number (of ``arch/timing.py``, or a field of the configuration), and where it belongs.
    contract, model, rtl
        What the contract says, what the model takes, and what RTL behaves like, on the first of
        ``runs``.
    runs
        Points on which the model with that value equals RTL in every start and end.
    """

    name: str
    engine: str
    rules: list[str]
    contract: int
    model: int
    rtl: int
    runs: list[Point]

    def __str__(self) -> str:
        return (
            f"{self.name} ({', '.join(self.rules)}, {self.engine}): RTL behaves like {self.rtl}, "
            f"the model takes {self.model}, the contract says {self.contract}; with "
            f"{self.rtl - self.model:+d} the model equals RTL in every start and end of "
            f"{len(self.runs)} runs"
        )


class Pair(_Model):
    """A counter on both sides; ``exact`` says that they must be equal."""

    measured: int
    predicted: int
    exact: bool

    @property
    def error(self) -> int:
        return self.predicted - self.measured


class Run(_Model):
    """One point, measured and predicted.

    Attributes
    ----------
    cycles, predicted_cycles, error
        ``error`` is (predicted - measured) / measured.
    macs_per_byte
        MACs over compulsory traffic: the abscissa of the roofline.
    macs_per_cycle, peak_macs_per_cycle
        Measured, and rows x cols.
    counters
        Every counter, the ledger included, by name.
    ledger, predicted_ledger
        Cycles by engine and state.
    """

    point: Point
    cycles: int
    predicted_cycles: int
    error: float
    macs_per_byte: float
    macs_per_cycle: float
    peak_macs_per_cycle: int
    counters: dict[str, Pair]
    ledger: Ledger
    predicted_ledger: Ledger
    parting: Parting | None = None
    counter_faults: list[CounterFault]
    failures: list[str]

    @property
    def measured_counters(self) -> Counters:
        return {name: pair.measured for name, pair in self.counters.items()}

    @property
    def unequal_events(self) -> list[str]:
        """Names of counters that must be equal and are not."""
        return [name for name, pair in self.counters.items() if pair.exact and pair.error]

    @property
    def worst_ledger_error(self) -> float:
        """Greatest error of a state of the ledger, signed, as a share of the run's cycles."""
        errors = [
            self.predicted_ledger[engine].get(state, 0) - measured
            for engine, states in self.ledger.items()
            for state, measured in states.items()
        ]
        return max(errors, key=abs, default=0) / max(1, self.cycles)


class FailedRun(_Model):
    """A point that could not be measured."""

    point: Point
    error: str


class Group(_Model):
    """Signed errors of the runs that share ``by`` = ``name``.

    ``worst_error`` is the one of greatest magnitude, ``worst_ledger_error`` likewise over states,
    as a share of the run; ``unequal_events`` counts counters over all runs.
    """

    by: Literal["all", "configuration", "workload", "timing"]
    name: str
    runs: int
    mean_error: float
    mean_absolute_error: float
    worst_error: float
    worst_ledger_error: float
    unequal_events: int


class Correlation(_Model):
    """Model against RTL over a suite."""

    schema_version: Literal[1] = 1
    suite: str
    passed: bool
    failures: list[str]
    groups: list[Group]
    causes: list[Cause]
    runs: list[Run]
    failed: list[FailedRun]
    versions: dict[str, str]
