"""Homes of tensors: who lives where and how long, and what is left for what streams."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from random_graphs import random_config
from random_networks import random_network

from arch.config import ACTIVATION_BANKS, Config, config_names, load_config
from arch.isa import ElementType, Load, Matrix, Store, Vector
from compiler import compile
from compiler.packer import Lifetime, Packer
from compiler.placement import SHARED, Placement, place
from compiler.staging import activation_reads, deal, roles, weight_reads
from model.timeline import predict
from workloads.graph import Graph
from workloads.operators import Append, Multiply, SumRows
from workloads.registry import load
from workloads.tensor import Tensor

BASE = load_config("base")
KIB = 1024
INT8, INT16 = ElementType.INT8, ElementType.INT16


@pytest.fixture(scope="module")
def minilm():
    return load("minilm:16")


def configurations() -> list[Config]:
    rng = np.random.default_rng(0)
    return [*map(load_config, config_names()), *(random_config(rng) for _ in range(20))]


def lifetime(graph: Graph, name: str) -> Lifetime:
    """From the operator that makes it to the last that reads it; inputs are there throughout."""
    made = [i for i, o in enumerate(graph.operators) if name in {t.name for t in o.outputs}]
    read = [i for i, o in enumerate(graph.operators) if name in {t.name for t in o.inputs}]
    return Lifetime(made[0], max([*made, *read]))


def spans(graph: Graph, placement: Placement, memory: str) -> list[tuple[int, int, Lifetime]]:
    """First address, end and lifetime of every tensor of a buffer, or of the shared DRAM."""
    return [
        (home.address, home.address + tensor.rows * home.row_bytes, lifetime(graph, tensor.name))
        for tensor in graph.tensors
        for home in (placement.homes[tensor.name],)
        if home.memory == memory and (memory != "dram" or home.origin == SHARED)
    ]


@pytest.mark.parametrize("seed", range(8))
def test_nothing_lies_where_something_else_lives(seed):
    """Homes of one memory, and rings, share bytes only at different times."""
    graph, _ = random_network(seed)
    for config in configurations():
        placement = place(graph, config)
        for memory in ("activation", "weight", "dram"):
            for (low, high, one), (start, end, other) in combinations(
                spans(graph, placement, memory), 2
            ):
                assert not (one.meets(other) and low < end and start < high)
        for index, staging in enumerate(placement.staging):
            taken = [
                (start, end)
                for start, end, when in spans(graph, placement, "activation")
                if when.meets(Lifetime(index, index))
            ]
            taken += [(start, start + size) for _, (start, size) in staging.rings]
            assert max(end for _, end in [(0, 0), *taken]) <= config.activation_buffer_bytes
            for (low, high), (start, end) in combinations(taken, 2):
                assert high <= start or end <= low
        for start, end, _ in spans(graph, placement, "weight"):
            assert placement.weight_ring_bytes <= start < end <= config.weight_buffer_bytes


@pytest.mark.parametrize("seed", range(8))
def test_everything_lies_where_its_readers_read(seed):
    """What is read from two buffers lives in DRAM; what lives there has rings to pass through."""
    graph, _ = random_network(seed)
    for config in configurations():
        placement = place(graph, config)
        streamed = {name for name, home in placement.homes.items() if home.memory == "dram"}
        for operator, staging in zip(graph.operators, placement.staging, strict=True):
            for tensor in activation_reads(operator):
                assert placement.homes[tensor.name].memory != "weight"
            for tensor in weight_reads(operator):
                assert placement.homes[tensor.name].memory != "activation"
            for role in roles(operator, streamed):
                assert staging.size(role) > 0
            if isinstance(operator, Append):
                assert placement.homes[operator.output.name] == placement.homes[operator.cache.name]


def test_minilm_of_16_tokens_stays_on_chip(minilm):
    """Only the embedding goes to DRAM, and of each weight, parameter and input one byte comes."""
    image = compile(minilm.graph, minilm.inputs, BASE)
    places = {place.name: place for place in image.debug.tensors}
    assert all(p.memory != "dram" for p in places.values() if p.role == "intermediate")
    stored = sum(i.run_bytes * i.runs for i in image.program if isinstance(i, Store))
    assert stored == places["embedding"].rows * places["embedding"].cols * 2
    loaded = sum(i.run_bytes * i.runs for i in image.program if isinstance(i, Load))
    assert loaded == sum(info.read_bytes for info in image.debug.operators)


def test_minilm_of_16_tokens_keeps_array_and_memory_busy(minilm):
    prediction = predict(compile(minilm.graph, minilm.inputs, BASE), BASE)
    macs = sum(operator.macs for operator in minilm.graph.operators)
    assert macs / (prediction.cycles * BASE.rows * BASE.cols) >= 0.93
    assert prediction.ledger["load"]["working"] >= 0.95 * prediction.cycles


def test_minilm_reads_operand_and_residual_from_different_banks(minilm):
    """Rule B-04."""
    image = compile(minilm.graph, minilm.inputs, BASE)
    bank = BASE.activation_buffer_bytes // ACTIVATION_BANKS
    for index, info in enumerate(image.debug.operators):
        own = [
            i for i, of in zip(image.program, image.debug.operator_of, strict=True) if of == index
        ]
        operands = {i.activation_address // bank for i in own if isinstance(i, Matrix)}
        residuals = {
            i.residual_address // bank for i in own if isinstance(i, Vector) and i.addition
        }
        if info.kind == "linear" and residuals:
            assert not operands & residuals


def test_what_is_read_from_both_buffers_lives_in_dram():
    x, y, total, output = (
        Tensor(name, rows, 16, kind)
        for name, rows, kind in (("x", 16, INT8), ("y", 16, INT8), ("t", 1, INT16), ("o", 16, INT8))
    )
    product = Multiply("product", x, x, 0.01, y)
    total_of = SumRows("sum", y, ((0, 16),), (1.0,), total)
    graph = Graph("g", (x,), (product, total_of, Multiply("next", y, y, 0.01, output)), (output,))
    assert place(graph, BASE).homes["y"].memory == "dram"
    without = Graph("g", (x,), (product, total_of), (total,))
    assert place(without, BASE).homes["y"].memory == "weight"


def test_a_bank_for_each_that_streams_where_the_buffer_is_free():
    """Rule B-04: what MATRIX, VECTOR and STORE read lies in different banks."""
    staging = deal([(0, 64 * KIB)], ("activation", "residual", "output"), BASE)
    assert dict(staging.rings) == {
        "activation": (0, 32 * KIB),
        "residual": (32 * KIB, 16 * KIB),
        "output": (48 * KIB, 16 * KIB),
    }
    assert dict(deal([(0, 64 * KIB)], ("activation", "output"), BASE).rings)["activation"] == (
        0,
        48 * KIB,
    )


def test_little_room_is_shared_evenly():
    staging = deal([(8 * KIB, 28 * KIB)], ("activation", "residual", "output"), BASE)
    sizes = [size for _, (_, size) in staging.rings]
    assert sum(sizes) == 20 * KIB
    assert max(sizes) - min(sizes) < 3 * 2 * BASE.word_bytes


def test_rings_go_where_there_is_most_room():
    staging = deal([(0, 4 * KIB), (16 * KIB, 48 * KIB)], ("activation", "output"), BASE)
    assert {start // (16 * KIB) for _, (start, _) in staging.rings} == {1, 2}


def test_a_place_is_taken_again_when_its_lifetime_is_over():
    packer = Packer(100, 10)
    packer.take(0, 55, Lifetime(0, 1))
    assert packer.find(40, Lifetime(1, 2)) == 60
    assert packer.find(50, Lifetime(1, 2)) is None
    assert packer.find(50, Lifetime(2, 2)) == 0
    assert packer.find(20, Lifetime(1, 2), avoid=[(50, 70)]) == 70
    packer.drop(0, Lifetime(0, 1))
    assert packer.find(100, Lifetime(0, 9)) == 0
    assert packer.peak == 0


def test_intermediate_tensors_share_memory_in_dram():
    """What does not fit on chip takes the place of what is no longer needed."""
    workload = load("llama_block:prefill:64")
    placement = place(workload.graph, load_config("tiny"))
    streamed = spans(workload.graph, placement, "dram")
    assert placement.shared_bytes < sum(end - start for start, end, _ in streamed)
