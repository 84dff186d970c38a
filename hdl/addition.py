"""The addition of a residual to a requantised code."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from arch.isa import Addition
from hdl.gated import gated
from hdl.requantize import clamp

FRACTION_BITS = 34
"""The last bit of the fixed-point window is 2^-34 (rule N-02)."""
WINDOW_BITS = FRACTION_BITS + 26
"""Terms are below 2^26."""
PRODUCT_BITS = 32
SATURATED_BITS = 17
"""Magnitudes from 2^17 up are beyond every clamp."""


class AddResidual(wiring.Component):
    """Adds to every code: nothing, an int16 (rule N-03), or a float32 in float32 (rule N-02).

    For ``Addition.TABLE`` the result is ``clamp(rint(round24(code * scale + term)))``, in a window
    of ``WINDOW_BITS``: a term that has bits below it is rounded to odd. When both terms have, the
    sum is below 0.26 and the result 0; when one has, the other is a multiple of twice the last
    bit, so that the odd last bit tells the sum from every number at which the result changes.

    A row that is valid in cycle t is at ``result`` in ``t + AddResidual.CYCLES``, one row a cycle.
    Only the addition of floats takes so long: the rest comes in the last one of these cycles.

    Parameters
    ----------
    lanes : int
        Codes of a row.

    Members
    -------
    valid : In(1)
        ``code`` and ``term`` hold a row.
    kind : In(Addition)
        Like ``scale``, ``low`` and ``high`` constant while rows are in flight.
    scale : In(32)
        Bits of a positive float32.
    low, high : In(signed(16))
        Limits of a sum; a code to which nothing is added keeps its own.
    code : In(signed(16)).array(lanes)
        What the term is added to: in -255 to 255, and ``code * scale`` below 2^26.
    term : In(32).array(lanes)
        Bits of float32 numbers below 2^26; subnormal ones count as 0.
    late_code, residual : In(signed(16)).array(lanes)
        What has no float32 added to it, and the int16, ``LATE_CYCLE`` cycles after ``valid``.
    counts : In(lanes)
        The result is 0 in other lanes; ``LATE_CYCLE`` cycles after ``valid``.
    result : Out(signed(16)).array(lanes)
    """

    LATE_CYCLE = 4
    CYCLES = 5

    def __init__(self, *, lanes: int):
        self.lanes = lanes
        super().__init__(
            {
                "valid": In(1),
                "kind": In(Addition),
                "scale": In(32),
                "low": In(signed(16)),
                "high": In(signed(16)),
                "code": In(signed(16)).array(lanes),
                "term": In(32).array(lanes),
                "late_code": In(signed(16)).array(lanes),
                "residual": In(signed(16)).array(lanes),
                "counts": In(lanes),
                "result": Out(signed(16)).array(lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        stage_valid = Signal(self.CYCLES - 1)
        m.d.sync += stage_valid.eq(Cat(self.valid, stage_valid))
        float_stages = Signal(self.CYCLES - 1)
        with m.If(self.kind == Addition.TABLE):
            m.d.comb += float_stages.eq(Cat(self.valid, stage_valid))
        alignment = self._align_scale(m)
        for lane in range(self.lanes):
            a, b = self._align(m, lane, float_stages, *alignment)
            float_sum = self._add_floats(m, lane, float_stages, a, b)
            integer_sum = gated(signed(17), name=f"sum_{lane}")
            limited = gated(signed(16), name=f"limited_{lane}")
            with m.If(stage_valid[self.LATE_CYCLE - 1]):
                with m.Switch(self.kind):
                    with m.Case(Addition.TABLE):
                        m.d.comb += limited.eq(clamp(float_sum, self.low, self.high))
                    with m.Case(Addition.INT16):
                        m.d.comb += [
                            integer_sum.eq(self.late_code[lane] + self.residual[lane]),
                            limited.eq(clamp(integer_sum, self.low, self.high)),
                        ]
                    with m.Default():
                        m.d.comb += limited.eq(self.late_code[lane])
                m.d.sync += self.result[lane].eq(Mux(self.counts[lane], limited, 0))
        return m

    def _align_scale(self, m):
        """``significand``, the places its products move right in the window, the bits they lose.

        A product of ``PRODUCT_BITS`` with no place to move has its last bit at 2^-6; a greater
        scale leaves leading zeros in every product, and moves left.
        """
        exponent = self.scale[23:31]
        exponent_unmoved = 150 + WINDOW_BITS - PRODUCT_BITS - FRACTION_BITS
        left = Signal(4)
        significand = Signal(PRODUCT_BITS)
        drop = Signal(6)
        lost = Signal(WINDOW_BITS)
        with m.If(exponent > exponent_unmoved):
            m.d.comb += left.eq(exponent - exponent_unmoved)
        with m.Else():
            m.d.comb += drop.eq(saturate(exponent_unmoved - exponent, 63))
        m.d.comb += [
            significand.eq(Cat(self.scale[:23], 1) << left),
            lost.eq(low_ones(drop)),
        ]
        return significand, drop, lost

    def _align(self, m, lane, stages, significand, drop, lost):
        """Stages 0 and 1: both terms in the window, signed."""
        code = self.code[lane]
        product = Signal(PRODUCT_BITS, name=f"product_{lane}", reset_less=True)
        product_negative = Signal(name=f"product_negative_{lane}", reset_less=True)
        term = Signal(32, name=f"term_{lane}", reset_less=True)
        with m.If(stages[0]):
            m.d.sync += [
                product.eq(Mux(code < 0, -code, code)[:8] * significand),
                product_negative.eq(code < 0),
                term.eq(self.term[lane]),
            ]

        exponent = term[23:31]
        top = gated(24, name=f"term_significand_{lane}")
        term_drop = gated(6, name=f"term_drop_{lane}")
        a = Signal(signed(WINDOW_BITS + 1), name=f"a_{lane}", reset_less=True)
        b = Signal(signed(WINDOW_BITS + 1), name=f"b_{lane}", reset_less=True)
        with m.If(stages[1]):
            m.d.comb += [
                top.eq(Mux(exponent == 0, 0, Cat(term[:23], 1))),
                term_drop.eq(saturate(150 + WINDOW_BITS - 24 - FRACTION_BITS - exponent, 63)),
            ]
        wide_product = product.shift_left(WINDOW_BITS - PRODUCT_BITS)
        wide_term = top.shift_left(WINDOW_BITS - 24)
        for aligned, value, places, below, negative in (
            (a, wide_product, drop, lost, product_negative),
            (b, wide_term, term_drop, low_ones(term_drop), term[31]),
        ):
            magnitude = gated(WINDOW_BITS, name=f"{aligned.name}_magnitude")
            with m.If(stages[1]):
                m.d.comb += magnitude.eq((value >> places) | ((value & below) != 0))
                m.d.sync += aligned.eq(Mux(negative, -magnitude, magnitude))
        return a, b

    def _add_floats(self, m, lane, stages, a, b):
        """Stages 2 and 3: the sum, rounded to 24 significant bits and then to an integer."""
        total = gated(signed(WINDOW_BITS + 2), name=f"total_{lane}")
        negative = Signal(name=f"negative_{lane}", reset_less=True)
        magnitude = Signal(WINDOW_BITS + 1, name=f"magnitude_{lane}", reset_less=True)
        with m.If(stages[2]):
            m.d.comb += total.eq(a + b)
            m.d.sync += [
                negative.eq(total < 0),
                magnitude.eq(Mux(total < 0, -total, total)),
            ]

        rest, half = magnitude[: FRACTION_BITS - 1], magnitude[FRACTION_BITS - 1]
        whole = magnitude[FRACTION_BITS:][:SATURATED_BITS]
        beyond = magnitude[FRACTION_BITS + SATURATED_BITS :] != 0
        # The rounding to 24 bits changes the integer only where it lands on a tie: where the
        # distance to the tie is at most half a last place, 2^(msb(whole) - 24), or 2^-25 where
        # whole is 0 (below one half the answer is 0 in any case). In last bits of the window that
        # is distance <= 2^9 * 2^msb(2 * whole + 1), which needs no leading-bit count.
        less_one = gated(FRACTION_BITS - 1, name=f"distance_less_one_{lane}")
        tie = (half & (rest == 0)) | msb_below(less_one[9:], Cat(1, whole))
        integer = gated(SATURATED_BITS + 1, name=f"integer_{lane}")
        rounded = Signal(signed(SATURATED_BITS + 2), name=f"rounded_{lane}", reset_less=True)
        nearest = whole + Mux(tie, whole[0], half)
        with m.If(stages[3]):
            m.d.comb += [
                less_one.eq(Mux(half, rest - 1, ~rest)),
                integer.eq(Mux(beyond, 1 << SATURATED_BITS, nearest)),
            ]
            m.d.sync += rounded.eq(Mux(negative, -integer, integer))
        return rounded


def saturate(value, limit):
    """``value``, at most ``limit``."""
    return Mux(value > limit, limit, value)


def low_ones(count):
    """As many ones as ``count`` says, by a right shift: a left one would be wider than 64 bits."""
    most = (1 << len(count)) - 1
    return (Const((1 << most) - 1, most) >> ~count)[:most]


def msb_below(x, y):
    """Whether the leading one of ``x`` is lower than that of ``y`` (not 0)."""
    return (x < y) & (x < (x ^ y))
