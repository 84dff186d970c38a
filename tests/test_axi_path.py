"""Programs through RTL with the memory in Python: as with the reference memory, and at random."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from sequence_bench import (
    TINY,
    after_power_up,
    assert_as_after_power_up,
    assert_bit_exact,
    assert_completed,
    golden_state,
    legal,
    legal_image,
    run_steps,
)
from system_bench import assert_meets_every_bound

import flow.run
import flow.simulate
from arch.config import Config, load_config
from arch.isa import ErrorCode
from arch.registers import register_map
from flow import cli
from flow.build import Build
from flow.elaborate import elaborate
from flow.memory import behaviour
from flow.run import compile_workload, run
from flow.simulate import Simulation, Step, build_simulation, simulate_sequence
from flow.toolchain import Simulator, check_simulator
from tb.run_files import DECERR, SLVERR, MemoryFaults
from workloads.registry import load

SHAPES = ("gemm:9x21x10", "gemm:1x1x1", "gemm:33x33x31", "gemm:3x300x5", "gemm:300x5x9")
TIMINGS = (
    {},
    {"dram_latency_cycles": 4, "dram_bytes_per_cycle": 1},
    {"dram_latency_cycles": 37, "dram_bytes_per_cycle": 3},
)
EVENTS = [counter.name for counter in register_map().counters if counter.exact]
SEEDS = 200
SEEDS_PER_PROCESS = 50


@functools.cache
def _build(simulator: Simulator) -> Build:
    return build_simulation(TINY, simulator, memory="axi")


def run_axi(
    steps: Sequence[Step], simulator: str = "verilator", config: Config = TINY
) -> list[Simulation]:
    """One simulation of all the steps; those without a behaviour get the reference memory's."""
    exact = behaviour("axi", config, 0)
    chosen = check_simulator(simulator)
    steps = [step if step.axi else replace(step, axi=exact) for step in steps]
    return simulate_sequence(steps, config, chosen, _build(chosen))


def random_step(shape: str, seed: int) -> Step:
    return legal(shape, seed=seed, axi=behaviour("axi-random", TINY, seed))


def assert_same(measured: Simulation, expected: Simulation) -> None:
    """Everything that hardware shows."""
    assert measured.outcome.counters == expected.outcome.counters
    assert np.array_equal(measured.retired, expected.retired)
    for name, contents in expected.after.items():
        assert np.array_equal(measured.after[name], contents), name
    assert measured.outcome.violations == ()


def assert_right_at_any_time(simulation: Simulation, shape: str) -> None:
    """What does not depend on the memory's timing, and a legal bus."""
    assert simulation.outcome.violations == ()
    assert_completed(simulation)
    assert simulation.outcome.outside_beats == 0
    assert_bit_exact(simulation, legal_image(shape), golden_state(shape))
    reference = after_power_up(shape)
    for name in EVENTS:
        assert simulation.outcome.counters[name] == reference.outcome.counters[name], name
    for engine in range(4):
        orders = [
            run.retired["instruction"][run.retired["engine"] == engine]
            for run in (simulation, reference)
        ]
        assert np.array_equal(*orders), engine


@pytest.mark.parametrize("timing", TIMINGS, ids=str)
def test_the_memory_in_python_takes_the_cycles_of_the_reference_memory(timing):
    """T-DRAM-01 to T-DRAM-05: counters, ledger, every retirement and every byte are equal."""
    config = TINY.model_copy(update=timing)
    assert config.hardware_hash == TINY.hardware_hash
    steps = [legal(shape, seed=place) for place, shape in enumerate(SHAPES)]
    pairs = zip(run_axi(steps, config=config), run_steps(steps, config=config), strict=True)
    for measured, expected in pairs:
        assert_completed(measured)
        assert_same(measured, expected)


def test_both_simulators_see_the_same():
    steps = [legal(), random_step("gemm:9x21x10", 1), random_step("gemm:9x21x10", 2)]
    for icarus, verilator in zip(run_axi(steps, "icarus"), run_axi(steps), strict=True):
        assert_completed(icarus)
        assert_same(icarus, verilator)


