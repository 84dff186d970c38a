"""Points to a regression: build what differs, run in parallel, keep every result at once."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from arch.errors import AssayError
from flow.regress.database import Database
from flow.regress.schema import Regression, Run
from flow.result import Result
from flow.run import compile_workload, run
from flow.simulate import build_simulation
from flow.suite.point import RunPoint, distinct_builds
from flow.suite.workers import Lost, for_each
from flow.toolchain import Simulator, check_simulator
from workloads import registry


class Watch(Protocol):
    """Who is told what happens, while it does."""

    def building(self, point: RunPoint) -> None:
        """The build of this point begins."""

    def built(self, point: RunPoint) -> None:
        """It ended."""

    def begun(self, point: RunPoint) -> None:
        """A run begins."""

    def finished(self, run: Run) -> None:
        """A run ended."""

    def waiting(self) -> None:
        """A fraction of a second passed."""


def regress(
    suite: str, points: Sequence[RunPoint], *, jobs: int, database: Path, watch: Watch
) -> Regression:
    """Run every point.

    Parameters
    ----------
    suite
        Its name.
    points
        Each runs once; those of a simulator that is not installed are skipped.
    jobs
        Processes.
    database
        Where each run is kept as soon as it ends.
    watch
        Told what happens.

    Raises
    ------
    AssayError
        The database cannot be written.
    """
    return _Session(suite, points, jobs, Database(database), watch).execute()


def run_point(point: RunPoint) -> Result:
    """Run a point and judge it; errors as :func:`flow.run.run`."""
    config = point.loaded
    program = compile_workload(registry.load(point.workload, point.seed), config)
    finished = run(
        program,
        config,
        point.simulator,
        seed=point.seed,
        notify=lambda text: None,
        memory=point.memory,
    )
    return finished.result


def build_point(point: RunPoint) -> str:
    """Build what a point runs on, unless it is kept; returns the digest of what it is made from."""
    return build_simulation(point.loaded, point.simulator, memory=point.memory).folder.name


class _Session:
    """One invocation."""

    def __init__(
        self,
        suite: str,
        points: Sequence[RunPoint],
        jobs: int,
        database: Database,
        watch: Watch,
    ) -> None:
        self._suite, self._points, self._jobs, self._watch = suite, points, jobs, watch
        self._started, self._clock = datetime.now(UTC), time.monotonic()
        self._database = database
        self._invocation = database.begin(suite, self._started, len(points))
        self._begun: dict[RunPoint, float] = {}
        self._builds: dict[Hashable, str | Lost] = {}
        self._runs: list[Run] = []

    def execute(self) -> Regression:
        self._build(self._without_skipped())
        ready = []
        for point in self._points:
            build = self._builds.get(point.build_key)
            if isinstance(build, str):
                ready.append(point)
            elif build is not None:
                self._keep(_lost(point, f"the build failed: {build.reason}", build.trace))
        for_each(
            run_point,
            ready,
            self._jobs,
            finished=self._take,
            begun=self._begin,
            waiting=self._watch.waiting,
        )
        return Regression(
            suite=self._suite,
            started=self._started,
            seconds=time.monotonic() - self._clock,
            planned=len(self._points),
            runs=self._runs,
        )

    def _without_skipped(self) -> list[RunPoint]:
        """Points whose simulator is there; the others are done with."""
        missing: dict[Simulator, str] = {}
        for simulator in dict.fromkeys(point.simulator for point in self._points):
            try:
                check_simulator(simulator)
            except AssayError as error:
                missing[simulator] = str(error)
        for point in self._points:
            if said := missing.get(point.simulator):
                now = datetime.now(UTC)
                self._keep(Run(point=point, status="skipped", failures=[said], finished=now))
        return [point for point in self._points if point.simulator not in missing]

    def _build(self, points: Sequence[RunPoint]) -> None:
        def take(point: RunPoint, outcome: str | Lost) -> None:
            self._builds[point.build_key] = outcome
            self._watch.built(point)

        for_each(
            build_point,
            distinct_builds(points),
            self._jobs,
            finished=take,
            begun=self._watch.building,
            waiting=self._watch.waiting,
        )

    def _begin(self, point: RunPoint) -> None:
        self._begun[point] = time.monotonic()
        self._watch.begun(point)

    def _take(self, point: RunPoint, outcome: Result | Lost) -> None:
        if isinstance(outcome, Lost):
            made = _lost(point, outcome.reason, outcome.trace)
        else:
            made = _judged(point, outcome)
        seconds = time.monotonic() - self._begun[point]
        build = self._builds[point.build_key]
        self._keep(made.model_copy(update={"seconds": seconds, "build": build}))

    def _keep(self, made: Run) -> None:
        self._runs.append(made)
        self._database.add(self._invocation, self._suite, made)
        self._watch.finished(made)


def _lost(point: RunPoint, reason: str, trace: str) -> Run:
    now = datetime.now(UTC)
    return Run(point=point, status="failed", failures=[reason], trace=trace, finished=now)


def _judged(point: RunPoint, result: Result) -> Run:
    return Run(
        point=point,
        status="passed" if result.passed else "failed",
        failures=result.failures,
        finished=datetime.now(UTC),
        cycles=result.cycles,
        predicted_cycles=result.predicted.timeline.cycles,
        utilization=result.utilization,
        khz=result.sim.khz,
    )
