"""The ends of buffers and of the halves of the accumulator (rule E-03).

An engine keeps its pace whether an access is made or not, so that the checks cost no cycle (E-10).
"""

from amaranth.hdl import Mux

VECTOR_BITS = 13
"""Of the vector that is walked to: the bits of ``accumulator_address`` and one that stays set."""


def overruns(address, count, size):
    """Whether one of the ``count`` bytes from ``address`` on is at or beyond ``size``.

    Where ``count`` is 0 there is none. Addresses do not wrap here: what passes their end lies
    beyond every buffer first.
    """
    return (count != 0) & (address + count > size)


def next_vector(vector):
    """The vector behind ``vector``, both of VECTOR_BITS; one beyond every half stays beyond."""
    return Mux(vector[-1], vector, vector + 1)
