"""VECTOR: one instruction at a time, in closed form but for what it reads beside MATRIX."""

from __future__ import annotations

from arch.config import Config
from arch.isa import Buffer, Engine, FillTable, Instruction, ScaleRows, Table, Vector
from arch.timing import (
    SCALE_PIPELINE_CYCLES,
    TABLE_PIPELINE_CYCLES,
    VECTOR_PARAMETER_CYCLES,
    VECTOR_PIPELINE_CYCLES,
    VECTOR_SETUP_CYCLES,
)
from model.kernel import NEVER, Semaphores, Sequencer
from model.matrix_reads import MatrixReads
from model.sub_banks import Masks, Requests, SubBanks
from model.vector_reads import VectorReads, read_masks, row_reads
from model.vector_writes import VectorWrites


def working_cycles(instruction: Instruction) -> int:
    """Cycles of rows, of table words or of rows' statistics that are read."""
    if isinstance(instruction, FillTable):
        return Table(instruction.table).words
    if isinstance(instruction, ScaleRows):
        return instruction.rows
    assert isinstance(instruction, Vector)
    # T-VX-03: a row takes a cycle for each element of a lane that it reads from the buffer.
    return instruction.n_tiles * instruction.rows * max(1, len(row_reads(instruction)))


def duration_cycles(instruction: Instruction) -> int:
    """Cycles from issue to retirement of an instruction of VECTOR that nothing holds.

    What comes before the rows (T-VX-02), the rows without a gap (T-VX-03), the pipeline (T-VX-04,
    T-VX-05); likewise a table (T-VX-06) and the statistics of rows (T-VX-07).
    """
    working = working_cycles(instruction)
    if isinstance(instruction, FillTable):
        return working + TABLE_PIPELINE_CYCLES
    if isinstance(instruction, ScaleRows):
        return VECTOR_SETUP_CYCLES + working + SCALE_PIPELINE_CYCLES
    assert isinstance(instruction, Vector)
    gaps, gap_cycles = _gaps(instruction)
    return gaps * gap_cycles + working + VECTOR_PIPELINE_CYCLES


def _gaps(instruction: Vector) -> tuple[int, int]:
    """How often no row is read before others, and for how long (T-VX-02)."""
    if instruction.tensor_scale:
        return 1, VECTOR_SETUP_CYCLES
    return instruction.n_tiles, VECTOR_PARAMETER_CYCLES


class VectorEngine(Sequencer):
    """Only reads of MATRIX delay it once an instruction is issued (B-04).

    Attributes
    ----------
    undecided_cycle
        Before this cycle the last read of the instruction in flight cannot be; ``NEVER`` while none
        is undecided.
    """

    def __init__(self, semaphores: Semaphores, config: Config, matrix: MatrixReads) -> None:
        super().__init__(Engine.VECTOR, semaphores)
        self.undecided_cycle = NEVER
        self._cols = config.cols
        self._sub_banks = SubBanks(config)
        self._matrix = matrix
        self._requests = Requests()
        self._writes = VectorWrites(config, VECTOR_PIPELINE_CYCLES)
        self._reads: VectorReads | None = None
        self._rows_issued = 0
        self._working_cycles = 0
        self._denied_cycles = 0

    def accepts_from(self) -> int | None:
        """T-VX-01: nothing in flight."""
        if len(self.ends) < len(self.starts):
            return None
        return self.ends[-1] + 1 if self.ends else 0

    def begin(self, cycle: int, instruction: Instruction) -> None:
        self._working_cycles += working_cycles(instruction)
        self._reads = None
        if isinstance(instruction, Vector):
            self._rows_issued += instruction.n_tiles * instruction.rows
            reads = len(row_reads(instruction))
            self._writes.begin(instruction, max(1, reads))
            if reads:
                self._begin_reads(cycle, instruction)
                return
            self._issue_rows(cycle, instruction)
        self.retire(cycle + duration_cycles(instruction))

    def _begin_reads(self, cycle: int, instruction: Vector) -> None:
        gaps, gap_cycles = _gaps(instruction)
        masks = read_masks(instruction, self._cols, self._sub_banks).reshape(gaps, -1)
        first = cycle + 1 + gap_cycles
        self._reads = VectorReads(
            masks, gap_cycles, first, self._matrix, self._requests, self._writes
        )
        self.undecided_cycle = self._reads.last_cycle

    def _issue_rows(self, cycle: int, instruction: Vector) -> None:
        """Issue rows that read nothing: one a cycle, with the gaps of T-VX-02."""
        gaps, gap_cycles = _gaps(instruction)
        block = instruction.n_tiles * instruction.rows // gaps
        for gap in range(gaps):
            first = cycle + 1 + gap_cycles + gap * (block + gap_cycles)
            self._writes.issue(first, gap * block, block)

    def decide(self, until: int) -> bool:
        """Decide reads up to the cycle ``until``; whether the instruction retired.

        MATRIX's reads up to that cycle are known.
        """
        assert self._reads is not None, "only what reads is undecided"
        finished = self._reads.decide(until)
        self.undecided_cycle = self._reads.last_cycle
        if finished:
            self._denied_cycles += self._reads.denied_cycles
            self.retire(self.undecided_cycle + VECTOR_PIPELINE_CYCLES)
            self.undecided_cycle = NEVER
        return finished

    def asked(self, first: int, length: int) -> Masks:
        """Sub-banks that MATRIX or VECTOR asks for in ``length`` cycles from ``first`` on.

        MATRIX's reads up to the last of them are known.
        """
        if self._reads is not None:
            self._reads.decide(first + length - 1)
        return self._matrix.window(first, length) | self._requests.window(first, length)

    @staticmethod
    def writes_known_until(cycle: int) -> int:
        """Up to where its writes are known when all reads up to ``cycle`` are (T-VX-04)."""
        return cycle + VECTOR_PIPELINE_CYCLES

    def writes_in(self, buffer: Buffer, first: int, last: int) -> bool:
        """Whether VECTOR may write a buffer in a cycle from ``first`` to ``last``.

        MATRIX's reads up to ``VECTOR_PIPELINE_CYCLES`` before the last of them are known. Nobody
        asks for what lies before ``first`` again.
        """
        if self._reads is not None:
            self._reads.decide(last - VECTOR_PIPELINE_CYCLES)
        return self._writes.any(buffer, first, last)

    def written(self, buffer: Buffer, first: int, length: int) -> Masks:
        """Sub-banks of a buffer that VECTOR writes in ``length`` cycles from ``first`` on.

        What is known and asked for is as with :meth:`writes_in`.
        """
        if self._reads is not None:
            self._reads.decide(first + length - 1 - VECTOR_PIPELINE_CYCLES)
        return self._writes.window(buffer, first, length)

    def counters(self) -> dict[str, int]:
        return {"vector_instructions": len(self.ends), "vector_rows": self._rows_issued}

    def working_cycles(self) -> int:
        return self._working_cycles

    def port_cycles(self) -> int:
        return self._denied_cycles
