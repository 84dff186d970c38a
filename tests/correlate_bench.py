"""Runs that were never simulated: the model's own prediction in place of what RTL did."""

from __future__ import annotations

from arch.isa import Engine
from arch.registers import ledger_counter
from flow.correlate.measure import Measurement, compile_point, judge
from flow.correlate.schema import Point
from model.timeline import Prediction, predict


def point(workload: str = "gemm:9x21x10", latency: int = 100, rate: int = 4) -> Point:
    """A point on `tiny`."""
    return Point(
        workload=workload,
        config="tiny",
        dram_latency_cycles=latency,
        dram_bytes_per_cycle=rate,
        seed=0,
    )


def as_measured(prediction: Prediction) -> dict[int, tuple[int, int]]:
    """Retirements exactly as predicted."""
    return {each.index: (each.start, each.end) for each in prediction.instructions}


def counters_of(prediction: Prediction) -> dict[str, int]:
    """Every counter exactly as predicted."""
    ledger = {
        ledger_counter(engine, state): cycles
        for engine in Engine
        for state, cycles in prediction.ledger[engine.name.lower()].items()
    }
    return prediction.counters | ledger


def measurement(
    where: Point, rtl: Prediction | None = None, changed: dict[str, int] | None = None
) -> Measurement:
    """A run in which RTL does what `rtl` says, the counters in `changed` aside."""
    image = compile_point(where)
    predicted = predict(image, where.loaded)
    rtl = rtl or predicted
    retired = as_measured(rtl)
    counters = counters_of(rtl) | (changed or {})
    return Measurement(judge(where, image, predicted, counters, retired), retired)
