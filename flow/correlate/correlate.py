"""Points to a correlation: build once, measure in parallel, judge together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from arch.errors import AssayError
from flow import toolchain
from flow.correlate.aggregate import groups, worst_first
from flow.correlate.bars import check_mean
from flow.correlate.cause import causes
from flow.correlate.measure import SIMULATOR, Measurement, build_point, measure
from flow.correlate.schema import Correlation, FailedRun, Point
from flow.simulate import SimulationError
from flow.suite.point import distinct_builds
from flow.suite.workers import Lost, for_each


def correlate(
    suite: str,
    points: Sequence[Point],
    *,
    jobs: int,
    built: Callable[[Point], None],
    measured: Callable[[Measurement | FailedRun], None],
) -> Correlation:
    """Measure every point and judge.

    Parameters
    ----------
    suite
        Its name.
    points
        At least one.
    jobs
        Processes.
    built, measured
        Told of each build and of each run when it is done.

    Raises
    ------
    AssayError
        A workload does not fit a configuration.
    flow.simulate.SimulationError
        No point could be measured.
    """
    for point in distinct_builds(points):
        build_point(point)
        built(point)
    finished: list[Measurement | FailedRun] = []

    def take(point: Point, outcome: Measurement | FailedRun | Lost) -> None:
        if isinstance(outcome, Lost):
            if outcome.refused:
                raise AssayError(outcome.reason)
            outcome = FailedRun(point=point, error=outcome.reason)
        measured(outcome)
        finished.append(outcome)

    for_each(measure, points, jobs, finished=take)
    measurements = [each for each in finished if isinstance(each, Measurement)]
    failed = [each for each in finished if isinstance(each, FailedRun)]
    if not measurements:
        raise SimulationError(f"no run could be measured; the first: {failed[0].error}")
    order = {point: place for place, point in enumerate(points)}
    measurements.sort(key=lambda each: order[each.run.point])
    runs = [each.run for each in measurements]
    failures = check_mean(runs)
    return Correlation(
        suite=suite,
        passed=not (failures or failed or any(run.failures for run in runs)),
        failures=failures,
        groups=groups(runs),
        causes=causes(measurements),
        runs=worst_first(runs),
        failed=failed,
        versions=toolchain.versions(SIMULATOR),
    )
