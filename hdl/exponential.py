"""Powers of two below one: the exponential function of softmax."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from arch.isa import ElementType
from hdl.gated import gated
from hdl.requantize import INTEGER_BITS

STEPS_LOG2 = 8
REST_BITS = 10
"""The exponent has 18 fraction bits: the upper ones choose a constant, the others interpolate."""
WHOLE_BITS = 5
FRACTION_BITS = 26
"""A power of 1 is the fraction 2^26."""
POWER_BITS = 25
DECREASE_BITS = 16

_STEPS = 1 << STEPS_LOG2
POWERS = [round(2**24 * 2 ** (-step / _STEPS)) for step in range(_STEPS + 1)]
"""``E[j]`` of rule N-05: none is so near a tie that the rounding of float64 mattered."""


class Exponential(wiring.Component):
    """``2^(-exponent * 2^-18)`` in every lane, and as a code of the output's type (rule N-05).

    A row that is valid in cycle t is at ``fraction`` in ``t + FRACTION_CYCLE`` and at ``code`` in
    ``t + CYCLES``, one row a cycle.

    Parameters
    ----------
    lanes : int

    Members
    -------
    valid : In(1)
        ``exponent`` holds a row. Other cycles cost no register a change.
    element_type : In(ElementType)
        INT16, or else UINT8: a power of 1 is its greatest code. Constant while rows are in flight.
    exponent : In(INTEGER_BITS).array(lanes)
        From 2^23 up the power is 0.
    fraction : Out(FRACTION_BITS + 1).array(lanes)
        The power times ``2^FRACTION_BITS``.
    code : Out(signed(16)).array(lanes)
    """

    FRACTION_CYCLE = 3
    CYCLES = 4

    def __init__(self, *, lanes: int):
        self.lanes = lanes
        super().__init__(
            {
                "valid": In(1),
                "element_type": In(ElementType),
                "exponent": In(INTEGER_BITS).array(lanes),
                "fraction": Out(FRACTION_BITS + 1).array(lanes),
                "code": Out(signed(16)).array(lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        words = [power | (power - following) << POWER_BITS for power, following in pairwise(POWERS)]
        width = POWER_BITS + DECREASE_BITS
        m.submodules.constants = constants = Memory(shape=width, depth=_STEPS, init=words)
        valid = Signal(self.CYCLES - 1)
        m.d.sync += valid.eq(Cat(self.valid, valid))
        for lane in range(self.lanes):
            power, whole = self._interpolate(m, lane, constants.read_port(), valid)
            fraction = self.fraction[lane]
            with m.If(valid[1]):
                m.d.sync += fraction.eq(power >> STEPS_LOG2 >> whole)

            wide = self.element_type == ElementType.INT16
            product = gated(FRACTION_BITS + 16, name=f"product_{lane}")
            with m.If(valid[2]):
                m.d.comb += product.eq(Mux(wide, fraction << 15, fraction << 8) - fraction)
                m.d.sync += self.code[lane].eq(
                    (product + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS
                )
        return m

    def _interpolate(self, m, lane, constant, valid):
        """The power of the exponent's fraction, times 2^34, and its whole part."""
        rest, step, whole, beyond = _split(self.exponent[lane], REST_BITS, STEPS_LOG2, WHOLE_BITS)
        rest_1 = Signal(REST_BITS, name=f"rest_{lane}", reset_less=True)
        whole_1 = Signal(WHOLE_BITS, name=f"whole_{lane}_1", reset_less=True)
        whole_2 = Signal(WHOLE_BITS, name=f"whole_{lane}_2", reset_less=True)
        beyond_1 = Signal(name=f"beyond_{lane}", reset_less=True)
        power = Signal(POWER_BITS + REST_BITS, name=f"power_{lane}", reset_less=True)
        m.d.comb += [constant.en.eq(self.valid), constant.addr.eq(step)]
        with m.If(self.valid):
            m.d.sync += [rest_1.eq(rest), whole_1.eq(whole), beyond_1.eq(beyond != 0)]
        upper, decrease = constant.data[:POWER_BITS], constant.data[POWER_BITS:]
        with m.If(valid[0]):
            m.d.sync += whole_2.eq(whole_1)
            with m.If(beyond_1):
                m.d.sync += power.eq(0)
            with m.Else():
                m.d.sync += power.eq((upper << REST_BITS) - decrease * rest_1)
        return power, whole_2


def _split(value, *widths):
    """Fields of ``value`` from the lowest bit up, and what is left."""
    parts = []
    for width in widths:
        parts.append(value[:width])
        value = value[width:]
    return [*parts, value]
