"""MATRIX with its buffers, held against what the document says."""

import functools

import numpy as np
from amaranth.hdl import Module
from amaranth.lib.wiring import Component, In, Out, connect, flipped
from component_simulator import simulate_component
from matrix_reference import INDEX_STEP, Trace, expected_accumulators, expected_trace

from arch.config import ACTIVATION_BANKS, WEIGHT_BANKS, Config
from arch.isa import ErrorCode, Matrix
from hdl.accumulator import Accumulator, AccumulatorRead, AccumulatorWrite
from hdl.matrix import MatrixEngine
from hdl.matrix_rows import macs_shape
from hdl.ports import BufferWrite, EngineStatus, Fault, Issue
from hdl.scratchpad import Scratchpad


def small_config(rows: int = 4, cols: int = 4, kib: int = 1) -> Config:
    """Buffers of ``kib`` and ``64 * kib`` vectors in each half of the accumulator."""
    return Config(
        name="test",
        rows=rows,
        cols=cols,
        activation_buffer_kib=kib,
        weight_buffer_kib=kib,
        parameter_buffer_kib=2,
        accumulator_kib=2 * kib * cols // 4,
        dram_latency_cycles=4,
        dram_bytes_per_cycle=4,
    )


EVENTS = (
    "issues",
    "weight_reads",
    "tiles",
    "rows",
    "macs",
    "activation_reads",
    "writes",
    "retirements",
    "in_flight",
    "faults",
)


