"""Issues the rows of a VECTOR instruction: what each of them reads, and which lanes count."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from arch.config import Config
from arch.isa import Addition, ElementType, Opcode, Operation, Source, Statistic
from hdl.accumulator import AccumulatorRead
from hdl.bounds import VECTOR_BITS, next_vector, overruns
from hdl.instruction import instruction_layout
from hdl.ports import BUFFER_ADDRESS_BITS, BufferRead
from hdl.row_walk import ENTRY_BITS, ROW, TILE, entry_walk, row_nest, row_walk, valid_lanes

MASK_BITS = 20
"""Of columns that count, less the columns of n tiles before."""


class RowReads(wiring.Component):
    """The rows of one VECTOR instruction, n tile by n tile (rules I-04, T-VX-03).

    Where a row reads source and ``y`` from the activation buffer, the source is read in a cycle of
    its own before; it is held for ``y``. What would reach beyond the end of a memory is not read,
    and an error in the cycle in which the row is issued (E-03); the row takes its time.

    Parameters
    ----------
    config : Config

    Members
    -------
    start : In(1)
        The first cycle of the instruction: extents and addresses are taken.
    fields : In
        The instruction.
    at_row : In(1)
        Rows may be read and issued in this cycle.
    accumulator : Out(AccumulatorRead)
        Its answer goes to the lanes.
    buffer : Out(BufferRead)
        Of the activation buffer.
    row : Out(1)
        A row is issued in this cycle.
    reading : Out(1)
        A row is issued, or its source is read.
    denied : Out(1)
        A row waits for the buffer's read port in this cycle.
    last_row, last_tile : Out(1)
        Whether the row is the last of its n tile, and this the last n tile.
    entry : Out(17)
        The row's entry of the statistics file.
    use_entry : Out(1)
        A row is issued that uses its entry, and the file has it.
    overrun : Out(1)
        A row is issued in this cycle that would reach beyond the end of a memory.
    source, operand : Out(16 * lanes)
        Elements of the row that was issued in the cycle before: ``x`` where it is no accumulator,
        and ``y``.
    counts : Out(lanes)
        Lanes of that row that count.
    """

    def __init__(self, config: Config):
        self.config = config
        self.lanes = config.cols
        super().__init__(
            {
                "start": In(1),
                "fields": In(instruction_layout(Opcode.VECTOR)),
                "at_row": In(1),
                "accumulator": Out(
                    AccumulatorRead(depth=config.accumulator_depth, lanes=self.lanes)
                ),
                "buffer": Out(BufferRead(word_bytes=config.word_bytes)),
                "row": Out(1),
                "reading": Out(1),
                "denied": Out(1),
                "last_row": Out(1),
                "last_tile": Out(1),
                "entry": Out(ENTRY_BITS),
                "use_entry": Out(1),
                "overrun": Out(1),
                "source": Out(16 * self.lanes),
                "operand": Out(16 * self.lanes),
                "counts": Out(self.lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        nest = row_nest(m, self.fields, start=self.start, step=self.row)
        lanes = valid_lanes(self.fields, nest, self.lanes)
        buffer_overrun = self._read_buffer(m, nest, lanes)
        accumulator_overrun = self._read_accumulator(m)
        entry_overrun = self._choose_entry(m, nest)
        overrun = buffer_overrun | accumulator_overrun | entry_overrun
        m.d.comb += [
            Cat(self.last_row, self.last_tile).eq(nest.last),
            self.overrun.eq(self.row & overrun),
        ]
        self._count_lanes(m, nest, lanes)
        return m

    def _read_buffer(self, m, nest, lanes):
        """Source, then ``y``: one of them in a cycle. Whether one of them lies beyond the end."""
        fields = self.fields
        multiply = fields.operation == Operation.MULTIPLY
        uses_source = fields.source != Source.ACCUMULATOR
        uses_operand = multiply | (fields.addition != Addition.NONE)
        wide_source = fields.source == Source.INT16
        wide_operand = Mux(
            multiply,
            fields.multiplier_type == ElementType.INT16,
            fields.addition == Addition.INT16,
        )
        source = self._walk(
            m, nest, "source", fields.source_address, fields.source_row_stride, wide_source
        )
        operand = self._walk(
            m, nest, "operand", fields.residual_address, fields.residual_row_stride, wide_operand
        )
        source_bytes = lanes << wide_source
        operand_bytes = lanes << wide_operand
        size = self.config.activation_buffer_bytes
        source_beyond = uses_source & overruns(source, source_bytes, size)
        operand_beyond = uses_operand & overruns(operand, operand_bytes, size)

        source_passed = Signal()
        before = uses_source & uses_operand & ~source_passed
        for_source = before | ~uses_operand
        m.d.comb += [
            self.buffer.address.eq(Mux(for_source, source, operand)),
            self.buffer.count.eq(Mux(for_source, source_bytes, operand_bytes)),
            self.buffer.valid.eq(
                self.at_row & Mux(for_source, uses_source & ~source_beyond, ~operand_beyond)
            ),
            self.denied.eq(self.buffer.valid & ~self.buffer.ready),
            self.reading.eq(self.at_row & ~self.denied),
            self.row.eq(self.reading & ~before),
        ]
        with m.If(self.reading):
            m.d.sync += source_passed.eq(before)

        # The buffer answers once; the other read may be denied for any time.
        answered = Signal()
        held = Signal(16 * self.lanes, reset_less=True)
        m.d.sync += answered.eq(self.reading & before)
        with m.If(answered):
            m.d.sync += held.eq(self.buffer.data)
        m.d.comb += [
            self.source.eq(Mux(uses_operand, held, self.buffer.data)),
            self.operand.eq(self.buffer.data),
        ]
        return source_beyond | operand_beyond

    def _walk(self, m, nest, name, origin, row_stride, wide):
        """The address of the row's elements."""
        strides = {ROW: row_stride, TILE: self.lanes << wide}
        return row_walk(m, nest, name, width=BUFFER_ADDRESS_BITS, origin=origin, strides=strides)

    def _read_accumulator(self, m):
        """Vectors lie one after the other (rule B-06)."""
        vector = Signal(VECTOR_BITS)
        used = self.fields.source == Source.ACCUMULATOR
        exists = vector < self.config.accumulator_depth
        with m.If(self.start):
            m.d.sync += vector.eq(self.fields.accumulator_address)
        with m.Elif(self.row):
            m.d.sync += vector.eq(next_vector(vector))
        m.d.comb += [
            self.accumulator.enable.eq(self.row & used & exists),
            self.accumulator.half.eq(self.fields.accumulator_half),
            self.accumulator.address.eq(vector),
        ]
        return used & ~exists

    def _choose_entry(self, m, nest):
        """Whether the entry that a row uses is beyond the file (rule B-08)."""
        used = (
            self.fields.row_scale
            | (self.fields.operation == Operation.CENTRE)
            | (self.fields.operation == Operation.EXPONENT)
            | (self.fields.statistic != Statistic.NONE)
        )
        entry = entry_walk(m, nest, self.fields)
        exists = entry < self.config.accumulator_depth
        m.d.comb += [
            self.entry.eq(entry),
            self.use_entry.eq(self.row & used & exists),
        ]
        return used & ~exists

    def _count_lanes(self, m, nest, lanes):
        """Valid lanes, and where ``masked`` those below ``mask_origin + m`` (rule I-04)."""
        strides = {ROW: 1, TILE: -self.lanes}
        origin = self.fields.mask_origin
        columns = row_walk(m, nest, "mask", width=MASK_BITS, origin=origin, strides=strides)
        for lane in range(self.lanes):
            counts = (lane < lanes) & (~self.fields.masked | (columns.as_signed() > lane))
            m.d.sync += self.counts[lane].eq(counts)
