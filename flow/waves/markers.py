"""Where the viewer's markers are: start of the run, first sign of its failure, end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from arch.config import Config
from arch.image import Image
from arch.isa import ErrorCode
from flow.correlate.parting import first_parting
from flow.simulate import Simulation
from flow.waves.record import CYCLE_STEPS, Trace
from model.timeline import predict
from tb.scoreboard import Verdict

LastWriter = Callable[[str, int], int | None]
"""Index of the instruction that wrote a byte of a memory last, if any did."""


@dataclass(frozen=True)
class Divergence:
    """Cycle of the run in which something first went wrong, and what, in words."""

    cycle: int
    reason: str


@dataclass(frozen=True)
class Markers:
    """Times in the trace: A, B and C of the viewer."""

    start: int
    divergence: int | None
    end: int | None


def place(trace: Trace, divergence: Divergence | None) -> Markers:
    """The markers of a run."""
    found = trace.time(divergence.cycle) if divergence else None
    return Markers(trace.start, found, trace.end)


def wrong_function(
    trace: Trace, simulation: Simulation, verdict: Verdict, last_writer: LastWriter
) -> Divergence | None:
    """An error of the hardware; else the first retirement of one that left a wrong byte.

    Asked for the first wrong byte of each memory.
    """
    outcome = simulation.outcome
    if outcome.status["ERROR"] and trace.halt is not None:
        # E-08: noticed in the cycle before.
        cycle = (trace.halt - trace.start) // CYCLE_STEPS - 1
        code = ErrorCode(outcome.error_code).name
        return Divergence(cycle, f"{code} of instruction {outcome.error_instruction}")
    ends = {int(record["instruction"]): int(record["end"]) for record in simulation.retired}
    found = []
    for mismatch in verdict.first:
        writer = last_writer(mismatch.memory, mismatch.address)
        if writer in ends:
            found.append(Divergence(ends[writer], f"instruction {writer} retires: {mismatch}"))
    return min(found, key=lambda divergence: divergence.cycle, default=None)


def wrong_timing(simulation: Simulation, image: Image, config: Config) -> Divergence | None:
    """Where the run first parts from its prediction."""
    retired = {
        int(record["instruction"]): (int(record["start"]), int(record["end"]))
        for record in simulation.retired
    }
    cycles = simulation.outcome.counters["cycles"]
    parting = first_parting(image.program, predict(image, config), retired, cycles)
    if parting is None:
        return None
    measured = parting.measured
    return Divergence(
        parting.predicted if measured is None else min(parting.predicted, measured),
        f"{parting.event} of instruction {parting.instruction} ({parting.engine}): measured "
        f"{'never' if measured is None else measured}, predicted {parting.predicted}",
    )
