"""Address generation: nested counters and the sums of strides that go with them."""

from collections.abc import Sequence

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, In, Out


class LoopNest(Component):
    """Nested counters, level 0 innermost.

    Parameters
    ----------
    widths : sequence of int
        Bits of the count of each level.

    Members
    -------
    start : In(1)
        Take the counts; the next cycle is the first iteration. Wins over ``step``.
    step : In(1)
        Go to the next iteration.
    count_i : In(widths[i])
        Iterations of level ``i``, 1 up. Used in the cycle of ``start`` only.
    last : Out(levels)
        Bit ``i``: level ``i`` is in its last iteration.
    level : Out(range(levels))
        The level that advances with a step: all those inside it start again. Where every level
        is in its last iteration, the outermost.
    """

    def __init__(self, *, widths: Sequence[int]):
        self._widths = tuple(widths)
        levels = len(self._widths)
        super().__init__(
            {
                "start": In(1),
                "step": In(1),
                **{f"count_{i}": In(width) for i, width in enumerate(self._widths)},
                "last": Out(levels),
                "level": Out(range(levels)),
            }
        )

    def set_counts(self, counts):
        """Assignments of the counts, innermost first."""
        return [getattr(self, f"count_{i}").eq(count) for i, count in enumerate(counts)]

    def elaborate(self, platform):
        m = Module()
        outermost = len(self._widths) - 1
        m.d.comb += self.level.eq(outermost)
        for i, width in reversed(list(enumerate(self._widths))):
            count = getattr(self, f"count_{i}")
            again = Signal(width, name=f"again_{i}", reset_less=True)
            left = Signal(width, name=f"left_{i}")
            m.d.comb += self.last[i].eq(left == 0)
            with m.If(~self.last[i]):
                m.d.comb += self.level.eq(i)
            with m.If(self.start):
                m.d.sync += [again.eq(count - 1), left.eq(count - 1)]
            with m.Elif(self.step):
                with m.If(self.level == i):
                    m.d.sync += left.eq(left - 1)
                with m.Elif(self.level > i):
                    m.d.sync += left.eq(again)
        return m


class StridedWalk(Component):
    """The sum of origin and iteration x stride over the levels of a LoopNest, wrapping.

    Parameters
    ----------
    width : int
        Bits of the value.
    strided : sequence of int
        Levels with a stride, innermost first; iterations of the others do not move the value.
    levels : int
        Levels of the nest.

    Members
    -------
    start, step, level : In
        As of the nest.
    origin : In(width)
        Value of the first iteration. Used in the cycle of ``start`` only, like the strides.
    stride_i : In(width)
        What an iteration of level ``i`` adds.
    value : Out(width)
    """

    def __init__(self, *, width: int, strided: Sequence[int], levels: int):
        self._width = width
        self._strided = tuple(strided)
        self._levels = levels
        super().__init__(
            {
                "start": In(1),
                "step": In(1),
                "level": In(range(levels)),
                "origin": In(width),
                **{f"stride_{i}": In(width) for i in self._strided},
                "value": Out(width),
            }
        )

    def set_strides(self, strides):
        """Assignments of the strides, a mapping from level to stride."""
        return [getattr(self, f"stride_{i}").eq(stride) for i, stride in strides.items()]

    def elaborate(self, platform):
        m = Module()
        home = Signal(self._width, reset_less=True)
        bases = self._registers("base")
        strides = self._registers("stride")
        base = Signal(self._width)
        stride = Signal(self._width)
        target = Signal(self._width)
        with m.Switch(self.level):
            for level in range(self._levels):
                outer = min((i for i in self._strided if i >= level), default=None)
                with m.Case(level):
                    m.d.comb += base.eq(home if outer is None else bases[outer])
                    if outer == level:
                        m.d.comb += stride.eq(strides[level])
        m.d.comb += [target.eq(base + stride), self.value.eq(bases[self._strided[0]])]
        with m.If(self.start):
            m.d.sync += home.eq(self.origin)
            for i in self._strided:
                m.d.sync += [
                    bases[i].eq(self.origin),
                    strides[i].eq(getattr(self, f"stride_{i}")),
                ]
        with m.Elif(self.step):
            for i in self._strided:
                with m.If(self.level >= i):
                    m.d.sync += bases[i].eq(target)
        return m

    def _registers(self, name):
        return {i: Signal(self._width, name=f"{name}_{i}", reset_less=True) for i in self._strided}
