"""The command ``assay correlate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from flow.correlate import terminal
from flow.correlate.correlate import correlate
from flow.correlate.csv_file import write_csv
from flow.correlate.measure import SIMULATOR, Measurement
from flow.correlate.schema import Correlation, FailedRun, Point
from flow.correlate.suite import Suite, load_suite
from flow.files import check_writable
from flow.report import console
from flow.suite.point import distinct_builds
from flow.suite.suite import Timing, parse_timings
from flow.toolchain import check_simulator

_DEFAULT_SUITE = "correlate"

_Output = typer.Option(metavar="FILE", help="Write the result here.")


def correlate_command(
    suite: Annotated[
        str | None, typer.Argument(metavar="SUITE.toml|NAME", help="A suite, or its file.")
    ] = None,
    workload: Annotated[
        list[str] | None, typer.Option(help="Instead of those of the suite; repeatable.")
    ] = None,
    config: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|FILE", help="Instead of those of the suite; repeatable."),
    ] = None,
    timing: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LATENCY:BYTES",
            help="Memory timing, cycles and bytes a cycle, instead of those of the suite; "
            "repeatable.",
        ),
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(min=0, help="Instead of those of the suite; repeatable.")
    ] = None,
    json: Annotated[Path | None, _Output] = None,
    csv: Annotated[Path | None, _Output] = None,
    html: Annotated[Path | None, _Output] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
) -> None:
    """Set the model against RTL over workloads, configurations and memory timings."""
    chosen = _suite(suite, workload, config, timing, seed)
    for path in (json, csv, html):
        check_writable(path)
    check_simulator(SIMULATOR)
    found = _correlate(chosen.name, chosen.points(), jobs)
    if json is not None:
        json.write_text(found.model_dump_json(indent=2, exclude_none=True) + "\n")
    if csv is not None:
        write_csv(found, csv)
    if html is not None:
        # Imported here: Plotly is slow to import, and nothing else needs it.
        from flow.correlate.page import write_page

        write_page(found, html)
    terminal.print_correlation(found, console())
    raise typer.Exit(0 if found.passed else 1)


def _suite(
    name: str | None,
    workloads: list[str] | None,
    configs: list[str] | None,
    timings: list[str] | None,
    seeds: list[int] | None,
) -> Suite:
    """What was asked for: a suite, and what the options say otherwise.

    Without a suite, workloads and configurations are a suite of their own, with the timing of each
    configuration.
    """
    changes = {
        "workloads": workloads,
        "configs": configs,
        "timings": parse_timings(timings) if timings else None,
        "seeds": seeds,
    }
    given = {key: value for key, value in changes.items() if value}
    if name is None and workloads and configs:
        return Suite.model_validate({"name": "command line", "timings": [Timing()], **given})
    return load_suite(name or _DEFAULT_SUITE).replaced(**given)


def _correlate(name: str, points: list[Point], jobs: int) -> Correlation:
    """With progress on stderr."""
    columns = (
        TextColumn("{task.description:24.24}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    # Refreshed by hand: a thread of its own would be forked with the workers.
    with Progress(*columns, console=console(stderr=True), auto_refresh=False) as progress:
        builds = progress.add_task("builds", total=len(distinct_builds(points)))
        runs = progress.add_task("runs", total=len(points))
        progress.refresh()
        broken = 0

        def built(point: Point) -> None:
            progress.advance(builds)
            progress.refresh()

        def measured(each: Measurement | FailedRun) -> None:
            nonlocal broken
            broken += isinstance(each, FailedRun) or bool(each.run.failures)
            said = f"runs, {broken} broken" if broken else "runs"
            progress.update(runs, advance=1, description=said)
            progress.refresh()

        return correlate(name, points, jobs=jobs, built=built, measured=measured)
