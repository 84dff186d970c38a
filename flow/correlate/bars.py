"""The bars that a correlation must keep."""

from __future__ import annotations

from collections.abc import Sequence

from flow.check import check_counters
from flow.correlate.schema import Parting, Run
from flow.result import Counters, Ledger, Predicted

MEAN_TOLERANCE = 0.0025
"""Of the absolute error of cycles, over all runs."""
PARTING_TOLERANCE_CYCLES = 2
"""Where an instruction first parts. Long runs and queues hide a latency that is off by a few cycles
from the cycles of the run; the instruction that meets it first shows it in full."""


def check_run(
    counters: Counters, ledger: Ledger, predicted: Predicted, parting: Parting | None
) -> list[str]:
    """Bars of one run, broken ones in words."""
    failures = check_counters(counters, ledger, predicted)
    if parting is None:
        return failures
    if parting.error is None:
        failures.append(f"{parting.engine} instruction {parting.instruction} does not retire")
    elif abs(parting.error) > PARTING_TOLERANCE_CYCLES:
        failures.append(
            f"the first step that parts does so by {parting.error:+d} cycles, more than "
            f"{PARTING_TOLERANCE_CYCLES}"
        )
    return failures


def check_mean(runs: Sequence[Run]) -> list[str]:
    """The bar of all runs together."""
    mean = sum(abs(run.error) for run in runs) / max(1, len(runs))
    if mean <= MEAN_TOLERANCE:
        return []
    return [
        f"mean absolute error of cycles {mean:.3%} over {len(runs)} runs, more than "
        f"{MEAN_TOLERANCE:.2%}"
    ]
