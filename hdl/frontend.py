"""The front end: fetch, check, dispatch (rules T-FE, E-02, E-05, E-07)."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from arch.config import Config
from arch.isa import Engine, ErrorCode, Opcode
from hdl.fetch import Fetch
from hdl.field_check import FieldCheck
from hdl.instruction import instruction_layout
from hdl.ports import BURST_REQUEST, DISPATCHED, INDEX_BITS, Fault, read_beat_layout


class FrontEnd(wiring.Component):
    """Dispatches one instruction a cycle, in order, to the queue of its engine, up to END.

    Parameters
    ----------
    config : Config

    Members
    -------
    start, address, length, request, beats
        Of Fetch.
    halt : In(1)
        Dispatch nothing and ask for nothing further (E-08).
    queue : Out(stream of DISPATCHED).array(4)
        Queues by Engine.
    dispatched : Out(1)
        An instruction is dispatched in this cycle, END included.
    ended : Out(1)
        END was dispatched in an earlier cycle.
    index : Out(32)
        Of the next instruction to be dispatched.
    fault : Out(Fault())
        The next instruction is none that can be dispatched, or there is none. Counts in a run only.
    idle : Out(1)
        No fetch is outstanding.
    """

    def __init__(self, config: Config):
        self._config = config
        beat = read_beat_layout(axi_bytes=config.axi_bytes)
        super().__init__(
            {
                "start": In(1),
                "address": In(32),
                "length": In(INDEX_BITS),
                "halt": In(1),
                "request": Out(stream.Signature(BURST_REQUEST)),
                "beats": In(stream.Signature(beat)),
                "queue": Out(stream.Signature(DISPATCHED)).array(len(Engine)),
                "dispatched": Out(1),
                "ended": Out(1),
                "index": Out(INDEX_BITS),
                "fault": Out(Fault()),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.fetch = fetch = Fetch(axi_bytes=self._config.axi_bytes)
        m.d.comb += [
            fetch.start.eq(self.start),
            fetch.address.eq(self.address),
            fetch.length.eq(self.length),
            fetch.halt.eq(self.halt),
            self.idle.eq(fetch.idle),
            self.index.eq(fetch.o.p.index),
            self.dispatched.eq(fetch.o.valid & fetch.o.ready),
        ]
        wiring.connect(m, wiring.flipped(self.request), fetch.request)
        wiring.connect(m, wiring.flipped(self.beats), fetch.beats)

        offered, refused = Signal(), Signal()
        m.d.comb += offered.eq(fetch.o.valid & ~self.ended & ~self.halt)
        self._judge(m, fetch, offered, refused)
        self._dispatch(m, fetch.o, offered & ~refused)
        return m

    def _judge(self, m, fetch, offered, refused):
        """What is wrong with the next instruction, or with the lack of one."""
        m.submodules.check = check = FieldCheck(
            rows=self._config.rows, cols=self._config.cols, axi_bytes=self._config.axi_bytes
        )
        unread = fetch.response[1]
        m.d.comb += [
            check.word.eq(fetch.o.p.word),
            refused.eq(unread | check.illegal_opcode | check.illegal_field),
            # E-07: what is offered is neither the instruction behind the last nor at a bad address.
            self.fault.valid.eq(
                (offered & refused) | (~self.ended & (fetch.exhausted | ~fetch.aligned))
            ),
            self.fault.instruction.eq(fetch.o.p.index),
        ]
        with m.If(~offered):
            m.d.comb += self.fault.code.eq(ErrorCode.PROGRAM)
        with m.Elif(unread):  # E-05
            m.d.comb += self.fault.code.eq(
                Mux(fetch.response[0], ErrorCode.READ_DECERR, ErrorCode.READ_SLVERR)
            )
        with m.Elif(check.illegal_opcode):
            m.d.comb += self.fault.code.eq(ErrorCode.ILLEGAL_OPCODE)
        with m.Else():
            m.d.comb += self.fault.code.eq(ErrorCode.ILLEGAL_FIELD)

    def _dispatch(self, m, instruction, valid):
        header = data.View(instruction_layout(Opcode.END), instruction.p.word)
        ends = Signal()
        m.d.comb += [queue.p.eq(instruction.p) for queue in self.queue]
        with m.Switch(header.opcode):
            for opcode in Opcode:
                with m.Case(opcode):
                    if opcode.engine is None:
                        m.d.comb += [ends.eq(valid), instruction.ready.eq(valid)]
                    else:
                        queue = self.queue[opcode.engine]
                        m.d.comb += [
                            queue.valid.eq(valid),
                            instruction.ready.eq(valid & queue.ready),
                        ]
        with m.If(self.start):
            m.d.sync += self.ended.eq(0)
        with m.Elif(ends):
            m.d.sync += self.ended.eq(1)
