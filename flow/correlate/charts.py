"""The charts of the page, as Plotly figures."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from flow.correlate.schema import Run

BAND = 0.01
"""The bar of a run, drawn about the diagonal."""
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f5539", "#000000")
_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "x", "hexagon")
_GRID = "#e4e7eb"


def colours(runs: Sequence[Run]) -> dict[str, str]:
    """A colour for each configuration, the same in every chart."""
    return {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(_configs(runs))}


def predicted_against_measured(runs: Sequence[Run]) -> go.Figure:
    """Cycles on both sides, with the band of one per cent about equality."""
    figure = _figure("measured cycles", "predicted cycles")
    low = 0.8 * min(min(run.cycles, run.predicted_cycles) for run in runs)
    high = 1.25 * max(max(run.cycles, run.predicted_cycles) for run in runs)
    figure.add_scatter(
        x=[low, high, high, low],
        y=[low * (1 + BAND), high * (1 + BAND), high * (1 - BAND), low * (1 - BAND)],
        fill="toself",
        fillcolor="rgba(90,100,115,0.35)",
        mode="lines",
        line={"width": 0.5, "color": "#5a6473"},
        hoverinfo="skip",
        name=f"±{BAND:.0%}",
    )
    for config, chosen in _by_config(runs):
        figure.add_scatter(
            x=[run.cycles for run in chosen],
            y=[run.predicted_cycles for run in chosen],
            text=[run.point.title for run in chosen],
            hovertemplate="%{text}<br>measured %{x:,}<br>predicted %{y:,}<extra></extra>",
            **_points(runs, config),
        )
    figure.update_xaxes(type="log", dtick=1)
    figure.update_yaxes(type="log", dtick=1)
    return figure


def signed_errors(runs: Sequence[Run]) -> go.Figure:
    """The error of every run, from the shortest run to the longest."""
    figure = _figure("runs, shortest first", None)
    place = {id(run): i for i, run in enumerate(sorted(runs, key=lambda run: run.cycles))}
    for bar in (-100 * BAND, 100 * BAND):
        figure.add_hline(y=bar, line={"color": "#5a6473", "width": 1, "dash": "dash"})
    for config, chosen in _by_config(runs):
        figure.add_scatter(
            x=[place[id(run)] + 1 for run in chosen],
            y=[100 * run.error for run in chosen],
            text=[run.point.title for run in chosen],
            customdata=[run.predicted_cycles - run.cycles for run in chosen],
            hovertemplate="%{text}<br>%{y:+.3f} %, %{customdata:+,} cycles<extra></extra>",
            **_points(runs, config),
        )
    reach = max(120 * BAND, *(115 * abs(run.error) for run in runs))
    figure.update_yaxes(range=[-reach, reach], ticksuffix=" %")
    return figure


def roofline(runs: Sequence[Run]) -> go.Figure:
    """Every workload under the roofs of its configuration, one slope for each bandwidth."""
    figure = _figure("MACs per byte of compulsory traffic", "MACs per cycle")
    low = 0.5 * min(run.macs_per_byte for run in runs)
    high = 4 * max(
        max(run.macs_per_byte, run.peak_macs_per_cycle / run.point.dram_bytes_per_cycle)
        for run in runs
    )
    colour = colours(runs)
    for config, chosen in _by_config(runs):
        peak = chosen[0].peak_macs_per_cycle
        for rate in sorted({run.point.dram_bytes_per_cycle for run in chosen}):
            ridge = peak / rate
            bends = sorted({low, ridge, high} if ridge > low else {low, high})
            figure.add_scatter(
                x=bends,
                y=[min(peak, rate * x) for x in bends],
                mode="lines",
                line={"color": colour[config], "width": 1.5},
                legendgroup=config,
                showlegend=False,
                hovertemplate=f"{config}: {peak} MACs a cycle, {rate} bytes a cycle<extra></extra>",
            )
        figure.add_scatter(
            x=[run.macs_per_byte for run in chosen],
            y=[run.macs_per_cycle for run in chosen],
            text=[run.point.title for run in chosen],
            hovertemplate="%{text}<br>%{x:.2f} MACs/byte, %{y:.2f} MACs/cycle<extra></extra>",
            legendgroup=config,
            **_points(runs, config),
        )
    figure.update_xaxes(type="log", dtick=1)
    figure.update_yaxes(type="log", dtick=1)
    return figure


def ledger(run: Run) -> go.Figure:
    """Each engine's cycles by state, RTL above model, of one run."""
    figure = _figure("cycles", None)
    rows = [(engine, side) for engine in run.ledger for side in ("RTL", "model")]
    for state, colour in _STATE_COLOURS.items():
        cycles = [
            (run.ledger if side == "RTL" else run.predicted_ledger)[engine].get(state, 0)
            for engine, side in rows
        ]
        figure.add_bar(
            x=cycles,
            y=[f"{engine.upper()} {side}" for engine, side in rows],
            orientation="h",
            name=state,
            marker={"color": colour},
            hovertemplate=f"%{{y}}<br>{state}: %{{x:,}}<extra></extra>",
        )
    figure.update_layout(barmode="stack", bargap=0.15)
    figure.update_yaxes(autorange="reversed")
    return figure


_STATE_COLOURS = {
    "working": "#009e73",
    "fill": "#8fd3b8",
    "wait_port": "#7f1d1d",
    "wait_memory": "#d55e00",
    "wait_load": "#e69f00",
    "wait_matrix": "#56b4e9",
    "wait_vector": "#0072b2",
    "wait_store": "#cc79a7",
    "idle": "#9aa5b1",
    "done": "#d5dae1",
}
"""Every state of the ledger, in the order of the stack."""


def _figure(x_title: str, y_title: str | None) -> go.Figure:
    """An empty chart that has room on a telephone: legend below, thin margins."""
    figure = go.Figure()
    figure.update_layout(
        template="none",
        font={"family": "system-ui, sans-serif", "size": 12, "color": "#1f2933"},
        margin={"l": 48, "r": 12, "t": 12, "b": 48},
        legend={"orientation": "h", "traceorder": "normal", "yanchor": "top", "y": -0.2, "x": 0},
        hoverlabel={"align": "left"},
        paper_bgcolor="rgba(0,0,0,0)",
    )
    figure.update_xaxes(title={"text": x_title}, gridcolor=_GRID, zerolinecolor="#9aa5b1")
    figure.update_yaxes(
        title={"text": y_title}, gridcolor=_GRID, zerolinecolor="#9aa5b1", automargin=True
    )
    return figure


def _configs(runs: Sequence[Run]) -> list[str]:
    return sorted({run.point.config for run in runs})


def _by_config(runs: Sequence[Run]) -> list[tuple[str, list[Run]]]:
    return [(name, [run for run in runs if run.point.config == name]) for name in _configs(runs)]


def _points(runs: Sequence[Run], config: str) -> dict[str, object]:
    symbol = _SYMBOLS[_configs(runs).index(config) % len(_SYMBOLS)]
    marker = {"color": colours(runs)[config], "symbol": symbol, "size": 8, "opacity": 0.8}
    return {"mode": "markers", "name": config, "marker": marker}
