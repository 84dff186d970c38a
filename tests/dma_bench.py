"""LOAD and STORE alone: reference memory on one side, buffers in Python on the other."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import Module, ResetInserter
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from component_simulator import enabled_bytes, simulate_component
from dma_reference import Contents, seeded_contents
from reference_memory import ReferenceMemory, Trace

from arch.config import Config
from arch.isa import Buffer, ErrorCode, Load, Store
from hdl.axi import MemoryPort
from hdl.dma_load import LoadEngine
from hdl.dma_store import StoreEngine
from hdl.index_buffer import index_write
from hdl.ports import Axi4

Denial = Callable[[int], bool]

FIRST_INDEX = 1 << 31
"""Index of the first instruction of a program, so that every bit of an index is carried."""

_QUIET_CYCLES = 40
"""What a halted engine is watched for once it is quiet: longer than the memory's latency."""


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

    contents: Contents
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
    fault: tuple[int, ErrorCode, int] | None = None
    """cycle, code, and which instruction of the program is to blame"""
    presented: list[int] = field(default_factory=list)
    """cycles with an address on the bus"""
    quiet: list[int] = field(default_factory=list)

    @property
    def moved(self) -> int:
        """Bytes written to buffers by LOAD, read from them by STORE."""
        return sum(count for _, count in self.accesses + self.pads)


class DmaBench(wiring.Component):
    """An engine behind the memory port: its ports, with AXI4 in the place of its streams.

    ``reset`` is that of both, ``index`` what LOAD writes to its index buffer.
    """

    def __init__(self, config: Config, side: str) -> None:
        self._engine: Any = {"load": LoadEngine, "store": StoreEngine}[side](config)
        self._port = MemoryPort(axi_bytes=config.axi_bytes)
        self._side = side
        behind = {"request", "beats", "response", "response_code"}
        members = dict(self._engine.signature.members.items())
        self._through = {name: members[name] for name in members.keys() - behind}
        members = {"axi": Out(Axi4(data_bytes=config.axi_bytes)), "reset": In(1)}
        if side == "load":
            members["index"] = Out(index_write(axi_bytes=config.axi_bytes))
        super().__init__({**self._through, **members})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        engine, port = self._engine, self._port
        m.submodules.engine = ResetInserter(self.reset)(engine)
        m.submodules.port = ResetInserter(self.reset)(port)
        for name, member in self._through.items():
            inner, outer = getattr(engine, name), getattr(self, name)
            if member.is_signature and member.flow is Out:
                connect(m, inner, flipped(outer))
            elif member.is_signature:
                connect(m, flipped(outer), inner)
            elif member.flow is Out:
                m.d.comb += outer.eq(inner)
            else:
                m.d.comb += inner.eq(outer)
        connect(m, port.axi, flipped(self.axi))
        connect(m, engine.request, getattr(port, f"{self._side}_request"))
        connect(m, engine.beats, getattr(port, f"{self._side}_beats"))
        if self._side == "load":
            for name in self.index.signature.members:
                written = getattr(engine.index_buffer.write, name)
                m.d.comb += getattr(self.index, name).eq(written)
        else:
            m.d.comb += [
                engine.response.eq(port.store_response),
                engine.response_code.eq(port.store_response_code),
            ]
        return m


class _LoadBuffers:
    """The buffers as LOAD sees them; ``denied`` names the cycles in which they are not ready."""

    def __init__(self, bench: Any, config: Config, denied: Denial) -> None:
        self._bench = bench
        self._config = config
        self._denied = denied
        self._ports = {Buffer.ACTIVATION: bench.activation, Buffer.WEIGHT: bench.weight}

    def drive(self, ctx: Any, cycle: int) -> None:
        for port in self._ports.values():
            ctx.set(port.ready, not self._denied(cycle))

    def observe(self, ctx: Any, cycle: int, run: Run) -> None:
        for buffer, port in self._ports.items():
            if ctx.get(port.valid) and ctx.get(port.ready):
                self._write(ctx, run.contents.buffers[buffer], port)
        for buffer, port, word_bytes in (
            (Buffer.PARAMETER, self._bench.parameter, self._config.parameter_word_bytes),
            (Buffer.INDEX, self._bench.index, self._config.axi_bytes),
        ):
            enable = ctx.get(port.enable)
            if enable:
                base = ctx.get(port.address) * word_bytes
                _put(ctx, run.contents.buffers[buffer], base, port.data, enable)
        for name, log in (("written_bytes", run.accesses), ("pad_bytes", run.pads)):
            count = ctx.get(getattr(self._bench, name))
            if count:
                log.append((cycle, count))

    def _write(self, ctx: Any, buffer: bytearray, port: Any) -> None:
        address, enable = ctx.get(port.address), ctx.get(port.enable)
        assert enable, "a write without a byte"
        window = 2 * self._config.word_bytes - address % self._config.word_bytes
        assert not enable >> window, f"enable {enable:x} leaves the window of address {address:x}"
        _put(ctx, buffer, address, port.data, enable)


def _put(ctx: Any, buffer: bytearray, base: int, data: Any, enable: int) -> None:
    for lane, byte in enabled_bytes(ctx, data, enable):
        buffer[(base + lane) % 2**24] = byte


