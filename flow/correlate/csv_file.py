"""A correlation as CSV: a row for each run and counter."""

from __future__ import annotations

import csv
from pathlib import Path

from flow.correlate.schema import Correlation

COLUMNS = (
    *("workload", "config", "dram_latency_cycles", "dram_bytes_per_cycle", "seed"),
    *("counter", "kind", "measured", "predicted", "error", "relative_error"),
)
"""``error`` is predicted less measured; ``relative_error`` is that by what was measured, and empty
where nothing was."""


def write_csv(correlation: Correlation, path: Path) -> None:
    """Write every counter of every run."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for run in correlation.runs:
            point = run.point.model_dump()
            for name, pair in run.counters.items():
                relative = f"{pair.error / pair.measured:.6f}" if pair.measured else ""
                kind = "event" if pair.exact else "cycles"
                numbers = (pair.measured, pair.predicted, pair.error, relative)
                writer.writerow([*(point[key] for key in COLUMNS[:5]), name, kind, *numbers])
