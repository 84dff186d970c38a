"""Rules T-LD and T-ST of docs/architecture.md, cycle by cycle, for ``cycle_reference``.

``core`` is the machine: cycle ``t``, ``memory``, ``later`` (what happens at the end of the cycle),
``work``, ``count`` and ``retire``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from cycle_memory import Burst
from cycle_ports import SubBanks, sub_banks

from arch import timing
from arch.isa import Buffer, Engine


def cut(core: Any, index: int) -> list[list[list[list[int]]]]:
    """For each run, burst and beat the bytes of the buffer, one by one (T-LD-01, T-ST-01)."""
    ins = core.program[index]
    result = []
    for plane in range(ins.planes):
        for run in range(ins.runs):
            row = index_entry(core, ins.index_address + run) if gathers(ins) else run
            low = ins.dram_address + plane * ins.plane_dram_stride + row * ins.run_dram_stride
            low %= 2**32
            to = ins.buffer_address + plane * ins.plane_buffer_stride + run * ins.run_buffer_stride
            bursts: dict[int, dict[int, list[int]]] = {}
            for byte in range(low, low + ins.run_bytes):
                burst = bursts.setdefault(byte // core.c.burst_bytes, {})
                burst.setdefault(byte // core.c.axi_bytes, []).append(to + byte - low)
            result.append([list(burst.values()) for burst in bursts.values()])
    return result


def gathers(ins: Any) -> bool:
    """I-01; STORE never does."""
    return bool(getattr(ins, "gather", 0))


def index_entry(core: Any, entry: int) -> int:
    """B-09: little-endian."""
    return sum(core.index.get(4 * entry + byte, 0) << 8 * byte for byte in range(4))


def fill_index(core: Any, ins: Any) -> None:
    """I-01, byte by byte, for a LOAD into the index buffer; DRAM beyond what is given is 0."""
    for plane in range(ins.planes):
        for run in range(ins.runs):
            low = ins.dram_address + plane * ins.plane_dram_stride + run * ins.run_dram_stride
            to = ins.buffer_address + plane * ins.plane_buffer_stride + run * ins.run_buffer_stride
            for byte in range(ins.run_bytes):
                known = low + byte < len(core.dram)
                core.index[to + byte] = core.dram[low + byte] if known else 0
            for byte in range(ins.pad_bytes):
                core.index[to + ins.run_bytes + byte] = ins.pad_value


@dataclass
class LoadBurst:
    """What LOAD writes for each beat, padding behind a run included, and what ends with it."""

    writes: list[list[SubBanks]]
    index: int
    ends_run: bool
    ends_instruction: bool


class LoadUnit:
    """Address generator, register stage and padding; ``lookup`` cycles are left of T-LD-07."""

    def __init__(self, core: Any) -> None:
        self.core = core
        self.bursts: deque[LoadBurst] = deque()
        self.open_bursts = self.open_beats = 0
        self.writes: deque[tuple[SubBanks, int]] = deque()
        self.lookup = 0

    def accepts(self, in_flight: int) -> bool:
        """T-LD-02, T-LD-07."""
        head = self.core.program[self.core.units[Engine.LOAD].queue[0]]
        if gathers(head) and in_flight > 0:
            return False
        return not self.bursts and in_flight < timing.DMA_INSTRUCTIONS_IN_FLIGHT

    def begin(self, index: int) -> None:
        ins = self.core.program[index]
        if ins.buffer == Buffer.INDEX:
            fill_index(self.core, ins)
        self.lookup = timing.GATHER_CYCLES if gathers(ins) else 0
        runs = cut(self.core, index)
        for r, run in enumerate(runs):
            for b, burst in enumerate(run):
                ends_run = b == len(run) - 1
                ends = ends_run and r == len(runs) - 1
                pieces = [[beat] for beat in burst]
                if ends_run:
                    pieces[-1] += self.padding(ins, burst[-1][-1] + 1)
                writes = [[sub_banks(self.core.c, p, ins.buffer) for p in beat] for beat in pieces]
                self.bursts.append(LoadBurst(writes, index, ends_run, ends))

    def padding(self, ins: Any, first: int) -> list[list[int]]:
        """T-LD-05: its bytes from ``first`` on, a beat's worth at a time."""
        end, width = first + ins.pad_bytes, self.core.c.axi_bytes
        return [list(range(low, min(low + width, end))) for low in range(first, end, width)]

    def step(self, fetching: bool) -> None:
        """T-LD-04 to T-LD-06: the write of this cycle, last in the order of B-04, then R."""
        self.request(fetching)
        if self.writes:
            wanted, index = self.writes[0]
            if wanted & self.core.vector_writes.get(self.core.t, frozenset()):
                self.core.wait_port(Engine.LOAD)
            else:
                self.writes.popleft()
                self.core.work(Engine.LOAD)
                if index >= 0:
                    self.core.retire(Engine.LOAD, index)
        self.core.receive(not self.writes)

    def request(self, fetching: bool) -> None:
        """T-LD-03, T-LD-07, and fetch goes first (T-DRAM-01)."""
        if self.lookup:
            self.lookup -= 1
            return
        room = self.open_bursts < self.core.c.max_outstanding_reads
        if fetching or not room or self.open_beats >= self.core.c.read_window_beats:
            return
        if self.bursts:
            self.core.work(Engine.LOAD)
            burst = Burst("load", len(self.bursts[0].writes), self.bursts[0])
            self.core.memory.accept(self.core.t, burst)
            self.core.count("load_bursts")
            self.core.later.append(self.requested)

    def requested(self) -> None:
        burst = self.bursts.popleft()
        if burst.ends_run and gathers(self.core.program[burst.index]):
            self.lookup = timing.GATHER_CYCLES
        self.open_bursts += 1
        self.open_beats += len(burst.writes)

    def take(self, burst: Burst, beat: int) -> None:
        """T-LD-04: a beat enters the register stage, padding is to follow."""
        load: LoadBurst = burst.tag
        last = beat == burst.beats - 1
        self.writes.extend((wanted, -1) for wanted in load.writes[beat])
        if last and load.ends_run:
            ins = self.core.program[load.index]
            self.core.count("load_bytes", ins.run_bytes)
            self.core.count("pad_bytes", ins.pad_bytes)
        if last and load.ends_instruction:
            self.writes.append((self.writes.pop()[0], load.index))
        self.core.later.append(lambda: self.taken(last))

    def taken(self, last: bool) -> None:
        self.open_beats -= 1
        self.open_bursts -= last


