"""Expressions that matter in some cycles only."""

from amaranth.hdl import Signal


def gated(shape, *, name):
    """A combinational signal to be assigned under a condition; 1 where it does not hold.

    Simulators skip the expression in other cycles, which they do not where the alternative is 0:
    of that they make a mask.
    """
    return Signal(shape, name=name, init=1)
