"""The closed form of a layer's cost is near the timeline, and there is a tiling for everything."""

import numpy as np
import pytest
from random_graphs import random_config

from arch.config import load_config
from compiler import compile
from model.tile_search import best_tilings
from model.tiling import Estimate, Shape, Tiling, partition
from model.timeline import predict
from workloads.registry import load

BASE = load_config("base")


def best_estimate(shape, config):
    space = partition(config, residual=False)
    (tiling,) = best_tilings(shape, config, space, 1)
    return Estimate(shape, tiling, config, space)


@pytest.mark.parametrize("config", ["tiny", "base", "wide"])
@pytest.mark.parametrize(
    "shape", [(16, 16, 16), (32, 384, 512), (1, 768, 768), (512, 16, 512), (256, 64, 256)]
)
def test_the_estimate_is_near_the_timeline(shape, config):
    config = load_config(config)
    workload = load("gemm:{}x{}x{}".format(*shape))
    timeline = predict(compile(workload.graph, workload.inputs, config), config).cycles
    assert best_estimate(Shape(*shape), config).cycles == pytest.approx(timeline, rel=0.1)


@pytest.mark.parametrize("seed", range(50))
def test_tilings_fit_their_buffers(seed):
    rng = np.random.default_rng(seed)
    config = random_config(rng)
    m, k, n = (int(2 ** rng.uniform(0, 12)) for _ in range(3))
    shape = Shape(m, k, n, output_bytes=2, residual_bytes=2)
    space = partition(config, residual=True)
    tilings = best_tilings(shape, config, space, 1000)
    assert tilings
    for tiling in tilings:
        elements = tiling.rows * tiling.group_tiles * config.cols
        weights = tiling.chunk_tiles * tiling.instruction_tiles * config.rows * config.cols
        assert tiling.rows * tiling.group_tiles <= config.accumulator_depth
        assert 2 * elements <= space.output // 2
        assert 2 * elements <= space.residual // 2
        assert 8 * config.cols * tiling.group_tiles <= space.parameter // 2
        assert weights <= space.weight // 2
        assert tiling.group_tiles % tiling.instruction_tiles == 0


def test_partition_deals_out_whole_banks():
    with_residual, without = (partition(BASE, residual) for residual in (True, False))
    assert (with_residual.activation, with_residual.residual, with_residual.output) == (
        32768,
        16384,
        16384,
    )
    assert (without.activation, without.residual, without.output) == (49152, 0, 16384)


def test_weights_that_do_not_stay_are_loaded_for_each_block_of_rows():
    shape, space = Shape(128, 768, 768), partition(BASE, residual=False)
    halves, quarters = (
        Estimate(shape, Tiling(rows, 1, 1, 8, n_outer=False), BASE, space) for rows in (64, 32)
    )
    weight_cycles = 768 * 768 / BASE.dram_bytes_per_cycle
    assert quarters.load_cycles - halves.load_cycles == 2 * weight_cycles
    assert halves.matrix_cycles == quarters.matrix_cycles == 128 * 768 * 768 // 256


def test_activations_that_do_not_stay_are_loaded_for_each_group():
    shape, space = Shape(128, 768, 768), partition(BASE, residual=False)
    pairs, fours = (
        Estimate(shape, Tiling(64, group, 1, 8, n_outer=True), BASE, space) for group in (2, 4)
    )
    activation_cycles = 128 * 768 / BASE.dram_bytes_per_cycle
    assert pairs.load_cycles - fours.load_cycles == 12 * activation_cycles


def test_fewer_rows_than_the_tile_take_as_long_as_its_weights():
    """Rule T-MX-04."""
    space = partition(BASE, residual=False)
    estimate = Estimate(Shape(1, 160, 160), Tiling(1, 1, 1, 8, n_outer=False), BASE, space)
    assert estimate.matrix_cycles == 16 * 10 * 10
