"""LOAD: requests under a window; what they bring is written as in :mod:`model.load_writes`."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator

import numpy as np

from arch.config import Config
from arch.isa import Buffer, Engine, Instruction, Load
from arch.timing import GATHER_CYCLES
from model.beat_masks import WriteMasks
from model.dma import cut, slot_free_from
from model.dram import Dram
from model.indices import IndexBuffer
from model.kernel import NEVER, Semaphores, Sequencer, count_union
from model.load_writes import LoadBurst, LoadWrites
from model.sub_banks import SubBanks
from model.vector import VectorEngine
from model.vector_writes import BUFFERS


class LoadEngine(Sequencer):
    """One address handshake an event; beats are decided by the burst.

    Attributes
    ----------
    address_cycle
        Cycle in which the next burst is presented on AR, ``NEVER`` while there is none or that is
        not known.
    undecided_cycle
        Before this cycle nothing follows from beats that are not decided; ``NEVER`` while none is.
    """

    def __init__(
        self,
        semaphores: Semaphores,
        dram: Dram,
        config: Config,
        indices: IndexBuffer,
        vector: VectorEngine,
        contended: Container[Buffer],
    ) -> None:
        """Make the engine; ``contended`` are the buffers that VECTOR writes at all."""
        super().__init__(Engine.LOAD, semaphores)
        self.address_cycle = NEVER
        self.undecided_cycle = NEVER
        self._dram = dram
        self._indices = indices
        self._config = config
        self._sub_banks = {
            buffer: SubBanks(config, buffer) for buffer in BUFFERS.values() if buffer in contended
        }
        self._vector = vector
        self._writes = LoadWrites(config, vector)
        self._max_outstanding_reads = config.max_outstanding_reads
        self._read_window_beats = config.read_window_beats
        self._stale = False
        self._generator_free: int | None = 0
        self._bursts: Iterator[LoadBurst] = iter(())
        self._burst: LoadBurst | None = None
        self._burst_from = 0
        self._run_gap = 0
        self._requested: deque[LoadBurst] = deque()
        self._addresses: list[int] = []
        self._lasts: list[int] = []
        self._beats = 0
        self._data_bytes = 0
        self._padding_bytes = 0

    def accepts_from(self) -> int | None:
        """T-LD-02: the generator is free, and few enough are in flight; T-LD-07: none."""
        assert isinstance(self.head, Load)
        if self.head.gather and self.starts:
            return self.ends[-1] + 1 if len(self.ends) == len(self.starts) else None
        slot = slot_free_from(len(self.starts), self.ends)
        if self._generator_free is None or slot is None:
            return None
        return max(self._generator_free, slot)

    def begin(self, cycle: int, instruction: Instruction) -> None:
        assert isinstance(instruction, Load)
        runs = instruction.runs * instruction.planes
        self._data_bytes += runs * instruction.run_bytes
        self._padding_bytes += runs * instruction.pad_bytes
        self._generator_free = None
        # T-LD-07: the number of each run is looked up in front of its first burst.
        self._run_gap = GATHER_CYCLES if instruction.gather else 0
        self._bursts = self._cut(instruction)
        self._burst, self._burst_from = next(self._bursts), cycle + 1 + self._run_gap
        self._stale = True
        if instruction.buffer == Buffer.INDEX:
            self._indices.fill(instruction)

    def _cut(self, load: Load) -> Iterator[LoadBurst]:
        buffer = Buffer(load.buffer)
        rows = self._indices.rows(load) if load.gather else None
        sub_banks = self._sub_banks.get(buffer)
        masks = None if sub_banks is None else WriteMasks(load, self._config, sub_banks, rows)
        padding = -(-load.pad_bytes // self._config.axi_bytes)
        runs = load.runs * load.planes
        first = run = 0
        for beats, ends_run in cut(load, self._config, rows):
            if ends_run:
                yield LoadBurst(buffer, first, beats, padding, run, run == runs - 1, masks)
                run += 1
            else:
                yield LoadBurst(buffer, first, beats, 0, None, False, masks)
            first += beats

    def proceed(self, until: int) -> bool:
        """Present bursts before, and decide beats up to, the cycle ``until``.

        VECTOR's reads up to that cycle are known, and so is what it writes a pipeline later, but
        for what follows from the beats themselves.
        Returns whether anything follows outside LOAD; if so, it stops there.
        """
        while True:
            self.refresh()
            address, undecided = self.address_cycle, self.undecided_cycle
            if undecided <= min(address, until) and undecided != NEVER:
                follows = self._decide_beats(min(address, until, undecided))
            elif address < until:
                follows = self.request()
            else:
                return False
            if follows:
                return True

    def request(self) -> bool:
        """Hand over the burst on AR; whether anything follows outside LOAD.

        Within an instruction nothing depends on the handshake of a burst.
        """
        assert self._burst is not None, "only what is presented is handed over"
        cycle, burst = self.address_cycle, self._burst
        self._beats += burst.beats
        self._requested.append(burst)
        self._addresses.append(cycle)
        self._burst = next(self._bursts, None)
        self._burst_from = cycle + 1 + (0 if burst.ended_run is None else self._run_gap)
        self.address_cycle = NEVER
        retired = len(self.ends)
        self._stale = True
        self._dram.read(cycle, burst.beats, self._receive)
        if burst.ends:
            self._generator_free = cycle + 1
        return burst.ends or len(self.ends) > retired

    def _receive(self, ready: int, start: int) -> int | None:
        """Follow the beats of the oldest burst not yet on R; when its last one is taken."""
        self._stale = True
        if self._writes.add(self._requested.popleft(), ready, start):
            return self._decide(NEVER)
        return None

    def _decide_beats(self, until: int) -> bool:
        """Decide beats of the oldest burst; whether anything follows outside LOAD."""
        retired = len(self.ends)
        last = self._decide(self._vector.writes_known_until(until))
        known = last is not None and self._dram.read_on(last)
        return known or len(self.ends) > retired

    def _decide(self, horizon: int) -> int | None:
        """Decide writes of the oldest burst; when its last beat is taken, if that became known."""
        taken, retired = self._writes.decide(horizon)
        if taken is not None:
            self._lasts.append(taken)
        if retired is not None:
            self.retire(retired)
        self._stale = True
        return taken

    def refresh(self) -> None:
        """Bring ``address_cycle`` and ``undecided_cycle`` up to what is known."""
        if not self._stale:
            return
        self._stale = False
        if self.address_cycle == NEVER:
            self.address_cycle = self._next_address()
        waits = self._burst is not None and self.address_cycle == NEVER
        wanted = self._beats - self._read_window_beats if waits else -1
        self.undecided_cycle = self._writes.known_from(wanted)

    def _next_address(self) -> int:
        """First cycle in which the limits let the next burst on AR, if known (T-LD-03)."""
        oldest = len(self._addresses) - self._max_outstanding_reads
        beat = self._beats - self._read_window_beats
        if self._burst is None or oldest >= len(self._lasts) or beat >= self._writes.beats:
            return NEVER
        cycle = self._burst_from
        if oldest >= 0:
            cycle = max(cycle, self._lasts[oldest] + 1)
        if beat >= 0:
            cycle = max(cycle, self._writes.taken(beat) + 1)
        return cycle

    def counters(self) -> dict[str, int]:
        return {
            "load_instructions": len(self.ends),
            "load_bursts": len(self._addresses),
            "load_beats": self._beats,
            "load_bytes": self._data_bytes,
            "pad_bytes": self._padding_bytes,
        }

    def working_cycles(self) -> int:
        """Address handshakes and buffer writes, less the cycles that have both."""
        return count_union(np.array(self._addresses, np.int64), self._writes.written_cycles())

    def port_cycles(self) -> int:
        """Denied writes, but for those in the cycle of an address handshake."""
        return len(np.setdiff1d(self._writes.denied_cycles(), self._addresses, assume_unique=True))
