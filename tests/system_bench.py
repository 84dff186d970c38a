"""Whole runs, as `assay run` makes them, and what each of them must show."""

from __future__ import annotations

from arch.config import Config
from flow.result import Result
from flow.run import compile_workload, run
from flow.toolchain import Simulator
from workloads.registry import Workload, load


def run_workload(
    workload: Workload, config: Config, seed: int = 0, simulator: Simulator = "verilator"
) -> Result:
    """Compile, run, judge."""
    program = compile_workload(workload, config)
    return run(program, config, simulator, seed=seed, notify=lambda text: None).result


def run_named(
    name: str, config: Config, seed: int = 0, simulator: Simulator = "verilator"
) -> Result:
    return run_workload(load(name, seed), config, seed, simulator)


def assert_meets_every_bound(result: Result) -> None:
    """Bit-exact, counters equal, cycles and ledger close; told apart from `result.passed`.

    The bounds are those that are required, written here a second time: a mistake in `flow.check`
    does not hide one here.
    """
    assert result.passed, result.failures
    assert result.mismatches == 0
    assert result.outputs_compared > 0
    cycles, timeline = result.cycles, result.predicted.timeline
    events = {name: count for name, count in result.counters.items() if name != "cycles"}
    assert events == {name: timeline.counters[name] for name in events}
    assert abs(timeline.cycles - cycles) <= max(8, 0.01 * cycles)
    assert result.predicted.roofline.cycles <= cycles
    for operator in result.operators:
        assert operator.roofline_cycles <= operator.span_cycles <= cycles
    assert sum(operator.exclusive_cycles for operator in result.operators) == cycles
    for engine, states in result.ledger.items():
        assert sum(states.values()) == cycles, engine
        for state, count in states.items():
            predicted = timeline.ledger[engine].get(state, 0)
            assert abs(count - predicted) <= 0.02 * cycles, (engine, state)
