"""The ledger: the one state an engine is in, in every cycle (section 7 of docs/architecture.md)."""

from amaranth.hdl import Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from arch.isa import Engine
from arch.registers import register_map
from hdl.ports import EngineStatus


class Ledger(wiring.Component):
    """Decides the state: the first that applies, in the order of the register map.

    Parameters
    ----------
    engine : Engine

    Members
    -------
    status : In(EngineStatus())
    waiting : In(1)
        An instruction is in the queue.
    lacks : In(4)
        Producers whose signals the queue's head waits for, by Engine.
    ended : In(1)
        END has been dispatched.
    state : Out(number of states)
        One bit for each state, exactly one set (L-01).
    """

    def __init__(self, *, engine: Engine):
        self._states = register_map().ledger_states[engine]
        super().__init__(
            {
                "status": In(EngineStatus()),
                "waiting": In(1),
                "lacks": In(len(Engine)),
                "ended": In(1),
                "state": Out(len(self._states)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        applies = {
            "working": self.status.working,
            "wait_port": self.status.wait_port,
            "wait_memory": self.status.in_flight,
            "fill": self.status.in_flight,
            "done": ~self.waiting & self.ended,
            "idle": Const(1),
        }
        for producer in Engine:
            name = f"wait_{producer.name.lower()}"
            applies[name] = self.waiting & self.lacks[producer]
        decided = Const(0)
        for index, name in enumerate(self._states):
            m.d.comb += self.state[index].eq(applies[name] & ~decided)
            decided_here = Signal(name=f"decided_at_{name}")
            m.d.comb += decided_here.eq(decided | applies[name])
            decided = decided_here
        return m