class StoreUnit:
    """Beat generator, FIFO, address queue."""

    def __init__(self, core: Any) -> None:
        self.core = core
        self.beats: deque[tuple[int, int, bool, bool, SubBanks]] = deque()
        self.fifo: deque[int] = deque()
        self.addresses: deque[tuple[int, int, int, bool]] = deque()
        self.open_bursts = 0

    def accepts(self, in_flight: int) -> bool:
        """T-ST-02."""
        return not self.beats and in_flight < timing.DMA_INSTRUCTIONS_IN_FLIGHT

    def begin(self, index: int) -> None:
        runs = cut(self.core, index)
        for r, run in enumerate(runs):
            for b, burst in enumerate(run):
                ends = b == len(run) - 1 and r == len(runs) - 1
                for beat, addresses in enumerate(burst):
                    wanted = sub_banks(self.core.c, addresses)
                    self.beats.append((index, len(burst), beat == 0, ends, wanted))

    def step(self) -> None:
        """T-ST-03, T-ST-04; last in the order of B-04."""
        t, later = self.core.t, self.core.later
        delay = timing.STORE_READ_TO_WRITE_CYCLES
        can_read = bool(self.beats) and len(self.fifo) < timing.WRITE_FIFO_BEATS
        sends = bool(self.fifo) and t >= self.fifo[0] + delay and self.core.memory.write_ready(t)
        if self.addresses and self.open_bursts < self.core.c.max_outstanding_writes:
            read, index, beats, ends = self.addresses[0]
            if t >= read + delay:
                burst = Burst("store", beats, (index, ends))
                later.append(lambda: self.address(burst))
        if can_read and self.beats[0][4] & self.core.asked:
            self.core.wait_port(Engine.STORE)
        elif can_read:
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
        index, beats, first, ends, _ = self.beats.popleft()
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
