"""Rows that wait for others."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2


class RowDelay(wiring.Component):
    """A row given in cycle t is at ``delayed`` in ``t + cycles``, one row a cycle.

    Rows wait in a ring of memory, which costs less than a row of registers for each cycle.

    Parameters
    ----------
    width : int
        Bits of a row.
    depth : int
        The greatest delay, a power of two.

    Members
    -------
    valid : In(1)
        ``row`` is kept.
    row : In(width)
    cycles : In(range(2, depth + 1))
        Constant while rows are in flight.
    wanted : In(1)
        ``delayed`` holds the row of its time in the next cycle; it changes in no other.
    delayed : Out(width)
    """

    def __init__(self, *, width: int, depth: int):
        self.depth = depth
        super().__init__(
            {
                "valid": In(1),
                "row": In(width),
                "cycles": In(range(depth + 1)),
                "wanted": In(1),
                "delayed": Out(width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        shape = self.row.shape()
        m.submodules.memory = memory = Memory(shape=shape, depth=self.depth, init=[])
        write, read = memory.write_port(), memory.read_port()
        # The memory itself is one cycle of the delay.
        slot = Signal(exact_log2(self.depth))
        m.d.sync += slot.eq(slot + 1)
        m.d.comb += [
            write.en.eq(self.valid),
            write.addr.eq(slot + self.cycles - 1),
            write.data.eq(self.row),
            read.en.eq(self.wanted),
            read.addr.eq(slot),
            self.delayed.eq(read.data),
        ]
        return m
