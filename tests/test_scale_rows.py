# amaranth: UnusedElaboratable=no
"""SCALE and the statistics file by themselves: rules I-07, T-VX-07, B-08."""

import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from component_simulator import simulate_component
from vector_arithmetic import inverse, wrap

from arch.isa import RowFunction, ScaleRows
from arch.timing import SCALE_PIPELINE_CYCLES, VECTOR_SETUP_CYCLES
from hdl.scale_rows import ScaleRows as ScaleRowsUnit
from hdl.statistics import Statistics

pytestmark = pytest.mark.usefixtures("each_simulator")

DEPTH = 24


@dataclass
class Run:
    """Cycles of what happens, and scales by their entries."""

    reads: list[int] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    scales: dict[int, int] = field(default_factory=dict)


@functools.cache
def _unit() -> ScaleRowsUnit:
    return ScaleRowsUnit(depth=DEPTH)


def run(
    instruction: ScaleRows, sums: np.ndarray, squares: np.ndarray, reset_in: int | None = None
) -> Run:
    """Start in cycle 0, and after a reset in ``reset_in`` once more."""
    dut = _unit()
    result = Run()

    async def testbench(ctx: Any) -> None:
        ctx.set(dut.fields.as_value(), int.from_bytes(instruction.encode(), "little"))
        for cycle in range(100):
            ctx.set(ctx.reset, cycle == reset_in)
            ctx.set(dut.start, cycle == 0 if reset_in is None else cycle in (0, reset_in + 1))
            reading, entry = ctx.get(dut.statistics.enable), ctx.get(dut.statistics.entry)
            for cycles, happens in (
                (result.reads, reading),
                (result.writes, ctx.get(dut.scale.enable)),
                (result.done, ctx.get(dut.done)),
            ):
                if happens:
                    cycles.append(cycle)
            if ctx.get(dut.scale.enable):
                result.scales[ctx.get(dut.scale.address)] = ctx.get(dut.scale.data)
            if result.done:
                break
            await ctx.tick()
            if reading:
                ctx.set(dut.statistics.sum, int(sums[entry]))
                ctx.set(dut.statistics.squares, int(squares[entry]))

    simulate_component(dut, testbench)
    return result


