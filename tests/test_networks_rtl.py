"""Convolutional networks through RTL: single windows, random networks, the small named ones."""

import pytest
from random_images import random_image_network
from system_bench import assert_meets_every_bound, run_named, run_workload

from arch.config import load_config
from compiler import compile
from flow.reference import evaluate, first_difference
from golden.machine import run
from workloads.registry import Workload

BASE, TINY = load_config("base"), load_config("tiny")
SHAPES = [
    "9x7x5:3x3x6:p1",
    "8x8x24:3x3x24:g24:p1",
    "11x9x12:3x2x18:g6:s2x1:p1x0",
    "12x12x3:5x5x8:s2:p2",
    "10x10x4:3x3x8:d3:p3",
    "1x1x40:1x1x40",
    "6x140x4:3x3x4",
]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_convolution_meets_every_bound(shape):
    assert_meets_every_bound(run_named(f"conv:{shape}", TINY))


@pytest.mark.parametrize("config", ["edge", "wide", "8x16", "16x8"])
@pytest.mark.parametrize("shape", SHAPES[:4])
def test_a_convolution_meets_every_bound_on_every_configuration(config, shape):
    assert_meets_every_bound(run_named(f"conv:{shape}", load_config(config)))


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("config", ["tiny", "base", "8x16"])
def test_random_networks_compute_on_the_golden_machine(seed, config):
    graph, inputs = random_image_network(seed)
    config = load_config(config)
    image = compile(graph, inputs, config)
    assert first_difference(evaluate(graph, inputs), run(image, config).tensors, image) is None


@pytest.mark.parametrize("seed", range(16))
def test_random_networks_meet_every_bound(seed):
    graph, inputs = random_image_network(seed)
    assert_meets_every_bound(run_workload(Workload("random", graph, inputs), TINY, seed))


@pytest.mark.parametrize("seed", range(3))
def test_random_networks_on_icarus_give_what_verilator_gives(seed):
    graph, inputs = random_image_network(seed, most=2)
    workload = Workload("random", graph, inputs)
    runs = [run_workload(workload, TINY, seed, simulator) for simulator in ("verilator", "icarus")]
    for result in runs:
        assert_meets_every_bound(result)
    assert runs[0].counters == runs[1].counters


@pytest.mark.parametrize(
    ("name", "utilization"),
    [("resnet8", 0.78), ("mobilenet_v1_025", 0.2), ("ds_cnn", 0.2), ("autoencoder", 0.04)],
)
def test_a_small_network_meets_every_bound(name, utilization):
    result = run_named(name, BASE)
    assert_meets_every_bound(result)
    assert result.utilization >= utilization
    assert result.accuracy.cosine_min >= 0.98
    assert result.predicted.timeline.cycles == pytest.approx(result.cycles, rel=0.0025)


def test_digits_are_read_as_well_as_in_floating_point():
    result = run_named("digits", BASE)
    assert_meets_every_bound(result)
    assert abs(result.accuracy.top1 - result.accuracy.top1_float) <= 0.005
