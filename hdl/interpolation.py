"""Functions of an int16, interpolated between the entries of a table."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

STEP_LOG2 = 8


class Interpolate(wiring.Component):
    """Between two entries of the wide table, by the low byte of the code (rule N-07).

    A row that is valid in cycle t is at ``result`` in ``t + Interpolate.CYCLES``, one row a cycle.

    Parameters
    ----------
    lanes : int

    Members
    -------
    valid : In(1)
        ``place`` and ``entry`` hold a row. Other cycles cost no register a change.
    place : In(8).array(lanes)
        Low byte of the code.
    entry : In(32).array(lanes)
        What the table holds for the high byte: the values at 0 and at 256, int16 each.
    result : Out(signed(16)).array(lanes)
    """

    CYCLES = 2

    def __init__(self, *, lanes: int):
        self.lanes = lanes
        super().__init__(
            {
                "valid": In(1),
                "place": In(STEP_LOG2).array(lanes),
                "entry": In(32).array(lanes),
                "result": Out(signed(16)).array(lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        valid_later = Signal()
        m.d.sync += valid_later.eq(self.valid)
        for lane in range(self.lanes):
            first, second = (self.entry[lane].word_select(half, 16).as_signed() for half in (0, 1))
            start = Signal(signed(16), name=f"start_{lane}", reset_less=True)
            rise = Signal(signed(17 + STEP_LOG2), name=f"rise_{lane}", reset_less=True)
            with m.If(self.valid):
                m.d.sync += [start.eq(first), rise.eq((second - first) * self.place[lane])]
            half = 1 << (STEP_LOG2 - 1)
            with m.If(valid_later):
                m.d.sync += self.result[lane].eq(start + ((rise + half) >> STEP_LOG2))
        return m
