"""Where the rows of a VECTOR instruction go: output bytes and entries of the statistics file."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from arch.config import Config
from arch.isa import Destination, ElementType, Opcode, Operation, Statistic
from hdl.bounds import overruns
from hdl.instruction import instruction_layout
from hdl.ports import BUFFER_ADDRESS_BITS
from hdl.row_walk import ROW, TILE, entry_walk, row_nest, row_walk, valid_lanes
from hdl.statistics import StatisticsUpdate


class RowWrites(wiring.Component):
    """The rows of one VECTOR instruction as they leave the lanes (rules I-04, T-VX-05).

    What would reach beyond the end of a memory is not written. Of output bytes it is an error in
    that cycle (E-03); of an entry it was one when the row was issued.

    Parameters
    ----------
    config : Config

    Members
    -------
    start : In(1)
        The first cycle of the instruction: extents and addresses are taken.
    fields : In
        The instruction.
    row : In(1)
        The lanes have the result of a row in this cycle, and its reduction in the next.
    valid : Out(1)
        It is to be written, and all of it lies in the buffer.
    address : Out(24)
        Where to, in bytes.
    enable : Out(2 * word_bytes)
        Which bytes.
    update : Out(StatisticsUpdate)
    done : Out(1)
        The last row is written in this cycle.
    overrun : Out(1)
        A row is not written in this cycle because it reaches beyond the end of the buffer.
    """

    def __init__(self, config: Config):
        self.config = config
        self.lanes = config.cols
        super().__init__(
            {
                "start": In(1),
                "fields": In(instruction_layout(Opcode.VECTOR)),
                "row": In(1),
                "valid": Out(1),
                "address": Out(BUFFER_ADDRESS_BITS),
                "enable": Out(2 * config.word_bytes),
                "update": Out(StatisticsUpdate(depth=config.accumulator_depth)),
                "done": Out(1),
                "overrun": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        nest = row_nest(m, self.fields, start=self.start, step=self.row)
        m.d.comb += self.done.eq(self.row & nest.last.all())
        self._address(m, nest)
        self._update(m, nest)
        return m

    def _address(self, m, nest):
        fields = self.fields
        wide = fields.element_type == ElementType.INT16
        strides = {ROW: fields.output_row_stride, TILE: self.lanes << wide}
        address = row_walk(
            m,
            nest,
            "output",
            width=BUFFER_ADDRESS_BITS,
            origin=fields.output_address,
            strides=strides,
        )
        written = valid_lanes(fields, nest, self.lanes) << wide
        size = Mux(
            fields.output_buffer == Destination.WEIGHT,
            self.config.weight_buffer_bytes,
            self.config.activation_buffer_bytes,
        )
        wanted = self.row & (fields.output_buffer != Destination.NONE)
        beyond = overruns(address, written, size)
        all_bytes = Const((1 << len(self.enable)) - 1)
        left_out = Signal(range(len(self.enable)))
        m.d.comb += [
            self.valid.eq(wanted & ~beyond),
            self.overrun.eq(wanted & beyond),
            self.address.eq(address),
            left_out.eq(len(self.enable) - written),
            self.enable.eq(all_bytes >> left_out),
        ]

    def _update(self, m, nest):
        """The first n tile starts the statistics of its rows anew, unless told to go on."""
        fields = self.fields
        entry = entry_walk(m, nest, fields)
        first_tile = Signal()
        with m.If(self.start):
            m.d.sync += first_tile.eq(1)
        with m.Elif(self.row & nest.last[ROW]):
            m.d.sync += first_tile.eq(0)
        exists = self.row & (entry < self.config.accumulator_depth)
        adds = exists & (fields.statistic == Statistic.SUM)
        m.d.comb += [
            self.update.entry.eq(entry),
            self.update.fresh.eq(first_tile & ~fields.statistic_accumulate),
            self.update.maximum.eq(exists & (fields.statistic == Statistic.MAXIMUM)),
            self.update.sum.eq(adds),
            self.update.squares.eq(adds & (fields.operation != Operation.EXPONENT)),
        ]
