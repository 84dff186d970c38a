"""Control: from the program in DRAM to instructions at their engines, and who waits for whom."""

from amaranth.hdl import Cat, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from arch.config import Config
from arch.isa import Engine
from arch.registers import register_map
from arch.timing import DMA_INSTRUCTIONS_IN_FLIGHT
from hdl.frontend import FrontEnd
from hdl.issue import IssueUnit
from hdl.ledger import Ledger
from hdl.ports import BURST_REQUEST, CYCLE_BITS, INDEX_BITS, EngineStatus, Issue, Retirement
from hdl.semaphores import Semaphores

IN_FLIGHT = {
    Engine.LOAD: DMA_INSTRUCTIONS_IN_FLIGHT,
    # One loads weights, two tiles wait or stream, two more drain: weights take 4 cycles at least.
    Engine.MATRIX: 8,
    Engine.VECTOR: 1,
    Engine.STORE: DMA_INSTRUCTIONS_IN_FLIGHT,
}
"""Instructions issued and not retired, at most."""


class Control(wiring.Component):
    """Front end, queues, semaphores and ledger.

    Parameters
    ----------
    config : Config

    Members
    -------
    start, address, length, request, beats, dispatched
        Of FrontEnd.
    cycle : In(40)
        Number of this cycle.
    issue : Out(Issue()).array(4)
    status : In(EngineStatus()).array(4)
    retired : Out(Retirement()).array(4)
        By Engine.
    ledger_<engine> : Out(number of states)
        One bit for each state of that engine.
    drained : Out(1)
        END was dispatched in an earlier cycle, queues and engines are empty, and no fetch is
        outstanding (T-RUN-02).
    """

    def __init__(self, config: Config):
        self._config = config
        states = register_map().ledger_states
        super().__init__(
            {
                "start": In(1),
                "address": In(32),
                "length": In(INDEX_BITS),
                "request": Out(stream.Signature(BURST_REQUEST)),
                "beats": In(stream.Signature(config.axi_data_bits)),
                "dispatched": Out(1),
                "cycle": In(CYCLE_BITS),
                "issue": Out(Issue()).array(len(Engine)),
                "status": In(EngineStatus()).array(len(Engine)),
                "retired": Out(Retirement()).array(len(Engine)),
                **{f"ledger_{e.name.lower()}": Out(len(states[e])) for e in Engine},
                "drained": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.front_end = front_end = FrontEnd(axi_bytes=self._config.axi_bytes)
        m.submodules.semaphores = semaphores = Semaphores()
        m.d.comb += [
            front_end.start.eq(self.start),
            front_end.address.eq(self.address),
            front_end.length.eq(self.length),
            self.dispatched.eq(front_end.dispatched),
            semaphores.clear.eq(self.start),
        ]
        wiring.connect(m, wiring.flipped(self.request), front_end.request)
        wiring.connect(m, wiring.flipped(self.beats), front_end.beats)

        busy = []
        for engine in Engine:
            name = engine.name.lower()
            unit = IssueUnit(
                engine=engine,
                queue_depth=self._config.queue_depth,
                in_flight=IN_FLIGHT[engine],
            )
            ledger = Ledger(engine=engine)
            m.submodules[f"issue_{name}"] = unit
            m.submodules[f"ledger_{name}"] = ledger
            wiring.connect(m, front_end.queue[engine], unit.i)
            wiring.connect(m, unit.semaphores, semaphores.engine[engine])
            wiring.connect(m, wiring.flipped(self.issue[engine]), unit.issue)
            wiring.connect(m, wiring.flipped(self.status[engine]), unit.status)
            wiring.connect(m, wiring.flipped(self.status[engine]), ledger.status)
            wiring.connect(m, wiring.flipped(self.retired[engine]), unit.retired)
            m.d.comb += [
                unit.cycle.eq(self.cycle),
                ledger.waiting.eq(unit.waiting),
                ledger.lacks.eq(unit.semaphores.lacks),
                ledger.ended.eq(front_end.ended),
                getattr(self, f"ledger_{name}").eq(ledger.state),
            ]
            busy += [unit.waiting, self.status[engine].in_flight]
        m.d.comb += self.drained.eq(front_end.ended & front_end.idle & ~Cat(busy).any())
        return m
