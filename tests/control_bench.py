"""Control alone: a program in reference memory, engines in Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import Elaboratable, Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from dma_bench import small_config
from reference_memory import ReferenceMemory, Trace

from arch.config import Config
from arch.isa import Engine, FillTable, Instruction, Load, Matrix, Store, encode_program
from arch.registers import register_map
from hdl.axi import MemoryPort
from hdl.control import IN_FLIGHT, Control

Duration = Callable[[Engine, int], int]
"""Cycles from issue to retirement of the n-th instruction of an engine."""

PROGRAM_ADDRESS = 256


@dataclass
class Run:
    """Cycles of every event; the run itself is from cycle 0 to the length of ``ledger``."""

    axi: Trace
    dispatches: list[int] = field(default_factory=list)
    issues: dict[Engine, list[int]] = field(default_factory=lambda: defaultdict(list))
    retires: dict[Engine, list[tuple[int, int, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """(cycle, index of the instruction, cycle of its issue)"""
    ledger: dict[Engine, list[str]] = field(default_factory=lambda: defaultdict(list))
    """State in each cycle."""
    drained: int = -1
    """Last cycle of the run."""


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
    def __init__(self, config: Config) -> None:
        self.control = Control(config)
        self.port = MemoryPort(axi_bytes=config.axi_bytes)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.control = self.control
        m.submodules.port = self.port
        wiring.connect(m, self.control.request, self.port.fetch_request)
        wiring.connect(m, self.port.fetch_beats, self.control.beats)
        return m


class _Engine:
    """Accepts while fewer than its limit are in flight, and retires in order."""

    def __init__(self, engine: Engine, control: Any, duration: Duration) -> None:
        self._engine = engine
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
        if retires:
            self._ends.pop(0)

    def observe(self, ctx: Any, cycle: int, run: Run) -> None:
        if ctx.get(self._issue.valid) and ctx.get(self._issue.ready):
            run.issues[self._engine].append(cycle)
            self._ends.append(cycle + self._duration(self._engine, self._issued))
            self._issued += 1


def run_control(
    program: Sequence[Instruction],
    *,
    config: Config | None = None,
    duration: Duration = lambda engine, index: 1,
    cycles: int = 3000,
    runs: int = 1,
) -> Run:
    """Start a program and run it to its end; the last of ``runs`` starts is told."""
    config = config or small_config()
    bench = _Bench(config)
    control = bench.control
    dram = bytearray(PROGRAM_ADDRESS) + bytearray(encode_program(program))
    result: list[Run] = []

    async def testbench(ctx: Any) -> None:
        ctx.set(control.address, PROGRAM_ADDRESS)
        ctx.set(control.length, len(program))
        for _ in range(runs):
            memory = ReferenceMemory(
                bench.port.axi,
                dram,
                axi_bytes=config.axi_bytes,
                bytes_per_cycle=config.dram_bytes_per_cycle,
                latency=config.dram_latency_cycles,
            )
            engines = [_Engine(engine, control, duration) for engine in Engine]
            run = Run(memory.trace)
            ctx.set(control.start, 1)
            await ctx.tick()
            ctx.set(control.start, 0)
            for cycle in range(cycles):
                await _cycle(ctx, control, memory, engines, run, cycle)
                if run.drained >= 0:
                    break
            result.append(run)

    simulator = Simulator(bench)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return result[-1]


async def _cycle(
    ctx: Any, control: Any, memory: ReferenceMemory, engines: list[_Engine], run: Run, cycle: int
) -> None:
    memory.drive(ctx, cycle)
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
    if ctx.get(control.drained):
        run.drained = cycle
    await ctx.tick()
