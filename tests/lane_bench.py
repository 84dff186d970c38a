"""Runs the lanes of the vector unit on the simulator that the test is at: few rows, and every X."""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from component_simulator import simulate_component
from lane_operands import TYPES
from lane_pipeline import Batch

from arch.isa import ElementType
from arch.timing import VECTOR_PIPELINE_CYCLES
from hdl.vector_lanes import VectorLanes

BENCH_LANES = 4
_READ = ("accumulators", "source", "operand", "counts", "maximum", "row_sum", "row_scale")
_STATISTICS = ("maximum", "sum", "squares")


@functools.cache
def _lanes() -> VectorLanes:
    return VectorLanes(lanes=BENCH_LANES)


def run(batches: list[Batch], reset_in: int | None = None) -> list[dict[str, np.ndarray]]:
    """What comes of each row: elements, and statistics where they are kept.

    With ``reset_in`` the last batch comes first, as far as to a reset in this cycle of its rows.
    """
    dut = _lanes()
    outcomes: list[dict[str, np.ndarray]] = []

    async def testbench(ctx: Any) -> None:
        if reset_in is not None:
            await _run_rows(ctx, dut, batches[-1], reset_in)
            ctx.set(ctx.reset, 1)
            await ctx.tick()
            ctx.set(ctx.reset, 0)
            for port in (dut.row, dut.bias_valid, dut.scale_valid):
                ctx.set(port, 0)
        for batch in batches:
            await _fill_tables(ctx, dut, batch)
            outcomes.append(await _run_rows(ctx, dut, batch))

    simulate_component(dut, testbench)
    return outcomes


async def _fill_tables(ctx: Any, dut: VectorLanes, batch: Batch) -> None:
    for port, words in ((dut.unary, batch.unary), (dut.wide, batch.wide)):
        ctx.set(port.enable, 1)
        for address, word in enumerate(words.view(np.uint32)):
            ctx.set(port.address, address)
            ctx.set(port.data, int(word))
            await ctx.tick()
        ctx.set(port.enable, 0)


def _schedule(batch: Batch) -> Iterator[tuple[str, int] | None]:
    """What the engine begins in each cycle: "bias", "scale" of an n tile, a "row"; T-VX-02."""
    rows = batch.rows // batch.tiles
    for tile in range(batch.tiles):
        yield from (None, None, ("bias", tile), ("scale", tile))
        for row in range(rows):
            yield from [None] * (row % 3 * batch.gaps)
            yield "row", tile * rows + row
    yield from [None] * (VECTOR_PIPELINE_CYCLES + 1)


async def _run_rows(
    ctx: Any, dut: VectorLanes, batch: Batch, cycles: int | None = None
) -> dict[str, np.ndarray]:
    """Data are there in the cycle after their row and in no other (T-VX-04)."""
    read, channels = batch.rows_read(), batch.channels()
    word = int.from_bytes(batch.instruction.encode(), "little")
    ctx.set(dut.fields.as_value(), word)
    outcome: dict[str, list[Any]] = {"elements": []} | {name: [] for name in _STATISTICS}
    dtype = TYPES[ElementType(batch.instruction.element_type)]
    issued: list[int] = []
    for cycle, event in enumerate(_schedule(batch)):
        if cycle == cycles:
            break
        kind, index = event or ("", 0)
        ctx.set(dut.row, kind == "row")
        ctx.set(dut.bias_valid, kind == "bias")
        ctx.set(dut.scale_valid, kind == "scale")
        if kind in ("bias", "scale"):
            ctx.set(dut.parameters, _number(channels[index, ("bias", "scale").index(kind)]))
        assert ctx.get(dut.result_valid) == (cycle - VECTOR_PIPELINE_CYCLES in issued)
        reduced = cycle - VECTOR_PIPELINE_CYCLES - 1 in issued and batch.keeps
        assert ctx.get(dut.reduced_valid) == reduced
        if ctx.get(dut.result_valid):
            elements = ctx.get(dut.result[: 8 * dtype.itemsize * BENCH_LANES])
            in_bytes = elements.to_bytes(dtype.itemsize * BENCH_LANES, "little")
            outcome["elements"].append(np.frombuffer(in_bytes, dtype))
        if reduced:
            for name in _STATISTICS:
                # Those that are not kept may be unknown.
                outcome[name].append(ctx.get(getattr(dut, f"reduced_{name}"), unknown=0))
        await ctx.tick()
        for name in _READ:
            value = _number(read[name][index]) if kind == "row" else ~0
            ctx.set(getattr(dut, name), value)
        if kind == "row":
            issued.append(cycle)
    return {name: np.array(values, np.int64) for name, values in outcome.items()}


def _number(values: np.ndarray) -> int:
    """Of the bytes, the first one the lowest."""
    return int.from_bytes(values.tobytes(), "little")
