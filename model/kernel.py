"""What the engines share: semaphores, and in-order issue and retirement.

Times are propagated, not stepped: a time is computed as soon as everything that it depends on is
known, however far in the future. Only the order of address handshakes on the memory port needs a
clock, and that is kept by :mod:`model.timeline`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from arch.errors import AssayError
from arch.isa import Engine, Instruction
from arch.timing import SEMAPHORE_MAX

NEVER = 1 << 62
"""A cycle that does not come: nothing to present."""

Waits = tuple[int, ...]
"""For each producer, the first cycle in which its semaphore holds the wanted count."""


def count_union(some: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> int:
    """How many cycles are in one or both of two lists, each in order and without repetition."""
    at = np.searchsorted(others, some)
    both = np.append(others, -1)[at] == some
    return len(some) + len(others) - int(np.count_nonzero(both))


class Semaphores:
    """Signals by the cycle in which they were given; the n-th wanted is the n-th given (D-03)."""

    def __init__(self) -> None:
        self._given: list[list[list[int]]] = [[[] for _ in Engine] for _ in Engine]
        self._taken: list[list[list[tuple[int, int]]]] = [[[] for _ in Engine] for _ in Engine]
        self._wanted = [[0 for _ in Engine] for _ in Engine]

    def give(self, producer: Engine, signal: int, cycle: int) -> None:
        """Add one to each consumer in the bit mask ``signal`` at the end of ``cycle``."""
        for consumer, given in enumerate(self._given[producer]):
            if signal >> consumer & 1:
                given.append(cycle)

    def ready(self, consumer: Engine, counts: tuple[int, ...]) -> Waits | None:
        """When each producer has given what is wanted next; None if that is not known yet.

        A signal given in cycle e satisfies a wait from e+1 on (T-SEM-02).
        """
        ready = []
        for producer, count in enumerate(counts):
            given = self._given[producer][consumer]
            wanted = self._wanted[producer][consumer] + count
            if count and wanted > len(given):
                return None
            ready.append(given[wanted - 1] + 1 if count else 0)
        return tuple(ready)

    def take(self, consumer: Engine, counts: tuple[int, ...], cycle: int) -> None:
        """Take the counts at the end of ``cycle`` (T-SEM-01)."""
        for producer, count in enumerate(counts):
            if count:
                self._wanted[producer][consumer] += count
                self._taken[producer][consumer].append((cycle, count))

    def missing(self, consumer: Engine, counts: tuple[int, ...]) -> tuple[Engine, int, int]:
        """The first unsatisfied producer, what it gave beyond earlier waits, what is wanted."""
        for producer in Engine:
            left = len(self._given[producer][consumer]) - self._wanted[producer][consumer]
            if counts[producer] > left:
                return producer, left, counts[producer]
        raise AssertionError("every wait is satisfied")

    def check_limit(self) -> None:
        """Refuse a run in which a semaphore would exceed its range (T-SEM-03)."""
        for producer in Engine:
            for consumer in Engine:
                changes = [(cycle, 1) for cycle in self._given[producer][consumer]]
                changes += [(cycle, -count) for cycle, count in self._taken[producer][consumer]]
                levels = accumulate(change for _, change in sorted(changes))
                if max(levels, default=0) > SEMAPHORE_MAX:
                    raise AssayError(
                        f"the semaphore from {producer.name} to {consumer.name} exceeds "
                        f"{SEMAPHORE_MAX}: wait for signals earlier, or give fewer"
                    )


class Sequencer(ABC):
    """One engine: takes instructions in order, issues and retires them in order.

    Attributes
    ----------
    engine
        Which one it is.
    indices, queued
        For each instruction dispatched to it: its index in the program, and the first cycle in
        which it is in the queue.
    starts, ends
        Cycles of issue and of retirement, as far as they are known.
    accepted, waits
        For each instruction issued, the first cycle in which the engine accepted it, and when each
        producer satisfied it.
    """

    def __init__(self, engine: Engine, semaphores: Semaphores) -> None:
        self.engine = engine
        self.indices: list[int] = []
        self.queued: list[int] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.accepted: list[int] = []
        self.waits: list[Waits] = []
        self._semaphores = semaphores
        self._instructions: list[Instruction] = []

    @abstractmethod
    def accepts_from(self) -> int | None:
        """First cycle, after the last issue, in which ``head`` is accepted; None if not known."""

    @abstractmethod
    def begin(self, cycle: int, instruction: Instruction) -> None:
        """Take up an instruction issued in ``cycle``."""

    @abstractmethod
    def counters(self) -> dict[str, int]:
        """The counters of docs/architecture.md, section 8, that belong to this engine."""

    @abstractmethod
    def working_cycles(self) -> int:
        """Cycles of the state ``working`` of the ledger."""

    def port_cycles(self) -> int:
        """Cycles of the state ``wait_port`` of the ledger, where the model knows conflicts."""
        return 0

    def enqueue(self, cycle: int, index: int, instruction: Instruction) -> None:
        """Receive an instruction dispatched in ``cycle``; it is in the queue from the next on."""
        self.indices.append(index)
        self.queued.append(cycle + 1)
        self._instructions.append(instruction)

    @property
    def head(self) -> Instruction:
        """The next instruction to issue; there is one."""
        return self._instructions[len(self.starts)]

    def stuck(self) -> tuple[int, Instruction] | None:
        """Index and instruction of the queue's head, if there is one."""
        head = len(self.starts)
        return (self.indices[head], self._instructions[head]) if head < len(self.indices) else None

    def advance(self) -> bool:
        """Issue what is known to issue, whenever that is (T-SEM-01); whether anything was."""
        first = head = len(self.starts)
        while head < len(self._instructions):
            accepts = self.accepts_from()
            if accepts is None:
                break
            instruction = self._instructions[head]
            ready = self._semaphores.ready(self.engine, instruction.waits)
            if ready is None:
                break
            cycle = max(self.queued[head], accepts, *ready)
            self._semaphores.take(self.engine, instruction.waits, cycle)
            self.starts.append(cycle)
            self.accepted.append(accepts)
            self.waits.append(ready)
            self.begin(cycle, instruction)
            head += 1
        return head > first

    def retire(self, cycle: int) -> None:
        """Retire the oldest instruction in flight in ``cycle`` (T-SEM-02)."""
        signal = self._instructions[len(self.ends)].signal
        self.ends.append(cycle)
        if signal:
            self._semaphores.give(self.engine, signal, cycle)
