"""Issue: the queue of an engine, its semaphores, and what is in flight in it (rules T-SEM)."""

from amaranth.hdl import Module, Mux
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from arch.isa import Engine, Opcode, layout_bits
from hdl.instruction import instruction_layout
from hdl.ports import CYCLE_BITS, DISPATCHED, INDEX_BITS, EngineStatus, Issue, Retirement
from hdl.semaphores import SemaphorePort

_IN_FLIGHT = data.StructLayout({"index": INDEX_BITS, "start": CYCLE_BITS, "signal": len(Engine)})


class IssueUnit(wiring.Component):
    """Holds the instructions of one engine from dispatch to retirement.

    An instruction dispatched in d can be issued from d+1 on; the queue takes no further one while
    it holds ``queue_depth``, even where one leaves in that cycle (T-FE-03).

    Parameters
    ----------
    engine : Engine
    queue_depth : int
    in_flight : int
        No fewer than the engine can have in flight.

    Members
    -------
    i : In(stream of DISPATCHED)
    issue : Out(Issue())
    status : In(EngineStatus())
    semaphores : Out(SemaphorePort())
    halt : In(1)
        Issue nothing (E-08).
    cycle : In(40)
        Number of this cycle.
    waiting : Out(1)
        An instruction is in the queue.
    busy : Out(1)
        An instruction is in the queue or in flight.
    oldest : Out(32)
        Index of the first of these.
    retired : Out(Retirement())
    """

    def __init__(self, *, engine: Engine, queue_depth: int, in_flight: int):
        self._queue_depth = queue_depth
        self._in_flight = in_flight
        self._word_bits = max(layout_bits(op) for op in Opcode if op.engine is engine)
        super().__init__(
            {
                "i": In(stream.Signature(DISPATCHED)),
                "issue": Out(Issue()),
                "status": In(EngineStatus()),
                "semaphores": Out(SemaphorePort()),
                "halt": In(1),
                "cycle": In(CYCLE_BITS),
                "waiting": Out(1),
                "busy": Out(1),
                "oldest": Out(INDEX_BITS),
                "retired": Out(Retirement()),
            }
        )

    def elaborate(self, platform):
        m = Module()
        entry = data.StructLayout({"word": self._word_bits, "index": INDEX_BITS})
        m.submodules.queue = queue = SyncFIFO(width=entry.size, depth=self._queue_depth)
        head = data.View(entry, queue.r_data)
        header = data.View(instruction_layout(Opcode.END), self.issue.word)
        issued = self.issue.valid & self.issue.ready
        m.d.comb += [
            queue.w_en.eq(self.i.valid),
            data.View(entry, queue.w_data).word.eq(self.i.p.word),
            data.View(entry, queue.w_data).index.eq(self.i.p.index),
            self.i.ready.eq(queue.w_rdy),
            self.waiting.eq(queue.r_rdy),
            queue.r_en.eq(issued),
            # T-SEM-01
            self.issue.word.eq(head.word),
            self.issue.index.eq(head.index),
            self.issue.valid.eq(queue.r_rdy & (self.semaphores.lacks == 0) & ~self.halt),
            self.semaphores.take.eq(issued),
        ]
        m.d.comb += [
            self.semaphores.wants[engine].eq(header[f"wait_{engine.name.lower()}"])
            for engine in Engine
        ]

        m.submodules.in_flight = in_flight = SyncFIFO(width=_IN_FLIGHT.size, depth=self._in_flight)
        oldest = data.View(_IN_FLIGHT, in_flight.r_data)
        newest = data.View(_IN_FLIGHT, in_flight.w_data)
        m.d.comb += [
            in_flight.w_en.eq(issued),
            newest.index.eq(head.index),
            newest.start.eq(self.cycle),
            newest.signal.eq(header.signal),
            in_flight.r_en.eq(self.status.retire),
            self.busy.eq(queue.r_rdy | in_flight.r_rdy),
            self.oldest.eq(Mux(in_flight.r_rdy, oldest.index, head.index)),
            # T-SEM-02
            self.semaphores.signal.eq(Mux(self.status.retire, oldest.signal, 0)),
            self.retired.valid.eq(self.status.retire),
            self.retired.instruction.eq(oldest.index),
            self.retired.start.eq(oldest.start),
        ]
        return m
