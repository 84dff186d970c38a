"""LOAD: DRAM to the activation, weight, parameter and index buffers (I-01, rules T-LD)."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from arch.config import Config
from arch.timing import DMA_INSTRUCTIONS_IN_FLIGHT
from hdl.dma_address import LOAD_LAYOUT, BeatWalker, BurstGenerator, piece_layout
from hdl.gather import Gather
from hdl.index_buffer import IndexBuffer
from hdl.load_writer import TARGET_FIELDS, TARGET_LAYOUT, LoadWriter, parameter_write
from hdl.ports import (
    BURST_REQUEST,
    BufferWrite,
    EngineStatus,
    Fault,
    Issue,
    read_beat_layout,
)


class LoadEngine(wiring.Component):
    """Asks for bursts as far ahead as its window allows, and writes beats as they come.

    The index buffer, which nobody else uses, is its own. With ``gather`` the bursts of a run follow
    GATHER_CYCLES later (T-LD-07).

    Halted, it begins no burst, takes the data it asked for, and writes and retires nothing (E-08);
    a reset starts it anew.

    Parameters
    ----------
    config : Config

    Members
    -------
    issue : In(Issue())
    status : Out(EngineStatus())
    request : Out(stream of BURST_REQUEST)
    beats : In(stream of read_beat_layout)
        Read data in the order of the requests.
    activation, weight : Out(BufferWrite(...))
    parameter : Out(MemoryWrite(...))
    written_bytes, pad_bytes : Out(range(axi_bytes + 1))
        Bytes of data and of padding written to a buffer in this cycle.
    fault : Out(Fault())
        BUFFER_OVERRUN, READ_SLVERR or READ_DECERR, until halted.
    halt : In(1)
        From the cycle after an error on, of whatever engine.
    quiet : Out(1)
        Nothing is presented or outstanding on the bus.

    Attributes
    ----------
    index_buffer : IndexBuffer
        For benches, which see what is written to it.
    """

    def __init__(self, config: Config):
        self._config = config
        self.index_buffer = IndexBuffer(axi_bytes=config.axi_bytes)
        beat_bytes = range(config.axi_bytes + 1)
        buffer = Out(BufferWrite(word_bytes=config.word_bytes))
        super().__init__(
            {
                "issue": In(Issue()),
                "status": Out(EngineStatus()),
                "request": Out(stream.Signature(BURST_REQUEST)),
                "beats": In(stream.Signature(read_beat_layout(axi_bytes=config.axi_bytes))),
                "activation": buffer,
                "weight": buffer,
                "parameter": Out(parameter_write(config)),
                "written_bytes": Out(beat_bytes),
                "pad_bytes": Out(beat_bytes),
                "fault": Out(Fault()),
                "halt": In(1),
                "quiet": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        sizes = {"axi_bytes": config.axi_bytes, "burst_bytes": config.burst_bytes}
        word = data.View(LOAD_LAYOUT, self.issue.word)
        issued = self.issue.valid & self.issue.ready

        # The head is the instruction whose bytes are being written: it leaves with its last write.
        m.submodules.in_flight = in_flight = SyncFIFO(
            width=TARGET_LAYOUT.size, depth=DMA_INSTRUCTIONS_IN_FLIGHT
        )
        m.submodules.generator = generator = BurstGenerator(**sizes)
        m.submodules.index_buffer = self.index_buffer
        m.submodules.gather = gather = Gather()
        wiring.connect(m, gather.index, self.index_buffer.read)
        m.d.comb += [
            # T-LD-02, and T-LD-07: so that what a LOAD before it writes is there.
            self.issue.ready.eq(
                ~generator.o.valid
                & ~gather.busy
                & in_flight.w_rdy
                & ~(word.gather & in_flight.r_rdy)
            ),
            gather.start.eq(issued & word.gather),
            gather.word.eq(word),
            gather.ready.eq(~generator.o.valid),
            generator.load.eq((issued & ~word.gather) | gather.load),
            generator.word.eq(Mux(gather.load, gather.run, word)),
            in_flight.w_en.eq(issued),
            in_flight.w_data.eq(Cat((word[name] for name in TARGET_FIELDS), self.issue.index)),
            self.status.in_flight.eq(in_flight.r_rdy),
        ]

        m.submodules.pieces = pieces = SyncFIFO(
            width=piece_layout(**sizes).size, depth=config.max_outstanding_reads
        )
        m.submodules.walker = walker = BeatWalker(**sizes)
        m.submodules.writer = writer = LoadWriter(config)
        asked, received, presented = Signal(), Signal(), Signal()
        outstanding = Signal(range(config.read_window_beats + 256))
        beats = generator.o.p.request.beats
        piece = Signal(piece_layout(**sizes))
        m.d.comb += [
            piece.eq(generator.o.p.piece),
            piece.last.eq(generator.o.p.piece.last & ~gather.busy),
            # T-LD-03: `pieces` holds the bursts that are outstanding. E-08: halted, only an
            # address that is already presented stays.
            self.request.valid.eq(
                generator.o.valid
                & pieces.w_rdy
                & (outstanding < config.read_window_beats)
                & (presented | ~self.halt)
            ),
            self.quiet.eq(~self.request.valid & ~pieces.r_rdy),
            self.request.p.eq(generator.o.p.request),
            asked.eq(self.request.valid & self.request.ready),
            generator.o.ready.eq(asked),
            pieces.w_en.eq(asked),
            pieces.w_data.eq(piece),
            walker.i.valid.eq(pieces.r_rdy),
            walker.i.p.eq(pieces.r_data),
            pieces.r_en.eq(walker.i.ready),
            self.beats.ready.eq(walker.o.valid & writer.ready),
            received.eq(self.beats.valid & self.beats.ready),
            walker.o.ready.eq(received),
        ]
        m.d.sync += [
            presented.eq(self.request.valid & ~self.request.ready),
            outstanding.eq(outstanding + Mux(asked, beats, 0) - received),
        ]

        m.d.comb += [
            writer.valid.eq(received),
            writer.beat.eq(walker.o.p),
            writer.data.eq(self.beats.p),
            writer.halt.eq(self.halt),
            writer.target.eq(in_flight.r_data),
            in_flight.r_en.eq(writer.retire),
            self.status.retire.eq(writer.retire),
            self.status.working.eq(asked | writer.written),
            self.status.wait_port.eq(writer.waiting),
            self.written_bytes.eq(writer.written_bytes),
            self.pad_bytes.eq(writer.pad_bytes),
        ]
        for name in ("activation", "weight", "parameter", "fault"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(writer, name))
        wiring.connect(m, writer.index, self.index_buffer.write)
        return m
