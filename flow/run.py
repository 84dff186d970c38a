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
from arch.isa import ErrorCode
from compiler.verify import CompilerError
from flow import reference, toolchain
from flow.check import check_counters, check_events, check_operators, check_sums, separate
from flow.memory import Memory, behaviour
from flow.operators import Analysis, layer_results, operator_results
from flow.result import (
    Accuracy,
    ErrorResult,
    OperatorResult,
    Predicted,
    Result,
    RooflinePrediction,
    SimulatorSpeed,
    TimelinePrediction,
)
from flow.simulate import Simulation, build_simulation, simulate
from flow.toolchain import Simulator
from flow.waves.last import save_run
from flow.waves.markers import Divergence, wrong_function, wrong_timing
from flow.waves.record import Recording, Trace
from golden.errors import GoldenError
from golden.machine import MachineState
from model.roofline import roofline
from model.timeline import predict
from tb.exchange import Outcome
from tb.scoreboard import DRAM, Expectation, Verdict, compare
from workloads.registry import Workload

_TIMEOUT_FACTOR = 4
_TIMEOUT_FACTOR_RANDOM = 40
_TIMEOUT_LEAST_CYCLES = 20_000

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Program:
    """A compiled image and the workload it was made from, if it was not read from a file."""

    name: str
    image: Image
    workload: Workload | None


@dataclass(frozen=True)
class Run:
    """A result, and what it does not hold.

    Attributes
    ----------
    outputs
        As the RTL computed them, by tensor name.
    retired
        Array of ``tb.run_files.RETIRE_RECORD``, in order of retirement.
    divergence
        Where a traced run first went wrong.
    """

    result: Result
    outputs: dict[str, NDArray[np.generic]]
    retired: NDArray[np.void]
    divergence: Divergence | None = None


def compile_workload(workload: Workload, config: Config) -> Program:
    """Compile a workload for a configuration; errors as in :func:`compiler.compile`."""
    return Program(
        workload.name, compiler.compile(workload.graph, workload.inputs, config), workload
    )


def predict_program(image: Image, config: Config) -> tuple[Predicted, Analysis]:
    """Every level of the model: of the program, and of each operator and instruction."""
    timeline = predict(image, config)
    bound = roofline(image.debug.operators, config)
    predicted = Predicted(
        roofline=RooflinePrediction(cycles=bound.cycles, bound=bound.bound),
        timeline=TimelinePrediction(
            cycles=timeline.cycles, counters=timeline.counters, ledger=timeline.ledger
        ),
    )
    return predicted, Analysis(bound, timeline)


@dataclass(frozen=True)
class _Evidence:
    """Everything a run is judged by."""

    program: Program
    config: Config
    predicted: Predicted
    analysis: Analysis
    golden: MachineState
    simulation: Simulation
    verdict: Verdict


def run(
    program: Program,
    config: Config,
    simulator: Simulator,
    *,
    seed: int,
    notify: Notify,
    memory: Memory = "fast",
    waves: Recording | None = None,
) -> Run:
    """Run a program through RTL and judge it.

    Parameters
    ----------
    program, config, simulator
        What runs, on which accelerator, in which simulator.
    seed
        Of the garbage in memories that the program has not written, and of a random memory.
    notify
        Told each step before it begins.
    memory
        Cycles and ledger with a random one are not judged: the model knows the reference memory.
    waves
        What to record of the simulation, and where to.

    Raises
    ------
    AssayError
        The image does not fit the configuration or, read from a file, is no legal program; or
        the window of ``waves`` begins after the run.
    compiler.verify.CompilerError
        It was compiled here and is no legal program.
    flow.simulate.SimulationError
        The testbench stopped.
    """
    image = program.image
    image.check_config(config)
    notify("running the golden model")
    state = _golden(program, config, seed)
    notify("predicting")
    predicted, analysis = predict_program(image, config)
    notify(f"building {config.name} for {simulator}, unless it is kept from an earlier run")
    build = build_simulation(config, simulator, memory=memory, traced=waves is not None)
    cycles = predicted.timeline.cycles
    notify(f"simulating about {cycles:,} cycles")
    factor = _TIMEOUT_FACTOR_RANDOM if memory == "axi-random" else _TIMEOUT_FACTOR
    simulation = simulate(
        image,
        config,
        simulator,
        build,
        seed=seed,
        timeout_cycles=max(_TIMEOUT_LEAST_CYCLES, factor * cycles),
        axi=behaviour(memory, config, seed),
        waves=waves,
    )
    notify("comparing")
    verdict = _compare(image, config, state, simulation)
    evidence = _Evidence(program, config, predicted, analysis, state, simulation, verdict)
    result = _judge(evidence, simulator, memory, seed, build.seconds)
    divergence = None
    if waves is not None and simulation.trace is not None:
        divergence = None if result.passed else _divergence(simulation.trace, evidence, memory)
        save_run(simulation.trace, waves.window, divergence, result, image, config, simulator)
    outputs = reference.read_outputs(simulation.after[DRAM], image)
    return Run(result, outputs, simulation.retired, divergence)


def _divergence(trace: Trace, evidence: _Evidence, memory: Memory) -> Divergence | None:
    """Where a run that failed first went wrong."""
    simulation, last_writer = evidence.simulation, evidence.golden.last_writer
    found = wrong_function(trace, simulation, evidence.verdict, last_writer)
    if found is None and memory != "axi-random":
        return wrong_timing(simulation, evidence.program.image, evidence.config)
    return found


