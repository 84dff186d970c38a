"""The last step of a row: from int16 to the elements that are written."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from arch.isa import ElementType
from hdl.addition import low_ones
from hdl.gated import gated
from hdl.requantize import clamp

SHIFT_BITS = 4


class Narrow(wiring.Component):
    """``clamp(shift(value, shift) + zero_point)`` to the element's type, in every lane.

    The shift rounds half to even (rule N-09). A row that is valid in cycle t is at ``elements`` in
    ``t + Narrow.CYCLES``, one row a cycle.

    Parameters
    ----------
    lanes : int

    Members
    -------
    valid : In(1)
        ``value`` holds a row. Other cycles cost no register a change.
    shift : In(4)
        Like the next two constant while rows are in flight.
    zero_point : In(signed(9))
    element_type : In(ElementType)
        Not INT32.
    value : In(signed(16)).array(lanes)
    elements : Out(16 * lanes)
        ``lanes`` bytes, or int16.
    """

    CYCLES = 1

    def __init__(self, *, lanes: int):
        self.lanes = lanes
        super().__init__(
            {
                "valid": In(1),
                "shift": In(SHIFT_BITS),
                "zero_point": In(signed(9)),
                "element_type": In(ElementType),
                "value": In(signed(16)).array(lanes),
                "elements": Out(16 * lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        is_int16 = self.element_type == ElementType.INT16
        is_uint8 = self.element_type == ElementType.UINT8
        low = Signal(signed(16))
        high = Signal(signed(16))
        less_than_half = Signal((1 << SHIFT_BITS) - 2)
        shifted = Signal()
        m.d.comb += [
            low.eq(Mux(is_int16, ElementType.INT16.low, Mux(is_uint8, 0, ElementType.INT8.low))),
            high.eq(
                Mux(is_int16, ElementType.INT16.high, Mux(is_uint8, 255, ElementType.INT8.high))
            ),
            less_than_half.eq(low_ones(self.shift)[1:]),
            shifted.eq(self.shift != 0),
        ]
        elements = []
        for lane in range(self.lanes):
            value = self.value[lane]
            odd = shifted & value.bit_select(self.shift, 1)
            total = gated(signed(18), name=f"total_{lane}")
            element = Signal(signed(16), name=f"element_{lane}", reset_less=True)
            with m.If(self.valid):
                m.d.comb += total.eq(
                    ((value + less_than_half + odd) >> self.shift) + self.zero_point
                )
                m.d.sync += element.eq(clamp(total, low, high))
            elements.append(element)
        with m.If(is_int16):
            m.d.comb += self.elements.eq(Cat(elements))
        with m.Else():
            m.d.comb += self.elements.eq(Cat(element[:8] for element in elements))
        return m
