"""STORE: the activation buffer to DRAM (I-02, rules T-ST)."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from arch.config import Config
from arch.timing import DMA_INSTRUCTIONS_IN_FLIGHT, WRITE_FIFO_BEATS
from hdl.dma_address import BeatWalker, BurstGenerator
from hdl.ports import BURST_REQUEST, BufferRead, EngineStatus, Issue


def write_beat_layout(*, axi_bytes: int) -> data.StructLayout:
    """A beat of write data; ``bytes`` is the number of its strobes."""
    return data.StructLayout(
        {
            "data": 8 * axi_bytes,
            "strobe": axi_bytes,
            "bytes": range(axi_bytes + 1),
            "last": 1,
        }
    )


class StoreEngine(wiring.Component):
    """Reads a beat a cycle while the write FIFO has room; addresses and data leave independently.

    Parameters
    ----------
    config : Config

    Members
    -------
    issue : In(Issue())
    status : Out(EngineStatus())
    read : Out(BufferRead(...))
        Of the activation buffer.
    request : Out(stream of BURST_REQUEST)
    beats : Out(stream of write_beat_layout)
        Data in the order of the requests; a beat may come before the request of its burst is
        accepted.
    response : In(1)
        The oldest burst whose request was accepted is written; always taken.
    """

    def __init__(self, config: Config):
        self._config = config
        beat = write_beat_layout(axi_bytes=config.axi_bytes)
        super().__init__(
            {
                "issue": In(Issue()),
                "status": Out(EngineStatus()),
                "read": Out(BufferRead(word_bytes=config.word_bytes)),
                "request": Out(stream.Signature(BURST_REQUEST)),
                "beats": Out(stream.Signature(beat)),
                "response": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        sizes = {"axi_bytes": config.axi_bytes, "burst_bytes": config.burst_bytes}
        m.submodules.generator = generator = BurstGenerator(**sizes)
        m.submodules.walker = walker = BeatWalker(**sizes)
        in_flight = Signal(range(DMA_INSTRUCTIONS_IN_FLIGHT + 1))
        issued = self.issue.valid & self.issue.ready
        m.d.sync += in_flight.eq(in_flight + issued - self.status.retire)
        m.d.comb += [
            # T-ST-02
            self.issue.ready.eq(~generator.o.valid & (in_flight != DMA_INSTRUCTIONS_IN_FLIGHT)),
            self.status.in_flight.eq(in_flight != 0),
            generator.load.eq(issued),
            generator.word.eq(self.issue.word),
            walker.i.valid.eq(generator.o.valid),
            walker.i.p.eq(generator.o.p.piece),
            generator.o.ready.eq(walker.i.ready),
        ]

        unsent = Signal(range(WRITE_FIFO_BEATS + 1))
        unannounced = Signal(range(WRITE_FIFO_BEATS + 1))
        beat = walker.o.p
        room, taken, announced, sent = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            # T-ST-03. A memory that takes data before its address may leave more addresses than
            # beats behind; with one that does not, the second condition follows from the first.
            room.eq((unsent != WRITE_FIFO_BEATS) & (unannounced != WRITE_FIFO_BEATS)),
            self.read.valid.eq(walker.o.valid & room),
            self.read.address.eq(beat.buffer_address),
            self.read.count.eq(beat.bytes),
            walker.o.ready.eq(room & self.read.ready),
            taken.eq(self.read.valid & self.read.ready),
            announced.eq(self.request.valid & self.request.ready),
            sent.eq(self.beats.valid & self.beats.ready),
            self.status.working.eq(taken | sent),
            self.status.wait_port.eq(self.read.valid & ~self.read.ready),
        ]
        m.d.sync += [
            unsent.eq(unsent + taken - sent),
            unannounced.eq(unannounced + (taken & beat.first_of_burst) - announced),
        ]
        self._send_beats(m, taken, beat)
        self._send_requests(m, taken & beat.first_of_burst, generator.o.p, announced)
        return m

    def _send_beats(self, m, taken, beat):
        """Turn the bytes read to their lanes in the next cycle, for W one later (T-ST-04)."""
        layout = write_beat_layout(axi_bytes=self._config.axi_bytes)
        m.submodules.beats = fifo = SyncFIFO(width=layout.size, depth=WRITE_FIFO_BEATS)
        answered = Signal()
        lane = Signal.like(beat.lane)
        turned = Signal(layout)
        m.d.sync += [
            answered.eq(taken),
            lane.eq(beat.lane),
            turned.bytes.eq(beat.bytes),
            turned.last.eq(beat.last_of_burst),
        ]
        m.d.comb += [
            turned.data.eq(self.read.data[: self._config.axi_data_bits] << (lane << 3)),
            turned.strobe.eq(((1 << turned.bytes) - 1) << lane),
            fifo.w_en.eq(answered),
            fifo.w_data.eq(turned),
            self.beats.valid.eq(fifo.r_rdy),
            self.beats.p.eq(fifo.r_data),
            fifo.r_en.eq(self.beats.ready),
        ]

    def _send_requests(self, m, taken, burst, announced):
        """AW of a burst two cycles after the read of its first beat; B of the last one retires."""
        layout = data.StructLayout({"request": BURST_REQUEST, "last": 1})
        m.submodules.requests = fifo = SyncFIFO(width=layout.size, depth=WRITE_FIFO_BEATS)
        m.submodules.outstanding = outstanding = SyncFIFO(
            width=1, depth=self._config.max_outstanding_writes
        )
        write = Signal()
        entry, head = Signal(layout), Signal(layout)
        m.d.sync += [
            write.eq(taken),
            entry.request.eq(burst.request),
            entry.last.eq(burst.piece.last),
        ]
        m.d.comb += [
            fifo.w_en.eq(write),
            fifo.w_data.eq(entry),
            head.eq(fifo.r_data),
            self.request.valid.eq(fifo.r_rdy & outstanding.w_rdy),
            self.request.p.eq(head.request),
            fifo.r_en.eq(announced),
            outstanding.w_en.eq(announced),
            outstanding.w_data.eq(head.last),
            # T-ST-05
            outstanding.r_en.eq(self.response),
            self.status.retire.eq(self.response & outstanding.r_data),
        ]