def _golden(program: Program, config: Config, seed: int) -> MachineState:
    """The golden model's result; what it refuses is the fault of whoever made the program."""
    try:
        return golden.machine.run(program.image, config, seed)
    except GoldenError as error:
        if program.workload is None:
            raise
        raise CompilerError(str(error)) from None


def _compare(image: Image, config: Config, state: MachineState, simulation: Simulation) -> Verdict:
    expected = {DRAM: Expectation(state.dram, state.dram_written)}
    expected |= {
        name: Expectation(memory.data, memory.written) for name, memory in state.buffers.items()
    }
    return compare(config, image.debug, expected, simulation.before, simulation.after)


def _judge(
    evidence: _Evidence, simulator: Simulator, memory: Memory, seed: int, build_seconds: float
) -> Result:
    config, outcome = evidence.config, evidence.simulation.outcome
    image, workload = evidence.program.image, evidence.program.workload
    counters, ledger = separate(outcome.counters)
    operators = _operators(evidence, counters["cycles"])
    cycles, macs = counters["cycles"], counters["macs"]
    error = _error(image, outcome)
    failures = check_end(image, evidence.simulation)
    # What a stopped program left undone tells nothing more.
    if error is None:
        failures += _check_function(evidence)
        if memory == "axi-random":
            failures += check_events(counters, evidence.predicted) + check_sums(ledger, cycles)
        else:
            failures += check_counters(counters, ledger, evidence.predicted)
            failures += check_operators(operators)
    return Result(
        workload=evidence.program.name,
        config=config.name,
        simulator=simulator,
        memory=memory,
        seed=seed,
        passed=not failures,
        failures=failures,
        error=error,
        outputs_compared=evidence.verdict.compared_bytes,
        bytes_untouched=evidence.verdict.untouched_bytes,
        mismatches=evidence.verdict.mismatches,
        accuracy=_accuracy(evidence),
        cycles=cycles,
        macs=macs,
        utilization=macs / max(1, cycles * config.rows * config.cols),
        counters=counters,
        ledger=ledger,
        predicted=evidence.predicted,
        operators=operators,
        host_operators=[] if workload is None else list(workload.host_operators),
        layers=layer_results(image.debug, operators, config) if operators else [],
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
    return operator_results(debug, evidence.analysis, retired, cycles, evidence.config)


def _accuracy(evidence: _Evidence) -> Accuracy | None:
    """None without a reference, and where the run did not reach its end."""
    workload, outcome = evidence.program.workload, evidence.simulation.outcome
    if workload is None or workload.accuracy is None:
        return None
    if outcome.timed_out or outcome.status["ERROR"]:
        return None
    outputs = reference.read_outputs(evidence.simulation.after[DRAM], evidence.program.image)
    return Accuracy(**workload.accuracy(outputs))


def _error(image: Image, outcome: Outcome) -> ErrorResult | None:
    if not outcome.status["ERROR"]:
        return None
    index = outcome.error_instruction
    # Behind the last instruction where the program has no END (E-07).
    known = index < len(image.program)
    return ErrorResult(
        code=ErrorCode(outcome.error_code).name,
        instruction=index,
        address=outcome.error_address,
        disassembly=image.program[index].disassemble() if known else "behind the program",
    )


def check_end(image: Image, simulation: Simulation) -> list[str]:
    """What is wrong with the way the run ended and with what memory and bus saw of it."""
    outcome, failures = simulation.outcome, []
    if error := _error(image, outcome):
        failures.append(
            f"hardware stopped the program: {error.code.lower().replace('_', ' ')} in instruction "
            f"{error.instruction} ({error.disassembly})"
        )
    if outcome.timed_out:
        failures.append(
            f"no interrupt came in {outcome.simulated_cycles} cycles; the ledger says who waits "
            f"for whom: see {simulation.log}"
        )
    if outcome.protocol_errors:
        failures.append(f"the reference memory saw violations of AXI4: see {simulation.log}")
    failures += outcome.violations
    if outcome.outside_beats:
        failures.append(
            f"{outcome.outside_beats} beats were beyond the image's memory: see {simulation.log}"
        )
    if not outcome.timed_out and not outcome.bus.idle:
        failures.append(f"the run ended with the bus at work: {outcome.bus}: see {simulation.log}")
    if outcome.unknown_words:
        failures.append(f"{outcome.unknown_words} words of the memories hold an X")
    if outcome.unknown_cycles:
        failures.append(
            f"interrupt, a handshake or the retire port was X in {outcome.unknown_cycles} cycles"
        )
    return failures


def _check_function(evidence: _Evidence) -> list[str]:
    """What is wrong with the bytes, and with golden's where there is a reference."""
    program, failures = evidence.program, []
    if program.workload is not None:
        graph, inputs = program.workload.graph, program.workload.inputs
        expected = reference.evaluate(graph, inputs)
        tensors = evidence.golden.tensors
        if difference := reference.first_difference(expected, tensors, program.image):
            failures.append(difference)
    failures += [str(mismatch) for mismatch in evidence.verdict.first]
    if evidence.verdict.compared_bytes == 0:
        failures.append("nothing was compared: the program writes nothing")
    return failures
