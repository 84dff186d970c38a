"""Watchdog: cycles in a row in which nothing happened (E-06, E-08)."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

LIMIT_BITS = 32


class Watchdog(wiring.Component):
    """Expires in the last of ``limit`` consecutive cycles without progress, and counts anew.

    Members
    -------
    limit : In(32)
        0: never.
    enable : In(1)
        Cycles without it do not count, and end the row.
    progress : In(1)
    restart : In(1)
        The row ends with this cycle, whether it had progress or not.
    expired : Out(1)
    """

    def __init__(self):
        super().__init__(
            {
                "limit": In(LIMIT_BITS),
                "enable": In(1),
                "progress": In(1),
                "restart": In(1),
                "expired": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        before = Signal(LIMIT_BITS)
        counts = Signal()
        m.d.comb += [
            counts.eq(self.enable & ~self.progress & (self.limit != 0)),
            self.expired.eq(counts & (before + 1 >= self.limit)),
        ]
        m.d.sync += before.eq(Mux(counts & ~self.expired & ~self.restart, before + 1, 0))
        return m
