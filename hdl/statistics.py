"""The statistics file of the vector unit: what is known of each row of a block."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, Signature

from hdl.ports import MemoryWrite

MAXIMUM = signed(32)
SUM = signed(48)
"""Of ``sum`` and of ``squares``, which wrap."""


class StatisticsRead(Signature):
    """Read of an entry: its numbers are there in the cycle after ``enable``."""

    def __init__(self, *, depth: int):
        super().__init__(
            {
                "enable": Out(1),
                "entry": Out(range(depth)),
                "maximum": In(MAXIMUM),
                "sum": In(SUM),
                "squares": In(SUM),
                "scale": In(32),
            }
        )


class StatisticsUpdate(Signature):
    """Announces the entry that the row reduced in the next cycle belongs to.

    Members
    -------
    entry : Out(range(depth))
    fresh : Out(1)
        The entry starts anew, from -2^31 or 0.
    maximum, sum, squares : Out(1)
        The numbers that the row changes.
    """

    def __init__(self, *, depth: int):
        super().__init__(
            {
                "entry": Out(range(depth)),
                "fresh": Out(1),
                "maximum": Out(1),
                "sum": Out(1),
                "squares": Out(1),
            }
        )


class Statistics(wiring.Component):
    """Four memories with an entry for each row (rule B-08).

    An update reads, adds and writes one entry in each cycle, the same one as in the cycle before
    too: what is written passes by the memory. It has one read port, so ``read`` gives anything for
    numbers that an update is announced for; no legal instruction uses what it changes (E-02).

    Parameters
    ----------
    depth : int
        Entries.

    Members
    -------
    read : In(StatisticsRead)
    update : In(StatisticsUpdate)
    reduced_valid : In(1)
        The row that ``update`` announced in the cycle before is written in this cycle.
    reduced_maximum : In(signed(32))
    reduced_sum, reduced_squares : In(signed(48))
    scale : In(MemoryWrite)
    """

    def __init__(self, *, depth: int):
        self.depth = depth
        super().__init__(
            {
                "read": In(StatisticsRead(depth=depth)),
                "update": In(StatisticsUpdate(depth=depth)),
                "reduced_valid": In(1),
                "reduced_maximum": In(MAXIMUM),
                "reduced_sum": In(SUM),
                "reduced_squares": In(SUM),
                "scale": In(MemoryWrite(depth=depth, width=32)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        entry = Signal.like(self.update.entry, reset_less=True)
        fresh = Signal(reset_less=True)
        m.d.sync += [entry.eq(self.update.entry), fresh.eq(self.update.fresh)]
        maximum = self._accumulate(m, "maximum", MAXIMUM, entry)
        old = Mux(fresh, -(1 << 31), self.read.maximum)
        m.d.comb += maximum.eq(Mux(self.reduced_maximum > old, self.reduced_maximum, old))
        for name, reduced in (("sum", self.reduced_sum), ("squares", self.reduced_squares)):
            total = self._accumulate(m, name, SUM, entry)
            m.d.comb += total.eq(Mux(fresh, 0, getattr(self.read, name)) + reduced)

        m.submodules.scale = scale = Memory(shape=32, depth=self.depth, init=[])
        write, read = scale.write_port(), scale.read_port()
        m.d.comb += [
            write.en.eq(self.scale.enable),
            write.addr.eq(self.scale.address),
            write.data.eq(self.scale.data),
            read.en.eq(self.read.enable),
            read.addr.eq(self.read.entry),
            self.read.scale.eq(read.data),
        ]
        return m

    def _accumulate(self, m, name, shape, entry):
        """A memory whose entries change in the cycle after they are read; what is written."""
        m.submodules[name] = memory = Memory(shape=shape, depth=self.depth, init=[])
        write = memory.write_port()
        read = memory.read_port(transparent_for=(write,))
        announced = getattr(self.update, name)
        changes = Signal(name=f"{name}_changes", reset_less=True)
        m.d.sync += changes.eq(announced)
        m.d.comb += [
            read.en.eq(announced | self.read.enable),
            read.addr.eq(Mux(announced, self.update.entry, self.read.entry)),
            getattr(self.read, name).eq(read.data),
            write.en.eq(self.reduced_valid & changes),
            write.addr.eq(entry),
        ]
        return write.data
