"""Inverse square root and reciprocal of 64-bit integers, as float32."""

from math import isqrt

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.requantize import round_half_even


def _start(j: int) -> int:
    """``rint(2^24 / sqrt(j / 64))``."""
    return (isqrt(2**56 // j) + 1) // 2


class InverseSquareRoot(wiring.Component):
    """``x^(-1/2)`` or ``1 / x`` by a line of a table and one step of Newton's method (rule N-06).

    Of 0 both are 0. One number a cycle: ``result`` is that of the ``x`` of ``CYCLES`` cycles
    before. The names inside are those of the rule; ``reciprocal`` is constant meanwhile.

    Members
    -------
    x : In(64)
    reciprocal : In(1)
    result : Out(32)
        Bits of a float32.
    """

    CYCLES = 10

    def __init__(self):
        super().__init__({"x": In(64), "reciprocal": In(1), "result": Out(32)})

    def elaborate(self, platform):
        m = Module()
        d, half_zeros = self._normalize(m)
        base, fall = self._look_up(m, d)
        w = self._improve(m, d, base, fall)
        self._round(m, w, _later(m, half_zeros, cycles=8), _later(m, d == 0, cycles=8))
        return m

    def _normalize(self, m):
        """Cycle 0: ``d`` and ``z / 2``; leading zeros go in pairs, so that ``z`` is even."""
        value, empty = self.x, []
        for places in (32, 16, 8, 4, 2):
            none = value[64 - places :] == 0
            value = Mux(none, value.shift_left(places)[:64], value)
            empty.insert(0, none)
        return _register(m, value[38:], "d"), _register(m, Cat(empty), "half_zeros")

    def _look_up(self, m, d):
        """Cycle 1: ``A[j]``, and how far it is to the next one."""
        base, fall = Signal(25), Signal(17)
        with m.Switch(d[18:]):
            for j in range(64, 256):
                with m.Case(j):
                    m.d.comb += [base.eq(_start(j)), fall.eq(_start(j) - _start(j + 1))]
        return _register(m, base, "base"), _register(m, fall, "fall")

    def _improve(self, m, d, base, fall):
        """Cycles 2 to 6: a line to ``a``, and the step to ``w``."""
        d = _later(m, d, cycles=1)
        product = _register(m, fall * d[2:18], "product")
        a = _register(m, (_later(m, base, cycles=1) - product[16:])[:25], "a")
        t = _register(m, (a * a)[22:], "t")
        d = _later(m, d, cycles=3)
        u = _register(m, (3 * 2**24 - (d * t)[26:])[:26], "u")
        return _register(m, (_later(m, a, cycles=2) * u)[25:50], "w")

    def _round(self, m, w, half_zeros, zero):
        """Cycles 7 to 9: the square has one bit more in the upper half of its range.

        ``w`` itself takes the same way, times ``2^23``: of 25 bits it has 24 that matter.
        """
        product = _register(m, w * Mux(self.reciprocal, w, 1 << 23), "square")
        upper = product[47:] != 0
        aligned = Mux(upper, product, product << 1)[:49]
        rounded = _register(m, round_half_even(aligned, drop=24), "rounded")
        # The leading one of the significand adds 1 to the exponent, and so does a carry.
        exponent = Mux(self.reciprocal, (half_zeros << 1) + 62, half_zeros + 94)
        bits = ((exponent + _register(m, upper, "upper")) << 23) + rounded
        m.d.sync += self.result.eq(Mux(zero, 0, bits))


def _register(m, value, name):
    """``value`` in the next cycle."""
    register = Signal(len(value), name=name, reset_less=True)
    m.d.sync += register.eq(value)
    return register


def _later(m, value, *, cycles):
    """``value`` some cycles later."""
    for _ in range(cycles):
        value = _register(m, value, "later")
    return value
