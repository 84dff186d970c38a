"""A regression on a terminal: a live table while it runs, a summary at the end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from flow.regress.schema import Regression, Run
from flow.report import WIDTH
from flow.suite.point import RunPoint

_RECENT = 12
_SLOWEST = 5
_STYLES = {"passed": "green", "failed": "red", "skipped": "yellow"}


class Lines:
    """A line for each finished run; for what is no terminal."""

    def __init__(self, planned: int, to: Console) -> None:
        self._planned, self._to, self._done = planned, to, 0

    def building(self, point: RunPoint) -> None:
        """Said when it is built."""

    def built(self, point: RunPoint) -> None:
        kind = "reference memory" if point.memory == "fast" else "AXI4 port"
        self._line(f"built {point.loaded.name} for {point.simulator}, {kind}")

    def begun(self, point: RunPoint) -> None:
        """Said when it is finished."""

    def finished(self, run: Run) -> None:
        self._done += 1
        said = f"{self._done}/{self._planned} {run.status} {run.point.title}"
        if run.cycles is not None:
            said += f": {run.cycles:,} cycles"
        self._line(f"{said}, {run.seconds:.1f} s")

    def waiting(self) -> None:
        """Nothing is new."""

    def _line(self, text: str) -> None:
        self._to.print(text, soft_wrap=True, markup=False)


class Display:
    """What runs, what ended last, and how many of each; removed at the end."""

    def __init__(self, suite: str, planned: int, to: Console) -> None:
        self._suite, self._planned = suite, planned
        self._counts = dict.fromkeys(_STYLES, 0)
        self._started = time.monotonic()
        self._active: dict[tuple[str, RunPoint], float] = {}
        self._recent: deque[Run] = deque(maxlen=_RECENT)
        # Refreshed by hand: a thread of its own would be forked with the workers.
        self._live = Live(console=to, auto_refresh=False, transient=True)

    def __enter__(self) -> Display:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def building(self, point: RunPoint) -> None:
        self._active["builds", point] = time.monotonic()
        self.waiting()

    def built(self, point: RunPoint) -> None:
        del self._active["builds", point]

    def begun(self, point: RunPoint) -> None:
        self._active["runs", point] = time.monotonic()

    def finished(self, run: Run) -> None:
        self._active.pop(("runs", run.point), None)
        self._counts[run.status] += 1
        self._recent.append(run)

    def waiting(self) -> None:
        self._live.update(self._picture(), refresh=True)

    def _picture(self) -> Group:
        now = time.monotonic()
        counts = ", ".join(f"{count} {status}" for status, count in self._counts.items())
        said = f"{self._suite}: {sum(self._counts.values())} of {self._planned} runs; {counts}; "
        table = _table("")
        for run in self._recent:
            style = _STYLES[run.status]
            table.add_row(*_cells(run), f"[{style}]{run.status}[/{style}]")
        for (what, point), since in self._active.items():
            table.add_row(*_names(point), "", f"{now - since:.0f}", what)
        return Group(Text(f"{said}{now - self._started:.0f} s"), table)


def print_regression(found: Regression, to: Console) -> None:
    """The slowest runs, an entry for each failure, totals."""
    if by_seconds := sorted(found.runs, key=lambda run: -run.seconds):
        to.print(_slowest(by_seconds[:_SLOWEST]))
    for run in found.having("failed"):
        text = escape(f"{run.point.title}: {run.reason}; again with: {run.point.command}")
        to.print(f"[red]FAIL[/red] {text}", soft_wrap=True)
    skipped = [run.reason for run in found.having("skipped")]
    for reason in dict.fromkeys(skipped):
        text = escape(f"{skipped.count(reason)} runs: {reason}")
        to.print(f"[yellow]SKIP[/yellow] {text}", soft_wrap=True)
    to.print(_totals(found), soft_wrap=True)


def _totals(found: Regression) -> str:
    counts = [f"{len(found.having(status))} {status}" for status in ("passed", "failed", "skipped")]
    if missing := found.planned - len(found.runs):
        counts.append(f"{missing} not made")
    verdict = "[green]PASS[/green]" if found.passed else "[red]FAIL[/red]"
    said = f"{found.suite}: {found.planned} runs: {', '.join(counts)}; {found.seconds:.1f} s"
    return f"{verdict} {escape(said)}"


def _slowest(runs: Sequence[Run]) -> Table:
    table = _table("Slowest runs")
    table.add_column("kHz", justify="right")
    for run in runs:
        table.add_row(*_cells(run), "" if run.khz is None else f"{run.khz:,.0f}")
    return table


def _table(title: str) -> Table:
    """Columns of :func:`_cells`; in the live table one for the state follows."""
    table = Table(title=title, width=WIDTH)
    table.add_column("run", ratio=1, no_wrap=True)
    table.add_column("simulator")
    table.add_column("memory")
    table.add_column("cycles", justify="right", min_width=7)
    table.add_column("s", justify="right", min_width=5)
    if not title:
        table.add_column("", min_width=7)
    return table


def _cells(run: Run) -> list[str]:
    cycles = "" if run.cycles is None else f"{run.cycles:,}"
    return [*_names(run.point), cycles, f"{run.seconds:.1f}"]


def _names(point: RunPoint) -> list[str]:
    run = escape(f"{point.workload} {point.config} {point.timing} {point.seed}")
    return [run, point.simulator, point.memory]
