"""The closed form of a layer's cost is near the timeline, and there is a tiling for everything."""

import numpy as np
import pytest
from random_graphs import random_config

from arch.config import ACTIVATION_BANKS, load_config
from compiler import compile
from model.tile_search import best_tilings
from model.tiling import Estimate, Partition, Shape, Tiling
from model.timeline import predict
from workloads.registry import load

BASE = load_config("base")


def partition(config, residual_banks=0):
    """A bank for outputs, as many as said for residuals, the rest for activations."""
    bank = config.activation_buffer_bytes // ACTIVATION_BANKS
    return Partition(
        bank * (ACTIVATION_BANKS - 1 - residual_banks),
        bank * residual_banks,
        bank,
        config.weight_buffer_bytes,
        config.parameter_buffer_bytes,
    )


def best_estimate(shape, config):
    space = partition(config)
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
    space = partition(config, residual_banks=1)
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


def test_weights_that_do_not_stay_are_loaded_for_each_block_of_rows():
    shape, space = Shape(128, 768, 768), partition(BASE)
    halves, quarters = (
        Estimate(shape, Tiling(rows, 1, 1, 8, n_outer=False), BASE, space) for rows in (64, 32)
    )
    weight_cycles = 768 * 768 / BASE.dram_bytes_per_cycle
    assert quarters.load_cycles - halves.load_cycles == 2 * weight_cycles
    assert halves.matrix_cycles == quarters.matrix_cycles == 128 * 768 * 768 // 256


def test_activations_that_do_not_stay_are_loaded_for_each_group():
    shape, space = Shape(128, 768, 768), partition(BASE)
    pairs, fours = (
        Estimate(shape, Tiling(64, group, 1, 8, n_outer=True), BASE, space) for group in (2, 4)
    )
    activation_cycles = 128 * 768 / BASE.dram_bytes_per_cycle
    assert pairs.load_cycles - fours.load_cycles == 12 * activation_cycles


def test_fewer_rows_than_the_tile_take_as_long_as_its_weights():
    """Rule T-MX-04."""
    space = partition(BASE)
    estimate = Estimate(Shape(1, 160, 160), Tiling(1, 1, 1, 8, n_outer=False), BASE, space)
    assert estimate.matrix_cycles == 16 * 10 * 10


def test_what_stays_on_chip_costs_no_traffic():
    """The traffic left is that of weights and parameters."""
    tiling, space = Tiling(32, 8, 4, 8, n_outer=False), partition(BASE, residual_banks=1)
    streamed, resident = (
        Estimate(Shape(32, 384, 384, *element_bytes), tiling, BASE, space)
        for element_bytes in ((2, 2, 1), (0, 0, 0))
    )
    assert resident.load_cycles == (384 * 384 + 8 * 384) / BASE.dram_bytes_per_cycle
    assert resident.store_cycles == 0 < streamed.store_cycles
    assert resident.matrix_cycles == streamed.matrix_cycles
    assert streamed.load_cycles > resident.load_cycles


def test_what_stays_on_chip_limits_no_block():
    """A block is as large as the accumulators, however little is left for what streams."""
    space = Partition(0, 0, 0, BASE.weight_buffer_bytes, BASE.parameter_buffer_bytes)
    (tiling,) = best_tilings(Shape(16, 384, 384, 0, 0, 0), BASE, space, 1)
    assert tiling.rows == 16
