"""Transformers through RTL on Verilator: attention, a decoder block, and MiniLM end to end.

Shapes run on `tiny` where they can: its head sizes are multiples of 4.
"""

import pytest
from random_networks import random_network
from system_bench import assert_meets_every_bound, run_named, run_workload

from arch.config import load_config
from workloads.registry import Workload

BASE = load_config("base")
TINY = load_config("tiny")


@pytest.mark.parametrize(
    "shape", ["1x1x4", "2x3x8", "15x2x12", "17x1x4", "31x2x8", "40x1x16:causal", "9x2x4:causal"]
)
def test_attention_meets_every_bound(shape):
    assert_meets_every_bound(run_named(f"attention:{shape}", TINY))


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_meet_every_bound(seed):
    graph, inputs = random_network(seed)
    assert_meets_every_bound(run_workload(Workload("random", graph, inputs), TINY, seed))


@pytest.mark.parametrize("seed", range(2))
def test_random_networks_on_icarus_give_what_verilator_gives(seed):
    graph, inputs = random_network(seed)
    workload = Workload("random", graph, inputs)
    runs = [run_workload(workload, TINY, seed, simulator) for simulator in ("verilator", "icarus")]
    for run in runs:
        assert_meets_every_bound(run)
    assert runs[0].counters == runs[1].counters


def test_attention_keeps_the_array_of_base_busy():
    result = run_named("attention:128x12x32", BASE)
    assert_meets_every_bound(result)
    assert result.utilization >= 0.85


def test_minilm_of_16_tokens_keeps_the_array_of_base_busy():
    result = run_named("minilm:16", BASE)
    assert_meets_every_bound(result)
    assert result.utilization >= 0.85
    assert result.accuracy.cosine_min >= 0.985


@pytest.mark.parametrize("tokens", [1, 2, 15, 17, 31])
def test_minilm_of_any_length_meets_every_bound(tokens):
    assert_meets_every_bound(run_named(f"minilm:{tokens}", BASE))


@pytest.mark.parametrize("config", ["edge", "wide", "8x16", "16x8"])
@pytest.mark.parametrize("workload", ["llama_block:prefill:17", "llama_block:decode:30"])
def test_a_decoder_block_meets_every_bound_on_every_configuration(workload, config):
    assert_meets_every_bound(run_named(workload, load_config(config)))


def test_decoding_is_bound_by_bandwidth_and_reads_its_cache():
    """Roofline, model and RTL alike; 100 tokens more in the cache are read once more."""
    short, long = (run_named(f"llama_block:decode:{tokens}", BASE) for tokens in (28, 128))
    for result in (short, long):
        assert_meets_every_bound(result)
        assert result.predicted.roofline.bound == "dram"
        assert result.counters["load_beats"] >= 0.9 * result.cycles
    key_and_value_bytes = 2 * 128
    more = long.counters["load_bytes"] - short.counters["load_bytes"]
    assert more >= 100 * key_and_value_bytes
