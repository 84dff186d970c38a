"""Maximum and sums over the lanes of a row, for the row's statistics."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.exponential import FRACTION_BITS

INT32_MIN = -(1 << 31)
SUM_BITS = 48
RADIX = 4
"""Lanes, or groups of them, that are reduced in one cycle."""


class RowReduction(wiring.Component):
    """The statistics of rows (rule I-04): each of those that are asked for, at one time.

    They are taken where the pipeline has their operands: a row is at ``value`` in cycle t, at
    ``fraction`` in ``t + VALUE_CYCLES - FRACTION_CYCLES``, at ``result`` in ``t + VALUE_CYCLES -
    RESULT_CYCLES``, and its statistics are there in ``t + VALUE_CYCLES``. One row a cycle.

    Parameters
    ----------
    lanes : int

    Members
    -------
    value_valid, fraction_valid, result_valid : In(1)
        A row is there, and its statistic is asked for. Other cycles cost no register a change.
    of_fractions : In(1)
        ``sum`` is that of fractions, not results. Constant while rows are in flight.
    value : In(signed(32)).array(lanes)
    value_counts, fraction_counts : In(lanes)
        Lanes that count, in the cycle of the operand.
    fraction : In(FRACTION_BITS + 1).array(lanes)
    result : In(signed(16)).array(lanes)
        0 in lanes that do not count.
    maximum : Out(signed(32))
        -2^31 where no lane counts.
    sum, squares : Out(signed(48))
    """

    VALUE_CYCLES = 14
    FRACTION_CYCLES = 6
    RESULT_CYCLES = 2

    def __init__(self, *, lanes: int):
        self.lanes = lanes
        super().__init__(
            {
                "value_valid": In(1),
                "fraction_valid": In(1),
                "result_valid": In(1),
                "of_fractions": In(1),
                "value": In(signed(32)).array(lanes),
                "value_counts": In(lanes),
                "fraction": In(FRACTION_BITS + 1).array(lanes),
                "fraction_counts": In(lanes),
                "result": In(signed(16)).array(lanes),
                "maximum": Out(signed(32)),
                "sum": Out(signed(SUM_BITS)),
                "squares": Out(signed(SUM_BITS)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        values = [Mux(c, v, INT32_MIN) for c, v in zip(self.value_counts, self.value, strict=True)]
        fractions = [Mux(c, f, 0) for c, f in zip(self.fraction_counts, self.fraction, strict=True)]
        maximum = _reduce(m, "maximum", self.value_valid, values, _greater, self.VALUE_CYCLES)
        fraction_sum = _reduce(
            m, "fractions", self.fraction_valid, fractions, _add, self.FRACTION_CYCLES
        )
        result_sum, squares = self._sum_results(m)
        m.d.comb += [
            self.maximum.eq(maximum),
            self.sum.eq(Mux(self.of_fractions, fraction_sum, result_sum)),
            self.squares.eq(squares),
        ]
        return m

    def _sum_results(self, m):
        """Sum and sum of squares: those of groups of lanes, then of all."""
        valid_later = Signal()
        m.d.sync += valid_later.eq(self.result_valid)
        totals = []
        results = list(self.result)
        squares = [(result * result)[:31] for result in results]
        for name, terms in (("result", results), ("square", squares)):
            groups = [_tree(terms[i : i + RADIX], _add) for i in range(0, self.lanes, RADIX)]
            shape = groups[0].shape()
            registers = [
                Signal(shape, name=f"{name}_{i}", reset_less=True) for i in range(len(groups))
            ]
            total = Signal(signed(SUM_BITS), name=f"{name}_total", reset_less=True)
            with m.If(self.result_valid):
                m.d.sync += [r.eq(group) for r, group in zip(registers, groups, strict=True)]
            with m.If(valid_later):
                m.d.sync += total.eq(_tree(registers, _add))
            totals.append(total)
        return totals


def _reduce(m, name, valid, terms, combine, cycles):
    """``terms`` combined in a tree, ``cycles`` after they are valid."""
    stages = Signal(cycles, name=f"{name}_valid")
    m.d.sync += stages.eq(Cat(valid, stages))
    enables = iter(Cat(valid, stages[:-1]))
    level = 0
    while len(terms) > 1:
        groups = [_tree(terms[i : i + RADIX], combine) for i in range(0, len(terms), RADIX)]
        registers = [
            Signal(group.shape(), name=f"{name}_{level}_{i}", reset_less=True)
            for i, group in enumerate(groups)
        ]
        with m.If(next(enables)):
            m.d.sync += [r.eq(group) for r, group in zip(registers, groups, strict=True)]
        terms, level = registers, level + 1
    (total,) = terms
    for cycle, enable in enumerate(enables, level):
        delayed = Signal(total.shape(), name=f"{name}_{cycle}", reset_less=True)
        with m.If(enable):
            m.d.sync += delayed.eq(total)
        total = delayed
    return total


def _tree(terms, combine):
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return combine(_tree(terms[:half], combine), _tree(terms[half:], combine))


def _add(a, b):
    return a + b


def _greater(a, b):
    return Mux(a > b, a, b)
