"""Rules T-LD and T-ST of docs/architecture.md, cycle by cycle, for ``cycle_reference``.

``core`` is the machine: cycle ``t``, ``memory``, ``later`` (what happens at the end of the cycle),
``work``, ``count`` and ``retire``.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from cycle_memory import Burst

from arch import timing
from arch.isa import Engine


def cut(core: Any, index: int) -> list[list[int]]:
    """For each run, the beats of its bursts, found byte by byte (T-LD-01, T-ST-01)."""
    ins = core.program[index]
    result = []
    for plane in range(ins.planes):
        for run in range(ins.runs):
            low = ins.dram_address + plane * ins.plane_dram_stride + run * ins.run_dram_stride
            beats: dict[int, set[int]] = {}
            for byte in range(low, low + ins.run_bytes):
                block = byte // core.c.burst_bytes
                beats.setdefault(block, set()).add(byte // core.c.axi_bytes)
            result.append([len(beats[block]) for block in sorted(beats)])
    return result


class LoadUnit:
    """Address generator, register stage, padding."""

    def __init__(self, core: Any) -> None:
        self.core = core
        self.bursts: deque[tuple[int, int, bool]] = deque()
        self.open_bursts = self.open_beats = 0
        self.stage: tuple[int, int, bool] | None = None
        self.pad = 0
        self.pad_of = (0, False)

    def accepts(self, in_flight: int) -> bool:
        """T-LD-02."""
        return not self.bursts and in_flight < timing.DMA_INSTRUCTIONS_IN_FLIGHT

    def begin(self, index: int) -> None:
        runs = cut(self.core, index)
        for r, run in enumerate(runs):
            for b, beats in enumerate(run):
                ends_run = b == len(run) - 1
                ends = ends_run and r == len(runs) - 1
                self.bursts.append((beats, index if ends_run else -1, ends))

    def step(self, fetching: bool) -> None:
        """T-LD-05, T-LD-06: writes of this cycle, then what R brings."""
        self.request(fetching)
        ready = not (self.stage and self.stage[1]) and self.pad <= 1
        if self.stage or self.pad:
            self.core.work(Engine.LOAD)
        if self.stage:
            index, pads, ends = self.stage
            self.stage = None
            if pads:
                self.pad, self.pad_of = pads, (index, ends)
            elif ends:
                self.core.retire(Engine.LOAD, index)
        elif self.pad:
            self.pad -= 1
            if self.pad == 0 and self.pad_of[1]:
                self.core.retire(Engine.LOAD, self.pad_of[0])
        self.core.receive(ready)

    def request(self, fetching: bool) -> None:
        """T-LD-03, and fetch goes first (T-DRAM-01)."""
        room = self.open_bursts < self.core.c.max_outstanding_reads
        if fetching or not room or self.open_beats >= self.core.c.read_window_beats:
            return
        if self.bursts:
            self.core.work(Engine.LOAD)
            beats, index, ends = self.bursts[0]
            self.core.memory.accept(self.core.t, Burst("load", beats, (index, ends)))
            self.core.count("load_bursts")
            self.core.later.append(lambda: self.requested(beats))

    def requested(self, beats: int) -> None:
        self.bursts.popleft()
        self.open_bursts += 1
        self.open_beats += beats

    def take(self, burst: Burst, beat: int) -> None:
        """T-LD-04: a beat enters the register stage."""
        index, ends = burst.tag
        last = beat == burst.beats - 1
        pads = 0
        if last and index >= 0:
            ins = self.core.program[index]
            pads = -(-ins.pad_bytes // self.core.c.axi_bytes)
            self.core.count("load_bytes", ins.run_bytes)
            self.core.count("pad_bytes", ins.pad_bytes)
        self.stage = (index, pads, ends and last)
        self.core.later.append(lambda: self.taken(last))

    def taken(self, last: bool) -> None:
        self.open_beats -= 1
        self.open_bursts -= last


class StoreUnit:
    """Beat generator, FIFO, address queue."""

    def __init__(self, core: Any) -> None:
        self.core = core
        self.beats: deque[tuple[int, int, bool, bool]] = deque()
        self.fifo: deque[int] = deque()
        self.addresses: deque[tuple[int, int, int, bool]] = deque()
        self.open_bursts = 0

    def accepts(self, in_flight: int) -> bool:
        """T-ST-02."""
        return not self.beats and in_flight < timing.DMA_INSTRUCTIONS_IN_FLIGHT

    def begin(self, index: int) -> None:
        runs = cut(self.core, index)
        for r, run in enumerate(runs):
            for b, beats in enumerate(run):
                ends = b == len(run) - 1 and r == len(runs) - 1
                self.beats.append((index, beats, True, ends))
                self.beats.extend((index, beats, False, ends) for _ in range(beats - 1))

    def step(self) -> None:
        """T-ST-03, T-ST-04."""
        t, later = self.core.t, self.core.later
        delay = timing.STORE_READ_TO_WRITE_CYCLES
        can_read = bool(self.beats) and len(self.fifo) < timing.WRITE_FIFO_BEATS
        sends = bool(self.fifo) and t >= self.fifo[0] + delay and self.core.memory.write_ready(t)
        if self.addresses and self.open_bursts < self.core.c.max_outstanding_writes:
            read, index, beats, ends = self.addresses[0]
            if t >= read + delay:
                burst = Burst("store", beats, (index, ends))
                later.append(lambda: self.address(burst))
        if can_read:
            self.core.work(Engine.STORE)
            later.append(lambda: self.read(t))
        if sends:
            self.core.work(Engine.STORE)
            self.core.count("store_beats")
            self.core.memory.write_beat(t)
            later.append(self.fifo.popleft)

    def address(self, burst: Burst) -> None:
        self.core.memory.accept(self.core.t, burst)
        self.core.count("store_bursts")
        self.addresses.popleft()
        self.open_bursts += 1

    def read(self, t: int) -> None:
        index, beats, first, ends = self.beats.popleft()
        self.fifo.append(t)
        if first:
            self.addresses.append((t, index, beats, ends))

    def respond(self) -> None:
        """T-ST-05."""
        responses = self.core.memory.responses
        if not responses or responses[0][0] > self.core.t:
            return
        index, ends = responses.popleft()[1].tag
        self.core.later.append(lambda: setattr(self, "open_bursts", self.open_bursts - 1))
        if ends:
            ins = self.core.program[index]
            self.core.count("store_bytes", ins.run_bytes * ins.runs * ins.planes)
            self.core.retire(Engine.STORE, index)
