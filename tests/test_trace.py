"""The retire port (R-01) and the trace memory (R-02)."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest
from component_simulator import simulate_component
from sequence_bench import TINY, after_power_up, legal, legal_image, run_steps

from arch.isa import Engine
from arch.timing import TRACE_QUEUE_CYCLES
from hdl.trace import TraceMemory

Record = tuple[int, int, int, int]
"""Engine, instruction, start, end."""


def expected(retirements: Sequence[Sequence[Record]], depth: int) -> tuple[list[Record], int]:
    """What R-02 keeps and how many it drops; ``retirements`` are those of each cycle."""
    waiting: deque[list[Record]] = deque()
    kept: list[Record] = []
    dropped = 0
    for cycle in [*retirements, *([] for _ in range(4 * TRACE_QUEUE_CYCLES))]:
        full = len(waiting) == TRACE_QUEUE_CYCLES
        if waiting:
            record = waiting[0].pop(0)
            if len(kept) < depth:
                kept.append(record)
            else:
                dropped += 1
            if not waiting[0]:
                waiting.popleft()
        if cycle and not full:
            waiting.append(list(cycle))
        elif cycle:
            dropped += len(cycle)
    return kept, dropped


def random_retirements(rng: random.Random, cycles: int, rate: float) -> list[list[Record]]:
    return [
        [
            (engine, rng.getrandbits(32), rng.randrange(cycle + 1), cycle)
            for engine in Engine
            if rng.random() < rate
        ]
        for cycle in range(cycles)
    ]


async def drive(ctx: Any, trace: TraceMemory, retirements: Sequence[Sequence[Record]]) -> None:
    for cycle, records in enumerate(retirements):
        ctx.set(trace.cycle, cycle)
        for engine in Engine:
            ctx.set(trace.retire[engine].valid, 0)
        for engine, instruction, start, _ in records:
            ctx.set(trace.retire[engine].valid, 1)
            ctx.set(trace.retire[engine].instruction, instruction)
            ctx.set(trace.retire[engine].start, start)
        await ctx.tick()
    for engine in Engine:
        ctx.set(trace.retire[engine].valid, 0)
    for _ in range(4 * TRACE_QUEUE_CYCLES):
        await ctx.tick()


async def kept_records(ctx: Any, trace: TraceMemory) -> list[Record]:
    records = []
    for number in range(ctx.get(trace.records)):
        ctx.set(trace.select, number)
        await ctx.tick()
        record = trace.record
        fields = (record.engine, record.instruction, record.start, record.end)
        records.append(tuple(ctx.get(field) for field in fields))
    return records


@pytest.mark.usefixtures("each_simulator")
@pytest.mark.parametrize(("depth", "rate"), [(5, 0.05), (64, 0.02), (64, 0.2), (7, 0.9)])
def test_records_are_kept_in_order_and_those_without_room_are_counted(depth, rate):
    """R-02"""
    trace = TraceMemory(depth=depth)
    retirements = random_retirements(random.Random(depth), 120, rate)
    records, dropped = expected(retirements, depth)

    async def bench(ctx: Any) -> None:
        await drive(ctx, trace, retirements)
        assert ctx.get(trace.records) == len(records)
        assert ctx.get(trace.dropped) == dropped
        assert await kept_records(ctx, trace) == records
        assert len(records) + dropped == sum(map(len, retirements))

    simulate_component(trace, bench)


@pytest.mark.usefixtures("each_simulator")
def test_a_record_that_is_not_kept_reads_as_zero():
    """R-02"""
    trace = TraceMemory(depth=4)

    async def bench(ctx: Any) -> None:
        await drive(ctx, trace, [[(Engine.STORE, 3, 0, 0)]])
        for number in (1, 3, 4, 2**32 - 1):
            ctx.set(trace.select, number)
            await ctx.tick()
            assert ctx.get(trace.record.as_value()) == 0

    simulate_component(trace, bench)


def records_of(simulation: Any) -> list[Record]:
    return [tuple(int(part) for part in record) for record in simulation.retired]


def test_the_retire_port_tells_every_instruction_once():
    """R-01: in the order of retirement, with its issue and its end."""
    simulation = after_power_up()
    records = records_of(simulation)
    program = legal_image().program
    assert sorted(record[1] for record in records) == list(range(len(program) - 1))
    for engine, instruction, start, end in records:
        assert program[instruction].engine == engine
        assert 0 <= start < end < simulation.outcome.counters["cycles"]
    assert [record[3] for record in records] == sorted(record[3] for record in records)


def test_the_trace_memory_holds_what_the_retire_port_told():
    """R-02: up to its depth, and of two programs only the second."""
    first, second = run_steps([legal("gemm:64x64x64", read_trace=True), legal(read_trace=True)])
    for simulation in (first, second):
        told = records_of(simulation)
        trace = simulation.outcome.trace
        assert trace is not None
        kept = min(len(told), TINY.trace_depth)
        assert list(trace.records) == told[:kept]
        assert trace.dropped == len(told) - kept
    assert first.outcome.trace.dropped > 0
    assert second.outcome.trace.dropped == 0
