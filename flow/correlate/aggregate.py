"""Errors over runs: by configuration, workload and memory timing, and over all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from flow.correlate.schema import Group, Run

_By = Literal["all", "configuration", "workload", "timing"]

_AXES: dict[_By, Callable[[Run], str]] = {
    "all": lambda run: "all runs",
    "configuration": lambda run: run.point.config,
    "workload": lambda run: run.point.workload,
    "timing": lambda run: run.point.timing,
}


def groups(runs: Sequence[Run]) -> list[Group]:
    """Every group of every axis, in the order in which the runs first name them."""
    found = []
    for by, name_of in _AXES.items():
        members: dict[str, list[Run]] = {}
        for run in runs:
            members.setdefault(name_of(run), []).append(run)
        found += [_group(by, name, chosen) for name, chosen in members.items()]
    return found


def worst_first(runs: Sequence[Run]) -> list[Run]:
    """Broken runs first, then by error, then by the instructions that part."""
    return sorted(
        runs,
        key=lambda run: (
            not run.failures,
            -abs(run.error),
            -(run.parting.partings if run.parting else 0),
        ),
    )


def _group(by: _By, name: str, runs: Sequence[Run]) -> Group:
    errors = [run.error for run in runs]
    return Group(
        by=by,
        name=name,
        runs=len(runs),
        mean_error=sum(errors) / len(errors),
        mean_absolute_error=sum(map(abs, errors)) / len(errors),
        worst_error=max(errors, key=abs),
        worst_ledger_error=max((run.worst_ledger_error for run in runs), key=abs),
        unequal_events=sum(len(run.unequal_events) for run in runs),
    )
