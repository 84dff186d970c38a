"""The timeline model: when every instruction of a program starts and ends, without stepping cycles.

It follows section 6 of docs/architecture.md. Engines contend for the memory port, and for those of
the buffers (B-04): VECTOR waits where MATRIX reads, STORE where either does, and LOAD where VECTOR
writes. So address handshakes, bursts and such reads and writes are taken in order of time; all else
is propagated, see :mod:`model.kernel`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from arch.config import Config
from arch.errors import AssayError
from arch.image import Image, Section
from arch.isa import Engine, Instruction
from model.dram import Dram
from model.frontend import Frontend
from model.indices import IndexBuffer
from model.kernel import NEVER, Semaphores, Sequencer, Waits
from model.ledger import ledger
from model.load import LoadEngine
from model.matrix import MatrixEngine
from model.store import StoreEngine
from model.vector import VectorEngine
from model.vector_writes import written_buffers


@dataclass(frozen=True)
class InstructionTiming:
    """Cycles of one instruction.

    Attributes
    ----------
    index
        Its place in the program.
    start, end
        Of issue and of retirement.
    queued, accepted, ready
        What the issue waited for: the first cycle in which the instruction is in its queue, in
        which its engine accepts, and in which each producer has given the wanted signals (0 where
        none are wanted). ``start`` is the latest of them (T-SEM-01).
    """

    index: int
    engine: Engine
    start: int
    end: int
    queued: int
    accepted: int
    ready: Waits


@dataclass(frozen=True)
class Prediction:
    """What a run will take.

    Attributes
    ----------
    cycles
        Of the run.
    counters
        By the names of docs/architecture.md, section 8.
    ledger
        Cycles by engine and state; the states of an engine sum to ``cycles``.
    instructions
        In program order, END excluded.
    """

    cycles: int
    counters: dict[str, int]
    ledger: dict[str, dict[str, int]]
    instructions: list[InstructionTiming]


def predict(image: Image, config: Config) -> Prediction:
    """Predict the run of an image.

    Raises
    ------
    AssayError
        The image is for other hardware, has no END, or deadlocks; the error names the instruction.
    """
    image.check_config(config)
    return predict_program(image.program, config, image.sections)


def predict_program(
    program: Sequence[Instruction], config: Config, sections: Sequence[Section] = ()
) -> Prediction:
    """Predict the run of bare instructions; errors as in :func:`predict`.

    ``sections`` are what lies in DRAM, for LOADs that gather by it.
    """
    machine = _Machine(program, config, sections)
    frontend = Frontend(program, machine.engines, machine.dram, config)
    machine.run(frontend)
    end_cycle = _check_finished(frontend, machine.engines, machine.semaphores)
    return _prediction(frontend, machine.engines, end_cycle)


def issue_cycles(program: Sequence[Instruction], config: Config) -> list[int]:
    """When each instruction would issue if all stood in queues without end from the beginning.

    What is left are the engines, the semaphores and the memory. ``program`` has no END and does not
    deadlock; all indices of gathering LOADs count as 0.
    """
    machine = _Machine(program, config, ())
    for index, instruction in enumerate(program):
        assert instruction.engine is not None, "the front end alone knows END"
        machine.engines[instruction.engine].enqueue(-1, index, instruction)
    machine.run(Frontend((), machine.engines, machine.dram, config))
    issues: dict[int, int] = {}
    for engine in machine.engines:
        issues |= zip(engine.indices, engine.starts, strict=True)
    return [issues[index] for index in range(len(program))]


class _Machine:
    """Engines, semaphores and memory of one run."""

    def __init__(
        self, program: Sequence[Instruction], config: Config, sections: Sequence[Section]
    ) -> None:
        self.semaphores = Semaphores()
        self.dram = Dram(config)
        matrix = MatrixEngine(self.semaphores, config)
        self._vector = VectorEngine(self.semaphores, config, matrix.reads)
        self._load = LoadEngine(
            *(self.semaphores, self.dram, config, IndexBuffer(sections), self._vector),
            contended=written_buffers(program),
        )
        self._store = StoreEngine(self.semaphores, self.dram, config, self._vector)
        self.engines: tuple[Sequencer, ...] = (self._load, matrix, self._vector, self._store)

    def run(self, frontend: Frontend) -> None:
        """Take what happens in order of time until nothing is left.

        That is: address handshakes (in one cycle fetch goes before LOAD, which waits a cycle on AR,
        T-DRAM-01, and AR before AW, T-DRAM-02), the memory's turning to the next burst, and reads
        and writes that a conflict can hold. What is not known yet follows from one of them and lies
        behind it. So all that MATRIX reads is known up to the next of them, and what VECTOR or
        STORE reads and what LOAD writes can be decided up to there.
        """
        load, store, vector, dram = self._load, self._store, self._vector, self.dram
        settled = False
        while True:
            if not settled:
                self._settle(frontend)
                settled = True
            load.refresh()
            fetch_cycle, serve_cycle = frontend.address_cycle, dram.serve_cycle
            store_cycle, load_cycle = store.address_cycle, load.address_cycle
            vector_reads, store_reads = vector.undecided_cycle, store.undecided_cycle
            memory_cycle = min(fetch_cycle, store_cycle, serve_cycle)
            others = min(memory_cycle, vector_reads, store_reads)
            load_writes = load.undecided_cycle
            if load_cycle < others or load_writes <= others:
                if load_cycle == load_writes == NEVER:
                    return
                settled = not load.proceed(others)
            elif others == vector_reads:
                settled = not vector.decide(min(memory_cycle, load_cycle, load_writes, store_reads))
            elif others == store_reads:
                settled = not store.decide(min(memory_cycle, load_cycle, load_writes, vector_reads))
            elif others == serve_cycle:
                settled = not dram.serve()
            elif others == fetch_cycle:
                if load_cycle == fetch_cycle:
                    load.address_cycle += 1
                frontend.request()
                settled = False
            elif others == load_cycle:
                settled = not load.request()
            else:
                store.request()

    def _settle(self, frontend: Frontend) -> None:
        """Let everything follow that depends on no more than is known."""
        load, matrix, vector, store = self.engines
        going = True
        while going:
            going = load.advance()
            going |= matrix.advance()
            going |= vector.advance()
            going |= store.advance()
            going |= frontend.advance()


def _check_finished(
    frontend: Frontend, engines: Sequence[Sequencer], semaphores: Semaphores
) -> int:
    """Return the cycle of END's dispatch, or tell why the run does not end.

    The first instruction that never issues heads its queue, and its engine is free at last: what
    it lacks is a signal.
    """
    stuck = [(*head, engine) for engine in engines if (head := engine.stuck()) is not None]
    if stuck:
        index, instruction, engine = min(stuck, key=lambda head: head[0])
        producer, given, wanted = semaphores.missing(engine.engine, instruction.waits)
        raise AssayError(
            f"instruction {index} ({instruction.OPCODE.name}) waits for {wanted} signals of "
            f"{producer.name}, of which {given} come: deadlock, mend its waits or the signals"
        )
    if frontend.end_cycle is None:
        raise AssayError("the program has no END: the run never ends, append one")
    semaphores.check_limit()
    return frontend.end_cycle


def _prediction(frontend: Frontend, engines: Sequence[Sequencer], end_cycle: int) -> Prediction:
    """Collect the results; the run ends as in T-RUN-02, and T-RUN-01 counts from cycle 0."""
    last_end = max((engine.ends[-1] for engine in engines if engine.ends), default=0)
    cycles = max(end_cycle, last_end) + 2
    counters = {"cycles": cycles, **frontend.counters(cycles)}
    for engine in engines:
        counters |= engine.counters()
    timings = [
        InstructionTiming(index, engine.engine, start, end, queued, accepted, ready)
        for engine in engines
        for index, start, end, queued, accepted, ready in zip(
            *(engine.indices, engine.starts, engine.ends),
            *(engine.queued, engine.accepted, engine.waits),
            strict=True,
        )
    ]
    return Prediction(
        cycles,
        counters,
        {e.engine.name.lower(): ledger(e, end_cycle, cycles) for e in engines},
        sorted(timings, key=lambda timing: timing.index),
    )
