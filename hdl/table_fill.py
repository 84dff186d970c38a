"""Copies a table from the parameter buffer into a lookup memory: the instruction TABLE."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from arch.isa import Opcode, Table
from hdl.instruction import instruction_layout
from hdl.ports import MemoryRead, MemoryWrite


class TableFill(wiring.Component):
    """One TABLE instruction (rule I-05): a 32-bit word is read in each cycle (rule T-VX-06).

    Words beyond the buffer are not read (E-03); the table then gets anything in their place.

    Parameters
    ----------
    parameter_depth : int
        Words of the parameter buffer.
    lanes : int
        32-bit numbers of such a word.

    Members
    -------
    start : In(1)
        The first word is read in the next cycle.
    fields : In
        The instruction, from the cycle after ``start`` to ``done``.
    parameters : Out(MemoryRead)
    unary, wide : Out(MemoryWrite)
        Of the two tables.
    reading : Out(1)
        A word is read in this cycle.
    done : Out(1)
        The last word is written in this cycle.
    overrun : Out(1)
        A word is not read in this cycle because it lies beyond the buffer.
    """

    def __init__(self, *, parameter_depth: int, lanes: int):
        self.parameter_depth = parameter_depth
        self.lanes = lanes
        super().__init__(
            {
                "start": In(1),
                "fields": In(instruction_layout(Opcode.TABLE)),
                "parameters": Out(MemoryRead(depth=parameter_depth, width=32 * lanes)),
                "unary": Out(MemoryWrite(depth=Table.UNARY.words, width=32)),
                "wide": Out(MemoryWrite(depth=Table.WIDE.words, width=32)),
                "reading": Out(1),
                "done": Out(1),
                "overrun": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        lane_bits = (self.lanes - 1).bit_length()
        for_wide = self.fields.table == Table.WIDE
        index = Signal(range(Table.WIDE.words))
        last = index == Mux(for_wide, Table.WIDE.words - 1, Table.UNARY.words - 1)
        with m.If(self.start):
            m.d.sync += [index.eq(0), self.reading.eq(1)]
        with m.Elif(self.reading):
            m.d.sync += [index.eq(index + 1), self.reading.eq(~last)]

        word = self.fields.parameter_address[lane_bits + 2 :] + index[lane_bits:]
        beyond = word >= self.parameter_depth
        m.d.comb += [
            self.parameters.enable.eq(self.reading & ~beyond),
            self.parameters.address.eq(word),
            self.overrun.eq(self.reading & beyond),
        ]

        # Word and index follow the read by one cycle (memory) and another (selection).
        arrived = Signal()
        written = Signal()
        arrived_index = Signal.like(index)
        written_index = Signal.like(index)
        value = Signal(32)
        m.d.sync += [Cat(arrived, written).eq(Cat(self.reading, arrived))]
        with m.If(self.reading):
            m.d.sync += arrived_index.eq(index)
        with m.If(arrived):
            m.d.sync += [
                written_index.eq(arrived_index),
                value.eq(self.parameters.data.word_select(arrived_index[:lane_bits], 32)),
            ]
        for table, selected in ((self.unary, ~for_wide), (self.wide, for_wide)):
            m.d.comb += [
                table.enable.eq(written & selected),
                table.address.eq(written_index),
                table.data.eq(value),
            ]
        m.d.comb += self.done.eq(written & ~arrived)
        return m
