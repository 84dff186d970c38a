"""STORE: the activation buffer to DRAM (I-02, rules T-ST)."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from arch.config import Config
from arch.isa import ErrorCode
from arch.timing import DMA_INSTRUCTIONS_IN_FLIGHT, WRITE_FIFO_BEATS
from hdl.dma_address import BeatWalker, BurstGenerator
from hdl.ports import BURST_REQUEST, INDEX_BITS, BufferRead, EngineStatus, Fault, Issue


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

    Halted, it sends every burst of which it has read a beat to its end, with strobes 0 for what it
    has not read, begins no other, and retires nothing (E-08); a reset starts it anew.

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
        The oldest burst whose request was accepted is answered; always taken.
    response_code : In(2)
        The answer, as AXI4 codes it.
    fault : Out(Fault())
        BUFFER_OVERRUN, WRITE_SLVERR or WRITE_DECERR, in cycles that are not halted.
    halt : In(1)
        From the cycle after an error on, of whatever engine.
    quiet : Out(1)
        Nothing is presented or outstanding on the bus, nor about to be.
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
                "response_code": In(2),
                "fault": Out(Fault()),
                "halt": In(1),
                "quiet": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        sizes = {"axi_bytes": config.axi_bytes, "burst_bytes": config.burst_bytes}
        m.submodules.generator = generator = BurstGenerator(**sizes)
        m.submodules.walker = walker = BeatWalker(**sizes)
        # The head is the instruction whose burst is answered next: it leaves with its last one.
        m.submodules.in_flight = in_flight = SyncFIFO(
            width=INDEX_BITS, depth=DMA_INSTRUCTIONS_IN_FLIGHT
        )
        issued = self.issue.valid & self.issue.ready
        m.d.comb += [
            self.issue.ready.eq(~generator.o.valid & in_flight.w_rdy),  # T-ST-02
            in_flight.w_en.eq(issued),
            in_flight.w_data.eq(self.issue.index),
            in_flight.r_en.eq(self.status.retire),
            self.status.in_flight.eq(in_flight.r_rdy),
            generator.load.eq(issued),
            generator.word.eq(self.issue.word),
            walker.i.valid.eq(generator.o.valid),
            walker.i.p.eq(generator.o.p.piece),
            generator.o.ready.eq(walker.i.ready),
        ]

        unsent = Signal(range(WRITE_FIFO_BEATS + 1))
        unannounced = Signal(range(WRITE_FIFO_BEATS + 1))
        beat = walker.o.p
        due, overrun, read, taken = Signal(), Signal(), Signal(), Signal()
        announced, sent = Signal(), Signal()
        m.d.comb += [
            # T-ST-03. A memory that takes data before its address may leave more addresses than
            # beats behind; with one that does not, the third condition follows from the second.
            due.eq(
                walker.o.valid & (unsent != WRITE_FIFO_BEATS) & (unannounced != WRITE_FIFO_BEATS)
            ),
            overrun.eq(beat.buffer_address + beat.bytes > config.activation_buffer_bytes),
            self.read.valid.eq(due & ~overrun & ~self.halt),
            self.read.address.eq(beat.buffer_address),
            self.read.count.eq(beat.bytes),
            read.eq(self.read.valid & self.read.ready),
            # E-08: halted, only the burst that is begun goes on, without reads.
            taken.eq(Mux(self.halt, due & ~beat.first_of_burst, read)),
            walker.o.ready.eq(taken),
            announced.eq(self.request.valid & self.request.ready),
            sent.eq(self.beats.valid & self.beats.ready),
            self.status.working.eq(read | sent),
            self.status.wait_port.eq(self.read.valid & ~self.read.ready),
        ]
        m.d.sync += [
            unsent.eq(unsent + taken - sent),
            unannounced.eq(unannounced + (taken & beat.first_of_burst) - announced),
        ]
        self._send_beats(m, taken, beat)
        outstanding = self._send_requests(m, taken & beat.first_of_burst, generator.o.p, announced)
        # Of a burst that has data to send the address is waiting or its response outstanding.
        m.d.comb += self.quiet.eq((unannounced == 0) & ~outstanding.r_rdy)
        self._end(m, issued, due & overrun, outstanding, in_flight.r_data)
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
            turned.bytes.eq(Mux(self.halt, 0, beat.bytes)),
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
        """AW of a burst two cycles after the read of its first beat (T-ST-04).

        Returns the queue of what is outstanding: is the burst the last one of its instruction?
        """
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
            outstanding.r_en.eq(self.response),
        ]
        return outstanding

    def _end(self, m, issued, overrun, outstanding, answered):
        """Retire with the response of the last burst (T-ST-05), or raise a fault.

        Of two faults in one cycle that of the response counts: its instruction is not the later.
        """
        refused = Signal()
        read = Signal(INDEX_BITS)
        with m.If(issued):
            m.d.sync += read.eq(self.issue.index)
        m.d.comb += [
            refused.eq(self.response & self.response_code[1]),
            self.status.retire.eq(self.response & outstanding.r_data & ~refused & ~self.halt),
            self.fault.valid.eq((refused | overrun) & ~self.halt),
        ]
        with m.If(refused):
            m.d.comb += [
                self.fault.code.eq(
                    Mux(self.response_code[0], ErrorCode.WRITE_DECERR, ErrorCode.WRITE_SLVERR)
                ),
                self.fault.instruction.eq(answered),
            ]
        with m.Else():
            m.d.comb += [
                self.fault.code.eq(ErrorCode.BUFFER_OVERRUN),
                self.fault.instruction.eq(read),
            ]
