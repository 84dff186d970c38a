"""The lanes of the vector unit: what happens to a row between its reads and its write."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from arch.isa import Addition, ElementType, Opcode, Table
from hdl.addition import AddResidual
from hdl.instruction import instruction_layout
from hdl.lookup import Lookup
from hdl.ports import MemoryWrite
from hdl.requantize import Requantize


class VectorLanes(wiring.Component):
    """One accumulator vector a cycle through bias, scale, table and addition (rule I-04).

    Every row takes the same way, whatever the options (rule T-VX-04), in ``CYCLES``: memories
    answer (1), the bias is added (1), ``Requantize``, the tables answer (1), ``AddResidual``.

    Parameters
    ----------
    lanes : int

    Members
    -------
    fields : In
        The instruction; constant while rows are in flight.
    row : In(1)
        A row is issued: ``accumulators`` and ``residual`` hold it in the next cycle.
    accumulators : In(32 * lanes)
    residual : In(16 * lanes)
        Its first ``lanes`` bytes, or int16, are the residual's elements.
    parameters : In(32 * lanes)
    bias_valid, scale_valid : In(1)
        ``parameters`` holds biases, scales. A bias serves the rows issued from this cycle on, a
        scale those issued from three cycles before on.
    unary, addition : In(MemoryWrite)
        Word writes of the tables.
    result : Out(16 * lanes)
        ``lanes`` bytes, or int16, in the cycle of ``result_valid``.
    result_valid : Out(1)
        The row issued ``CYCLES`` before is written in this cycle.
    """

    CYCLES = 1 + 1 + Requantize.CYCLES + 1 + AddResidual.CYCLES

    def __init__(self, *, lanes: int):
        self.lanes = lanes
        super().__init__(
            {
                "fields": In(instruction_layout(Opcode.VECTOR)),
                "row": In(1),
                "accumulators": In(32 * lanes),
                "residual": In(16 * lanes),
                "parameters": In(32 * lanes),
                "bias_valid": In(1),
                "scale_valid": In(1),
                "unary": In(MemoryWrite(depth=Table.UNARY.words, width=32)),
                "addition": In(MemoryWrite(depth=Table.ADDITION.words, width=32)),
                "result": Out(16 * lanes),
                "result_valid": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.requantize = requantize = Requantize(lanes=self.lanes)
        m.submodules.unary_table = unary_table = Lookup(lanes=self.lanes, entry_bits=8)
        m.submodules.addition_table = addition_table = Lookup(lanes=self.lanes, entry_bits=32)
        m.submodules.add_residual = add_residual = AddResidual(lanes=self.lanes)
        wiring.connect(m, wiring.flipped(self.unary), unary_table.write)
        wiring.connect(m, wiring.flipped(self.addition), addition_table.write)

        arrived = Signal()
        # Instruction and rows are some cycles apart, so the options may take another register on
        # their way to every lane.
        options = Signal.like(self.fields)
        m.d.sync += [arrived.eq(self.row), options.eq(self.fields)]
        self._add_bias(m, options, arrived, requantize)
        residual, residual_later = self._delay_residual(m, options, arrived)
        self._look_up(m, options, requantize, unary_table, addition_table, residual, add_residual)

        for lane in range(self.lanes):
            wide = residual_later.word_select(lane, 16).as_signed()
            m.d.comb += add_residual.residual[lane].eq(wide)
        m.d.comb += [
            add_residual.kind.eq(options.addition),
            add_residual.scale.eq(options.addition_scale),
            add_residual.low.eq(options.sum_low),
            add_residual.high.eq(options.sum_high),
            self.result_valid.eq(add_residual.result_valid),
        ]
        results = [add_residual.result[lane] for lane in range(self.lanes)]
        with m.If(options.element_type == ElementType.INT16):
            m.d.comb += self.result.eq(Cat(results))
        with m.Else():
            m.d.comb += self.result.eq(Cat(result[:8] for result in results))
        return m

    def _add_bias(self, m, options, arrived, requantize):
        """Values wrap at 32 bits."""
        biases = Signal(32 * self.lanes, reset_less=True)
        scales = Signal(32 * self.lanes, reset_less=True)
        with m.If(self.bias_valid):
            m.d.sync += biases.eq(self.parameters)
        with m.If(self.scale_valid):
            m.d.sync += scales.eq(self.parameters)
        for lane in range(self.lanes):
            value = Signal(signed(32), name=f"value_{lane}", reset_less=True)
            with m.If(arrived):
                m.d.sync += value.eq(
                    self.accumulators.word_select(lane, 32) + biases.word_select(lane, 32)
                )
            m.d.comb += [
                requantize.value[lane].eq(value),
                requantize.scale[lane].eq(scales.word_select(lane, 32)),
            ]
        m.d.sync += requantize.valid.eq(arrived)
        m.d.comb += [
            requantize.zero_point.eq(options.zero_point),
            requantize.low.eq(options.clamp_low),
            requantize.high.eq(options.clamp_high),
        ]

    def _delay_residual(self, m, options, arrived):
        """The residual of a row when the tables are addressed, and one cycle later.

        It waits in a ring of rows, which costs less than a row of registers for each cycle: the
        slot read in a cycle is the one written in it, which then still holds the oldest row.
        """
        rows = Requantize.CYCLES
        m.submodules.ring = ring = Memory(shape=16 * self.lanes, depth=rows, init=[])
        write, read = ring.write_port(), ring.read_port()
        used = options.addition != Addition.NONE
        slot = Signal(range(rows))
        with m.If(used):
            m.d.sync += slot.eq(Mux(slot == rows - 1, 0, slot + 1))
        m.d.comb += [
            write.en.eq(arrived & used),
            write.addr.eq(slot),
            write.data.eq(self.residual),
            read.en.eq(used),
            read.addr.eq(slot),
        ]
        delayed = Signal(16 * self.lanes, reset_less=True)
        with m.If(used):
            m.d.sync += delayed.eq(read.data)
        return read.data, delayed

    def _look_up(self, m, options, requantize, unary_table, addition_table, residual, add_residual):
        """The unary table replaces the code; the addition table turns the residual into a term."""
        m.d.comb += [
            unary_table.enable.eq(requantize.code_valid & options.unary_table),
            addition_table.enable.eq(requantize.code_valid & (options.addition == Addition.TABLE)),
        ]
        m.d.sync += add_residual.valid.eq(requantize.code_valid)
        for lane in range(self.lanes):
            code = Signal(signed(16), name=f"code_{lane}", reset_less=True)
            with m.If(requantize.code_valid):
                m.d.sync += code.eq(requantize.code[lane])
            entry = unary_table.entry[lane]
            extended = Cat(entry, (entry[-1] & options.unary_signed).replicate(8)).as_signed()
            m.d.comb += [
                unary_table.index[lane].eq(requantize.code[lane]),
                addition_table.index[lane].eq(residual.word_select(lane, 8)),
                add_residual.code[lane].eq(Mux(options.unary_table, extended, code)),
                add_residual.term[lane].eq(addition_table.entry[lane]),
            ]
