"""The command ``assay regress``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from arch.errors import AssayError
from flow.cache import SIM_BUILD
from flow.files import check_writable
from flow.regress.database import Database
from flow.regress.junit import write_junit
from flow.regress.regress import regress
from flow.regress.schema import Regression
from flow.regress.terminal import Display, Lines, print_regression
from flow.report import console
from flow.suite.point import RunPoint
from flow.suite.suite import Suite, read_suite

FOLDER = SIM_BUILD / "regress"
"""Of results where nothing else is said."""
_DEFAULT_SUITE = "smoke"
_JUNIT = "junit.xml"
_DATABASE = "results.sqlite"


def regress_command(
    suite: Annotated[
        str | None, typer.Argument(metavar="SUITE.toml|NAME", help="A suite, or its file.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
    junit: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JUnit XML; by default sim_build/regress/junit.xml."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the result here.")
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Run what failed in the last regression.")
    ] = False,
    last: Annotated[
        bool, typer.Option("--last", help="Only show the last regression again.")
    ] = False,
) -> None:
    """Run a suite: bytes, counters and cycles of every run, in parallel."""
    for path in (junit, json):
        check_writable(path)
    if (failed or last) and suite is not None:
        raise AssayError(f"suite '{suite}' with --failed or --last: they are of the last one")
    if last:
        found = Database(FOLDER / _DATABASE).last()
    else:
        name, points = _failed_points() if failed else _points(suite or _DEFAULT_SUITE)
        found = _regress(name, points, jobs)
        write_junit(found, junit or FOLDER / _JUNIT)
    if json is not None:
        json.write_text(found.model_dump_json(indent=2, exclude_none=True) + "\n")
    print_regression(found, console())
    raise typer.Exit(0 if found.passed else 1)


def _points(suite: str) -> tuple[str, list[RunPoint]]:
    chosen = read_suite(suite, Suite)
    return chosen.name, chosen.runs()


def _failed_points() -> tuple[str, list[RunPoint]]:
    last = Database(FOLDER / _DATABASE).last()
    points = [run.point for run in last.having("failed")]
    if not points:
        raise AssayError(f"no run of the last regression, of suite '{last.suite}', failed")
    return last.suite, points


def _regress(name: str, points: Sequence[RunPoint], jobs: int) -> Regression:
    """With progress on stdout; what was interrupted is as the database has it."""
    to = console()
    try:
        return _watched(name, points, jobs, to)
    except KeyboardInterrupt:
        found = Database(FOLDER / _DATABASE).last()
        to.print(
            f"interrupted: {len(found.runs)} of {found.planned} runs are kept in "
            f"{FOLDER / _DATABASE}",
            soft_wrap=True,
        )
        return found


def _watched(name: str, points: Sequence[RunPoint], jobs: int, to: Console) -> Regression:
    database = FOLDER / _DATABASE
    if not sys.stdout.isatty():
        lines = Lines(len(points), to)
        return regress(name, points, jobs=jobs, database=database, watch=lines)
    with Display(name, len(points), to) as display:
        return regress(name, points, jobs=jobs, database=database, watch=display)
