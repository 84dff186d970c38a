"""Semaphores: one for each ordered pair of different engines (D-03, rules T-SEM, E-04)."""

import itertools

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, Signature
from amaranth.utils import bits_for

from arch.isa import Engine
from arch.timing import SEMAPHORE_MAX

COUNTS = data.ArrayLayout(bits_for(SEMAPHORE_MAX), len(Engine))
"""A count for each producer, by Engine."""


class SemaphorePort(Signature):
    """What an engine asks of the semaphores.

    Members
    -------
    wants : Out(COUNTS)
        Counts wanted from each producer.
    lacks : In(4)
        Producers whose semaphore does not hold the count wanted, by the state at the start of the
        cycle.
    take : Out(1)
        Take the counts wanted; only while nothing lacks.
    signal : Out(4)
        Engines whose semaphore of this producer is raised in this cycle.
    """

    def __init__(self):
        super().__init__(
            {
                "wants": Out(COUNTS),
                "lacks": In(len(Engine)),
                "take": Out(1),
                "signal": Out(len(Engine)),
            }
        )


class Semaphores(wiring.Component):
    """The twelve counts; they hold at SEMAPHORE_MAX (T-SEM-03).

    Members
    -------
    clear : In(1)
        Set all counts to zero.
    engine : In(SemaphorePort()).array(4)
        By Engine; as consumer (``wants``, ``lacks``, ``take``) and as producer (``signal``).
    overflow : Out(4)
        Producers, by Engine, that raise a semaphore that holds SEMAPHORE_MAX and of which nothing
        is taken in this cycle; it keeps its count (E-04).
    """

    def __init__(self):
        super().__init__(
            {
                "clear": In(1),
                "engine": In(SemaphorePort()).array(len(Engine)),
                "overflow": Out(len(Engine)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        overflows = {producer: [] for producer in Engine}
        for producer, consumer in itertools.permutations(Engine, 2):
            port = self.engine[consumer]
            raised = self.engine[producer].signal[consumer]
            wanted = port.wants[producer]
            count = Signal(
                range(SEMAPHORE_MAX + 1), name=f"{producer.name}_to_{consumer.name}".lower()
            )
            full = count == SEMAPHORE_MAX
            taken = port.take & (wanted != 0)
            overflows[producer].append(raised & full & ~taken)
            m.d.comb += port.lacks[producer].eq(count < wanted)
            with m.If(self.clear):
                m.d.sync += count.eq(0)
            with m.Elif(taken):
                m.d.sync += count.eq(count - wanted + raised)
            with m.Elif(raised & ~full):
                m.d.sync += count.eq(count + 1)
        m.d.comb += [
            self.overflow[producer].eq(Cat(each).any()) for producer, each in overflows.items()
        ]
        return m
