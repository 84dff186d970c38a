# amaranth: UnusedElaboratable=no
"""The lanes of the vector unit at their smallest, on both simulators, and parts of them alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from component_simulator import simulate_component
from lane_bench import BENCH_LANES, run
from lane_operands import (
    bits,
    instruction,
    random_accumulators,
    random_batch,
    random_elements,
    random_scales,
)
from lane_pipeline import Batch
from lane_reference import outcome

from arch.isa import Addition, ElementType, Operation, Raw, Source, Statistic
from hdl.reduction import RowReduction
from hdl.row_delay import RowDelay
from hdl.row_scale import RowScale

SEED = 20261122


def check(batches: list[Batch], reset_in: int | None = None) -> None:
    for batch, actual in zip(batches, run(batches, reset_in), strict=True):
        for name, expected in outcome(batch).items():
            np.testing.assert_array_equal(actual[name], expected, f"{name}: {batch.instruction}")


def exponent_batch(rng: np.random.Generator, kind: ElementType) -> Batch:
    """Powers of two down to 0, one of them of 0 itself."""
    accumulators = random_accumulators(rng, 12, 21, BENCH_LANES)
    return Batch(
        instruction(kind, operation=Operation.EXPONENT, statistic=Statistic.SUM),
        accumulators,
        counts=rng.random(accumulators.shape) < 0.8,
        maximum=accumulators.max(axis=1),
        scales=random_scales(rng, BENCH_LANES, -3, 6),
    )


def centre_batch(rng: np.random.Generator) -> Batch:
    fields = {"source": Source.INT8, "source_zero_point": -128, "bias_after": 1, "row_scale": 1}
    return Batch(
        instruction(operation=Operation.CENTRE, count=384, **fields),
        source=random_elements(rng, ElementType.INT8, 12, BENCH_LANES),
        row_sum=rng.integers(-(1 << 15), 1 << 15, 12),
        row_scale=random_scales(rng, 12, -12, -4),
        biases=rng.integers(-9, 9, BENCH_LANES),
    )


def interpolation_batch(rng: np.random.Generator, addition: Addition) -> Batch:
    return Batch(
        instruction(interpolate=1, addition=addition, sum_low=-30000, sum_high=30000),
        random_accumulators(rng, 12, 15, BENCH_LANES),
        operand=random_elements(rng, ElementType.INT16, 12, BENCH_LANES),
        wide=rng.integers(0, 1 << 32, 256, np.uint32),
        gaps=True,
    )


@pytest.mark.usefixtures("each_simulator")
@pytest.mark.parametrize("kind", [ElementType.UINT8, ElementType.INT16])
def test_exponents(kind: ElementType) -> None:
    """N-05."""
    check([exponent_batch(np.random.default_rng(SEED + i), kind) for i in range(6)])


@pytest.mark.usefixtures("each_simulator")
def test_centred_rows() -> None:
    """I-04, N-08."""
    check([centre_batch(np.random.default_rng(SEED + i)) for i in range(3)])


@pytest.mark.usefixtures("each_simulator")
def test_interpolated_rows() -> None:
    """N-07, N-03."""
    rng = np.random.default_rng(SEED)
    check([interpolation_batch(rng, kind) for kind in (Addition.NONE, Addition.INT16)])


def raw_batch(rng: np.random.Generator, half: Raw) -> Batch:
    return Batch(
        instruction(raw=half, zero_point=9, clamp_high=5),
        random_accumulators(rng, 12, 31, BENCH_LANES),
        scales=random_scales(rng, (2, BENCH_LANES), -9, 3),
        biases=rng.integers(-(1 << 31), 1 << 31, (2, BENCH_LANES)),
        gaps=half == Raw.HIGH,
    )


@pytest.mark.usefixtures("each_simulator")
def test_raw_halves() -> None:
    """I-04, T-VX-04: rows between rows that are scaled, whose scale and clamp they skip."""
    rng = np.random.default_rng(SEED)
    scaled = Batch(instruction(), random_accumulators(rng, 5, 15, BENCH_LANES))
    check([raw_batch(rng, Raw.LOW), raw_batch(rng, Raw.HIGH), scaled, raw_batch(rng, Raw.LOW)])


@pytest.mark.usefixtures("each_simulator")
def test_options_together() -> None:
    """I-04, T-VX-04: random instructions one after the other."""
    rng = np.random.default_rng(SEED)
    check([random_batch(rng, BENCH_LANES) for _ in range(40)])


@pytest.mark.usefixtures("each_simulator")
@pytest.mark.parametrize("cycle", [7, 12, 23])
def test_reset_forgets_rows_on_their_way(cycle: int) -> None:
    """Section 2: nothing of them is written or kept."""
    rng = np.random.default_rng(SEED)
    kept = instruction(statistic=Statistic.SUM)
    batch = Batch(kept, random_accumulators(rng, 12, 15, BENCH_LANES))
    powers = exponent_batch(rng, ElementType.UINT8)
    check([batch, powers], cycle)
    check([powers, replace(batch, gaps=True)], cycle)


@pytest.mark.usefixtures("each_simulator")
def test_halves_are_rounded_to_even_by_the_output_shift() -> None:
    """N-09: on both sides of 0."""
    codes = np.arange(-20, 20).reshape(-1, BENCH_LANES).astype(np.int32)
    check([Batch(instruction(output_shift=shift), codes) for shift in (0, 1, 2, 3, 15)])


def test_scale_of_a_row_is_rounded_half_to_even() -> None:
    """N-08: 128,000 products, half of them of numbers whose products often tie; and 0."""
    rng = np.random.default_rng(SEED)
    lanes, rows = 64, 2000
    dut = RowScale(lanes=lanes)
    scales = np.where(
        np.arange(lanes) % 2,
        np.ldexp(np.float32(rng.integers(1 << 12, 1 << 13, lanes)), rng.integers(-52, -3, lanes)),
        random_scales(rng, lanes, -40, 10),
    ).astype(np.float32)
    row_scales = np.where(
        np.arange(rows) % 2,
        np.ldexp(np.float32(rng.integers(1 << 11, 1 << 12, rows)), rng.integers(-40, 40, rows)),
        random_scales(rng, rows, -80, 110),
    ).astype(np.float32)
    row_scales[::17] = 0
    expected = scales * row_scales[:, np.newaxis]
    assert expected.dtype == np.float32

    async def testbench(ctx: Any) -> None:
        ctx.set(dut.used, 1)
        for lane, scale in enumerate(scales):
            ctx.set(dut.scale[lane], bits(scale))
        for cycle in range(rows + RowScale.CYCLES):
            ctx.set(dut.valid, cycle < rows)
            ctx.set(dut.row_scale, bits(row_scales[cycle]) if cycle < rows else 0)
            if cycle >= RowScale.CYCLES:
                row = [ctx.get(dut.combined[lane]) for lane in range(lanes)]
                assert row == expected[cycle - RowScale.CYCLES].view(np.uint32).tolist()
            await ctx.tick()

    simulate_component(dut, testbench)


@pytest.mark.parametrize("lanes", [4, 8, 32, 64])
def test_reduction_of_any_number_of_lanes(lanes: int) -> None:
    """I-04: each statistic in its time, and every lane in it."""
    rng = np.random.default_rng(SEED)
    dut = RowReduction(lanes=lanes)
    rows = 12
    values = rng.integers(-(1 << 31), 1 << 31, (rows, lanes))
    results = rng.integers(-(1 << 15), 1 << 15, (rows, lanes))
    fractions = rng.integers(0, (1 << 26) + 1, (rows, lanes))
    counts = rng.random((rows, lanes)) < 0.7
    counts[3], results[4], fractions[5] = False, -(1 << 15), 1 << 26
    masks = [sum(1 << int(lane) for lane in np.flatnonzero(row)) for row in counts]
    maxima = np.where(counts, values, -(1 << 31)).max(axis=1)
    sums = np.where(counts, fractions, 0).sum(axis=1), results.sum(axis=1)
    arrivals = {"value": 0}
    arrivals["fraction"] = RowReduction.VALUE_CYCLES - RowReduction.FRACTION_CYCLES
    arrivals["result"] = RowReduction.VALUE_CYCLES - RowReduction.RESULT_CYCLES
    operands = {"value": values, "fraction": fractions, "result": results}

    async def testbench(ctx: Any) -> None:
        for cycle in range(rows + RowReduction.VALUE_CYCLES):
            for name, arrival in arrivals.items():
                row = cycle - arrival
                ctx.set(getattr(dut, f"{name}_valid"), 0 <= row < rows)
                if 0 <= row < rows:
                    for lane in range(lanes):
                        ctx.set(getattr(dut, name)[lane], int(operands[name][row, lane]))
                    if name != "result":
                        ctx.set(getattr(dut, f"{name}_counts"), masks[row])
            row = cycle - RowReduction.VALUE_CYCLES
            if row >= 0:
                assert ctx.get(dut.maximum) == maxima[row]
                assert ctx.get(dut.squares) == (results[row] ** 2).sum()
                for of_fractions in (0, 1):
                    ctx.set(dut.of_fractions, of_fractions)
                    assert ctx.get(dut.sum) == sums[1 - of_fractions][row]
            await ctx.tick()

    simulate_component(dut, testbench)


@pytest.mark.usefixtures("each_simulator")
def test_rows_wait_for_as_long_as_is_said() -> None:
    """From two cycles to the depth of the ring; a row that is not wanted leaves the output."""
    depth, rows = 8, 30
    dut = RowDelay(width=12, depth=depth)

    async def testbench(ctx: Any) -> None:
        for delay in range(2, depth + 1):
            ctx.set(dut.cycles, delay)
            last = None
            for cycle in range(rows + delay):
                ctx.set(dut.valid, cycle < rows)
                ctx.set(dut.row, 100 * delay + cycle)
                ctx.set(dut.wanted, cycle >= delay - 1 and cycle % 3 > 0)
                if last is not None:
                    assert ctx.get(dut.delayed) == last
                if cycle >= delay - 1 and cycle % 3 > 0:
                    last = 100 * delay + cycle - (delay - 1)
                await ctx.tick()

    simulate_component(dut, testbench)
