"""Rules T-DRAM of docs/architecture.md, cycle by cycle, for ``cycle_reference``."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from arch.config import Config


@dataclass
class Burst:
    """A burst in the memory, read or write, with the requester's own ``tag``."""

    owner: str
    beats: int
    tag: Any = None
    accepted: int = 0
    served: int | None = None
    done: int = 0
    last_done: int = 0


class Memory:
    """T-DRAM: a queue of bursts, one server, R and B channels."""

    def __init__(self, config: Config) -> None:
        self.c = config
        self.waiting: deque[Burst] = deque()
        self.current: Burst | None = None
        self.free = 0
        self.reads: deque[tuple[int, Burst, int]] = deque()
        self.responses: deque[tuple[int, Burst]] = deque()

    def offset(self, beat: int) -> int:
        return beat * self.c.axi_bytes // self.c.dram_bytes_per_cycle

    def accept(self, t: int, burst: Burst) -> None:
        burst.accepted = t
        self.waiting.append(burst)

    def begin_cycle(self, t: int) -> None:
        burst = self.current
        if burst and t >= self.free and (burst.owner != "store" or burst.done == burst.beats):
            self.current = None
        if self.current is None and self.waiting and self.waiting[0].accepted < t:
            burst = self.current = self.waiting.popleft()
            burst.served = t
            self.free = t - (-burst.beats * self.c.axi_bytes // self.c.dram_bytes_per_cycle)
            if burst.owner != "store":
                for i in range(burst.beats):
                    at = t - 1 + self.c.dram_latency_cycles + self.offset(i)
                    self.reads.append((at, burst, i))

    def write_ready(self, t: int) -> bool:
        burst = self.current
        if burst is None or burst.owner != "store" or burst.done == burst.beats:
            return False
        return t >= burst.served + self.offset(burst.done)

    def write_beat(self, t: int) -> None:
        burst = self.current
        assert burst is not None
        burst.done += 1
        if burst.done == burst.beats:
            self.free = max(self.free, t + 1)
            self.responses.append((t + self.c.dram_latency_cycles, burst))
