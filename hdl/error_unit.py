"""The end of every run, orderly or not: first error, halt, and soft reset (section 12)."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from arch.isa import INSTRUCTION_BYTES, ErrorCode
from hdl.ports import INDEX_BITS, Fault
from hdl.watchdog import LIMIT_BITS, Watchdog


class ErrorUnit(wiring.Component):
    """Decides in which cycle a run ends, and why.

    A run ends when it has drained (T-RUN-02). An error noticed in cycle e halts it from e+1 on; so
    does ``reset``. A halted run ends when the bus is quiet, or has not moved for ``limit`` cycles
    (E-08). A reset is carried out in one cycle, as soon as nothing runs (E-09).

    Parameters
    ----------
    sources : int
        Where errors may come from.

    Members
    -------
    start : In(1)
        A run begins with the next cycle.
    address : In(32)
        Where its program lies.
    running : In(1)
    reset : In(1)
        A soft reset is asked for.
    faults : In(Fault()).array(sources)
        Of several in one cycle the first counts (E-01). They are looked at in a run only.
    drained : In(1)
        The program is done.
    quiet : In(1)
        Nothing is presented or outstanding on the bus.
    progress : In(1)
        Anything happens that E-06 counts, on the bus or elsewhere.
    handshake : In(1)
        Something moves on the bus.
    oldest : In(32)
        The instruction that the watchdog blames.
    limit : In(32)
        Cycles of the watchdog, 0 for never.
    halt : Out(1)
        Begin nothing. Stays until the soft reset.
    finished : Out(1)
        This is the last cycle of the run.
    completed, failed : Out(1)
        And its program is done, or an error ended it; neither where a reset did.
    error : Out(1)
        The last run was ended by an error.
    code, instruction, instruction_address : Out(ErrorCode), Out(32), Out(32)
        Of the first error, from the cycle after it on.
    bus_stuck : Out(1)
        A run ended with the bus in motion. Cleared when a reset is asked for.
    resetting : Out(1)
        A reset was asked for and is not yet done.
    soft_reset : Out(1)
        Reset everything that E-09 names, at the end of this cycle.
    """

    def __init__(self, *, sources: int):
        super().__init__(
            {
                "start": In(1),
                "address": In(32),
                "running": In(1),
                "reset": In(1),
                "faults": In(Fault()).array(sources),
                "drained": In(1),
                "quiet": In(1),
                "progress": In(1),
                "handshake": In(1),
                "oldest": In(INDEX_BITS),
                "limit": In(LIMIT_BITS),
                "halt": Out(1),
                "finished": Out(1),
                "completed": Out(1),
                "failed": Out(1),
                "error": Out(1),
                "code": Out(ErrorCode),
                "instruction": Out(INDEX_BITS),
                "instruction_address": Out(32),
                "bus_stuck": Out(1),
                "resetting": Out(1),
                "soft_reset": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.watchdog = watchdog = Watchdog()
        noticed, halted = Signal(), Signal()
        m.d.comb += [
            noticed.eq(
                self.running
                & ~self.halt
                & (Cat(fault.valid for fault in self.faults).any() | watchdog.expired)
            ),
            self.completed.eq(self.running & ~self.halt & ~noticed & self.drained),
            halted.eq(self.running & self.halt & (self.quiet | watchdog.expired)),
            self.failed.eq(halted & ~self.resetting),
            self.finished.eq(self.completed | halted),
            self.soft_reset.eq(self.resetting & ~self.running),
            watchdog.limit.eq(self.limit),
            watchdog.enable.eq(self.running),
            # E-06 until the halt, E-08 from then on.
            watchdog.progress.eq(self.handshake | (self.progress & ~self.halt)),
            watchdog.restart.eq(noticed | (self.reset & ~self.halt)),
        ]
        self._latch(m, noticed)
        with m.If(self.soft_reset):
            m.d.sync += [self.halt.eq(0), self.error.eq(0), self.resetting.eq(0)]
        with m.Else():
            with m.If(noticed | self.reset):
                m.d.sync += self.halt.eq(1)
            with m.If(self.failed):
                m.d.sync += self.error.eq(1)
            with m.If(self.reset):
                m.d.sync += self.resetting.eq(1)
        with m.If(halted & ~self.quiet):
            m.d.sync += self.bus_stuck.eq(1)
        with m.Elif(self.reset):
            m.d.sync += self.bus_stuck.eq(0)
        return m

    def _latch(self, m, noticed):
        """Keep code and instruction of the first error of the run (E-01)."""
        program = Signal(32)
        code = Signal(ErrorCode)
        instruction = Signal(INDEX_BITS)
        m.d.comb += [code.eq(ErrorCode.WATCHDOG), instruction.eq(self.oldest)]
        for fault in reversed(self.faults):
            with m.If(fault.valid):
                m.d.comb += [code.eq(fault.code), instruction.eq(fault.instruction)]
        with m.If(self.start):
            m.d.sync += program.eq(self.address)
        with m.If(self.soft_reset):
            m.d.sync += [
                self.code.eq(ErrorCode.NONE),
                self.instruction.eq(0),
                self.instruction_address.eq(0),
            ]
        with m.Elif(noticed):
            m.d.sync += [
                self.code.eq(code),
                self.instruction.eq(instruction),
                self.instruction_address.eq(program + instruction * INSTRUCTION_BYTES),
            ]
