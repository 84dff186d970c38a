"""Runs the VECTOR engine alone, with plain arrays as memories, and records what it does."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from component_simulator import enabled_bytes, simulate_component

from arch.config import Config
from arch.isa import Destination, ErrorCode, FillTable, ScaleRows, Vector
from hdl.vector import VectorEngine

INDEX_STEP = 3
"""Instruction ``i`` of a program is said to be at ``INDEX_STEP * i``, as others lie between."""


@dataclass
class Memories:
    """What the engine reads: bytes, but accumulators as int32 [half, vector, lane]."""

    accumulators: np.ndarray
    parameters: np.ndarray
    activations: np.ndarray

    @classmethod
    def random(cls, config: Config, rng: np.random.Generator) -> "Memories":
        shape = (2, config.accumulator_depth, config.cols)
        return cls(
            rng.integers(-(1 << 15), 1 << 15, shape).astype(np.int32),
            rng.integers(0, 256, config.parameter_buffer_bytes).astype(np.uint8),
            rng.integers(0, 256, config.activation_buffer_bytes).astype(np.uint8),
        )


@dataclass
class Trace:
    """Cycles, counted from 0, in which things happened.

    ``written`` is buffer and address of each byte with its value, in order; ``faults`` has the
    cycle of each error and the index of the instruction to blame.
    """

    issued: list[int] = field(default_factory=list)
    retired: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    working: list[int] = field(default_factory=list)
    wait_port: list[int] = field(default_factory=list)
    in_flight: list[int] = field(default_factory=list)
    parameter_reads: list[int] = field(default_factory=list)
    accumulator_reads: list[int] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)
    buffer_reads: list[tuple[int, int]] = field(default_factory=list)
    written: list[tuple[tuple[Destination, int], int]] = field(default_factory=list)
    faults: list[tuple[int, int]] = field(default_factory=list)


@functools.cache
def _engine(config: Config) -> VectorEngine:
    return VectorEngine(config)


def run(
    config: Config,
    memories: Memories,
    program: Sequence[Vector | FillTable | ScaleRows],
    ready: Callable[[int], bool] = lambda cycle: True,
    offered: Callable[[int], bool] = lambda cycle: True,
    reset_in: int | None = None,
    limit: int = 20_000,
) -> Trace:
    """Run until the last instruction retired, or until ``limit``.

    ``ready`` and ``offered`` tell in which cycles the activation buffer reads and an instruction is
    there to be issued; in cycle ``reset_in`` reset is high.
    """
    dut = _engine(config)
    trace = Trace()

    async def testbench(ctx: Any) -> None:
        queue = [int.from_bytes(instruction.encode(), "little") for instruction in program]
        for cycle in range(limit):
            ctx.set(ctx.reset, cycle == reset_in)
            ctx.set(dut.activation_read.ready, ready(cycle))
            ctx.set(dut.issue.valid, bool(queue) and offered(cycle))
            ctx.set(dut.issue.word, queue[0] if queue else 0)
            ctx.set(dut.issue.index, INDEX_STEP * len(trace.issued))
            answers = _observe(ctx, dut, config, memories, trace, cycle)
            if trace.issued[-1:] == [cycle]:
                queue.pop(0)
            if len(trace.retired) == len(program):
                return
            await ctx.tick()
            for port, value in answers:
                ctx.set(port.data, value)

    simulate_component(dut, testbench)
    return trace


def _observe(
    ctx: Any, dut: VectorEngine, config: Config, memories: Memories, trace: Trace, cycle: int
) -> list[tuple[Any, int]]:
    """Record one cycle; what the memories answer in the next one."""
    events = {
        "issued": ctx.get(dut.issue.valid) and ctx.get(dut.issue.ready),
        "retired": ctx.get(dut.status.retire),
        "rows": ctx.get(dut.row),
        "working": ctx.get(dut.status.working),
        "wait_port": ctx.get(dut.status.wait_port),
        "in_flight": ctx.get(dut.status.in_flight),
        "parameter_reads": ctx.get(dut.parameters.enable),
        "accumulator_reads": ctx.get(dut.accumulator.enable),
    }
    for name, happened in events.items():
        if happened:
            getattr(trace, name).append(cycle)
    if ctx.get(dut.fault.valid):
        assert ctx.get(dut.fault.code) == ErrorCode.BUFFER_OVERRUN
        trace.faults.append((cycle, ctx.get(dut.fault.instruction)))
    for buffer, port in (
        (Destination.ACTIVATION, dut.activation_write),
        (Destination.WEIGHT, dut.weight_write),
    ):
        if ctx.get(port.valid):
            trace.writes.append(cycle)
            address = ctx.get(port.address)
            for lane, byte in enabled_bytes(ctx, port.data, ctx.get(port.enable)):
                trace.written.append(((buffer, address + lane), byte))
    return _answers(ctx, dut, config, memories, trace)


def _answers(
    ctx: Any, dut: VectorEngine, config: Config, memories: Memories, trace: Trace
) -> list[tuple[Any, int]]:
    answers = []
    if ctx.get(dut.accumulator.enable):
        half, address = ctx.get(dut.accumulator.half), ctx.get(dut.accumulator.address)
        answers.append((dut.accumulator, memories.accumulators[half, address]))
    if ctx.get(dut.parameters.enable):
        words = memories.parameters.reshape(-1, config.parameter_word_bytes)
        answers.append((dut.parameters, words[ctx.get(dut.parameters.address)]))
    if ctx.get(dut.activation_read.valid) and ctx.get(dut.activation_read.ready):
        address, count = ctx.get(dut.activation_read.address), ctx.get(dut.activation_read.count)
        assert address + count <= len(memories.activations)
        trace.buffer_reads.append((address, count))
        answers.append((dut.activation_read, memories.activations[address : address + count]))
    return [(port, int.from_bytes(data.tobytes(), "little")) for port, data in answers]
