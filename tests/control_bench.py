"""Control alone: a program in reference memory, engines in Python."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib import wiring
from component_simulator import simulate_component
from dma_bench import small_config
from reference_memory import OKAY, ReferenceMemory, Respond, Stall, Trace

from arch.config import Config
from arch.isa import Engine, ErrorCode, FillTable, Instruction, Load, Matrix, Store
from arch.registers import register_map
from hdl.axi import MemoryPort
from hdl.control import IN_FLIGHT, Control
from hdl.error_unit import ErrorUnit

Duration = Callable[[Engine, int], int]
"""Cycles from issue to retirement of the n-th instruction of an engine."""
Working = Callable[[Engine, int], bool]
"""Whether an engine is working in a cycle."""

PROGRAM_ADDRESS = 256
NEVER = 1 << 40
"""A duration that no run waits for."""


@dataclass
class Run:
    """Cycles of every event; the run itself is from cycle 0 to the length of ``ledger``."""

    axi: Trace
    dispatches: list[int] = field(default_factory=list)
    issues: dict[Engine, list[int]] = field(default_factory=lambda: defaultdict(list))
    indices: dict[Engine, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Of the instructions issued"""
    retires: dict[Engine, list[tuple[int, int, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """(cycle, index of the instruction, cycle of its issue)"""
    ledger: dict[Engine, list[str]] = field(default_factory=lambda: defaultdict(list))
    """State in each cycle."""
    last_cycle: int = -1
    error: tuple[ErrorCode, int, int] | None = None
    """Code, index, and address of the instruction, where an error ended the run"""
    halted: int = -1
    """First cycle of the halt"""
    bus_stuck: bool = False


def instruction(engine: Engine, **header: int) -> Instruction:
    """The shortest instruction of an engine."""
    if engine is Engine.LOAD:
        return Load(buffer=0, buffer_address=0, dram_address=0, run_bytes=1, **header)
    if engine is Engine.STORE:
        return Store(buffer=0, buffer_address=0, dram_address=0, run_bytes=1, **header)
    if engine is Engine.VECTOR:
        return FillTable(table=0, parameter_address=0, **header)
    return Matrix(
        activation_address=0,
        y_limit=1,
        row_stride=0,
        x_limit=1,
        output_rows=1,
        k_tiles=1,
        last_k=1,
        n_tiles=1,
        last_n=1,
        weight_address=0,
        **header,
    )


class _Bench(Elaboratable):
    """Control, memory port and error unit, as the accelerator connects them."""

    def __init__(self, config: Config) -> None:
        self.control = Control(config)
        self.port = MemoryPort(axi_bytes=config.axi_bytes)
        self.errors = ErrorUnit(sources=len(self.control.faults))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        control, port, errors = self.control, self.port, self.errors
        m.submodules.control = control
        m.submodules.port = port
        m.submodules.errors = errors
        wiring.connect(m, control.request, port.fetch_request)
        wiring.connect(m, port.fetch_beats, control.beats)
        for fault, source in zip(control.faults, errors.faults, strict=True):
            wiring.connect(m, fault, source)
        running = Signal()
        m.d.sync += running.eq(control.start | (running & ~errors.finished))
        m.d.comb += [
            errors.start.eq(control.start),
            errors.address.eq(control.address),
            errors.running.eq(running),
            errors.drained.eq(control.drained),
            errors.quiet.eq(control.idle),
            errors.progress.eq(control.progress),
            errors.oldest.eq(control.oldest),
            errors.handshake.eq(port.handshake),
            control.halt.eq(errors.halt),
        ]
        return m


class _Engine:
    """Accepts while fewer than its limit are in flight, and retires in order."""

    def __init__(self, engine: Engine, control: Any, duration: Duration, working: Working) -> None:
        self._engine = engine
        self._working = working
        self._issue = control.issue[engine]
        self._status = control.status[engine]
        self._duration = duration
        self._ends: list[int] = []
        self._issued = 0

    def drive(self, ctx: Any, cycle: int) -> None:
        retires = bool(self._ends) and self._ends[0] <= cycle
        ctx.set(self._issue.ready, len(self._ends) < IN_FLIGHT[self._engine])
        ctx.set(self._status.in_flight, bool(self._ends))
        ctx.set(self._status.retire, retires)
        ctx.set(self._status.working, self._working(self._engine, cycle))
        if retires:
            self._ends.pop(0)

    def observe(self, ctx: Any, cycle: int, run: Run) -> None:
        if ctx.get(self._issue.valid) and ctx.get(self._issue.ready):
            run.issues[self._engine].append(cycle)
            run.indices[self._engine].append(ctx.get(self._issue.index))
            self._ends.append(cycle + self._duration(self._engine, self._issued))
            self._issued += 1


_bench = functools.cache(_Bench)


def run_control(
    program: Sequence[Instruction | bytes],
    *,
    config: Config | None = None,
    duration: Duration = lambda engine, index: 1,
    working: Working = lambda engine, cycle: False,
    cycles: int = 3000,
    runs: int = 1,
    address: int = PROGRAM_ADDRESS,
    length: int | None = None,
    watchdog_cycles: int = 0,
    respond: Respond = lambda channel, address: OKAY,
    stall: Stall = lambda channel, cycle: False,
) -> Run:
    """Start a program and run it to its end; the last of ``runs`` starts is told."""
    config = config or small_config()
    bench = _bench(config)
    control = bench.control
    words = [item if isinstance(item, bytes) else item.encode() for item in program]
    dram = bytearray(address) + bytearray().join(words)
    result: list[Run] = []

    async def testbench(ctx: Any) -> None:
        ctx.set(control.address, address)
        ctx.set(control.length, len(program) if length is None else length)
        ctx.set(bench.errors.limit, watchdog_cycles)
        for _ in range(runs):
            memory = ReferenceMemory(
                bench.port.axi,
                dram,
                axi_bytes=config.axi_bytes,
                bytes_per_cycle=config.dram_bytes_per_cycle,
                latency=config.dram_latency_cycles,
                respond=respond,
                stall=stall,
            )
            engines = [_Engine(engine, control, duration, working) for engine in Engine]
            run = Run(memory.trace)
            ctx.set(control.start, 1)
            await ctx.tick()
            ctx.set(control.start, 0)
            for cycle in range(cycles):
                memory.drive(ctx, cycle)
                await _cycle(ctx, bench, memory, engines, run, cycle)
                if run.last_cycle >= 0:
                    break
            result.append(run)

    simulate_component(bench, testbench)
    return result[-1]


async def _cycle(
    ctx: Any,
    bench: _Bench,
    memory: ReferenceMemory,
    engines: list[_Engine],
    run: Run,
    cycle: int,
) -> None:
    control, errors = bench.control, bench.errors
    ctx.set(control.cycle, cycle)
    for engine in engines:
        engine.drive(ctx, cycle)
    memory.observe(ctx, cycle)
    for engine in engines:
        engine.observe(ctx, cycle, run)
    if ctx.get(control.dispatched):
        run.dispatches.append(cycle)
    for kind in Engine:
        retired = control.retired[kind]
        if ctx.get(retired.valid):
            run.retires[kind].append((cycle, ctx.get(retired.instruction), ctx.get(retired.start)))
        state = ctx.get(getattr(control, f"ledger_{kind.name.lower()}"))
        assert bin(state).count("1") == 1, f"{kind.name} is in states {state:b} in cycle {cycle}"
        run.ledger[kind].append(register_map().ledger_states[kind][state.bit_length() - 1])
    if run.halted < 0 and ctx.get(errors.halt):
        run.halted = cycle
    if ctx.get(errors.finished):
        run.last_cycle = cycle
        if ctx.get(errors.failed):
            code = ErrorCode(ctx.get(errors.code))
            run.error = (code, ctx.get(errors.instruction), ctx.get(errors.instruction_address))
    await ctx.tick()
    run.bus_stuck = bool(ctx.get(errors.bus_stuck))
