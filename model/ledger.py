"""The ledger: the cycles of a run by the state of each engine."""

from __future__ import annotations

from arch.isa import Engine
from model.kernel import Sequencer

_BUSY_STATES = {
    Engine.LOAD: ("wait_port", "wait_memory"),
    Engine.MATRIX: ("fill",),
    Engine.VECTOR: ("wait_port", "fill"),
    Engine.STORE: ("wait_port", "wait_memory"),
}
"""States beside ``working`` with an instruction in flight; the last takes what others leave."""


def ledger(engine: Sequencer, end_cycle: int, cycles: int) -> dict[str, int]:
    """Account for every cycle of a run, in the order in which states are decided.

    Parameters
    ----------
    engine
        After the run.
    end_cycle
        Cycle in which END was dispatched.
    cycles
        Of the run; the states sum to this (L-01).
    """
    busy = _BUSY_STATES[engine.engine]
    waits = _wait_cycles(engine)
    in_flight = _in_flight_cycles(engine)
    working, port = engine.working_cycles(), engine.port_cycles()
    last_end = engine.ends[-1] if engine.ends else -1
    done = cycles - 1 - max(end_cycle, last_end)
    return {
        "working": working,
        **dict.fromkeys(busy[:-1], port),
        busy[-1]: in_flight - working - port,
        **{
            f"wait_{producer.name.lower()}": waits[producer]
            for producer in Engine
            if producer is not engine.engine
        },
        "done": done,
        "idle": cycles - in_flight - sum(waits) - done,
    }


def _in_flight_cycles(engine: Sequencer) -> int:
    """Cycles from the one after an issue to its retirement, overlaps counted once."""
    total = 0
    covered = -1
    for start, end in zip(engine.starts, engine.ends, strict=True):
        total += end - max(start, covered)
        covered = end
    return total


def _wait_cycles(engine: Sequencer) -> list[int]:
    """For each producer, the cycles in which the head waited for it with nothing in flight.

    Of several producers the first counts, so each takes the time up to its signal from what those
    before it left.
    """
    totals = [0 for _ in Engine]
    previous_end = -1
    for queued, end, waits in zip(engine.queued, engine.ends, engine.waits, strict=True):
        waiting_from = max(queued, previous_end + 1)
        for producer, ready in enumerate(waits):
            if ready > waiting_from:
                totals[producer] += ready - waiting_from
                waiting_from = ready
        previous_end = end
    return totals
