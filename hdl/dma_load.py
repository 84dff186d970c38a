"""LOAD: DRAM to the activation, weight and parameter buffers (I-01, rules T-LD)."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from arch.config import Config
from arch.isa import Opcode
from arch.timing import DMA_INSTRUCTIONS_IN_FLIGHT
from hdl.dma_address import BeatWalker, BurstGenerator, piece_layout
from hdl.instruction import instruction_layout
from hdl.load_writer import TARGET_LAYOUT, LoadWriter, parameter_write
from hdl.ports import BURST_REQUEST, BufferWrite, EngineStatus, Issue

LOAD_LAYOUT = instruction_layout(Opcode.LOAD)


class LoadEngine(wiring.Component):
    """Asks for bursts as far ahead as its window allows, and writes beats as they come.

    Parameters
    ----------
    config : Config

    Members
    -------
    issue : In(Issue())
    status : Out(EngineStatus())
    request : Out(stream of BURST_REQUEST)
    beats : In(stream of axi_bytes bytes)
        Read data in the order of the requests.
    activation, weight : Out(BufferWrite(...))
    parameter : Out(MemoryWrite(...))
    written_bytes, pad_bytes : Out(range(axi_bytes + 1))
        Bytes of data and of padding written to a buffer in this cycle.
    """

    def __init__(self, config: Config):
        self._config = config
        beat_bytes = range(config.axi_bytes + 1)
        buffer = Out(BufferWrite(word_bytes=config.word_bytes))
        super().__init__(
            {
                "issue": In(Issue()),
                "status": Out(EngineStatus()),
                "request": Out(stream.Signature(BURST_REQUEST)),
                "beats": In(stream.Signature(config.axi_data_bits)),
                "activation": buffer,
                "weight": buffer,
                "parameter": Out(parameter_write(config)),
                "written_bytes": Out(beat_bytes),
                "pad_bytes": Out(beat_bytes),
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
        m.d.comb += [
            self.issue.ready.eq(~generator.o.valid & in_flight.w_rdy),  # T-LD-02
            generator.load.eq(issued),
            generator.word.eq(word),
            in_flight.w_en.eq(issued),
            in_flight.w_data.eq(Cat(word[name] for name, _ in TARGET_LAYOUT)),
            self.status.in_flight.eq(in_flight.r_rdy),
        ]

        m.submodules.pieces = pieces = SyncFIFO(
            width=piece_layout(**sizes).size, depth=config.max_outstanding_reads
        )
        m.submodules.walker = walker = BeatWalker(**sizes)
        m.submodules.writer = writer = LoadWriter(config)
        asked, received = Signal(), Signal()
        outstanding = Signal(range(config.read_window_beats + 256))
        beats = generator.o.p.request.beats
        m.d.comb += [
            # T-LD-03: `pieces` holds the bursts that are outstanding.
            self.request.valid.eq(
                generator.o.valid & pieces.w_rdy & (outstanding < config.read_window_beats)
            ),
            self.request.p.eq(generator.o.p.request),
            asked.eq(self.request.valid & self.request.ready),
            generator.o.ready.eq(asked),
            pieces.w_en.eq(asked),
            pieces.w_data.eq(generator.o.p.piece),
            walker.i.valid.eq(pieces.r_rdy),
            walker.i.p.eq(pieces.r_data),
            pieces.r_en.eq(walker.i.ready),
            self.beats.ready.eq(walker.o.valid & writer.ready),
            received.eq(self.beats.valid & self.beats.ready),
            walker.o.ready.eq(received),
        ]
        m.d.sync += outstanding.eq(outstanding + Mux(asked, beats, 0) - received)

        m.d.comb += [
            writer.valid.eq(received),
            writer.beat.eq(walker.o.p),
            writer.data.eq(self.beats.p),
            writer.target.eq(in_flight.r_data),
            in_flight.r_en.eq(writer.retire),
            self.status.retire.eq(writer.retire),
            self.status.working.eq(asked | writer.written),
            self.status.wait_port.eq(writer.waiting),
            self.written_bytes.eq(writer.written_bytes),
            self.pad_bytes.eq(writer.pad_bytes),
        ]
        for name in ("activation", "weight", "parameter"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(writer, name))
        return m
