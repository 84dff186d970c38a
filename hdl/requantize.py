"""Requantisation of int32 values by float32 scales, bit-exact with float32 arithmetic."""

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.gated import gated

SCALE_CYCLE = 2
"""The scale of a value that is valid in cycle t is read in t + SCALE_CYCLE."""
INTEGER_BITS = 25
"""Of the magnitude before zero point and clamp: from 2^23 up it is only known to be so great."""


class Requantize(wiring.Component):
    """``clamp(requantize(value, scale) + zero_point + after, low, high)`` in lanes (rule N-01).

    Equal to ``rint(float32(value) * scale)`` in float32 before the sum: the value is rounded half
    to even to 24 significant bits, the product again, then to an integer. Sum and clamp are exact
    for whatever is added. A row that is valid in cycle t is at ``integer`` in ``t +
    INTEGER_CYCLE``, at ``code`` in ``t + CYCLES``, one row a cycle. Nothing holds a row back.

    Parameters
    ----------
    lanes : int
        Values of a row.

    Members
    -------
    valid : In(1)
        ``value`` holds a row. Other cycles cost no register a change.
    value : In(signed(32)).array(lanes)
    scale : In(32).array(lanes)
        Bits of positive normal float32 numbers, read ``SCALE_CYCLE`` cycles after ``value``. Of
        0 and subnormal numbers the product is 0.
    zero_point, low, high : In(signed(16))
        Constant while rows are in flight.
    after : In(signed(16)).array(lanes)
        Read ``INTEGER_CYCLE`` cycles after ``value``.
    integer : Out(INTEGER_BITS).array(lanes)
        Magnitude of the requantised value; any number from 2^23 up where it is not below that.
    code : Out(signed(16)).array(lanes)
    code_valid : Out(1)
    """

    INTEGER_CYCLE = 5
    CYCLES = 6

    def __init__(self, *, lanes: int):
        self.lanes = lanes
        super().__init__(
            {
                "valid": In(1),
                "value": In(signed(32)).array(lanes),
                "scale": In(32).array(lanes),
                "zero_point": In(signed(16)),
                "low": In(signed(16)),
                "high": In(signed(16)),
                "after": In(signed(16)).array(lanes),
                "integer": Out(INTEGER_BITS).array(lanes),
                "code": Out(signed(16)).array(lanes),
                "code_valid": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        stage_valid = Signal(self.CYCLES)
        m.d.sync += stage_valid.eq(Cat(self.valid, stage_valid))
        m.d.comb += self.code_valid.eq(stage_valid[-1])
        stages = Cat(self.valid, stage_valid[:-1])
        for lane in range(self.lanes):
            negative, product, shift = self._multiply(m, lane, stages)
            self._round(m, lane, stages, negative, product, shift)
        return m

    def _multiply(self, m, lane, stages):
        """Stages 0 to 2: the exact product of two significands whose leading bit is known."""
        value, scale = self.value[lane], self.scale[lane]
        negative = Signal(self.CYCLES - 1, name=f"negative_{lane}", reset_less=True)
        magnitude = Signal(32, name=f"magnitude_{lane}", reset_less=True)
        with m.If(stages[0]):
            m.d.sync += [
                negative[0].eq(value < 0),
                magnitude.eq(Mux(value < 0, -value, value)),
            ]
        for stage in range(1, self.CYCLES - 1):
            with m.If(stages[stage]):
                m.d.sync += negative[stage].eq(negative[stage - 1])

        # Rounding up to 2^24 needs no renormalisation: the product stays below 2^48 all the same.
        significand = Signal(25, name=f"significand_{lane}", reset_less=True)
        leading_zeros = Signal(5, name=f"leading_zeros_{lane}", reset_less=True)
        with m.If(stages[1]):
            normal, zeros = normalize(m, magnitude, name=f"normal_{lane}")
            m.d.sync += [
                significand.eq(round_half_even(normal, drop=8)),
                leading_zeros.eq(zeros),
            ]

        product = Signal(48, name=f"product_{lane}", reset_less=True)
        shift = Signal(signed(9), name=f"shift_{lane}", reset_less=True)
        with m.If(stages[SCALE_CYCLE]):
            m.d.sync += [
                product.eq(significand * Cat(scale[:23], 1)),
                shift.eq(scale[23:31] - 93 - leading_zeros),
            ]
        return negative[-1], product, shift

    def _round(self, m, lane, stages, negative, product, shift):
        """Stages 3 to 5: to 24 significant bits, to an integer, to a code."""
        # Both factors are in [2^23, 2^24], so the product's leading bit is bit 47 or bit 46 (or
        # the value is zero): bit 47 after this.
        normal = gated(48, name=f"normal_product_{lane}")
        exponent = gated(signed(9), name=f"exponent_{lane}")
        # The result is rounded * 2^(exponent - 25). At 2^-25 it is at most one half and rounds to
        # 0; at 2^0 it is 0 or at least 2^23, beyond every clamp: so the shift saturates.
        rounded = Signal(25, name=f"rounded_{lane}", reset_less=True)
        places = Signal(range(INTEGER_BITS + 1), name=f"places_{lane}", reset_less=True)
        with m.If(stages[3]):
            m.d.comb += [
                normal.eq(Mux(product[47], product, product << 1)),
                exponent.eq(Mux(product[47], shift, shift - 1)),
            ]
            m.d.sync += [
                rounded.eq(round_half_even(normal, drop=24)),
                places.eq(clamp(exponent, 0, INTEGER_BITS)),
            ]

        integer = self.integer[lane]
        fixed = gated(2 * INTEGER_BITS, name=f"fixed_{lane}")
        with m.If(stages[4]):
            m.d.comb += fixed.eq(rounded << places)
            m.d.sync += integer.eq(round_half_even(fixed, drop=25))

        total = gated(signed(INTEGER_BITS + 1), name=f"total_{lane}")
        signed_integer = Mux(negative, -integer, integer)
        with m.If(stages[5]):
            m.d.comb += total.eq(signed_integer + self.zero_point + self.after[lane])
            m.d.sync += self.code[lane].eq(clamp(total, self.low, self.high))


def round_half_even(value, *, drop):
    """``value / 2^drop``, rounded half to even: one bit wider than what is left of it."""
    return (value + ((1 << (drop - 1)) - 1) + value[drop])[drop : len(value) + 1]


def clamp(value, low, high):
    """``value`` held between ``low`` and ``high``."""
    return Mux(value < low, low, Mux(value > high, high, value))


def normalize(m, value, *, name):
    """Shift out the leading zeros of ``value``, in halves: ``(shifted, number of zeros)``.

    Of zero it counts ``len(value) - 1``.
    """
    width = len(value)
    zeros = []
    for step in reversed(range(Shape.cast(range(width)).width)):
        places = 1 << step
        shifted = gated(width, name=f"{name}_{places}")
        empty = gated(1, name=f"{name}_{places}_empty")
        m.d.comb += [
            empty.eq(value[width - places :] == 0),
            shifted.eq(Mux(empty, value.shift_left(places), value)),
        ]
        zeros.insert(0, empty)
        value = shifted
    return value, Cat(zeros)
