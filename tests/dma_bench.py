"""LOAD and STORE alone: reference memory on one side, buffers in Python on the other."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import Elaboratable, Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from reference_memory import ReferenceMemory, Trace

from arch.config import Config
from arch.isa import Buffer, Load, Store
from hdl.axi import MemoryPort
from hdl.dma_load import LoadEngine
from hdl.dma_store import StoreEngine

Denial = Callable[[int], bool]


def small_config(**changes: Any) -> Config:
    """An 8-byte port and 16-byte words, so that a beat is less than a word."""
    values: dict[str, Any] = {
        "name": "bench",
        "rows": 16,
        "cols": 8,
        "activation_buffer_kib": 8,
        "weight_buffer_kib": 8,
        "parameter_buffer_kib": 4,
        "accumulator_kib": 4,
        "dram_latency_cycles": 20,
        "dram_bytes_per_cycle": 8,
    }
    return Config(**{**values, **changes})


@dataclass
class Run:
    """What happened: cycles of every event, and the memories behind it."""

    dram: bytearray
    buffers: dict[Buffer, bytearray]
    axi: Trace
    issues: list[int] = field(default_factory=list)
    retires: list[int] = field(default_factory=list)
    accesses: list[tuple[int, int]] = field(default_factory=list)
    """(cycle, bytes) of buffer writes of LOAD, buffer reads of STORE"""
    pads: list[tuple[int, int]] = field(default_factory=list)
    waits: list[int] = field(default_factory=list)
    """cycles with wait_port"""
    works: list[int] = field(default_factory=list)
    in_flight: list[int] = field(default_factory=list)


def addresses(instruction: Load | Store) -> list[tuple[int, int]]:
    """(DRAM address, buffer address) of each run (I-01)."""
    return [
        (
            (
                instruction.dram_address
                + plane * instruction.plane_dram_stride
                + run * instruction.run_dram_stride
            )
            % 2**32,
            (
                instruction.buffer_address
                + plane * instruction.plane_buffer_stride
                + run * instruction.run_buffer_stride
            )
            % 2**24,
        )
        for plane in range(instruction.planes)
        for run in range(instruction.runs)
    ]


def bursts(instruction: Load | Store, config: Config) -> list[tuple[int, int]]:
    """(aligned address, beats) of each burst (T-LD-01)."""
    found = []
    for dram, _ in addresses(instruction):
        end = dram + instruction.run_bytes
        while dram < end:
            stop = min(end, (dram // config.burst_bytes + 1) * config.burst_bytes)
            first = dram // config.axi_bytes
            found.append((first * config.axi_bytes, -(-stop // config.axi_bytes) - first))
            dram = stop
    return found


class _Bench(Elaboratable):
    def __init__(self, config: Config, engine: Any, port: Any, direction: str) -> None:
        self.engine = engine
        self.port = port
        self._direction = direction

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.engine = self.engine
        m.submodules.port = self.port
        side = self._direction
        wiring.connect(m, self.engine.request, getattr(self.port, f"{side}_request"))
        wiring.connect(m, self.engine.beats, getattr(self.port, f"{side}_beats"))
        if side == "store":
            m.d.comb += self.engine.response.eq(self.port.store_response)
        return m


def _simulate(
    config: Config,
    instructions: Sequence[Load | Store],
    engine: Any,
    before: Callable[[Any, int, Run], None],
    after: Callable[[Any, int, Run], None],
    seed: int,
    dram_bytes: int,
) -> Run:
    side = "load" if isinstance(engine, LoadEngine) else "store"
    port = MemoryPort(axi_bytes=config.axi_bytes)
    noise = random.Random(seed)
    dram = bytearray(noise.randbytes(dram_bytes))
    sizes = {
        Buffer.ACTIVATION: config.activation_buffer_bytes,
        Buffer.WEIGHT: config.weight_buffer_bytes,
        Buffer.PARAMETER: config.parameter_buffer_bytes,
    }
    buffers = {buffer: bytearray(noise.randbytes(size)) for buffer, size in sizes.items()}
    memory = ReferenceMemory(
        port.axi,
        dram,
        axi_bytes=config.axi_bytes,
        bytes_per_cycle=config.dram_bytes_per_cycle,
        latency=config.dram_latency_cycles,
    )
    run = Run(dram, buffers, memory.trace)
    words = [int.from_bytes(instruction.encode(), "little") for instruction in instructions]

    async def bench(ctx: Any) -> None:
        for cycle in range(20_000):
            memory.drive(ctx, cycle)
            offered = len(run.issues) < len(words)
            ctx.set(engine.issue.valid, offered)
            if offered:
                ctx.set(engine.issue.word, words[len(run.issues)])
            before(ctx, cycle, run)
            if offered and ctx.get(engine.issue.ready):
                run.issues.append(cycle)
            memory.observe(ctx, cycle)
            after(ctx, cycle, run)
            for name, cycles in (
                ("retire", run.retires),
                ("wait_port", run.waits),
                ("working", run.works),
                ("in_flight", run.in_flight),
            ):
                if ctx.get(getattr(engine.status, name)):
                    cycles.append(cycle)
            await ctx.tick()
            if len(run.retires) == len(words):
                assert not ctx.get(engine.status.in_flight)
                return
        raise AssertionError(f"{len(run.retires)} of {len(words)} retired in 20000 cycles")

    simulator = Simulator(_Bench(config, engine, port, side))
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return run


def run_load(
    config: Config,
    instructions: Sequence[Load],
    denied: Denial = lambda cycle: False,
    seed: int = 0,
    dram_bytes: int = 1 << 16,
) -> Run:
    """Run LOADs back to back; writes are not ready in cycles that ``denied`` names."""
    engine = LoadEngine(config)
    ports = {Buffer.ACTIVATION: engine.activation, Buffer.WEIGHT: engine.weight}

    def before(ctx: Any, cycle: int, run: Run) -> None:
        for port in ports.values():
            ctx.set(port.ready, not denied(cycle))

    def after(ctx: Any, cycle: int, run: Run) -> None:
        for buffer, port in ports.items():
            if ctx.get(port.valid) and ctx.get(port.ready):
                _write(ctx, run.buffers[buffer], port, config.word_bytes)
        enable = ctx.get(engine.parameter.enable)
        if enable:
            base = ctx.get(engine.parameter.address) * config.parameter_word_bytes
            data = ctx.get(engine.parameter.data)
            for lane in range(config.parameter_word_bytes):
                if enable >> lane & 1:
                    run.buffers[Buffer.PARAMETER][base + lane] = data >> 8 * lane & 0xFF
        for signal, log in ((engine.written_bytes, run.accesses), (engine.pad_bytes, run.pads)):
            if ctx.get(signal):
                log.append((cycle, ctx.get(signal)))

    return _simulate(config, instructions, engine, before, after, seed, dram_bytes)


def _write(ctx: Any, buffer: bytearray, port: Any, word_bytes: int) -> None:
    address, data = ctx.get(port.address), ctx.get(port.data)
    enable = ctx.get(port.enable)
    assert enable, "a write without a byte"
    window = 2 * word_bytes - address % word_bytes
    assert not enable >> window, f"enable {enable:x} leaves the window of address {address:x}"
    for lane in range(2 * word_bytes):
        if enable >> lane & 1:
            buffer[(address + lane) % 2**24] = data >> 8 * lane & 0xFF


def run_store(
    config: Config,
    instructions: Sequence[Store],
    denied: Denial = lambda cycle: False,
    seed: int = 0,
    dram_bytes: int = 1 << 16,
) -> Run:
    """Run STOREs back to back; reads are not ready in cycles that ``denied`` names."""
    engine = StoreEngine(config)
    answer: list[int] = []

    def before(ctx: Any, cycle: int, run: Run) -> None:
        ctx.set(engine.read.ready, not denied(cycle))
        ctx.set(engine.read.data, answer.pop() if answer else 0)

    def after(ctx: Any, cycle: int, run: Run) -> None:
        if ctx.get(engine.read.valid) and ctx.get(engine.read.ready):
            address, count = ctx.get(engine.read.address), ctx.get(engine.read.count)
            assert 1 <= count <= config.axi_bytes
            window = run.buffers[Buffer.ACTIVATION][address : address + count]
            noise = b"\xa5" * (2 * config.word_bytes - count)
            answer.append(int.from_bytes(window + noise, "little"))
            run.accesses.append((cycle, count))

    return _simulate(config, instructions, engine, before, after, seed, dram_bytes)
