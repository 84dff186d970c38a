"""A result as tables for a terminal of 80 columns."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flow.result import Ledger, Predicted, Result
from workloads.similarity import Similarities

WIDTH = 80
_PAIRS_SHOWN = 15
_MOST_OPERATORS = 24
"""With more operators than this the layers are shown instead."""


def console(stderr: bool = False) -> Console:
    """A console of the width that the tables are made for, or that of a narrower screen."""
    found = Console(stderr=stderr, highlight=False)
    return Console(stderr=stderr, highlight=False, width=min(WIDTH, found.width))


def print_result(result: Result, to: Console, again: str) -> None:
    """The whole result; ``again`` is the command that makes it again."""
    timeline = result.predicted.timeline
    to.print(_counters(result.counters, timeline.counters))
    to.print(_ledger(result.ledger, timeline.ledger, result.cycles))
    to.print(_layers(result) if len(result.operators) > _MOST_OPERATORS else _operators(result))
    bound = result.predicted.roofline
    to.print(
        f"{result.cycles:,} cycles, {result.macs:,} MACs, utilization {result.utilization:.4f}; "
        f"roofline {bound.cycles:,} cycles ({bound.bound})"
    )
    sim = result.sim
    to.print(
        f"{result.simulator}: built in {sim.build_seconds:.1f} s, ran {sim.run_seconds:.2f} s at "
        f"{sim.khz:,.0f} kHz"
    )
    compared = (
        f"{result.outputs_compared:,} bytes equal to the golden model, "
        f"{result.bytes_untouched:,} untouched"
    )
    if result.mismatches:
        compared = f"{result.mismatches:,} bytes differ"
    for failure in result.failures:
        to.print(f"[red]FAIL[/red] {failure}")
    if result.passed:
        to.print(f"[green]PASS[/green] bit-exact: {compared}")
    else:
        to.print(f"[red]FAIL[/red] {compared}; again with: {again}")


def print_similarities(similarities: Similarities, result: Result, to: Console) -> None:
    """The sentences, how alike each two of them are by RTL and by float32, and what each cost."""
    table = Table("", "sentence", title="Sentences", width=WIDTH)
    for number, sentence in enumerate(similarities.sentences, start=1):
        table.add_row(str(number), Text(sentence))
    to.print(table)
    pairs = similarities.pairs
    if not pairs:
        return
    shown = pairs[:_PAIRS_SHOWN]
    table = Table("pair", title="Cosine similarity, the most alike first", width=50)
    for column in ("RTL", "float32", "difference"):
        table.add_column(column, justify="right")
    for pair in shown:
        table.add_row(
            f"{pair.first + 1} and {pair.second + 1}",
            f"{pair.measured:.4f}",
            f"{pair.expected:.4f}",
            f"{pair.measured - pair.expected:+.4f}",
        )
    to.print(table)
    rest = len(pairs) - len(shown)
    correlation = similarities.rank_correlation
    words = [f"{rest} pairs more"] if rest else []
    words += [] if correlation is None else [f"rank correlation of all pairs {correlation:.4f}"]
    if words:
        to.print("; ".join(words))
    count, predicted = len(similarities.sentences), result.predicted.timeline.cycles
    to.print(
        f"{count} sequences: {result.cycles / count:,.0f} cycles each, "
        f"{predicted / count:,.0f} predicted"
    )


def print_prediction(predicted: Predicted, to: Console) -> None:
    """What the model says without any RTL."""
    table = Table("counter", title="Prediction", width=50)
    table.add_column("predicted", justify="right")
    for name, value in predicted.timeline.counters.items():
        table.add_row(name, f"{value:,}")
    to.print(table)
    to.print(_ledger(predicted.timeline.ledger, None, predicted.timeline.cycles))
    bound = predicted.roofline
    to.print(f"roofline {bound.cycles:,} cycles ({bound.bound})")


def _counters(measured: dict[str, int], predicted: dict[str, int]) -> Table:
    table = Table("counter", title="Counters", width=WIDTH)
    for column in ("measured", "predicted", "error"):
        table.add_column(column, justify="right")
    for name, value in measured.items():
        expected = predicted.get(name, 0)
        error = f"{(expected - value) / value:+.3%}" if value else f"{expected:+d}"
        table.add_row(name, f"{value:,}", f"{expected:,}", "0" if expected == value else error)
    return table


def _ledger(ledger: Ledger, predicted: Ledger | None, cycles: int) -> Table:
    """Cycles of each engine by state; with a prediction, its signed error in % of all cycles."""
    title = "Ledger (cycles, and error of the prediction in % of the run)"
    table = Table("state", title=title if predicted else "Ledger (cycles)", width=WIDTH)
    for engine in ledger:
        table.add_column(engine.upper(), justify="right")
    states = dict.fromkeys(state for states in ledger.values() for state in states)
    for state in states:
        cells = []
        for engine, counts in ledger.items():
            if state not in counts:
                cells.append("-")
                continue
            cell = f"{counts[state]:,}"
            if predicted is not None:
                error = (predicted[engine].get(state, 0) - counts[state]) / max(1, cycles)
                cell += f" {error:+.1%}" if error else ""
            cells.append(cell)
        table.add_row(state, *cells)
    table.add_row("sum", *(f"{sum(counts.values()):,}" for counts in ledger.values()))
    return table


def _operators(result: Result) -> Table:
    table = Table("operator", "kind", title="Operators", width=WIDTH)
    for column in ("span", "exclusive", "roofline", "bound", "util."):
        table.add_column(column, justify="right")
    for operator in result.operators:
        table.add_row(
            operator.name,
            operator.kind,
            f"{operator.span_cycles:,}",
            f"{operator.exclusive_cycles:,}",
            f"{operator.roofline_cycles:,}",
            operator.bound,
            f"{operator.utilization:.3f}",
        )
    return table


def _layers(result: Result) -> Table:
    table = Table("layer", title="Layers (exclusive cycles)", width=WIDTH)
    for column in ("measured", "predicted", "of run", "MACs", "bound", "util."):
        table.add_column(column, justify="right")
    for layer in result.layers:
        table.add_row(
            layer.name,
            f"{layer.exclusive_cycles:,}",
            f"{layer.predicted_exclusive_cycles:,}",
            f"{layer.exclusive_cycles / max(1, result.cycles):.1%}",
            f"{layer.macs:,}",
            layer.bound,
            f"{layer.utilization:.3f}",
        )
    return table
