"""The timing rules of docs/architecture.md, section 6, cycle by cycle: slow, obvious, for tests.

``run`` steps every register of every engine once a cycle. Decisions of a cycle are taken from the
state at its start; what they change is put off to its end. No closed form, no look-ahead, and
nothing shared with ``model``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from arch import timing
from arch.config import Config
from arch.isa import INSTRUCTION_BYTES, Engine, FillTable, Instruction, Table
from cycle_memory import Burst, Memory

OWN_STATES = {
    "load": ("working", "wait_port", "wait_memory"),
    "matrix": ("working", "fill"),
    "vector": ("working", "wait_port", "fill"),
    "store": ("working", "wait_port", "wait_memory"),
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


class Machine:
    """All state of one run."""

    def __init__(self, program: Sequence[Instruction], config: Config) -> None:
        self.program, self.c, self.t = program, config, 0
        self.memory = Memory(config)
        self.units = {engine: Unit() for engine in Engine}
        self.semaphores = {(p, c): 0 for p in Engine for c in Engine}
        self.starts: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        self.later: list[Callable[[], None]] = []
        self.requested = self.dispatched = 0
        self.arrived: list[int] = []
        self.end_dispatched = False
        self.load_bursts: deque[tuple[int, int, bool]] = deque()
        self.load_out_bursts = self.load_out_beats = 0
        self.load_stage: tuple[int, int, bool] | None = None
        self.load_pad = 0
        self.load_pad_owner = (0, False)
        self.store_beats: deque[tuple[int, int, bool, bool]] = deque()
        self.store_fifo: deque[int] = deque()
        self.store_aw: deque[tuple[int, int, int, bool]] = deque()
        self.store_out = 0
        self.loader: deque[tuple[int, int, int, bool]] = deque()
        self.loader_left = 0
        self.reading = False
        self.banks: deque[tuple[int, int, int, bool]] = deque()
        self.banks_busy = 0
        self.row_left = 0
        self.drain: deque[tuple[int, int]] = deque()
        self.vector_steps: deque[str] = deque()
        self.vector_end: int | None = None
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.ledger = {
            e.name.lower(): dict.fromkeys(
                (
                    *OWN_STATES[e.name.lower()],
                    *(f"wait_{p.name.lower()}" for p in Engine if p is not e),
                    "done",
                    "idle",
                ),
                0,
            )
            for e in Engine
        }

    def count(self, name: str, amount: int = 1) -> None:
        self.counters[name] += amount

    def work(self, engine: Engine) -> None:
        self.units[engine].worked = True

    def retire(self, engine: Engine, index: int) -> None:
        self.count(f"{engine.name.lower()}_instructions")
        self.ends[index] = self.t

        def apply() -> None:
            got = self.units[engine].flight.popleft()
            assert got == index, (engine, got, index, self.t)
            for consumer in self.program[index].signals:
                self.semaphores[engine, consumer] += 1

        self.later.append(apply)

    def step(self) -> bool:
        """One cycle; whether it was the last of the run (T-RUN-02)."""
        for unit in self.units.values():
            unit.worked = False
        last = self.end_dispatched and not any(u.queue or u.flight for u in self.units.values())
        self.memory.begin_cycle(self.t)
        self.vector()
        self.matrix()
        self.store()
        fetching = self.fetch()
        self.load(fetching)
        self.respond()
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
            getattr(self, f"begin_{engine.name.lower()}")(index)

        self.later.append(apply)

    def accepts(self, engine: Engine) -> bool:
        """T-LD-02, T-ST-02, T-MX-01, T-VX-01."""
        flight = len(self.units[engine].flight)
        if engine is Engine.LOAD:
            return not self.load_bursts and flight < timing.DMA_INSTRUCTIONS_IN_FLIGHT
        if engine is Engine.STORE:
            return not self.store_beats and flight < timing.DMA_INSTRUCTIONS_IN_FLIGHT
        if engine is Engine.MATRIX:
            return not self.loader or self.last_weight_read
        return flight == 0

    def runs(self, index: int) -> list[list[int]]:
        """For each run, the beats of its bursts, found byte by byte (T-LD-01)."""
        ins: Any = self.program[index]
        result = []
        for plane in range(ins.planes):
            for run in range(ins.runs):
                low = ins.dram_address + plane * ins.plane_dram_stride + run * ins.run_dram_stride
                beats: dict[int, set[int]] = {}
                for byte in range(low, low + ins.run_bytes):
                    block = byte // self.c.burst_bytes
                    beats.setdefault(block, set()).add(byte // self.c.axi_bytes)
                result.append([len(beats[block]) for block in sorted(beats)])
        return result

    def begin_load(self, index: int) -> None:
        runs = self.runs(index)
        for r, run in enumerate(runs):
            for b, beats in enumerate(run):
                ends_run = b == len(run) - 1
                self.load_bursts.append(
                    (beats, index if ends_run else -1, ends_run and r == len(runs) - 1)
                )

    def load(self, fetching: bool) -> None:
        """T-LD-03 to T-LD-06."""
        open_ = self.load_out_bursts < self.c.max_outstanding_reads
        if self.load_bursts and open_ and self.load_out_beats < self.c.read_window_beats:
            if not fetching:
                self.work(Engine.LOAD)
                beats, index, ends = self.load_bursts[0]
                self.memory.accept(self.t, Burst("load", beats, (index, ends)))
                self.count("load_bursts")
                self.later.append(lambda: self.load_requested(beats))
        ready = not (self.load_stage and self.load_stage[1]) and self.load_pad <= 1
        if self.load_stage or self.load_pad:
            self.work(Engine.LOAD)
        if self.load_stage:
            index, pads, ends = self.load_stage
            self.load_stage = None
            if pads:
                self.load_pad, self.load_pad_owner = pads, (index, ends)
            elif ends:
                self.retire(Engine.LOAD, index)
        elif self.load_pad:
            self.load_pad -= 1
            if self.load_pad == 0 and self.load_pad_owner[1]:
                self.retire(Engine.LOAD, self.load_pad_owner[0])
        self.receive(ready)

    def load_requested(self, beats: int) -> None:
        self.load_bursts.popleft()
        self.load_out_bursts += 1
        self.load_out_beats += beats

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
            return
        index, ends = burst.tag
        last = beat == burst.beats - 1
        pads = 0
        if last and index >= 0:
            ins: Any = self.program[index]
            pads = -(-ins.pad_bytes // self.c.axi_bytes)
            self.count("load_bytes", ins.run_bytes)
            self.count("pad_bytes", ins.pad_bytes)
        self.load_stage = (index, pads, ends and last)
        self.later.append(lambda: self.load_received(last))

    def load_received(self, last: bool) -> None:
        self.load_out_beats -= 1
        self.load_out_bursts -= last

    def begin_store(self, index: int) -> None:
        runs = self.runs(index)
        for r, run in enumerate(runs):
            for b, beats in enumerate(run):
                ends = b == len(run) - 1 and r == len(runs) - 1
                self.store_beats.append((index, beats, True, ends))
                self.store_beats.extend((index, beats, False, ends) for _ in range(beats - 1))

    def store(self) -> None:
        """T-ST-03, T-ST-04."""
        delay = timing.STORE_READ_TO_WRITE_CYCLES
        if self.store_aw and self.store_out < self.c.max_outstanding_writes:
            read, index, beats, ends = self.store_aw[0]
            if self.t >= read + delay:
                burst = Burst("store", beats, (index, ends))
                self.later.append(lambda: self.memory.accept(self.t, burst))
                self.later.append(self.store_aw.popleft)
                self.later.append(lambda: setattr(self, "store_out", self.store_out + 1))
                self.count("store_bursts")
        can_read = bool(self.store_beats) and len(self.store_fifo) < timing.WRITE_FIFO_BEATS
        sends = (
            bool(self.store_fifo)
            and self.t >= self.store_fifo[0] + delay
            and self.memory.write_ready(self.t)
        )
        if can_read:
            self.work(Engine.STORE)
            index, beats, first, ends = self.store_beats[0]
            if first:
                entry = (self.t, index, beats, ends)
                self.later.append(lambda: self.store_aw.append(entry))
            self.later.append(self.store_beats.popleft)
            self.later.append(lambda: self.store_fifo.append(self.t))
        if sends:
            self.work(Engine.STORE)
            self.count("store_beats")
            self.memory.write_beat(self.t)
            self.later.append(self.store_fifo.popleft)

    def respond(self) -> None:
        """T-ST-05."""
        if self.memory.responses and self.memory.responses[0][0] <= self.t:
            _, burst = self.memory.responses.popleft()
            index, ends = burst.tag
            self.later.append(lambda: setattr(self, "store_out", self.store_out - 1))
            if ends:
                ins: Any = self.program[index]
                self.count("store_bytes", ins.run_bytes * ins.runs * ins.planes)
                self.retire(Engine.STORE, index)

    def begin_matrix(self, index: int) -> None:
        ins: Any = self.program[index]
        for n in range(ins.n_tiles):
            for tap in range(ins.ky_count * ins.kx_count):
                for k in range(ins.k_tiles):
                    valid_k = ins.last_k if k == ins.k_tiles - 1 else self.c.rows
                    valid_n = ins.last_n if n == ins.n_tiles - 1 else self.c.cols
                    reads = self.c.cols if ins.weight_transposed else self.c.rows
                    reads += bool(ins.weight_zero_row and tap == 0 and k == 0)
                    last = (n, tap, k) == (
                        ins.n_tiles - 1,
                        ins.ky_count * ins.kx_count - 1,
                        ins.k_tiles - 1,
                    )
                    self.loader.append((index, reads, valid_k * valid_n, last))

    @property
    def last_weight_read(self) -> bool:
        """Whether the last weight read of the loader's instruction is in this cycle."""
        return len(self.loader) == 1 and self.reading and self.loader_left == 1

    def matrix(self) -> None:
        """T-MX-02, T-MX-03, T-MX-05."""
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
            index, _, macs, last = self.banks[0]
            ins: Any = self.program[index]
            if self.row_left == 0:
                self.row_left = ins.output_rows * ins.output_columns
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
        ins: Any = self.program[index]
        if isinstance(ins, FillTable):
            self.vector_steps.extend(["word"] * Table(ins.table).words)
            return
        for _ in range(ins.n_tiles):
            self.vector_steps.extend(["parameter"] * timing.VECTOR_PARAMETER_CYCLES)
            self.vector_steps.extend(["row"] * ins.rows)

    def vector(self) -> None:
        """T-VX-02 to T-VX-06."""
        if self.vector_end == self.t:
            self.retire(Engine.VECTOR, self.units[Engine.VECTOR].flight[0])
        if not self.vector_steps:
            return
        step = self.vector_steps.popleft()
        if step == "parameter":
            return
        self.work(Engine.VECTOR)
        self.count("vector_rows", step == "row")
        pipeline = timing.VECTOR_PIPELINE_CYCLES if step == "row" else timing.TABLE_PIPELINE_CYCLES
        self.vector_end = self.t + pipeline

    def account(self) -> None:
        """Section 7."""
        for engine, unit in self.units.items():
            name = engine.name.lower()
            if unit.worked:
                state = "working"
            elif unit.flight:
                state = OWN_STATES[name][-1]
            elif unit.queue and (producer := self.lacking(engine)) is not None:
                state = f"wait_{producer.name.lower()}"
            elif not unit.queue and self.end_dispatched:
                state = "done"
            else:
                state = "idle"
            self.ledger[name][state] += 1


COUNTERS = (
    "cycles instructions load_instructions matrix_instructions vector_instructions "
    "store_instructions macs mac_slots matrix_rows weight_tiles vector_rows fetch_bursts "
    "fetch_beats load_bursts load_beats load_bytes pad_bytes store_bursts store_beats store_bytes"
).split()


def run(program: Sequence[Instruction], config: Config, limit: int = 100_000) -> Outcome | None:
    """Step a program to its end; None if that takes more than ``limit`` cycles."""
    machine = Machine(program, config)
    while machine.t < limit:
        if machine.step():
            times = {i: (machine.starts[i], machine.ends[i]) for i in machine.starts}
            return Outcome(machine.counters, machine.ledger, times)
    return None
