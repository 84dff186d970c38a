"""The front end: fetch in bursts, dispatch in program order."""

from __future__ import annotations

from collections.abc import Sequence

from arch.config import Config
from arch.isa import INSTRUCTION_BYTES, Instruction
from arch.timing import FETCH_BURST_INSTRUCTIONS, FETCH_TO_DISPATCH_CYCLES, PREFETCH_INSTRUCTIONS
from model.dram import Dram, ReadBurst
from model.kernel import NEVER, Sequencer


class Frontend:
    """Fetches the program and dispatches it to the queues of ``engines``, indexed by Engine.

    Attributes
    ----------
    address_cycle
        Cycle in which the next request is on AR, ``NEVER`` while none can be.
    end_cycle
        Cycle in which END was dispatched, None before that is known.
    """

    def __init__(
        self,
        program: Sequence[Instruction],
        engines: Sequence[Sequencer],
        dram: Dram,
        config: Config,
    ) -> None:
        self.address_cycle = NEVER
        self.end_cycle: int | None = None
        self._program = program
        self._engines = engines
        self._dram = dram
        self._axi_bytes = config.axi_bytes
        self._queue_depth = config.queue_depth
        self._arrived: list[int] = []
        self._dispatched: list[int] = []
        self._requested = 0
        self._addresses: list[int] = []
        self._bursts: list[ReadBurst] = []
        self._schedule()

    def request(self) -> None:
        """Hand over the next request on AR: a few whole instructions (T-FE-01)."""
        count = min(FETCH_BURST_INSTRUCTIONS, len(self._program) - self._requested)
        beats = count * INSTRUCTION_BYTES // self._axi_bytes
        self._dram.read(self.address_cycle, beats, self._receive)
        self._addresses.append(self.address_cycle)
        self._requested += count
        self._schedule()

    def _receive(self, ready: int, start: int) -> int:
        """Note when the instructions of the next burst arrive; the last of them is returned."""
        first = len(self._arrived)
        count = min(FETCH_BURST_INSTRUCTIONS, len(self._program) - first)
        burst = self._dram.burst(ready, start, count * INSTRUCTION_BYTES // self._axi_bytes)
        self._bursts.append(burst)
        for instruction in range(1, count + 1):
            beat = instruction * INSTRUCTION_BYTES // self._axi_bytes - 1
            self._arrived.append(self._dram.taken(burst, beat))
        return burst.last

    def advance(self) -> bool:
        """Dispatch what is known to dispatch (T-FE-03); whether anything was."""
        before = len(self._dispatched)
        while self.end_cycle is None and len(self._dispatched) < len(self._arrived):
            index = len(self._dispatched)
            cycle = self._arrived[index] + FETCH_TO_DISPATCH_CYCLES
            if index:
                cycle = max(cycle, self._dispatched[-1] + 1)
            instruction = self._program[index]
            if instruction.engine is None:
                self.end_cycle = cycle
            else:
                engine = self._engines[instruction.engine]
                leaver = len(engine.queued) - self._queue_depth
                if leaver >= len(engine.starts):
                    break
                if leaver >= 0:
                    cycle = max(cycle, engine.starts[leaver] + 1)
                engine.enqueue(cycle, index, instruction)
            self._dispatched.append(cycle)
        if len(self._dispatched) == before:
            return False
        self._schedule()
        return True

    def counters(self, cycles: int) -> dict[str, int]:
        """Counters of fetch and dispatch; what lies behind END may arrive after the run."""
        return {
            "instructions": len(self._dispatched),
            "fetch_bursts": sum(address < cycles for address in self._addresses),
            "fetch_beats": sum(
                self._dram.taken(burst, beat) < cycles
                for burst in self._bursts
                for beat in range(burst.beats)
            ),
        }

    def _schedule(self) -> None:
        """Find when the next request is on AR (T-FE-02)."""
        burst = min(FETCH_BURST_INSTRUCTIONS, len(self._program) - self._requested)
        needed = self._requested + burst - PREFETCH_INSTRUCTIONS
        if burst == 0 or needed > len(self._dispatched):
            self.address_cycle = NEVER
            return
        self.address_cycle = self._addresses[-1] + 1 if self._addresses else 1
        if needed > 0:
            self.address_cycle = max(self.address_cycle, self._dispatched[needed - 1] + 1)
