"""The scale of a row, multiplied into the scales of the lanes."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.gated import gated
from hdl.requantize import round_half_even


class RowScale(wiring.Component):
    """``float32(scale * row_scale)``, rounded half to even, or ``scale`` (rule N-08).

    The scale of a row that is valid in cycle t is at ``combined`` in ``t + RowScale.CYCLES``, one
    row a cycle.

    Parameters
    ----------
    lanes : int

    Members
    -------
    valid : In(1)
        ``scale`` and ``row_scale`` are those of a row; ``scale`` keeps it for one more cycle.
    used : In(1)
        ``row_scale`` counts. Constant while rows are in flight.
    scale : In(32).array(lanes)
        Bits of positive normal float32 numbers.
    row_scale : In(32)
        Bits of a positive normal float32 number with which all products are normal, or 0.
    combined : Out(32).array(lanes)
        Where ``row_scale`` is 0, 0: requantisation takes it for a number below 2^-126.
    """

    CYCLES = 2

    def __init__(self, *, lanes: int):
        self.lanes = lanes
        super().__init__(
            {
                "valid": In(1),
                "used": In(1),
                "scale": In(32).array(lanes),
                "row_scale": In(32),
                "combined": Out(32).array(lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        valid_later = Signal()
        zero = Signal(reset_less=True)
        row_exponent = Signal(8, reset_less=True)
        m.d.sync += valid_later.eq(self.valid)
        with m.If(self.valid & self.used):
            m.d.sync += [
                zero.eq(self.row_scale[23:31] == 0),
                row_exponent.eq(self.row_scale[23:31]),
            ]
        row_significand = Cat(self.row_scale[:23], 1)
        for lane in range(self.lanes):
            scale = self.scale[lane]
            product = Signal(48, name=f"product_{lane}", reset_less=True)
            with m.If(self.valid & self.used):
                m.d.sync += product.eq(Cat(scale[:23], 1) * row_significand)

            normal = gated(48, name=f"normal_{lane}")
            exponent = gated(8, name=f"exponent_{lane}")
            # The leading bit of the significand, and a carry beyond it, count in the exponent.
            bits = gated(32, name=f"bits_{lane}")
            with m.If(valid_later & self.used):
                m.d.comb += [
                    normal.eq(Mux(product[47], product, product << 1)),
                    exponent.eq(scale[23:31] + row_exponent - 128 + product[47]),
                    bits.eq(Cat(Const(0, 23), exponent) + round_half_even(normal, drop=24)),
                ]
                m.d.sync += self.combined[lane].eq(Mux(zero, 0, bits))
            with m.Elif(valid_later):
                m.d.sync += self.combined[lane].eq(scale)
        return m
