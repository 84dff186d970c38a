"""A correlation as one HTML page that needs nothing else: no network, no other file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from flow.correlate import charts
from flow.correlate.schema import Correlation, Run
from flow.correlate.terminal import broken, percent

_TEMPLATE = Path(__file__).with_name("page.html")


def write_page(found: Correlation, path: Path) -> None:
    """Write the page of a correlation that has runs."""
    text = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        suite=escape(found.suite),
        tiles=_tiles(found),
        findings=_findings(found),
        choices="".join(
            f'<option value="{place}">{escape(run.point.title)}</option>'
            for place, run in enumerate(found.runs)
        ),
        groups=_groups(found),
        runs=_runs(found.runs),
        plotly=get_plotlyjs(),
        figures=_figures(found.runs),
    )
    path.write_text(text, encoding="utf-8")


def _figures(runs: Sequence[Run]) -> str:
    ledgers = [charts.ledger(run) for run in runs]
    figures = {
        "scatter": _plain(charts.predicted_against_measured(runs)),
        "errors": _plain(charts.signed_errors(runs)),
        "roofline": _plain(charts.roofline(runs)),
        "ledgers": [{"data": _plain(figure)["data"]} for figure in ledgers],
        "ledgerLayout": _plain(ledgers[0])["layout"],
    }
    # A title with "</script>" in it must not end the element.
    return json.dumps(figures, separators=(",", ":")).replace("</", "<\\/")


def _plain(figure: go.Figure) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(figure.to_json())
    plain["layout"].pop("template", None)
    return plain


def _tiles(found: Correlation) -> str:
    everything = found.groups[0]
    events = f"{everything.unequal_events} differ" if everything.unequal_events else "all equal"
    exact = sum(run.parting is None for run in found.runs)
    tiles = [
        ("PASS" if found.passed else "FAIL", "bars", "pass" if found.passed else "fail"),
        (str(len(found.runs)), "runs", ""),
        (str(exact), "equal in every start and end", ""),
        (percent(everything.mean_error), "mean error", ""),
        (percent(everything.mean_absolute_error).lstrip("+"), "mean absolute error", ""),
        (percent(everything.worst_error), "worst error", ""),
        (percent(everything.worst_ledger_error), "worst ledger state", ""),
        (events, "event counters", "fail" if everything.unequal_events else ""),
    ]
    return "".join(
        f'<div class="tile"><b class="{kind}">{escape(value)}</b><span>{escape(name)}</span></div>'
        for value, name, kind in tiles
    )


def _findings(found: Correlation) -> str:
    """Causes and broken bars; nothing where there are none."""
    lines = [f"<b>Cause</b> {escape(str(cause))}" for cause in found.causes]
    lines += [escape(failure) for failure in found.failures]
    lines += [escape(f"{each.point.title}: {each.error}") for each in found.failed]
    lines += [escape(broken(run)) for run in found.runs if run.failures]
    if not lines:
        return ""
    items = "".join(f"<li>{line}</li>" for line in lines)
    return f'<section><h2 class="fail">What is broken</h2><ul class="scroll">{items}</ul></section>'


def _groups(found: Correlation) -> str:
    head = ["", "runs", "mean", "mean absolute", "worst", "ledger, worst", "event counters"]
    rows = [
        [
            escape(f"{group.by}: {group.name}" if group.by != "all" else group.name),
            str(group.runs),
            percent(group.mean_error),
            percent(group.mean_absolute_error).lstrip("+"),
            percent(group.worst_error),
            percent(group.worst_ledger_error),
            f"{group.unequal_events} differ" if group.unequal_events else "equal",
        ]
        for group in found.groups
    ]
    return _table(head, rows, numbers=range(1, 7))


def _runs(runs: Sequence[Run]) -> str:
    head = ["workload", "configuration", "timing", "measured", "predicted", "error"]
    head += ["first parts at", "again with"]
    rows = []
    for run in runs:
        point, verdict = run.point, "fail" if run.failures else "pass"
        found = [str(run.parting)] if run.parting else []
        found += [str(fault) for fault in run.counter_faults]
        rows.append(
            [
                f'<span class="{verdict}">{escape(point.workload)}</span>',
                escape(point.config),
                escape(point.timing),
                f"{run.cycles:,}",
                f"{run.predicted_cycles:,}",
                percent(run.error),
                escape("; ".join(found)) or "nowhere",
                f"<code>{escape(point.command)}</code>",
            ]
        )
    return _table(head, rows, numbers=range(2, 6), long=range(6, 8))


def _table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: Sequence[int],
    long: Sequence[int] = (),
) -> str:
    """A table of cells that are HTML already."""
    kinds = ["number" if i in numbers else "long" if i in long else "" for i in range(len(head))]

    titles = "".join(
        f'<th class="{kind}">{name}</th>' for kind, name in zip(kinds, head, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            # A narrow screen has no room for the head: each cell brings its name.
            f'<td class="{kind}" data-name="{name}">{cell}</td>'
            for kind, name, cell in zip(kinds, head, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"
