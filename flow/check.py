"""The bounds a run's counters must keep against the analytical model."""

from __future__ import annotations

from collections.abc import Mapping

from arch.isa import Engine
from arch.registers import ledger_counter, register_map
from flow.result import Counters, Ledger, OperatorResult, Predicted

CYCLES_TOLERANCE = 0.01
CYCLES_TOLERANCE_CYCLES = 8
LEDGER_TOLERANCE = 0.02
"""Of the cycles of the run, for each state."""


def separate(counters: Mapping[str, int]) -> tuple[Counters, Ledger]:
    """The event counters, and the ledger by engine and state, from all counters of the RTL."""
    ledger = {
        engine.name.lower(): {state: counters[ledger_counter(engine, state)] for state in states}
        for engine, states in register_map().ledger_states.items()
    }
    prefixes = tuple(ledger_counter(engine, "") for engine in Engine)
    return {n: v for n, v in counters.items() if not n.startswith(prefixes)}, ledger


def check_counters(counters: Counters, ledger: Ledger, predicted: Predicted) -> list[str]:
    """What breaks a bound, in words: exact counters, cycles, ledger, roofline."""
    cycles = counters["cycles"]
    timeline = predicted.timeline
    failures = check_events(counters, predicted)
    allowed = max(CYCLES_TOLERANCE_CYCLES, CYCLES_TOLERANCE * cycles)
    if abs(timeline.cycles - cycles) > allowed:
        failures.append(
            f"cycles: measured {cycles}, predicted {timeline.cycles}, more than 1 % "
            f"or {CYCLES_TOLERANCE_CYCLES} cycles apart"
        )
    if predicted.roofline.cycles > cycles:
        failures.append(
            f"roofline: {predicted.roofline.cycles} cycles, more than the {cycles} measured"
        )
    return failures + check_sums(ledger, cycles) + _check_ledger(ledger, timeline.ledger, cycles)


def check_events(counters: Counters, predicted: Predicted) -> list[str]:
    """Counters of events that are not what is predicted; no timing has a part in them."""
    timeline = predicted.timeline
    failures = []
    exact = [counter.name for counter in register_map().counters if counter.exact]
    for name in exact:
        if name not in timeline.counters:
            failures.append(f"counter {name}: the timeline does not predict it")
        elif counters[name] != timeline.counters[name]:
            failures.append(
                f"counter {name}: measured {counters[name]}, predicted {timeline.counters[name]}"
            )
    return failures


def check_sums(ledger: Ledger, cycles: int) -> list[str]:
    """L-01: engines whose states do not sum to the cycles of the run."""
    totals = {engine: sum(states.values()) for engine, states in ledger.items()}
    return [
        f"ledger of {engine}: its states sum to {total}, not {cycles} cycles"
        for engine, total in totals.items()
        if total != cycles
    ]


def check_operators(operators: list[OperatorResult]) -> list[str]:
    """Operators whose roofline is above what they took."""
    return [
        f"operator {operator.name}: roofline {operator.roofline_cycles} cycles, above its span of "
        f"{operator.span_cycles}"
        for operator in operators
        if operator.roofline_cycles > operator.span_cycles
    ]


def _check_ledger(ledger: Ledger, predicted: Ledger, cycles: int) -> list[str]:
    failures = []
    for engine, states in ledger.items():
        for state, measured in states.items():
            expected = predicted[engine].get(state, 0)
            if abs(measured - expected) > LEDGER_TOLERANCE * cycles:
                failures.append(
                    f"ledger of {engine}: {state} measured {measured}, predicted {expected}, more "
                    f"than 2 % of {cycles} cycles apart"
                )
    return failures
