"""The roofline: cycles no run can beat."""

from __future__ import annotations

from random import Random

import pytest
from random_programs import random_config, random_program

from arch.config import load_config
from arch.image import OperatorInfo
from model.roofline import Limit, limit, roofline
from model.timeline import predict_program

BASE = load_config("base")


def operator(
    name: str,
    macs: int,
    read_bytes: int,
    write_bytes: int,
    vector_rows: int = 0,
    matrix_rows: int = 0,
) -> OperatorInfo:
    return OperatorInfo(
        name=name,
        kind="gemm",
        macs=macs,
        read_bytes=read_bytes,
        write_bytes=write_bytes,
        vector_rows=vector_rows,
        matrix_rows=matrix_rows,
        outputs=(),
    )


def test_full_tiles_bind_on_compute() -> None:
    """128 x 768 x 768 MACs on 16 x 16; 786,432 bytes at 16 a cycle are 49,152 cycles."""
    bound = roofline([operator("a", 128 * 768 * 768, 98_304 + 589_824, 98_304)], BASE)
    assert (bound.cycles, bound.bound) == (294_912, "compute")


def test_one_row_binds_on_dram() -> None:
    bound = roofline([operator("a", 768 * 768, 768 + 589_824, 768)], BASE)
    assert (bound.cycles, bound.bound) == (36_960, "dram")


@pytest.mark.parametrize(("macs", "cycles"), [(256, 1), (257, 2)])
def test_a_started_tile_counts_whole(macs: int, cycles: int) -> None:
    assert roofline([operator("a", macs, 1, 0)], BASE).cycles == cycles


@pytest.mark.parametrize(("traffic", "cycles"), [(16, 1), (17, 2)])
def test_a_started_cycle_of_traffic_counts_whole(traffic: int, cycles: int) -> None:
    bound = roofline([operator("a", 0, traffic - 1, 1)], BASE)
    assert (bound.cycles, bound.bound) == (cycles, "dram")


def test_rows_of_the_vector_unit_bind_where_nothing_else_does() -> None:
    """T-VX-03: one a cycle at most."""
    bound = roofline([operator("a", 256 * 9, 160, 0, vector_rows=11)], BASE)
    assert (bound.cycles, bound.bound) == (11, "vector")
    assert roofline([operator("a", 256 * 11, 160, 0, vector_rows=11)], BASE).bound == "compute"
    assert roofline([operator("a", 0, 176, 0, vector_rows=11)], BASE).bound == "dram"


@pytest.mark.parametrize(
    ("macs", "rows", "bytes_", "vector_rows", "bound"),
    [
        (256 * 9, 11, 0, 0, "array"),
        (256 * 11, 11, 0, 0, "compute"),
        (256 * 9, 11, 160, 0, "array"),
        (256 * 9, 11, 176, 0, "array"),
        (256 * 9, 10, 176, 0, "dram"),
        (256 * 9, 11, 0, 11, "array"),
        (256 * 9, 10, 0, 11, "vector"),
    ],
)
def test_rows_of_partial_tiles_bind_on_the_array(
    macs: int, rows: int, bytes_: int, vector_rows: int, bound: str
) -> None:
    """T-MX-03: a row issued takes a cycle, however few of its MACs count."""
    work = operator("a", macs, bytes_, 0, vector_rows, rows)
    assert limit([work], BASE) == Limit(11, bound)


def test_rows_of_operators_add_up() -> None:
    operators = [operator("a", 256 * 9, 0, 0, vector_rows=5), operator("b", 0, 0, 0, vector_rows=5)]
    assert limit(operators, BASE) == Limit(10, "vector")
    operators = [operator(name, 256 * 4, 0, 0, 0, matrix_rows=5) for name in "ab"]
    assert limit(operators, BASE) == Limit(10, "array")


def test_program_bound_adds_work_not_bounds() -> None:
    """10 compute + 2 dram cycles, then 1 + 8: compute 11 binds, not 10 + 8."""
    operators = [operator("a", 2560, 32, 0), operator("b", 256, 64, 64)]
    bound = roofline(operators, BASE)
    assert bound.operators == (
        Limit(10, "compute"),
        Limit(8, "dram"),
    )
    assert (bound.cycles, bound.bound) == (11, "compute")


def test_a_tie_is_bound_by_compute() -> None:
    assert roofline([operator("a", 2560, 160, 0)], BASE).bound == "compute"


def test_nothing_takes_no_cycles() -> None:
    assert roofline([], BASE).cycles == 0


@pytest.mark.parametrize("seed", range(30))
def test_timeline_is_never_below_the_bound_of_its_own_work(seed: int) -> None:
    rng = Random(seed)
    config = random_config(rng)
    prediction = predict_program(random_program(rng, config, 20), config)
    did = prediction.counters
    traffic = did["load_bytes"], did["store_bytes"]
    work = operator("all", did["macs"], *traffic, did["vector_rows"], did["matrix_rows"])
    assert work.macs <= config.rows * config.cols * work.matrix_rows
    assert roofline([work], config).cycles <= prediction.cycles
