"""A correlation as tables for a terminal of 80 columns, and a line for each broken bar."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flow.correlate.schema import Correlation, Group, Run
from flow.report import WIDTH

_WORST = 5


def print_correlation(found: Correlation, to: Console) -> None:
    """Groups, worst runs, causes, broken bars."""
    to.print(_groups(found.groups))
    to.print(_worst(found.runs[:_WORST]))
    for run in found.runs:
        if run.failures:
            _line(to, f"[red]FAIL[/red] {escape(broken(run))}")
    for failed in found.failed:
        text = f"{failed.point.title}: {failed.error}; again with: {failed.point.command}"
        _line(to, f"[red]FAIL[/red] {escape(text)}")
    for failure in found.failures:
        worst = max(found.runs, key=lambda run: abs(run.error))
        again = f"worst run again with: {worst.point.command}"
        _line(to, f"[red]FAIL[/red] {escape(f'{failure}; {again}')}")
    for cause in found.causes:
        _line(to, f"[yellow]CAUSE[/yellow] {escape(str(cause))}")
    exact = sum(run.parting is None for run in found.runs)
    said = f"{len(found.runs)} runs, {exact} of them equal in every start and end"
    verdict = "[green]PASS[/green]" if found.passed else "[red]FAIL[/red]"
    _line(to, f"{verdict} {said}")


def broken(run: Run) -> str:
    """One line: the point, what it breaks, where it begins, and how to see it again."""
    first, *others = run.failures
    said = f"{run.point.title}: {first}"
    if others:
        said += f" (and {len(others)} more)"
    if run.parting is not None:
        said += f"; {run.parting}"
    for fault in run.counter_faults[:3]:
        said += f"; {fault}"
    if len(run.counter_faults) > 3:
        said += f"; {len(run.counter_faults) - 3} more counters"
    return f"{said}; again with: {run.point.command}"


def percent(value: float) -> str:
    """A signed share, 0 where it is exactly that."""
    return f"{value:+.2%}" if value else "0"


def _line(to: Console, text: str) -> None:
    """One line, however long: what is grepped for is not wrapped."""
    to.print(text, soft_wrap=True)


def _groups(groups: list[Group]) -> Table:
    title = "Timeline model less RTL, of measured cycles (ledger: of the run)"
    table = Table(title=title, width=WIDTH)
    table.add_column("", overflow="fold")
    for column in ("runs", "mean", "mean abs.", "worst", "ledger", "events"):
        table.add_column(column, justify="right")
    axis = groups[0].by
    for group in groups:
        if group.by != axis:
            table.add_section()
            axis = group.by
        table.add_row(
            escape(group.name),
            str(group.runs),
            percent(group.mean_error),
            f"{group.mean_absolute_error:.2%}" if group.mean_absolute_error else "0",
            percent(group.worst_error),
            percent(group.worst_ledger_error),
            f"{group.unequal_events} differ" if group.unequal_events else "equal",
        )
    return table


def _worst(runs: list[Run]) -> Table:
    table = Table(title="Worst runs", width=WIDTH)
    table.add_column("run", overflow="fold")
    for column in ("measured", "predicted", "error"):
        table.add_column(column, justify="right")
    table.add_column("first parts at", overflow="fold")
    for run in runs:
        parting = run.parting
        where = f"{parting.engine} {parting.instruction} {parting.event}" if parting else "-"
        table.add_row(
            escape(run.point.title),
            f"{run.cycles:,}",
            f"{run.predicted_cycles:,}",
            percent(run.error),
            where,
        )
    return table
