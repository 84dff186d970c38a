"""Control: from the program in DRAM to instructions at their engines, and who waits for whom."""

from amaranth.hdl import Cat, Module, Mux
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from arch.config import Config
from arch.isa import Engine, ErrorCode
from arch.registers import register_map
from arch.timing import DMA_INSTRUCTIONS_IN_FLIGHT
from hdl.frontend import FrontEnd
from hdl.issue import IssueUnit
from hdl.ledger import Ledger
from hdl.ports import (
    BURST_REQUEST,
    CYCLE_BITS,
    INDEX_BITS,
    EngineStatus,
    Fault,
    Issue,
    Retirement,
    read_beat_layout,
)
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
    start, address, length, request, beats, dispatched, idle
        Of FrontEnd.
    halt : In(1)
        Dispatch and issue nothing, and ask for nothing further (E-08).
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
    faults : Out(Fault()).array(5)
        Of the semaphores by producer (E-04), then of the front end; they count in a run only.
    progress : Out(1)
        An instruction is dispatched, issued or retired, or an engine is working (E-06).
    oldest : Out(32)
        Least index of the instructions in a queue, in flight, or next to be dispatched (E-06).
    """

    def __init__(self, config: Config):
        self._config = config
        states = register_map().ledger_states
        super().__init__(
            {
                "start": In(1),
                "address": In(32),
                "length": In(INDEX_BITS),
                "halt": In(1),
                "request": Out(stream.Signature(BURST_REQUEST)),
                "beats": In(stream.Signature(read_beat_layout(axi_bytes=config.axi_bytes))),
                "dispatched": Out(1),
                "idle": Out(1),
                "cycle": In(CYCLE_BITS),
                "issue": Out(Issue()).array(len(Engine)),
                "status": In(EngineStatus()).array(len(Engine)),
                "retired": Out(Retirement()).array(len(Engine)),
                **{f"ledger_{e.name.lower()}": Out(len(states[e])) for e in Engine},
                "drained": Out(1),
                "faults": Out(Fault()).array(len(Engine) + 1),
                "progress": Out(1),
                "oldest": Out(INDEX_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.front_end = front_end = FrontEnd(self._config)
        m.submodules.semaphores = semaphores = Semaphores()
        m.d.comb += [
            front_end.start.eq(self.start),
            front_end.address.eq(self.address),
            front_end.length.eq(self.length),
            front_end.halt.eq(self.halt),
            self.dispatched.eq(front_end.dispatched),
            self.idle.eq(front_end.idle),
            semaphores.clear.eq(self.start),
        ]
        wiring.connect(m, wiring.flipped(self.request), front_end.request)
        wiring.connect(m, wiring.flipped(self.beats), front_end.beats)

        units = {engine: self._engine(m, engine, front_end, semaphores) for engine in Engine}
        self._report(m, front_end, semaphores, units)
        return m

    def _engine(self, m, engine, front_end, semaphores):
        """Queue and ledger of one engine."""
        name = engine.name.lower()
        unit = IssueUnit(
            engine=engine, queue_depth=self._config.queue_depth, in_flight=IN_FLIGHT[engine]
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
            unit.halt.eq(self.halt),
            unit.cycle.eq(self.cycle),
            ledger.waiting.eq(unit.waiting),
            ledger.lacks.eq(unit.semaphores.lacks),
            ledger.ended.eq(front_end.ended),
            getattr(self, f"ledger_{name}").eq(ledger.state),
        ]
        return unit

    def _report(self, m, front_end, semaphores, units):
        """The end of the program, errors, progress, and whom to blame for a lack of it."""
        for engine, unit in units.items():
            m.d.comb += [
                self.faults[engine].valid.eq(semaphores.overflow[engine]),
                self.faults[engine].code.eq(ErrorCode.SEMAPHORE_OVERFLOW),
                self.faults[engine].instruction.eq(unit.retired.instruction),
            ]
        wiring.connect(m, front_end.fault, wiring.flipped(self.faults[len(Engine)]))

        pending = []
        events = [front_end.dispatched]
        oldest = front_end.index
        for engine, unit in units.items():
            status = self.status[engine]
            pending += [unit.waiting, status.in_flight]
            events += [status.retire, status.working, unit.issue.valid & unit.issue.ready]
            oldest = Mux(unit.busy & (unit.oldest < oldest), unit.oldest, oldest)
        m.d.comb += [
            self.drained.eq(front_end.ended & front_end.idle & ~Cat(pending).any()),
            self.progress.eq(Cat(events).any()),
            self.oldest.eq(oldest),
        ]
