"""From a workload to a judged result: compile, golden, predict, build, simulate, compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import compiler
import golden.machine
from arch.config import Config
from arch.image import Image
from flow import reference, toolchain
from flow.check import check_counters, check_operators, separate
from flow.operators import operator_results
from flow.result import (
    OperatorResult,
    Predicted,
    Result,
    RooflinePrediction,
    SimulatorSpeed,
    TimelinePrediction,
)
from flow.simulate import Simulation, build_simulation, simulate
from flow.toolchain import Simulator
from golden.machine import MachineState
from model.roofline import Roofline, roofline
from model.timeline import predict
from tb.scoreboard import DRAM, Expectation, Verdict, compare
from workloads.registry import Workload

_WATCHDOG_FACTOR = 4
_WATCHDOG_LEAST_CYCLES = 20_000

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Program:
    """A compiled image and the workload it was made from, if it was not read from a file."""

    name: str
    image: Image
    workload: Workload | None


@dataclass(frozen=True)
class Run:
    """A result, and the outputs as the RTL computed them, by tensor name."""

    result: Result
    outputs: dict[str, NDArray[np.generic]]


def compile_workload(workload: Workload, config: Config) -> Program:
    """Compile a workload for a configuration; errors as in :func:`compiler.compile`."""
    return Program(
        workload.name, compiler.compile(workload.graph, workload.inputs, config), workload
    )


def predict_program(image: Image, config: Config) -> tuple[Predicted, Roofline]:
    """Every level of the model, and the roofline of each operator."""
    timeline = predict(image, config)
    bound = roofline(image.debug.operators, config)
    predicted = Predicted(
        roofline=RooflinePrediction(cycles=bound.cycles, bound=bound.bound),
        timeline=TimelinePrediction(
            cycles=timeline.cycles, counters=timeline.counters, ledger=timeline.ledger
        ),
    )
    return predicted, bound


@dataclass(frozen=True)
class _Evidence:
    """Everything a run is judged by."""

    program: Program
    config: Config
    predicted: Predicted
    roofline: Roofline
    golden: MachineState
    simulation: Simulation
    verdict: Verdict


def run(
    program: Program, config: Config, simulator: Simulator, *, seed: int, notify: Notify
) -> Run:
    """Run a program through RTL and judge it.

    Parameters
    ----------
    program, config, simulator
        What runs, on which accelerator, in which simulator.
    seed
        Of the garbage in memories that the program has not written.
    notify
        Told each step before it begins.

    Raises
    ------
    AssayError
        The image does not fit the configuration or is no legal program.
    flow.simulate.SimulationError
        The testbench stopped.
    """
    image = program.image
    image.check_config(config)
    notify("running the golden model")
    state = golden.machine.run(image, config, seed)
    notify("predicting")
    predicted, bound = predict_program(image, config)
    notify(f"building {config.name} for {simulator}, unless it is kept from an earlier run")
    build = build_simulation(config, simulator)
    cycles = predicted.timeline.cycles
    notify(f"simulating about {cycles:,} cycles")
    watchdog_cycles = max(_WATCHDOG_LEAST_CYCLES, _WATCHDOG_FACTOR * cycles)
    simulation = simulate(
        image, config, simulator, build, seed=seed, watchdog_cycles=watchdog_cycles
    )
    notify("comparing")
    verdict = _compare(image, config, state, simulation)
    evidence = _Evidence(program, config, predicted, bound, state, simulation, verdict)
    result = _judge(evidence, simulator, seed, build.seconds)
    return Run(result, reference.read_outputs(simulation.after[DRAM], image))


def _compare(image: Image, config: Config, state: MachineState, simulation: Simulation) -> Verdict:
    expected = {DRAM: Expectation(state.dram, state.dram_written)}
    expected |= {
        name: Expectation(memory.data, memory.written) for name, memory in state.buffers.items()
    }
    return compare(config, image.debug, expected, simulation.before, simulation.after)


def _judge(evidence: _Evidence, simulator: Simulator, seed: int, build_seconds: float) -> Result:
    config, outcome = evidence.config, evidence.simulation.outcome
    counters, ledger = separate(outcome.counters)
    operators = _operators(evidence, counters["cycles"])
    failures = [
        *_check_function(evidence),
        *check_counters(counters, ledger, evidence.predicted),
        *check_operators(operators),
    ]
    cycles, macs = counters["cycles"], counters["macs"]
    return Result(
        workload=evidence.program.name,
        config=config.name,
        simulator=simulator,
        memory="fast",
        seed=seed,
        passed=not failures,
        failures=failures,
        outputs_compared=evidence.verdict.compared_bytes,
        bytes_untouched=evidence.verdict.untouched_bytes,
        mismatches=evidence.verdict.mismatches,
        cycles=cycles,
        macs=macs,
        utilization=macs / max(1, cycles * config.rows * config.cols),
        counters=counters,
        ledger=ledger,
        predicted=evidence.predicted,
        operators=operators,
        sim=SimulatorSpeed(
            build_seconds=build_seconds,
            run_seconds=outcome.run_seconds,
            khz=outcome.simulated_cycles / outcome.run_seconds / 1e3,
        ),
        versions=toolchain.versions(simulator),
    )


def _operators(evidence: _Evidence, cycles: int) -> list[OperatorResult]:
    """None where instructions did not retire, which fails the run elsewhere."""
    retired = evidence.simulation.retired
    debug = evidence.program.image.debug
    if len(retired) != len(debug.operator_of) - 1:
        return []
    return operator_results(debug, evidence.roofline, retired, cycles, evidence.config)


def _check_function(evidence: _Evidence) -> list[str]:
    """What is wrong with the bytes and with the run, the exactness of its counters aside."""
    simulation, program = evidence.simulation, evidence.program
    failures = []
    if simulation.outcome.timed_out:
        failures.append(
            "the interrupt did not come before the watchdog; the ledger says who waits for whom: "
            f"see {simulation.log}"
        )
    if simulation.outcome.memory_error:
        failures.append(f"the reference memory saw an error: see {simulation.log}")
    if program.workload is not None:
        graph, inputs = program.workload.graph, program.workload.inputs
        expected = reference.evaluate(graph, inputs)
        if difference := reference.first_difference(expected, evidence.golden.dram, program.image):
            failures.append(difference)
    failures += [str(mismatch) for mismatch in evidence.verdict.first]
    if evidence.verdict.compared_bytes == 0:
        failures.append("nothing was compared: the program writes nothing")
    return failures
