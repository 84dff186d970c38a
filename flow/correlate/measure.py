"""One point: compiled, predicted, simulated, and set side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from arch.config import Config
from arch.errors import AssayError
from arch.image import Image
from arch.registers import register_map
from flow.check import separate
from flow.correlate.bars import check_run
from flow.correlate.counter_faults import counter_faults
from flow.correlate.parting import Retired, first_parting
from flow.correlate.schema import CounterFault, FailedRun, Pair, Parting, Point, Run
from flow.result import Predicted, RooflinePrediction, TimelinePrediction
from flow.run import check_end, compile_workload
from flow.simulate import SimulationError, build_simulation, simulate
from flow.toolchain import Simulator
from model.roofline import roofline
from model.timeline import Prediction, predict
from workloads import registry

SIMULATOR: Simulator = "verilator"
_TIMEOUT_FACTOR = 4
_TIMEOUT_LEAST_CYCLES = 20_000


@dataclass(frozen=True)
class Measurement:
    """A run, and the retirements it was judged by."""

    run: Run
    retired: Retired


def compile_point(point: Point) -> Image:
    """The program of a point.

    Raises
    ------
    AssayError
        The workload does not fit the configuration.
    """
    try:
        return compile_workload(registry.load(point.workload, point.seed), point.loaded).image
    except AssayError as error:
        raise AssayError(f"{point.title}: {error}") from None


def build_point(point: Point) -> None:
    """Build the hardware of a point, unless it is kept."""
    build_simulation(point.loaded, SIMULATOR)


def measure(point: Point) -> Measurement | FailedRun:
    """Measure a point that was built.

    Bytes are not compared, `assay run` does that: cycles and counts do not depend on them.
    """
    config, image = point.loaded, compile_point(point)
    prediction = predict(image, config)
    build = build_simulation(config, SIMULATOR)
    timeout = max(_TIMEOUT_LEAST_CYCLES, _TIMEOUT_FACTOR * prediction.cycles)
    try:
        simulation = simulate(
            image, config, SIMULATOR, build, seed=point.seed, timeout_cycles=timeout
        )
    except SimulationError as error:
        return FailedRun(point=point, error=str(error))
    retired = {
        int(record["instruction"]): (int(record["start"]), int(record["end"]))
        for record in simulation.retired
    }
    ended = check_end(image, simulation)
    run = judge(point, image, prediction, simulation.outcome.counters, retired)
    return Measurement(run.model_copy(update={"failures": ended + run.failures}), retired)


def judge(
    point: Point,
    image: Image,
    prediction: Prediction,
    measured: Mapping[str, int],
    retired: Retired,
) -> Run:
    """Set every counter and every retirement beside its prediction."""
    config = point.loaded
    counters, ledger = separate(measured)
    cycles = counters["cycles"]
    bound = roofline(image.debug.operators, config)
    predicted = Predicted(
        roofline=RooflinePrediction(cycles=bound.cycles, bound=bound.bound),
        timeline=TimelinePrediction(
            cycles=prediction.cycles, counters=prediction.counters, ledger=prediction.ledger
        ),
    )
    parting = first_parting(image.program, prediction, retired, cycles)
    pairs = _pairs(measured, prediction)
    operators = image.debug.operators
    traffic_bytes = sum(each.read_bytes + each.write_bytes for each in operators)
    return Run(
        point=point,
        cycles=cycles,
        predicted_cycles=prediction.cycles,
        error=(prediction.cycles - cycles) / max(1, cycles),
        macs_per_byte=sum(each.macs for each in operators) / max(1, traffic_bytes),
        macs_per_cycle=counters["macs"] / max(1, cycles),
        peak_macs_per_cycle=config.rows * config.cols,
        counters=pairs,
        ledger=ledger,
        predicted_ledger=prediction.ledger,
        parting=parting,
        counter_faults=_counter_faults(image, pairs, config, parting),
        failures=check_run(counters, ledger, predicted, parting),
    )


def _pairs(measured: Mapping[str, int], prediction: Prediction) -> dict[str, Pair]:
    """Every counter on both sides; a state that the model does not know is never predicted."""
    predicted = dict(prediction.counters)
    for engine, states in prediction.ledger.items():
        predicted |= {f"ledger_{engine}_{state}": cycles for state, cycles in states.items()}
    return {
        counter.name: Pair(
            measured=measured[counter.name],
            predicted=predicted.get(counter.name, 0),
            exact=counter.exact,
        )
        for counter in register_map().counters
    }


def _counter_faults(
    image: Image, pairs: Mapping[str, Pair], config: Config, parting: Parting | None
) -> list[CounterFault]:
    """None where an instruction never retires: what it would have counted is missing."""
    if parting is not None and parting.error is None:
        return []
    parted = parting is not None and parting.partings > 0
    return counter_faults(image.program, pairs, config, parted=parted)
