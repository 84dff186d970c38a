"""The front end: fetch, decode, dispatch (rules T-FE)."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from arch.isa import Engine, Opcode
from hdl.fetch import Fetch
from hdl.instruction import instruction_layout
from hdl.ports import BURST_REQUEST, DISPATCHED, INDEX_BITS


class FrontEnd(wiring.Component):
    """Dispatches one instruction a cycle, in order, to the queue of its engine, up to END.

    Parameters
    ----------
    axi_bytes : int
        Bytes of a beat.

    Members
    -------
    start, address, length, request, beats
        Of Fetch.
    queue : Out(stream of DISPATCHED).array(4)
        Queues by Engine.
    dispatched : Out(1)
        An instruction is dispatched in this cycle, END included.
    ended : Out(1)
        END was dispatched in an earlier cycle.
    idle : Out(1)
        No fetch is outstanding.
    """

    def __init__(self, *, axi_bytes: int):
        self._axi_bytes = axi_bytes
        super().__init__(
            {
                "start": In(1),
                "address": In(32),
                "length": In(INDEX_BITS),
                "request": Out(stream.Signature(BURST_REQUEST)),
                "beats": In(stream.Signature(8 * axi_bytes)),
                "queue": Out(stream.Signature(DISPATCHED)).array(len(Engine)),
                "dispatched": Out(1),
                "ended": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.fetch = fetch = Fetch(axi_bytes=self._axi_bytes)
        m.d.comb += [
            fetch.start.eq(self.start),
            fetch.address.eq(self.address),
            fetch.length.eq(self.length),
            self.idle.eq(fetch.idle),
            self.dispatched.eq(fetch.o.valid & fetch.o.ready),
        ]
        wiring.connect(m, wiring.flipped(self.request), fetch.request)
        wiring.connect(m, wiring.flipped(self.beats), fetch.beats)

        header = data.View(instruction_layout(Opcode.END), fetch.o.p.word)
        offered = Signal()
        ends = Signal()
        m.d.comb += offered.eq(fetch.o.valid & ~self.ended)
        m.d.comb += [queue.p.eq(fetch.o.p) for queue in self.queue]
        with m.Switch(header.opcode):
            for opcode in Opcode:
                with m.Case(opcode):
                    if opcode.engine is None:
                        m.d.comb += [ends.eq(offered), fetch.o.ready.eq(offered)]
                    else:
                        queue = self.queue[opcode.engine]
                        m.d.comb += [
                            queue.valid.eq(offered),
                            fetch.o.ready.eq(offered & queue.ready),
                        ]
        with m.If(self.start):
            m.d.sync += self.ended.eq(0)
        with m.Elif(ends):
            m.d.sync += self.ended.eq(1)
        return m
