"""MATRIX with its buffers in Amaranth's simulator, and what the document says it must do."""

from dataclasses import dataclass, field

import numpy as np
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib.wiring import Component, In, Out, connect, flipped
from amaranth.sim import Simulator

from arch.config import ACTIVATION_BANKS, WEIGHT_BANKS, Config
from arch.isa import Matrix
from arch.timing import MATRIX_PIPELINE_CYCLES, MATRIX_WEIGHT_BANKS
from hdl.accumulator import Accumulator, AccumulatorRead
from hdl.matrix import MatrixEngine
from hdl.ports import BufferWrite, EngineStatus, Issue
from hdl.scratchpad import Scratchpad


def small_config(rows: int = 4, cols: int = 4) -> Config:
    return Config(
        name="test",
        rows=rows,
        cols=cols,
        activation_buffer_kib=1,
        weight_buffer_kib=1,
        parameter_buffer_kib=2,
        accumulator_kib=2 * cols // 4,
        dram_latency_cycles=4,
        dram_bytes_per_cycle=4,
    )


class Bench(Component):
    """The engine, both buffers with a writer each, and the accumulators with their other reader."""

    def __init__(self, config: Config):
        self._config = config
        self._vectors = {"depth": config.accumulator_depth, "lanes": config.cols}
        writer = In(BufferWrite(word_bytes=config.word_bytes))
        super().__init__(
            {
                "issue": In(Issue()),
                "status": Out(EngineStatus()),
                "activation": writer,
                "weight": writer,
                "vector": In(AccumulatorRead(**self._vectors)),
                "row": Out(1),
                "macs": Out(range(config.rows * config.cols + 1)),
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
        connect(m, engine.accumulator_write, accumulator.matrix_write)
        connect(m, flipped(self.vector), accumulator.vector_read)
        connect(m, flipped(self.issue), engine.issue)
        connect(m, engine.status, flipped(self.status))
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


@dataclass
class Trace:
    """Cycles of events, counted from the first offer, and the accumulators of both halves."""

    issues: list[int] = field(default_factory=list)
    weight_reads: list[int] = field(default_factory=list)
    tiles: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    macs: list[int] = field(default_factory=list)
    activation_reads: list[int] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)
    retirements: list[int] = field(default_factory=list)
    in_flight: list[int] = field(default_factory=list)
    accumulators: np.ndarray | None = None


def run(
    config: Config,
    program: list[Matrix],
    activations: np.ndarray,
    weights: np.ndarray,
    offers: dict[int, int] | None = None,
    reset_after: int = 0,
) -> Trace:
    """Run ``program``, each instruction offered as soon as the one before is accepted.

    With ``reset_after`` its first instruction runs for that many cycles before; then comes a reset.

    Buffers hold ``activations`` and ``weights`` (uint8). ``offers`` delays the offer of an
    instruction, by index, to a cycle.
    """
    bench = Bench(config)
    trace = Trace()
    reset = Signal()

    async def drive(ctx):
        await _fill(ctx, bench.activation, config.word_bytes, activations)
        await _fill(ctx, bench.weight, config.word_bytes, weights)
        if reset_after:
            ctx.set(bench.issue.valid, 1)
            ctx.set(bench.issue.word, int.from_bytes(program[0].encode(), "little"))
            await ctx.tick().repeat(reset_after)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
        cycle = index = 0
        while len(trace.retirements) < len(program):
            assert cycle < 4000, "the engine is stuck"
            offered = index < len(program) and cycle >= (offers or {}).get(index, 0)
            ctx.set(bench.issue.valid, offered)
            if offered:
                ctx.set(bench.issue.word, int.from_bytes(program[index].encode(), "little"))
            index += await _observe(ctx, bench, trace, cycle)
            cycle += 1
        trace.accumulators = await _read_accumulators(ctx, bench, config)

    simulator = Simulator(ResetInserter(reset)(bench))
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
    return trace


async def _fill(ctx, port, word_bytes, contents):
    step = 2 * word_bytes
    ctx.set(port.valid, 1)
    ctx.set(port.enable, (1 << step) - 1)
    for address in range(0, len(contents), step):
        ctx.set(port.address, address)
        data = contents[address : address + step].tobytes()
        ctx.set(port.data, int.from_bytes(data, "little"))
        await ctx.tick()
    ctx.set(port.valid, 0)


async def _observe(ctx, bench, trace, cycle):
    """Log the events of a cycle; whether an instruction was issued in it."""
    accept = bench.issue.valid & bench.issue.ready
    events = {
        "issues": accept,
        "weight_reads": bench.weight_read,
        "tiles": bench.tile,
        "rows": bench.row,
        "activation_reads": bench.activation_read,
        "writes": bench.written,
        "retirements": bench.status.retire,
        "in_flight": bench.status.in_flight,
    }
    sampled = await ctx.tick().sample(bench.macs, *events.values())
    macs, *values = sampled[2:]
    happened = dict(zip(events, values, strict=True))
    for name, value in happened.items():
        if value:
            getattr(trace, name).append(cycle)
    if happened["rows"]:
        trace.macs.append(macs)
    return happened["issues"]


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


def expected_accumulators(
    config: Config, program: list[Matrix], activations: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """I-03, element by element; vectors that no instruction writes are zero."""
    vectors = np.zeros((2, config.accumulator_depth, config.cols), np.int64)
    for i in program:
        half = vectors[i.accumulator_half]
        places = np.ndindex(i.n_tiles, i.ky_count, i.kx_count, i.k_tiles)
        for tile, (n, ky, kx, t) in enumerate(places):
            w = _weights(config, i, weights, n, t, tile)
            first = ky == kx == t == 0 and not i.accumulate
            for row, (oy, ox) in enumerate(np.ndindex(i.output_rows, i.output_columns)):
                sums = _operands(config, i, activations, (ky, kx, t), oy, ox) @ w
                address = i.accumulator_address + n * i.output_rows * i.output_columns + row
                half[address] = sums + (0 if first else half[address])
    return vectors.astype(np.int32)


def _operands(config, i, activations, place, oy, ox):
    ky, kx, t = place
    y = i.y_origin + oy * i.y_row_step + ky * i.y_ky_step
    x = i.x_origin + ox * i.column_stride + kx * i.kx_stride + t * config.rows
    k = i.last_k if t == i.k_tiles - 1 else config.rows
    operands = np.zeros(config.rows, np.int64)
    for j in range(k):
        if 0 <= y < i.y_limit and 0 <= x + j < i.x_limit:
            address = i.activation_address + oy * i.row_stride + ky * i.ky_stride + x + j
            byte = activations[address % (1 << 24)]
            operands[j] = _value(byte, i.activation_signed) - i.activation_zero_point
    return operands


def _weights(config, i, weights, n, t, tile):
    rows, cols = config.rows, config.cols
    w = np.zeros((rows, cols), np.int64)
    n_limit = i.last_n if n == i.n_tiles - 1 else cols
    k_limit = i.last_k if t == i.k_tiles - 1 else rows
    zero_rows = (n + 1) * i.weight_zero_row
    base = i.weight_address + tile * rows * cols + zero_rows * cols
    tiles_of_n = i.ky_count * i.kx_count * i.k_tiles
    zero_base = i.weight_address + n * (tiles_of_n * rows * cols + cols)
    for j, c in np.ndindex(k_limit, n_limit):
        if i.weight_transposed:
            address = i.weight_address + (n * cols + c) * i.weight_column_stride + t * rows + j
        else:
            address = base + j * cols + c
        zero = i.weight_zero_point
        if i.weight_zero_row:
            zero = _value(weights[zero_base + c], i.weight_signed)
        w[j, c] = _value(weights[address], i.weight_signed) - zero
    return w


def _value(byte, is_signed):
    return int(byte.view(np.int8)) if is_signed else int(byte)


def expected_trace(
    config: Config, program: list[Matrix], offers: dict[int, int] | None = None
) -> Trace:
    """The cycles that rules T-MX-01 to T-MX-05 give, without reads of activations."""
    trace = Trace()
    last_rows = [-1] * MATRIX_WEIGHT_BANKS
    free = -1
    for index, i in enumerate(program):
        before = trace.issues[-1] if trace.issues else -1
        issue = max(free, before + 1, (offers or {}).get(index, 0))
        trace.issues.append(issue)
        read = issue + 1
        rows = i.output_rows * i.output_columns
        for n, ky, kx, t in np.ndindex(i.n_tiles, i.ky_count, i.kx_count, i.k_tiles):
            reads = config.cols if i.weight_transposed else config.rows
            reads += i.weight_zero_row and ky == kx == t == 0
            begin = max(read, last_rows[-MATRIX_WEIGHT_BANKS] + 1)
            trace.weight_reads.extend(range(begin, begin + reads))
            read = begin + reads
            trace.tiles.append(read - 1)
            row = max(read, last_rows[-1] + 1)
            trace.rows.extend(range(row, row + rows))
            last_rows.append(row + rows - 1)
            k = i.last_k if t == i.k_tiles - 1 else config.rows
            columns = i.last_n if n == i.n_tiles - 1 else config.cols
            trace.macs.extend([k * columns] * rows)
        free = read - 1
        trace.retirements.append(last_rows[-1] + MATRIX_PIPELINE_CYCLES)
    trace.writes = [row + MATRIX_PIPELINE_CYCLES for row in trace.rows]
    spans = zip(trace.issues, trace.retirements, strict=True)
    trace.in_flight = sorted({c for begin, end in spans for c in range(begin + 1, end + 1)})
    return trace