class Bench(Component):
    """The engine, both buffers with a writer each, and the accumulators with their other reader.

    ``fill`` takes the accumulators' write port from the engine.
    """

    def __init__(self, config: Config):
        self._config = config
        self._vectors = {"depth": config.accumulator_depth, "lanes": config.cols}
        writer = In(BufferWrite(word_bytes=config.word_bytes))
        super().__init__(
            {
                "issue": In(Issue()),
                "status": Out(EngineStatus()),
                "fault": Out(Fault()),
                "activation": writer,
                "weight": writer,
                "vector": In(AccumulatorRead(**self._vectors)),
                "fill": In(AccumulatorWrite(**self._vectors)),
                "row": Out(1),
                "macs": Out(macs_shape(config.cols)),
                "tile": Out(1),
                "activation_read": Out(1),
                "weight_read": Out(1),
                "written": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.engine = engine = MatrixEngine(config)
        m.submodules.accumulator = accumulator = Accumulator(**self._vectors)
        connect(m, engine.accumulator_read, accumulator.matrix_read)
        with m.If(self.fill.enable):
            connect(m, flipped(self.fill), accumulator.matrix_write)
        with m.Else():
            connect(m, engine.accumulator_write, accumulator.matrix_write)
        connect(m, flipped(self.vector), accumulator.vector_read)
        connect(m, flipped(self.issue), engine.issue)
        connect(m, engine.status, flipped(self.status))
        connect(m, engine.fault, flipped(self.fault))
        for name, size, banks in (
            ("activation", config.activation_buffer_bytes, ACTIVATION_BANKS),
            ("weight", config.weight_buffer_bytes, WEIGHT_BANKS),
        ):
            buffer = Scratchpad(
                word_bytes=config.word_bytes, size_bytes=size, banks=banks, readers=1, writers=1
            )
            m.submodules[name] = buffer
            connect(m, getattr(engine, name), buffer.read[0])
            connect(m, flipped(getattr(self, name)), buffer.write[0])
        m.d.comb += [
            self.row.eq(engine.row),
            self.macs.eq(engine.macs),
            self.tile.eq(engine.tile),
            self.activation_read.eq(engine.activation.valid),
            self.weight_read.eq(engine.weight.valid),
            self.written.eq(engine.accumulator_write.enable),
        ]
        return m


@functools.cache
def _bench(config: Config) -> Bench:
    return Bench(config)


def run(
    config: Config,
    program: list[Matrix],
    activations: np.ndarray,
    weights: np.ndarray,
    accumulators: np.ndarray,
    offers: dict[int, int] | None = None,
    reset_after: int = 0,
) -> Trace:
    """Run ``program``, each instruction offered as soon as the one before is accepted.

    With ``reset_after`` its first instruction runs for that many cycles before; then comes a reset.

    Buffers begin with ``activations`` and ``weights`` (uint8), the halves of the accumulator hold
    ``accumulators`` (int32). ``offers`` delays the offer of an instruction, by index, to a cycle.
    """
    bench = _bench(config)
    trace = Trace()

    async def drive(ctx):
        await _fill(ctx, bench.activation, config.word_bytes, activations)
        await _fill(ctx, bench.weight, config.word_bytes, weights)
        await _fill_accumulators(ctx, bench.fill, accumulators)
        if reset_after:
            _offer(ctx, bench.issue, program, 0)
            await ctx.tick().repeat(reset_after)
            ctx.set(ctx.reset, 1)
            await ctx.tick()
            ctx.set(ctx.reset, 0)
        cycle = index = 0
        while len(trace.retirements) < len(program):
            assert cycle < 5000, "the engine is stuck"
            offered = index < len(program) and cycle >= (offers or {}).get(index, 0)
            if offered:
                _offer(ctx, bench.issue, program, index)
            ctx.set(bench.issue.valid, offered)
            index += await _observe(ctx, bench, trace, cycle, offered)
            cycle += 1
        trace.accumulators = await _read_accumulators(ctx, bench, config)

    simulate_component(bench, drive)
    return trace


def _offer(ctx, issue, program, index):
    ctx.set(issue.valid, 1)
    ctx.set(issue.word, int.from_bytes(program[index].encode(), "little"))
    ctx.set(issue.index, INDEX_STEP * index)


async def _fill(ctx, port, word_bytes, contents):
    step = 2 * word_bytes
    ctx.set(port.valid, 1)
    for address in range(0, len(contents), step):
        ctx.set(port.address, address)
        data = contents[address : address + step].tobytes()
        ctx.set(port.data, int.from_bytes(data, "little"))
        ctx.set(port.enable, (1 << len(data)) - 1)
        await ctx.tick()
    ctx.set(port.valid, 0)


async def _fill_accumulators(ctx, port, vectors):
    ctx.set(port.enable, 1)
    for half, address in np.ndindex(vectors.shape[:2]):
        ctx.set(port.half, half)
        ctx.set(port.address, address)
        ctx.set(port.data, int.from_bytes(vectors[half, address].tobytes(), "little"))
        await ctx.tick()
    ctx.set(port.enable, 0)


async def _observe(ctx, bench, trace, cycle, offered):
    """Log the events of a cycle; whether an instruction was issued in it."""
    events = {
        "weight_reads": bench.weight_read,
        "tiles": bench.tile,
        "rows": bench.row,
        "activation_reads": bench.activation_read,
        "writes": bench.written,
        "retirements": bench.status.retire,
        "in_flight": bench.status.in_flight,
    }
    for name, happens in events.items():
        if ctx.get(happens):
            getattr(trace, name).append(cycle)
    if ctx.get(bench.row):
        trace.macs.append(ctx.get(bench.macs))
    if ctx.get(bench.fault.valid):
        assert ctx.get(bench.fault.code) == ErrorCode.BUFFER_OVERRUN
        trace.faults.append((cycle, ctx.get(bench.fault.instruction)))
    issued = offered and ctx.get(bench.issue.ready)
    if issued:
        trace.issues.append(cycle)
    await ctx.tick()
    return issued


async def _read_accumulators(ctx, bench, config):
    vectors = np.zeros((2, config.accumulator_depth, config.cols), np.int32)
    ctx.set(bench.vector.enable, 1)
    for half, address in np.ndindex(vectors.shape[:2]):
        ctx.set(bench.vector.half, half)
        ctx.set(bench.vector.address, address)
        await ctx.tick()
        data = ctx.get(bench.vector.data).to_bytes(4 * config.cols, "little")
        vectors[half, address] = np.frombuffer(data, "<i4")
    return vectors


def gemm(m=6, k_tiles=1, last_k=4, n_tiles=1, last_n=4, **fields):
    """``m`` rows of activations, ``k`` bytes each, 64 bytes from row to row."""
    return Matrix(
        **{
            "activation_address": 0,
            "y_limit": m,
            "row_stride": 64,
            "x_limit": 64,
            "output_rows": m,
            "k_tiles": k_tiles,
            "last_k": last_k,
            "n_tiles": n_tiles,
            "last_n": last_n,
            "weight_address": 0,
        }
        | fields
    )


def check(config, program, seed=0, activation_bytes=None, weight_bytes=None, **how):
    """Run and compare every accumulator and the cycle of every event; returns the trace.

    Of the buffers only the first ``activation_bytes`` and ``weight_bytes`` are ever written.
    """
    rng = np.random.default_rng(seed)
    activations = rng.integers(0, 256, activation_bytes or config.activation_buffer_bytes, np.uint8)
    weights = rng.integers(0, 256, weight_bytes or config.weight_buffer_bytes, np.uint8)
    shape = (2, config.accumulator_depth, config.cols)
    accumulators = rng.integers(-(1 << 31), 1 << 31, shape).astype(np.int32)
    memories = activations, weights, accumulators
    trace = run(config, program, *memories, **how)
    expected = expected_trace(config, program, how.get("offers"))
    for name in EVENTS:
        assert getattr(trace, name) == getattr(expected, name), name
    vectors, defined = expected_accumulators(config, program, *memories)
    np.testing.assert_array_equal(trace.accumulators[defined], vectors[defined])
    return trace
