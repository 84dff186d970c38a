"""The timing rules of docs/architecture.md, section 6, cycle by cycle: slow, obvious, for tests.

``run`` steps every register of every engine once a cycle. Decisions of a cycle are taken from the
state at its start; what they change is put off to its end. No closed form, no look-ahead, and
nothing shared with ``model``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from cycle_dma import LoadUnit, StoreUnit
from cycle_memory import Burst, Memory
from cycle_ports import SubBanks, matrix_row, vector_row, vector_write

from arch import timing
from arch.config import Config
from arch.isa import (
    INSTRUCTION_BYTES,
    Engine,
    FillTable,
    Instruction,
    ScaleRows,
    Table,
)
from arch.registers import register_map

IN_FLIGHT_STATE = {
    Engine.LOAD: "wait_memory",
    Engine.MATRIX: "fill",
    Engine.VECTOR: "fill",
    Engine.STORE: "wait_memory",
}

Tile = tuple[int, int, int, bool, tuple[int, int, int, int]]
"""Instruction, weight reads, MACs of a row, whether it is the last one, and (n, ky, kx, t)."""

PIPELINE_CYCLES = {
    "row": timing.VECTOR_PIPELINE_CYCLES,
    "word": timing.TABLE_PIPELINE_CYCLES,
    "statistics": timing.SCALE_PIPELINE_CYCLES,
}


@dataclass
class Outcome:
    """Counters, ledger, and (start, end) of each instruction by its index."""

    counters: dict[str, int]
    ledger: dict[str, dict[str, int]]
    times: dict[int, tuple[int, int]]


@dataclass
class Unit:
    """State that every engine has."""

    queue: deque[int] = field(default_factory=deque)
    flight: deque[int] = field(default_factory=deque)
    worked: bool = False
    denied: bool = False


class Machine:
    """All state of one run; ``dram`` lies there from address 0 on."""

    def __init__(self, program: Sequence[Instruction], config: Config, dram: bytes) -> None:
        self.program, self.c, self.t, self.dram = program, config, 0, dram
        self.index: dict[int, int] = {}
        self.memory = Memory(config)
        self.units = {engine: Unit() for engine in Engine}
        self.semaphores = {(p, c): 0 for p in Engine for c in Engine}
        self.starts: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        self.later: list[Callable[[], None]] = []
        self.requested = self.dispatched = 0
        self.arrived: list[int] = []
        self.end_dispatched = False
        self.load, self.store = LoadUnit(self), StoreUnit(self)
        self.asked: SubBanks = frozenset()
        self.loader: deque[Tile] = deque()
        self.loader_left = 0
        self.reading = False
        self.banks: deque[Tile] = deque()
        self.banks_busy = 0
        self.row_left = 0
        self.drain: deque[tuple[int, int]] = deque()
        self.vector_steps: deque[tuple[str, SubBanks, SubBanks]] = deque()
        self.vector_writes: dict[int, SubBanks] = {}
        self.vector_end: int | None = None
        self.counters = {
            counter.name: 0
            for counter in register_map().counters
            if not counter.name.startswith("ledger_")
        }
        self.ledger = {
            engine.name.lower(): dict.fromkeys(states, 0)
            for engine, states in register_map().ledger_states.items()
        }

    def count(self, name: str, amount: int = 1) -> None:
        self.counters[name] += amount

    def work(self, engine: Engine) -> None:
        self.units[engine].worked = True

    def wait_port(self, engine: Engine) -> None:
        self.units[engine].denied = True

    def retire(self, engine: Engine, index: int) -> None:
        self.count(f"{engine.name.lower()}_instructions")
        self.ends[index] = self.t

        def apply() -> None:
            assert self.units[engine].flight.popleft() == index
            for consumer in self.program[index].signals:
                self.semaphores[engine, consumer] += 1

        self.later.append(apply)

    def step(self) -> bool:
        """One cycle; whether it was the last of the run (T-RUN-02)."""
        for unit in self.units.values():
            unit.worked = unit.denied = False
        self.asked = frozenset()
        last = self.end_dispatched and not any(u.queue or u.flight for u in self.units.values())
        self.memory.begin_cycle(self.t)
        self.matrix()
        self.vector()
        self.store.step()
        fetching = self.fetch()
        self.load.step(fetching)
        self.store.respond()
        self.dispatch()
        for engine in Engine:
            self.issue(engine)
        self.account()
        for action in self.later:
            action()
        self.later.clear()
        self.t += 1
        self.count("cycles")
        return last

    def fetch(self) -> bool:
        """T-FE-01, T-FE-02; whether a request is on AR."""
        burst = min(timing.FETCH_BURST_INSTRUCTIONS, len(self.program) - self.requested)
        room = self.requested - self.dispatched + burst <= timing.PREFETCH_INSTRUCTIONS
        if self.t < 1 or burst == 0 or not room:
            return False
        beats = burst * INSTRUCTION_BYTES // self.c.axi_bytes
        self.memory.accept(self.t, Burst("fetch", beats))
        self.count("fetch_bursts")
        self.later.append(lambda: setattr(self, "requested", self.requested + burst))
        return True

    def dispatch(self) -> None:
        """T-FE-03."""
        i = self.dispatched
        beats = INSTRUCTION_BYTES // self.c.axi_bytes
        if self.end_dispatched or len(self.arrived) < (i + 1) * beats:
            return
        if self.t < self.arrived[(i + 1) * beats - 1] + timing.FETCH_TO_DISPATCH_CYCLES:
            return
        engine = self.program[i].engine
        if engine is None:
            self.later.append(lambda: setattr(self, "end_dispatched", True))
        else:
            queue = self.units[engine].queue
            if len(queue) == self.c.queue_depth:
                return
            self.later.append(lambda: queue.append(i))
        self.count("instructions")
        self.later.append(lambda: setattr(self, "dispatched", self.dispatched + 1))

    def lacking(self, engine: Engine) -> Engine | None:
        """The first producer that the head of the queue waits for."""
        waits = self.program[self.units[engine].queue[0]].waits
        for producer in Engine:
            if self.semaphores[producer, engine] < waits[producer]:
                return producer
        return None

    def issue(self, engine: Engine) -> None:
        """T-SEM-01."""
        unit = self.units[engine]
        if not unit.queue or not self.accepts(engine) or self.lacking(engine) is not None:
            return
        index = unit.queue[0]
        self.starts[index] = self.t

        def apply() -> None:
            unit.flight.append(unit.queue.popleft())
            for producer in Engine:
                self.semaphores[producer, engine] -= self.program[index].waits[producer]
            begin = (self.load.begin, self.begin_matrix, self.begin_vector, self.store.begin)
            begin[engine](index)

        self.later.append(apply)

    def accepts(self, engine: Engine) -> bool:
        """T-LD-02, T-ST-02, T-MX-01, T-VX-01."""
        flight = len(self.units[engine].flight)
        if engine is Engine.LOAD:
            return self.load.accepts(flight)
        if engine is Engine.STORE:
            return self.store.accepts(flight)
        if engine is Engine.MATRIX:
            return not self.loader or self.last_weight_read
        return flight == 0

    def receive(self, load_ready: bool) -> None:
        """The R channel: the first beat waits for its receiver (T-DRAM-03, T-LD-04)."""
        if not self.memory.reads or self.memory.reads[0][0] > self.t:
            return
        _, burst, beat = self.memory.reads[0]
        if burst.owner == "load" and not load_ready:
            return
        self.memory.reads.popleft()
        self.count(f"{burst.owner}_beats")
        if burst.owner == "fetch":
            self.arrived.append(self.t)
        else:
            self.load.take(burst, beat)

    def begin_matrix(self, index: int) -> None:
        ins: Any = self.program[index]
        for n in range(ins.n_tiles):
            places = list(product(range(ins.ky_count), range(ins.kx_count), range(ins.k_tiles)))
            for place in places:
                valid_k = valid_macs(ins, self.c.rows, last=place[2] == ins.k_tiles - 1)
                valid_n = ins.last_n if n == ins.n_tiles - 1 else self.c.cols
                reads = self.c.cols if ins.weight_transposed else self.c.rows
                reads += bool(ins.weight_zero_row and place == (0, 0, 0))
                last = n == ins.n_tiles - 1 and place == places[-1]
                self.loader.append((index, reads, valid_k * valid_n, last, (n, *place)))

    @property
    def last_weight_read(self) -> bool:
        """Whether the last weight read of the loader's instruction is in this cycle."""
        return len(self.loader) == 1 and self.reading and self.loader_left == 1

    def matrix(self) -> None:
        """T-MX-02, T-MX-03, T-MX-05; first in the order of B-04."""
        if self.drain and self.drain[0][0] == self.t:
            self.retire(Engine.MATRIX, self.drain.popleft()[1])
        self.reading = bool(self.loader) and (
            self.loader_left > 0 or self.banks_busy < timing.MATRIX_WEIGHT_BANKS
        )
        if self.reading:
            if self.loader_left == 0:
                self.loader_left = self.loader[0][1]
                self.later.append(lambda: setattr(self, "banks_busy", self.banks_busy + 1))
            if self.loader_left == 1:
                self.count("weight_tiles")
                self.later.append(lambda: self.banks.append(self.loader.popleft()))
            self.later.append(lambda: setattr(self, "loader_left", self.loader_left - 1))
        if self.banks:
            index, _, macs, last, place = self.banks[0]
            ins: Any = self.program[index]
            rows = ins.output_rows * ins.output_columns
            if self.row_left == 0:
                self.row_left = rows
            self.asked |= matrix_row(self.c, ins, place, rows - self.row_left)
            self.work(Engine.MATRIX)
            self.count("matrix_rows")
            self.count("macs", macs)
            self.count("mac_slots", self.c.rows * self.c.cols)
            self.row_left -= 1
            if self.row_left == 0:
                self.later.append(self.banks.popleft)
                self.later.append(lambda: setattr(self, "banks_busy", self.banks_busy - 1))
                if last:
                    self.drain.append((self.t + timing.MATRIX_PIPELINE_CYCLES, index))

    def begin_vector(self, index: int) -> None:
        """One step a cycle (T-VX-02, T-VX-03, T-VX-06, T-VX-07)."""
        ins: Any = self.program[index]
        steps = self.vector_steps
        none: SubBanks = frozenset()
        wait = ("wait", none, none)
        if isinstance(ins, FillTable):
            steps.extend([("word", none, none)] * Table(ins.table).words)
            return
        if isinstance(ins, ScaleRows):
            steps.extend([wait] * timing.VECTOR_SETUP_CYCLES)
            steps.extend([("statistics", none, none)] * ins.rows)
            return
        if ins.tensor_scale:
            steps.extend([wait] * timing.VECTOR_SETUP_CYCLES)
        for n in range(ins.n_tiles):
            if not ins.tensor_scale:
                steps.extend([wait] * timing.VECTOR_PARAMETER_CYCLES)
            for row in range(ins.rows):
                *before, issue = vector_row(self.c, ins, n, row) or [none]
                steps.extend(("source", wanted, none) for wanted in before)
                steps.append(("row", issue, vector_write(self.c, ins, n, row)))

    def vector(self) -> None:
        """T-VX-03 to T-VX-07; second in the order of B-04, and what waits holds back others."""
        if self.vector_end == self.t and not self.vector_steps:
            self.retire(Engine.VECTOR, self.units[Engine.VECTOR].flight[0])
        none: SubBanks = frozenset()
        step, wanted, writes = self.vector_steps[0] if self.vector_steps else ("wait", none, none)
        denied = bool(wanted & self.asked)
        self.asked |= wanted
        if denied:
            self.wait_port(Engine.VECTOR)
            return
        if self.vector_steps:
            self.vector_steps.popleft()
        if step == "wait":
            return
        self.work(Engine.VECTOR)
        self.count("vector_rows", step == "row")
        if step in PIPELINE_CYCLES:
            self.vector_end = self.t + PIPELINE_CYCLES[step]
            self.vector_writes[self.vector_end] = writes

    def account(self) -> None:
        """Section 7."""
        for engine, unit in self.units.items():
            if unit.worked:
                state = "working"
            elif unit.denied:
                state = "wait_port"
            elif unit.flight:
                state = IN_FLIGHT_STATE[engine]
            elif unit.queue and (producer := self.lacking(engine)) is not None:
                state = f"wait_{producer.name.lower()}"
            elif not unit.queue and self.end_dispatched:
                state = "done"
            else:
                state = "idle"
            self.ledger[engine.name.lower()][state] += 1


def valid_macs(ins: Any, rows: int, last: bool) -> int:
    """k of a row that count as MACs in a tile, the last one of a run or not (section 8)."""
    if ins.maximum:
        return 0
    if ins.mac_k:
        return ins.mac_k if last else 0
    return ins.last_k if last else rows


def run(
    program: Sequence[Instruction], config: Config, limit: int = 100_000, dram: bytes = b""
) -> Outcome | None:
    """Step a program to its end; None if that takes more than ``limit`` cycles."""
    machine = Machine(program, config, dram)
    while machine.t < limit:
        if machine.step():
            times = {i: (machine.starts[i], machine.ends[i]) for i in machine.starts}
            return Outcome(machine.counters, machine.ledger, times)
    return None
