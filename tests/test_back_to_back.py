"""Programs one after the other without a reset: each is as if it were alone."""

from __future__ import annotations

import itertools
from random import Random

import numpy as np
import pytest
from sequence_bench import (
    TINY,
    after_power_up,
    assert_as_after_power_up,
    assert_completed,
    legal,
    legal_image,
    run_steps,
)

import golden.machine
from tb.exchange import Action

LONG = "gemm:33x33x31"
SHORT = (
    *("gemm:9x21x10", "gemm:1x1x1", "gemm:5x5x5", "gemm:1x7x3", "gemm:17x4x4", "gemm:4x33x8"),
    *("gemm:3x12x17", "gemm:16x16x16", "gemm:2x64x2", "gemm:20x6x9", "gemm:1x1x40"),
)
SHAPES = ("gemm:9x21x10", "gemm:1x1x1", LONG, "gemm:3x300x5", "gemm:70x4x4")


def test_the_shapes_differ_in_their_counters():
    counters = [after_power_up(shape).outcome.counters for shape in SHAPES]
    assert len({tuple(values.values()) for values in counters}) == len(SHAPES)


@pytest.mark.parametrize("seed", range(3))
def test_each_program_of_a_sequence_gives_the_counters_and_bytes_it_gives_alone(seed):
    """E-10; two and three different ones in a row occur in every order of the shapes."""
    order = Random(seed).sample(SHAPES * 3, 3 * len(SHAPES))
    steps = [legal(shape, seed=seed, keep_buffers=place > 0) for place, shape in enumerate(order)]
    simulations = run_steps(steps)
    for shape, simulation in zip(order, simulations, strict=True):
        assert_as_after_power_up(simulation, shape)
    for first, second in itertools.pairwise(simulations):
        for buffer in set(first.after) - {"dram"}:
            assert np.array_equal(first.after[buffer], second.before[buffer])


def test_on_icarus_every_shape_gives_what_it_gives_on_verilator():
    """From everything unknown at power-up: no X in a memory, a register or the interrupt."""
    steps = [legal(shape, keep_buffers=place > 0) for place, shape in enumerate(SHORT)]
    for shape, simulation in zip(SHORT, run_steps(steps, "icarus"), strict=True):
        assert_as_after_power_up(simulation, shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_golden_writes_the_same_whatever_the_buffers_held_before(shape):
    """So the comparison of a second program with golden shows that it read nothing of the first."""
    states = [golden.machine.run(legal_image(shape), TINY, seed) for seed in (1, 2)]
    for name, memory in states[0].buffers.items():
        other = states[1].buffers[name]
        assert np.array_equal(memory.written, other.written)
        assert np.array_equal(memory.data[memory.written], other.data[memory.written])
    assert np.array_equal(states[0].dram_written, states[1].dram_written)
    written = states[0].dram_written
    assert np.array_equal(states[0].dram[written], states[1].dram[written])


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_reading_counters_during_a_run_changes_no_cycle_and_no_counter(simulator):
    gaps = (1, 2, 3, 17, 100, 400) if simulator == "verilator" else (50,)
    reads = [
        tuple(Action(after_cycles=gap, what="read_counters") for _ in range(20)) for gap in gaps
    ]
    for simulation in run_steps([legal(LONG, actions=actions) for actions in reads], simulator):
        assert_as_after_power_up(simulation, LONG)


def test_start_is_ignored_while_a_program_runs():
    cycles = after_power_up().outcome.counters["cycles"]
    steps = [
        legal(actions=(Action(after_cycles=at, what="start"),)) for at in range(0, cycles - 20, 13)
    ]
    for simulation in run_steps(steps):
        assert_as_after_power_up(simulation)


def test_a_soft_reset_between_programs_changes_nothing():
    for simulation in run_steps([legal(reset=n % 2 == 1, keep_buffers=n > 0) for n in range(6)]):
        assert_completed(simulation)
        assert_as_after_power_up(simulation)
