"""The trace memory: the first retirements of a run, kept for software (R-02)."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from arch.isa import Engine
from arch.timing import TRACE_QUEUE_CYCLES
from hdl.ports import CYCLE_BITS, INDEX_BITS, Retirement

TRACE_RECORD = data.StructLayout(
    {
        "instruction": INDEX_BITS,
        "start": CYCLE_BITS,
        "end": CYCLE_BITS,
        "engine": range(len(Engine)),
    }
)
"""One retirement."""

_WAITING = data.StructLayout(
    {
        "valid": len(Engine),
        "instruction": data.ArrayLayout(INDEX_BITS, len(Engine)),
        "start": data.ArrayLayout(CYCLE_BITS, len(Engine)),
        "end": CYCLE_BITS,
    }
)
"""The retirements of one cycle."""


class TraceMemory(wiring.Component):
    """Keeps the first ``depth`` records since its reset, one a cycle, in order of retirement.

    The retirements of a cycle wait together; TRACE_QUEUE_CYCLES such cycles wait at most. Records
    that find no room are counted.

    Parameters
    ----------
    depth : int
        Records.

    Members
    -------
    retire : In(Retirement()).array(4)
        By Engine.
    cycle : In(40)
        The cycle in which they end.
    records, dropped : Out(32)
    select : In(32)
    record : Out(TRACE_RECORD)
        The record selected in the cycle before, zero where none is kept.
    """

    def __init__(self, *, depth: int):
        self._depth = depth
        super().__init__(
            {
                "retire": In(Retirement()).array(len(Engine)),
                "cycle": In(CYCLE_BITS),
                "records": Out(32),
                "dropped": Out(32),
                "select": In(32),
                "record": Out(TRACE_RECORD),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = SyncFIFO(width=_WAITING.size, depth=TRACE_QUEUE_CYCLES)
        arriving = data.View(_WAITING, queue.w_data)
        m.d.comb += [
            arriving.valid.eq(Cat(retire.valid for retire in self.retire)),
            arriving.end.eq(self.cycle),
            queue.w_en.eq(arriving.valid.any()),
        ]
        for engine in Engine:
            m.d.comb += [
                arriving.instruction[engine].eq(self.retire[engine].instruction),
                arriving.start[engine].eq(self.retire[engine].start),
            ]
        record, moves = self._next_record(m, queue)
        room, kept = Signal(), Signal()
        m.d.comb += [room.eq(self.records != self._depth), kept.eq(moves & room)]
        refused = sum(arriving.valid[engine] for engine in Engine)
        m.d.sync += [
            self.records.eq(self.records + kept),
            self.dropped.eq(self.dropped + (moves & ~room) + Mux(queue.w_rdy, 0, refused)),
        ]
        self._store(m, record, kept)
        return m

    def _next_record(self, m, queue):
        """The oldest record that waits, and whether there is one; it leaves in this cycle."""
        waiting = data.View(_WAITING, queue.r_data)
        moved = Signal(len(Engine))
        left = Signal(len(Engine))
        record = Signal(TRACE_RECORD)
        m.d.comb += [
            left.eq(Mux(queue.r_rdy, waiting.valid & ~moved, 0)),
            record.end.eq(waiting.end),
            queue.r_en.eq((left & (left - 1)) == 0),
        ]
        for engine in reversed(Engine):
            with m.If(left[engine]):
                m.d.comb += record.engine.eq(engine)
        m.d.comb += [
            record.instruction.eq(Array(waiting.instruction)[record.engine]),
            record.start.eq(Array(waiting.start)[record.engine]),
        ]
        m.d.sync += moved.eq(Mux(queue.r_en, 0, moved | (1 << record.engine)))
        return record, left.any()

    def _store(self, m, record, kept):
        m.submodules.memory = memory = Memory(shape=TRACE_RECORD, depth=self._depth, init=[])
        write, read = memory.write_port(), memory.read_port()
        exists = Signal()
        m.d.sync += exists.eq(self.select < self.records)
        m.d.comb += [
            write.en.eq(kept),
            write.addr.eq(self.records),
            write.data.eq(record),
            read.addr.eq(self.select),
            self.record.eq(Mux(exists, read.data.as_value(), 0)),
        ]
