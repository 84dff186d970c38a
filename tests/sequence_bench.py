"""Sequences of programs on one accelerator, and what a legal program must show in each of them."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Sequence

import numpy as np
import pytest

import golden.machine
from arch.config import Config, load_config
from arch.image import Image
from arch.isa import Engine
from arch.registers import ledger_counter, register_map
from flow.build import Build
from flow.run import compile_workload
from flow.simulate import Simulation, Step, build_simulation, simulate_sequence
from flow.toolchain import Simulator
from golden.machine import MachineState
from tb.scoreboard import DRAM, Expectation, compare
from workloads.registry import load

TINY = load_config("tiny")
TIMEOUT_CYCLES = 200_000
WORKLOAD = "gemm:9x21x10"
"""For the legal program behind an error: a few of each instruction, and about 900 cycles."""


@functools.cache
def _build(config: Config, simulator: Simulator) -> Build:
    return build_simulation(config, simulator)


def run_steps(
    steps: Sequence[Step], simulator: Simulator = "verilator", config: Config = TINY
) -> list[Simulation]:
    """One simulation of all the steps."""
    if simulator == "icarus" and shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed")
    return simulate_sequence(steps, config, simulator, _build(config, simulator))


@functools.cache
def legal_image(workload: str = WORKLOAD) -> Image:
    return compile_workload(load(workload), TINY).image


@functools.cache
def golden_state(workload: str = WORKLOAD) -> MachineState:
    return golden.machine.run(legal_image(workload), TINY)


@functools.cache
def after_power_up(workload: str = WORKLOAD) -> Simulation:
    """The program as the first one of a simulation."""
    return run_steps([legal(workload)])[0]


def legal(workload: str = WORKLOAD, **changes: object) -> Step:
    fields = {"image": legal_image(workload), "timeout_cycles": TIMEOUT_CYCLES, **changes}
    return Step(**fields)


def assert_as_after_power_up(simulation: Simulation, workload: str = WORKLOAD) -> None:
    """Bit-exact with golden; counters, ledger and every retirement of a run after power-up."""
    assert_completed(simulation)
    assert_bit_exact(simulation, legal_image(workload), golden_state(workload))
    reference = after_power_up(workload)
    assert simulation.outcome.counters == reference.outcome.counters
    assert np.array_equal(simulation.retired, reference.retired)


def assert_bit_exact(simulation: Simulation, image: Image, state: MachineState) -> None:
    """Every byte is golden's where golden wrote it, and else what it was before the run."""
    expected = {DRAM: Expectation(state.dram, state.dram_written)}
    for name, memory in state.buffers.items():
        expected[name] = Expectation(memory.data, memory.written)
    verdict = compare(TINY, image.debug, expected, simulation.before, simulation.after)
    assert verdict.passed, [str(mismatch) for mismatch in verdict.first]


def assert_completed(simulation: Simulation) -> None:
    """The end of a run without errors: DONE and its interrupt only, the ERROR registers zero."""
    outcome = simulation.outcome
    assert outcome.status == only("STATUS", "DONE")
    assert outcome.interrupt_status == only("INTERRUPT_STATUS", "DONE")
    assert (outcome.error_code, outcome.error_instruction, outcome.error_address) == (0, 0, 0)
    assert not outcome.timed_out
    assert_clean(simulation)


def assert_clean(simulation: Simulation) -> None:
    """A legal bus at rest, nothing unknown, and L-01: states sum to the cycles."""
    outcome = simulation.outcome
    assert outcome.bus.idle, outcome.bus
    assert outcome.protocol_errors == 0
    assert outcome.unknown_words == 0
    assert outcome.unknown_cycles == 0
    for engine, states in register_map().ledger_states.items():
        counts = [outcome.counters[ledger_counter(Engine(engine), state)] for state in states]
        assert sum(counts) == outcome.counters["cycles"], engine


def only(register: str, *names: str) -> dict[str, bool]:
    """The fields of a register of single bits, with only these set."""
    return {name: name in names for name in register_map().registers[register].fields}