def test_base_takes_the_cycles_of_the_reference_memory():
    base = load_config("base")
    program = compile_workload(load("gemm:32x64x48"), base)
    fast, axi = (
        run(program, base, "verilator", seed=0, notify=lambda text: None, memory=memory).result
        for memory in ("fast", "axi")
    )
    assert_meets_every_bound(axi)
    assert (axi.counters, axi.ledger) == (fast.counters, fast.ledger)
    assert (fast.memory, axi.memory) == ("fast", "axi")


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_PROCESS))
def test_results_and_events_are_the_same_with_a_memory_of_any_timing(first):
    """Two hundred memories: latency, back-pressure, gaps, order of IDs, order of AW and W."""
    seeds = range(first, first + SEEDS_PER_PROCESS)
    shapes = [SHAPES[seed % 3] for seed in seeds]
    simulations = run_axi([random_step(*pair) for pair in zip(shapes, seeds, strict=True)])
    for shape, simulation in zip(shapes, simulations, strict=True):
        assert_right_at_any_time(simulation, shape)
    cycles = [simulation.outcome.counters["cycles"] for simulation in simulations]
    assert len(set(cycles)) > SEEDS_PER_PROCESS // 2


FAULTS = {
    "slverr": (MemoryFaults(range(1 << 20), SLVERR, SLVERR), ErrorCode.READ_SLVERR),
    "decerr": (MemoryFaults(range(1 << 20), DECERR, DECERR), ErrorCode.READ_DECERR),
    "writes": (MemoryFaults(range(1 << 20), write=SLVERR), ErrorCode.WRITE_SLVERR),
    "dead": (MemoryFaults(answered_bursts=3), ErrorCode.WATCHDOG),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_errors_of_the_memory_end_a_run_as_with_the_reference_memory(fault):
    """E-05, E-06, E-08; behind a reset of both sides (E-09) the next program is as ever."""
    faults, code = FAULTS[fault]
    steps = [
        legal(faults=faults, watchdog_cycles=500),
        legal(reset=True, reset_memory=True),
    ]
    (failed, after), (expected, _) = run_axi(steps), run_steps(steps)
    assert_same(failed, expected)
    assert failed.outcome.error_code == code
    assert failed.outcome.error_instruction == expected.outcome.error_instruction
    assert failed.outcome.status == expected.outcome.status
    assert failed.outcome.status["BUS_STUCK"] == (fault == "dead")
    assert after.outcome.violations == ()
    assert_as_after_power_up(after)


@pytest.mark.parametrize("fault", FAULTS)
def test_errors_of_a_memory_of_any_timing_leave_a_legal_bus(fault):
    """E-05, E-08, E-09."""
    faults, code = FAULTS[fault]
    steps = []
    for seed in range(10):
        failing = replace(random_step("gemm:9x21x10", seed), faults=faults, watchdog_cycles=2000)
        steps.append(replace(failing, reset=seed > 0, reset_memory=seed > 0))
    for simulation in run_axi(steps):
        assert simulation.outcome.violations == ()
        assert simulation.outcome.error_code == code


def test_a_violation_of_the_rtl_fails_the_run(monkeypatch, tmp_path, capsys):
    def faulty(config, root):
        rtl = elaborate(config, root)
        last, wrong = r"assign axi__wlast = (.*);", r"assign axi__wlast = !\1;"
        verilog, places = re.subn(last, wrong, rtl.verilog, count=1)
        assert places == 1
        return replace(rtl, verilog=verilog)

    check_simulator("icarus")
    monkeypatch.setattr(flow.simulate, "elaborate", faulty)
    report = tmp_path / "r.json"
    command = ["run", "gemm:1x1x1", "--config", "tiny", "--sim", "icarus", "--memory", "axi"]
    assert cli._main([*command, "--json", str(report)]) == 1
    capsys.readouterr()
    failures = json.loads(report.read_text())["failures"]
    assert any(failure.startswith("AXI protocol, cycle ") for failure in failures)


def test_a_random_memory_is_chosen_by_the_seed(tmp_path, capsys):
    cycles = []
    for seed in ("1", "1", "2"):
        report = tmp_path / "r.json"
        command = ["run", "gemm:9x21x10", "--config", "tiny", "--memory", "axi-random"]
        assert cli._main([*command, "--seed", seed, "--json", str(report)]) == 0
        result = json.loads(report.read_text())
        assert result["memory"] == "axi-random"
        cycles.append(result["cycles"])
    capsys.readouterr()
    assert cycles[0] == cycles[1] != cycles[2]


def test_events_are_judged_with_a_random_memory_too(monkeypatch):
    program = compile_workload(load("gemm:9x21x10"), TINY)
    predicted, bound = flow.run.predict_program(program.image, TINY)
    counters = {**predicted.timeline.counters, "macs": 1}
    wrong = predicted.model_copy(
        update={"timeline": predicted.timeline.model_copy(update={"counters": counters})}
    )
    monkeypatch.setattr(flow.run, "predict_program", lambda image, config: (wrong, bound))
    result = run(
        program, TINY, "verilator", seed=0, notify=lambda text: None, memory="axi-random"
    ).result
    assert not result.passed
    assert [failure.split(":")[0] for failure in result.failures] == ["counter macs"]
