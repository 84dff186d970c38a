"""Makes the scales of rows of their statistics: the instruction SCALE."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from arch.isa import Opcode, RowFunction
from hdl.bounds import VECTOR_BITS, next_vector
from hdl.instruction import instruction_layout
from hdl.inverse_square_root import InverseSquareRoot
from hdl.ports import MemoryWrite
from hdl.statistics import StatisticsRead


class ScaleRows(wiring.Component):
    """One SCALE instruction (rule I-07): the statistics of a row are read in each cycle.

    A row that is read in cycle t has its scale written in ``t + CYCLES`` (rule T-VX-07). Entries
    beyond the file are neither read nor written (E-03).

    Parameters
    ----------
    depth : int
        Entries of the statistics file.

    Members
    -------
    start : In(1)
        The next cycle takes the extents, and the first row is read in the one after.
    fields : In
        The instruction, from the cycle after ``start`` to ``done``.
    statistics : Out(StatisticsRead)
    scale : Out(MemoryWrite)
        Of the scales of the statistics file.
    reading : Out(1)
        A row is read in this cycle.
    done : Out(1)
        The last row is written in this cycle.
    overrun : Out(1)
        A row is not read in this cycle because its entry lies beyond the file.
    """

    RADICAND_CYCLES = 4
    CYCLES = RADICAND_CYCLES + InverseSquareRoot.CYCLES

    def __init__(self, *, depth: int):
        self.depth = depth
        super().__init__(
            {
                "start": In(1),
                "fields": In(instruction_layout(Opcode.SCALE)),
                "statistics": Out(StatisticsRead(depth=depth)),
                "scale": Out(MemoryWrite(depth=depth, width=32)),
                "reading": Out(1),
                "done": Out(1),
                "overrun": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.inverse_square_root = function = InverseSquareRoot()
        first_cycle = Signal()
        rows_left = Signal.like(self.fields.rows)
        written = Signal(self.CYCLES)
        m.d.sync += [
            first_cycle.eq(self.start),
            written.eq(Cat(self.reading, written)),
        ]
        with m.If(first_cycle):
            m.d.sync += [rows_left.eq(self.fields.rows), self.reading.eq(1)]
        with m.Elif(self.reading):
            m.d.sync += [rows_left.eq(rows_left - 1), self.reading.eq(rows_left != 1)]

        read_entry = self._walk(m, first_cycle, self.reading, "read_entry")
        write_entry = self._walk(m, first_cycle, written[-1], "write_entry")
        m.d.comb += [
            self.statistics.enable.eq(self.reading & (read_entry < self.depth)),
            self.statistics.entry.eq(read_entry),
            self.overrun.eq(self.reading & (read_entry >= self.depth)),
            function.x.eq(self._radicand(m)),
            function.reciprocal.eq(self.fields.function == RowFunction.RECIPROCAL),
            self.scale.enable.eq(written[-1] & (write_entry < self.depth)),
            self.scale.address.eq(write_entry),
            self.scale.data.eq(function.result),
            # Rows are read in consecutive cycles.
            self.done.eq(written[-1] & ~written[-2]),
        ]
        return m

    def _walk(self, m, first_cycle, step, name):
        """Entries one after the other."""
        entry = Signal(VECTOR_BITS, name=name)
        with m.If(first_cycle):
            m.d.sync += entry.eq(self.fields.statistic_address)
        with m.Elif(step):
            m.d.sync += entry.eq(next_vector(entry))
        return entry

    def _radicand(self, m):
        """What the function is of, ``RADICAND_CYCLES`` after the read; modulo 2^64."""
        total = Signal(48, reset_less=True)
        squares = Signal.like(self.statistics.squares, reset_less=True)
        later_total = Signal(48, reset_less=True)
        product = Signal(64, reset_less=True)
        square_of_sum = Signal(64, reset_less=True)
        radicand = Signal(64, reset_less=True)
        low = total[:32].as_signed()
        m.d.sync += [
            total.eq(self.statistics.sum),
            squares.eq(self.statistics.squares),
            later_total.eq(total),
            product.eq(self.fields.count * squares),
            square_of_sum.eq(Mux(self.fields.centre, low * low, 0)),
            radicand.eq(
                Mux(
                    self.fields.function == RowFunction.RECIPROCAL,
                    later_total,
                    product - square_of_sum + self.fields.epsilon,
                )
            ),
        ]
        return radicand
