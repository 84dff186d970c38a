"""The MATRIX engine: weight and activation buffer to accumulator."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from arch.config import Config
from arch.isa import ErrorCode
from arch.timing import MATRIX_WEIGHT_BANKS
from hdl.accumulator import AccumulatorRead, AccumulatorWrite
from hdl.compute_tile import COMPUTE_TILE_CYCLES
from hdl.dot_product import DotProduct
from hdl.matrix_loader import MatrixLoader
from hdl.matrix_rows import MatrixRows, macs_shape, result_layout
from hdl.matrix_streamer import MatrixStreamer
from hdl.ports import DISPATCHED, BufferRead, EngineStatus, Fault, Issue

_STYLES = {"dot_product": DotProduct}

INSTRUCTIONS_QUEUED = 2
"""Accepted and not yet streaming, besides the one that streams: two weight tiles are held, so at
most two instructions have loaded weights, and the loader is at work on one more (T-MX-02)."""

INSTRUCTIONS_IN_FLIGHT = 7
"""Room in the count: three accepted, of two more at most a last row in the pipeline, as a tile
takes four cycles or more (T-MX-04)."""


class MatrixEngine(Component):
    """A loader that fills weight tiles, a streamer that drives rows through them (T-MX rules).

    Every instruction goes to the loader when it is issued, and through a queue to the streamer.
    A row issued in cycle t reads its old accumulators in t + 5 and writes them in
    t + MATRIX_PIPELINE_CYCLES; the instruction retires in the cycle its last row is written
    (T-MX-05). Weights of columns beyond ``last_n`` are zero, so such accumulators are written as
    I-03 says.

    What would reach beyond the end of a memory is not read or written (E-03). A read of weights is
    an error in its cycle; one of activations, and a vector that does not exist, in the cycle in
    which the row is issued.

    Parameters
    ----------
    config : Config

    Members
    -------
    issue : In(Issue)
    status : Out(EngineStatus)
    fault : Out(Fault)
        Where loader and streamer both have one, the streamer's: it is not behind the loader.
    activation, weight : Out(BufferRead)
        First client of its buffer: ``ready`` is never awaited (B-04).
    accumulator_read : Out(AccumulatorRead)
    accumulator_write : Out(AccumulatorWrite)
    row : Out(1)
        A row is issued in this cycle.
    macs : Out(macs_shape(cols))
        MACs of that row as section 8 counts them; meaningless without one.
    tile : Out(1)
        Last weight read of a tile.
    """

    def __init__(self, config: Config):
        self._config = config
        vectors = {"depth": config.accumulator_depth, "lanes": config.cols}
        super().__init__(
            {
                "issue": In(Issue()),
                "status": Out(EngineStatus()),
                "fault": Out(Fault()),
                "activation": Out(BufferRead(word_bytes=config.word_bytes)),
                "weight": Out(BufferRead(word_bytes=config.word_bytes)),
                "accumulator_read": Out(AccumulatorRead(**vectors)),
                "accumulator_write": Out(AccumulatorWrite(**vectors)),
                "row": Out(1),
                "macs": Out(macs_shape(config.cols)),
                "tile": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        extent = {"rows": config.rows, "cols": config.cols}
        m.submodules.loader = loader = MatrixLoader(
            **extent, word_bytes=config.word_bytes, buffer_bytes=config.weight_buffer_bytes
        )
        m.submodules.rows = rows = MatrixRows(
            **extent, buffer_bytes=config.activation_buffer_bytes, depth=config.accumulator_depth
        )
        m.submodules.streamer = streamer = MatrixStreamer(**extent, word_bytes=config.word_bytes)
        m.submodules.compute = compute = _STYLES[config.style](**extent)
        m.submodules.queue = queue = SyncFIFO(width=DISPATCHED.size, depth=INSTRUCTIONS_QUEUED)
        connect(m, rows.o, streamer.i)
        connect(m, loader.read, flipped(self.weight))
        connect(m, streamer.read, flipped(self.activation))
        connect(m, loader.load, compute.tile.load)
        connect(m, streamer.tile_row, compute.tile.row)
        accept = self.issue.valid & self.issue.ready
        held = self._count(m, "held", loader.tile_begin, streamer.tile_end)
        loaded = self._count(m, "loaded", loader.tile_end, streamer.tile_end)
        m.d.comb += [
            self.issue.ready.eq(loader.free),
            loader.start.eq(accept),
            loader.instruction.eq(self.issue.word),
            loader.room.eq(held != MATRIX_WEIGHT_BANKS),
            streamer.loaded.eq(loaded != 0),
            queue.w_en.eq(accept),
            queue.w_data.eq(Cat(self.issue.word, self.issue.index)),
            rows.i.valid.eq(queue.r_rdy),
            rows.i.payload.eq(queue.r_data),
            queue.r_en.eq(rows.i.ready),
            self.row.eq(streamer.row),
            self.macs.eq(streamer.macs),
            self.tile.eq(loader.tile_end),
        ]
        retire = self._accumulate(m, streamer, compute.tile.sums)
        in_flight = self._count(m, "in_flight", accept, retire, limit=INSTRUCTIONS_IN_FLIGHT)
        m.d.comb += [
            self.status.working.eq(streamer.row),
            self.status.in_flight.eq(in_flight != 0),
            self.status.retire.eq(retire),
        ]
        self._blame(m, accept, loader, streamer)
        return m

    def _blame(self, m, accept, loader, streamer):
        """Rule E-03: loader and streamer are at different instructions most of the time."""
        loading = Signal.like(self.issue.index)
        with m.If(accept):
            m.d.sync += loading.eq(self.issue.index)
        m.d.comb += [
            self.fault.valid.eq(streamer.overrun | loader.overrun),
            self.fault.code.eq(ErrorCode.BUFFER_OVERRUN),
            self.fault.instruction.eq(Mux(streamer.overrun, streamer.i.payload.index, loading)),
        ]

    def _count(self, m, name, up, down, limit=MATRIX_WEIGHT_BANKS):
        count = Signal(range(limit + 1), name=name)
        with m.If(up & ~down):
            m.d.sync += count.eq(count + 1)
        with m.Elif(down & ~up):
            m.d.sync += count.eq(count - 1)
        return count

    def _accumulate(self, m, streamer, sums):
        """Carry where a row goes along with its sums, and add or compare them there."""
        valid = Signal(COMPUTE_TILE_CYCLES)
        stages = [
            Signal(result_layout(), name=f"result_{i}", reset_less=True)
            for i in range(COMPUTE_TILE_CYCLES)
        ]
        m.d.sync += [
            valid.eq(Cat(streamer.tile_row.valid, valid)),
            *(s.eq(b) for s, b in zip(stages, [streamer.result, *stages], strict=False)),
        ]
        reading, writing = stages[-2:]
        m.d.comb += [
            self.accumulator_read.enable.eq(valid[-2] & reading.accumulate & reading.exists),
            self.accumulator_read.half.eq(reading.half),
            self.accumulator_read.address.eq(reading.address),
            self.accumulator_write.enable.eq(valid[-1] & writing.exists),
            self.accumulator_write.half.eq(writing.half),
            self.accumulator_write.address.eq(writing.address),
        ]
        old = self.accumulator_read.data
        new = self.accumulator_write.data
        lanes = [(old.word_select(c, 32), new.word_select(c, 32)) for c in range(len(sums))]
        with m.If(valid[-1] & writing.maximum):
            for c, (before, after) in enumerate(lanes):
                m.d.comb += after.eq(Mux(before.as_signed() > sums[c], before, sums[c]))
        with m.Elif(valid[-1]):
            for c, (before, after) in enumerate(lanes):
                m.d.comb += after.eq(Mux(writing.accumulate, before, 0) + sums[c])
        return valid[-1] & writing.last
