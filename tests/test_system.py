"""Whole workloads through RTL on Verilator: bytes, counters, cycles and ledger.

The many shapes and the timings of the reference memory share the build of `tiny`; every other
configuration costs a build of its own.
"""

from pathlib import Path

import numpy as np
import pytest
from random_graphs import random_graph
from system_bench import assert_meets_every_bound, run_named, run_workload

from arch.config import load_config
from workloads.registry import Workload, load

BASE = load_config("base")
TINY = load_config("tiny")  # 4 x 4, 8 KiB of activations, 4 KiB of weights


SHAPES = [
    *("1x1x1", "1x7x3", "2x2x2", "17x33x65"),
    *("7x11x13", "13x29x31", "97x101x103"),
    # one below, at and one above a multiple of rows and columns
    *("3x3x3", "4x4x4", "5x5x5", "31x31x33", "32x32x32", "33x33x31", "8x15x17"),
    # a contraction longer than the buffers of activations and of weights
    *("1x300x1", "7x1000x5", "1x9000x3", "2x5000x9"),
    # more channels than there is room for weights, parameters or outputs
    *("1x1x300", "3x6x500", "1x4x2500"),
    # more rows than a half of the accumulator, or than there is room for activations or outputs
    *("300x5x9", "900x4x4", "129x64x33", "2100x4x1"),
]

MEMORIES = [
    *({"dram_bytes_per_cycle": rate} for rate in (1, 2, 3)),
    *({"dram_latency_cycles": latency} for latency in (4, 37, 1000)),
    {"dram_latency_cycles": 4, "dram_bytes_per_cycle": 1},
    {"dram_latency_cycles": 500, "dram_bytes_per_cycle": 3},
]


def described(changes: dict[str, int]) -> str:
    return "-".join(f"{key.removeprefix('dram_')}={value}" for key, value in changes.items())


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_meets_every_bound(shape):
    assert_meets_every_bound(run_named(f"gemm:{shape}", TINY))


@pytest.mark.parametrize("changes", MEMORIES, ids=described)
def test_every_memory_timing_meets_every_bound(changes):
    config = TINY.model_copy(update=changes)
    assert config.hardware_hash == TINY.hardware_hash
    assert_meets_every_bound(run_named("gemm:40x64x70", config))


@pytest.mark.parametrize("seed", range(12))
def test_chains_with_tables_and_residuals_meet_every_bound(seed):
    rng = np.random.default_rng(seed)
    graph, inputs = random_graph(rng, layers=int(rng.integers(1, 4)), extent=60)
    assert_meets_every_bound(run_workload(Workload("random", graph, inputs), TINY, seed))


def test_the_mean_error_of_the_timeline_is_small():
    shapes = ("17x33x65", "5x700x9", "150x6x70", "9x90x110", "64x64x64")
    results = [run_named(f"gemm:{shape}", TINY) for shape in shapes]
    errors = [abs(run.predicted.timeline.cycles - run.cycles) / run.cycles for run in results]
    assert sum(errors) / len(errors) <= 0.0025


def test_garbage_in_memories_changes_no_counter():
    workload = load("gemm:17x33x65")
    runs = [run_workload(workload, TINY, garbage) for garbage in (1, 2)]
    for run in runs:
        assert_meets_every_bound(run)
    assert (runs[0].counters, runs[0].ledger) == (runs[1].counters, runs[1].ledger)


@pytest.mark.parametrize(
    ("workload", "least_utilization"),
    [("gemm:128x768x768", 0.97), ("gemm:32x384x1536", 0.95), ("minilm_linear", 0.0)],
)
def test_base_keeps_its_array_busy(workload, least_utilization):
    result = run_named(workload, BASE)
    assert_meets_every_bound(result)
    assert result.utilization == result.macs / (result.cycles * BASE.rows * BASE.cols)
    assert result.utilization >= least_utilization


@pytest.mark.parametrize("shape", ["1x1x1", "17x33x65", "70x130x40"])
@pytest.mark.parametrize("config", ["edge", "wide", "8x16", "16x8"])
def test_every_configuration_meets_every_bound(config, shape):
    assert_meets_every_bound(run_named(f"gemm:{shape}", load_config(config)))


ODD = """
extends = "tiny"
cols = 8
activation_buffer_kib = 3
weight_buffer_kib = 3
parameter_buffer_kib = 3
accumulator_kib = 3
queue_depth = 2
max_outstanding_reads = 1
max_outstanding_writes = 1
read_window_beats = 7
axi_data_bits = 128
dram_latency_cycles = 23
dram_bytes_per_cycle = 5
"""


@pytest.mark.parametrize("shape", ["1x1x1", "17x33x65", "30x500x20", "200x9x90"])
def test_a_configuration_that_a_user_makes_up_meets_every_bound(shape: str, tmp_path: Path):
    path = tmp_path / "odd.toml"
    path.write_text(ODD)
    assert_meets_every_bound(run_named(f"gemm:{shape}", load_config(str(path))))
