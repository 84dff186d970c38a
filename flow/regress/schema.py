"""A regression as JSON and as rows of its database, version by version.

Version 1:

============= =====================================================================================
suite         its name
started       UTC
seconds       from the start to the end of the last run, builds included
planned       runs that the suite has; more than there are in ``runs`` where it was interrupted
runs          in the order in which they ended; see :class:`Run`
============= =====================================================================================
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from flow.suite.point import RunPoint

Status = Literal["passed", "failed", "skipped"]


class Run(BaseModel):
    """What became of one point.

    Attributes
    ----------
    status, failures
        What is wrong, in words, or why it was skipped.
    trace
        Of an exception that nobody foresaw.
    finished, seconds
        When (UTC), and how long it took from its begin.
    build
        Digest of everything its simulator was built from; empty where it was not built.
    cycles, predicted_cycles, utilization, khz
        As in the result of ``assay run``; absent where there was none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    point: RunPoint
    status: Status
    failures: list[str] = []
    trace: str = ""
    finished: datetime
    seconds: float = 0.0
    build: str = ""
    cycles: int | None = None
    predicted_cycles: int | None = None
    utilization: float | None = None
    khz: float | None = None

    @property
    def reason(self) -> str:
        """The first line of the first failure."""
        said = self.failures[0].splitlines()[0] if self.failures else ""
        others = len(self.failures) - 1
        return f"{said} (and {others} more)" if others > 0 else said


class Regression(BaseModel):
    """Runs of a suite."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    suite: str
    started: datetime
    seconds: float
    planned: int
    runs: list[Run]

    def having(self, status: Status) -> list[Run]:
        """Runs of a status."""
        return [run for run in self.runs if run.status == status]

    @property
    def passed(self) -> bool:
        """No run failed, all were made, and some of them in a simulator."""
        complete = len(self.runs) == self.planned
        return complete and not self.having("failed") and bool(self.having("passed"))