def random_statistics(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sums of 48 bits and squares, with both ends of their ranges."""
    sums = rng.integers(0, 1 << 47, DEPTH) >> rng.integers(0, 47, DEPTH)
    squares = rng.integers(0, 1 << 47, DEPTH) >> rng.integers(0, 47, DEPTH)
    sums[:3], squares[:3] = (0, 1, (1 << 47) - 1), (0, (1 << 47) - 1, 1)
    return sums, squares


def test_reciprocals_are_of_all_48_bits_of_the_sum() -> None:
    """I-07, N-06; count, centre and epsilon do not matter."""
    sums, squares = random_statistics(np.random.default_rng(22))
    fields = {"count": 77, "centre": 1, "epsilon": 5}
    result = run(ScaleRows(function=RowFunction.RECIPROCAL, rows=DEPTH, **fields), sums, squares)
    expected = [inverse(int(total), square_root=False) for total in sums]
    assert result.scales == dict(enumerate(expected))


@pytest.mark.parametrize("centre", [0, 1])
@pytest.mark.parametrize("count", [1, 384, (1 << 16) - 1])
def test_inverse_square_roots_are_of_the_variance(centre: int, count: int) -> None:
    """I-07: modulo 2^64, with the sum's low 32 bits as int32."""
    rng = np.random.default_rng(23)
    sums, squares = random_statistics(rng)
    sums[3:12] = -sums[3:12]
    sums[5], sums[6] = -(1 << 31), (1 << 31) - 1
    epsilon = int(rng.integers(1 << 31, 1 << 32))
    fields = {"count": count, "centre": centre, "epsilon": epsilon}
    function = RowFunction.INVERSE_SQUARE_ROOT
    result = run(ScaleRows(function=function, rows=DEPTH, **fields), sums, squares)
    for entry, total in enumerate(wrap(sums, 32).tolist()):
        radicand = (count * int(squares[entry]) - centre * total**2 + epsilon) % 2**64
        assert result.scales[entry] == inverse(radicand, square_root=True), entry


@pytest.mark.parametrize("rows", [1, 2, DEPTH - 5])
def test_a_row_is_read_and_written_in_each_cycle(rows: int) -> None:
    """T-VX-07."""
    sums, squares = random_statistics(np.random.default_rng(24))
    instruction = ScaleRows(function=RowFunction.RECIPROCAL, statistic_address=5, rows=rows)
    result = run(instruction, sums, squares)
    first = 1 + VECTOR_SETUP_CYCLES
    assert result.reads == list(range(first, first + rows))
    assert result.writes == [cycle + SCALE_PIPELINE_CYCLES for cycle in result.reads]
    assert result.done == result.writes[-1:]
    assert list(result.scales) == list(range(5, 5 + rows))


@pytest.mark.parametrize("cycle", [1, 2, 6, 17])
def test_a_reset_in_the_middle_leaves_nothing_behind(cycle: int) -> None:
    """Section 2: what was read before is not written after, and all of it starts again."""
    sums, squares = random_statistics(np.random.default_rng(25))
    instruction = ScaleRows(function=RowFunction.RECIPROCAL, rows=6)
    result = run(instruction, sums, squares, reset_in=cycle)
    again = cycle + 1 + 1 + VECTOR_SETUP_CYCLES
    assert [read for read in result.reads if read > cycle] == list(range(again, again + 6))
    late = [write for write in result.writes if write > cycle]
    assert late == list(range(again + SCALE_PIPELINE_CYCLES, again + SCALE_PIPELINE_CYCLES + 6))
    assert result.scales == {e: inverse(int(sums[e]), square_root=False) for e in range(6)}


def test_an_entry_changes_in_every_cycle_or_stays() -> None:
    """B-08, I-04: the three numbers by themselves; they wrap, start anew, or go on."""
    rng = np.random.default_rng(26)
    dut = Statistics(depth=DEPTH)
    names = ("maximum", "sum", "squares")
    entries: dict[str, list[int]] = {name: [0] * DEPTH for name in names}
    first = [(entry, True, dict.fromkeys(names, True)) for entry in range(DEPTH)]
    updates = first + [
        (int(rng.integers(3)), rng.random() < 0.2, {name: rng.random() < 0.7 for name in names})
        for _ in range(200)
    ]

    async def testbench(ctx: Any) -> None:
        announced = None
        for update in [*updates, None]:
            ctx.set(dut.reduced_valid, announced is not None)
            if announced is not None:
                apply(ctx, announced)
            if update is not None:
                entry, fresh, changed = update
                ctx.set(dut.update.entry, entry)
                ctx.set(dut.update.fresh, fresh)
            for name in names:
                ctx.set(getattr(dut.update, name), update is not None and changed[name])
            announced = update
            await ctx.tick()
        ctx.set(dut.reduced_valid, 0)
        for entry in range(DEPTH):
            ctx.set(dut.read.enable, 1)
            ctx.set(dut.read.entry, entry)
            await ctx.tick()
            for name in names:
                assert ctx.get(getattr(dut.read, name)) == entries[name][entry], (name, entry)

    def apply(ctx: Any, update: tuple[int, bool, dict[str, bool]]) -> None:
        entry, fresh, changed = update
        for name in names:
            bits = 32 if name == "maximum" else 48
            value = int(rng.integers(-(1 << (bits - 1)), 1 << (bits - 1)))
            ctx.set(getattr(dut, f"reduced_{name}"), value)
            old = entries[name][entry]
            if name == "maximum":
                new = max(-(1 << 31) if fresh else old, value)
            else:
                new = int(wrap(np.array([value if fresh else old + value]), 48)[0])
            if changed[name]:
                entries[name][entry] = new

    simulate_component(dut, testbench)
