"""What the lanes of the vector unit scale: the value of rule I-04, made of everything it reads."""

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from arch.isa import ElementType, Opcode, Operation, Source
from hdl.gated import gated
from hdl.instruction import instruction_layout

INT32_MAX = (1 << 31) - 1


class LaneValue(wiring.Component):
    """``v`` of rule I-04 in every lane, int32 and wrapping.

    A row that is valid in cycle t is at ``value`` in ``t + LaneValue.CYCLES``, one row a cycle.

    Parameters
    ----------
    lanes : int

    Members
    -------
    fields : In
        The instruction; constant while rows are in flight.
    valid : In(1)
        The other inputs hold a row. Other cycles cost no register a change.
    accumulators : In(32 * lanes)
    elements, operands : In(16 * lanes)
        Elements of source and multiplier: the first ``lanes`` bytes, or int16.
    maximum, row_sum : In(signed(32))
        Statistics of the row.
    bias : In(signed(32)).array(lanes)
        Read one cycle after ``valid``; not in CENTRE.
    value : Out(signed(32)).array(lanes)
    """

    CYCLES = 2

    def __init__(self, *, lanes: int):
        self.lanes = lanes
        super().__init__(
            {
                "fields": In(instruction_layout(Opcode.VECTOR)),
                "valid": In(1),
                "accumulators": In(32 * lanes),
                "elements": In(16 * lanes),
                "operands": In(16 * lanes),
                "maximum": In(signed(32)),
                "row_sum": In(signed(32)),
                "bias": In(signed(32)).array(lanes),
                "value": Out(signed(32)).array(lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        operation = self.fields.operation
        centred = operation == Operation.CENTRE
        multiplied = Signal()
        from_buffer = Signal()
        valid_later = Signal()
        maximum = Signal(signed(32), reset_less=True)
        row_sum = Signal(signed(32), reset_less=True)
        m.d.comb += [
            multiplied.eq(centred | (operation == Operation.MULTIPLY)),
            from_buffer.eq(self.fields.source != Source.ACCUMULATOR),
        ]
        m.d.sync += valid_later.eq(self.valid)
        with m.If(self.valid):
            m.d.sync += [maximum.eq(self.maximum), row_sum.eq(self.row_sum)]

        for lane in range(self.lanes):
            x = self._read(m, lane, centred, multiplied, from_buffer)
            addend = Mux(centred, -row_sum, self.bias[lane])
            total = gated(signed(32), name=f"total_{lane}")
            below = gated(signed(33), name=f"below_{lane}")
            with m.If(valid_later):
                m.d.comb += total.eq(x + addend)
                with m.If(operation == Operation.EXPONENT):
                    m.d.comb += below.eq(maximum - total)
                    m.d.sync += self.value[lane].eq(Mux(below > INT32_MAX, INT32_MAX, below))
                with m.Else():
                    m.d.sync += self.value[lane].eq(total)
        return m

    def _read(self, m, lane, centred, multiplied, from_buffer):
        """``x``, or its product with the multiplier or with the count."""
        x = Signal(signed(32), name=f"x_{lane}", reset_less=True)
        accumulator = self.accumulators.word_select(lane, 32)
        element = _element(self.elements, lane, _SOURCE_TYPES, self.fields.source)
        element -= self.fields.source_zero_point
        operand = _element(self.operands, lane, _ELEMENT_TYPES, self.fields.multiplier_type)
        operand -= self.fields.multiplier_zero_point
        narrow = gated(signed(16), name=f"element_{lane}")
        factor = gated(signed(17), name=f"factor_{lane}")
        with m.If(self.valid & from_buffer):
            m.d.comb += narrow.eq(element)
            with m.If(multiplied):
                m.d.comb += factor.eq(Mux(centred, self.fields.count, operand))
                m.d.sync += x.eq(narrow * factor)
            with m.Else():
                m.d.sync += x.eq(narrow)
        with m.Elif(self.valid):
            m.d.sync += x.eq(accumulator)
        return x


_SOURCE_TYPES = Source.INT8, Source.INT16
_ELEMENT_TYPES = ElementType.INT8, ElementType.INT16


def _element(row, lane, types, kind):
    """The element of a lane, signed, of a type in the buffer: int8, int16, else uint8."""
    int8, int16 = types
    byte = row.word_select(lane, 8)
    # The sum makes the extension an operator, which simulators do in a machine word.
    zero = Const(0, signed(16))
    narrow = Mux(kind == int8, byte.as_signed() + zero, byte + zero)
    return Mux(kind == int16, row.word_select(lane, 16).as_signed(), narrow)