class _StoreBuffer:
    """The activation buffer as STORE sees it; ``denied`` names cycles in which it is not ready."""

    def __init__(self, bench: Any, config: Config, denied: Denial) -> None:
        self._port = bench.read
        self._config = config
        self._denied = denied
        self._answer = 0

    def drive(self, ctx: Any, cycle: int) -> None:
        ctx.set(self._port.ready, not self._denied(cycle))
        ctx.set(self._port.data, self._answer)

    def observe(self, ctx: Any, cycle: int, run: Run) -> None:
        noise = b"\xa5" * 2 * self._config.word_bytes
        if ctx.get(self._port.valid) and ctx.get(self._port.ready):
            address, count = ctx.get(self._port.address), ctx.get(self._port.count)
            assert 1 <= count <= self._config.axi_bytes
            window = run.contents.buffers[Buffer.ACTIVATION][address : address + count]
            assert len(window) == count, f"{count} bytes read from {address:x} on"
            noise = window + noise[count:]
            run.accesses.append((cycle, count))
        self._answer = int.from_bytes(noise, "little")


class _Episode:
    """One run from the first cycle after a reset on."""

    def __init__(
        self,
        bench: Any,
        buffers: Any,
        config: Config,
        program: Sequence[Load | Store],
        seed: int,
        memory: dict[str, Any],
    ) -> None:
        contents = seeded_contents(config, seed)
        self._memory = ReferenceMemory(
            bench.axi,
            contents.dram,
            axi_bytes=config.axi_bytes,
            bytes_per_cycle=config.dram_bytes_per_cycle,
            latency=config.dram_latency_cycles,
            **memory,
        )
        self._bench = bench
        self._buffers = buffers
        self._words = [int.from_bytes(instruction.encode(), "little") for instruction in program]
        self.run = Run(contents, self._memory.trace)

    async def play(
        self, ctx: Any, *, halt_at: int | None = None, stop_at: int | None = None
    ) -> None:
        """Go on until all retired, or a halted engine was quiet for long, or to ``stop_at``."""
        bench, run, words = self._bench, self.run, self._words
        halted = False
        for cycle in range(20_000):
            self._memory.drive(ctx, cycle)
            halted = halted or cycle == halt_at
            ctx.set(bench.halt, halted)
            position = len(run.issues)
            offered = position < len(words) and not halted
            ctx.set(bench.issue.valid, offered)
            if offered:
                ctx.set(bench.issue.word, words[position])
                ctx.set(bench.issue.index, FIRST_INDEX + position)
            self._buffers.drive(ctx, cycle)
            if offered and ctx.get(bench.issue.ready):
                run.issues.append(cycle)
            self._memory.observe(ctx, cycle)
            self._buffers.observe(ctx, cycle, run)
            halted = self._note(ctx, cycle) or halted
            await ctx.tick()
            if cycle == stop_at:
                return
            if len(run.retires) == len(words):
                assert ctx.get(bench.quiet)
                assert self._memory.idle
                assert not ctx.get(bench.status.in_flight)
                return
            if halted and run.quiet[-_QUIET_CYCLES:] == [
                *range(cycle + 1 - _QUIET_CYCLES, cycle + 1)
            ]:
                return
        raise AssertionError(f"{len(run.retires)} of {len(words)} retired in 20000 cycles")

    def _note(self, ctx: Any, cycle: int) -> bool:
        """Log the state of this cycle; returns whether there is a fault."""
        bench, run = self._bench, self.run
        for signal, cycles in (
            (bench.status.retire, run.retires),
            (bench.status.wait_port, run.waits),
            (bench.status.working, run.works),
            (bench.status.in_flight, run.in_flight),
            (bench.quiet, run.quiet),
        ):
            if ctx.get(signal):
                cycles.append(cycle)
        if ctx.get(bench.axi.arvalid) or ctx.get(bench.axi.awvalid):
            run.presented.append(cycle)
        if ctx.get(bench.quiet):
            assert self._memory.idle, "quiet with something outstanding"
            assert run.presented[-1:] != [cycle], "quiet with an address presented"
            assert not ctx.get(bench.axi.wvalid), "quiet with data presented"
        if not ctx.get(bench.fault.valid):
            return False
        code = ErrorCode(ctx.get(bench.fault.code))
        run.fault = (cycle, code, ctx.get(bench.fault.instruction) - FIRST_INDEX)
        return True


_bench = functools.cache(DmaBench)


def run_dma(
    config: Config,
    program: Sequence[Load] | Sequence[Store],
    *,
    denied: Denial = lambda cycle: False,
    seed: int = 0,
    halt_at: int | None = None,
    reset_after: int | None = None,
    **memory: Any,
) -> Run:
    """Run LOADs, or STOREs, back to back; a fault halts the engine in the next cycle (E-08).

    Parameters
    ----------
    denied
        Cycles in which the buffers are not ready.
    seed
        Of the contents of DRAM and buffers.
    halt_at
        The engine is halted from this cycle on, to the reset if there is one.
    reset_after
        The program runs to the end of this cycle; then come a reset, which the memory shares, and
        the run that is returned.
    memory
        ``stall``, ``respond`` and ``data_first`` of the reference memory.
    """
    store = isinstance(program[0], Store)
    bench = _bench(config, "store" if store else "load")

    def episode() -> _Episode:
        buffers = (_StoreBuffer if store else _LoadBuffers)(bench, config, denied)
        return _Episode(bench, buffers, config, program, seed, memory)

    last = episode()

    async def drive(ctx: Any) -> None:
        if reset_after is not None:
            await episode().play(ctx, halt_at=halt_at, stop_at=reset_after)
            ctx.set(bench.reset, 1)
            await ctx.tick()
            ctx.set(bench.reset, 0)
        await last.play(ctx, halt_at=halt_at if reset_after is None else None)

    simulate_component(bench, drive)
    return last.run
