"""VECTOR: one instruction at a time, in closed form."""

from __future__ import annotations

from arch.isa import (
    Addition,
    Engine,
    FillTable,
    Instruction,
    Operation,
    ScaleRows,
    Source,
    Table,
    Vector,
)
from arch.timing import (
    SCALE_PIPELINE_CYCLES,
    TABLE_PIPELINE_CYCLES,
    VECTOR_PARAMETER_CYCLES,
    VECTOR_PIPELINE_CYCLES,
    VECTOR_SETUP_CYCLES,
)
from model.kernel import Semaphores, Sequencer


def row_cycles(instruction: Vector) -> int:
    """Cycles of a row: one for each element of a lane read from the buffer, or 1 (T-VX-03)."""
    from_buffer = instruction.source != Source.ACCUMULATOR
    second = instruction.addition != Addition.NONE or instruction.operation == Operation.MULTIPLY
    return max(1, from_buffer + second)


def working_cycles(instruction: Instruction) -> int:
    """Cycles of rows, of table words or of rows' statistics that are read."""
    if isinstance(instruction, FillTable):
        return Table(instruction.table).words
    if isinstance(instruction, ScaleRows):
        return instruction.rows
    assert isinstance(instruction, Vector)
    return instruction.n_tiles * instruction.rows * row_cycles(instruction)


def duration_cycles(instruction: Instruction) -> int:
    """Cycles from issue to retirement of an instruction of VECTOR.

    What comes before the rows (T-VX-02), the rows without a gap, since the model knows no port
    conflicts (T-VX-03), the pipeline (T-VX-04, T-VX-05); likewise a table (T-VX-06) and the
    statistics of rows (T-VX-07).
    """
    working = working_cycles(instruction)
    if isinstance(instruction, FillTable):
        return working + TABLE_PIPELINE_CYCLES
    if isinstance(instruction, ScaleRows):
        return VECTOR_SETUP_CYCLES + working + SCALE_PIPELINE_CYCLES
    assert isinstance(instruction, Vector)
    if instruction.tensor_scale:
        return VECTOR_SETUP_CYCLES + working + VECTOR_PIPELINE_CYCLES
    return instruction.n_tiles * VECTOR_PARAMETER_CYCLES + working + VECTOR_PIPELINE_CYCLES


class VectorEngine(Sequencer):
    """Nothing outside VECTOR delays it once an instruction is issued."""

    def __init__(self, semaphores: Semaphores) -> None:
        super().__init__(Engine.VECTOR, semaphores)
        self._rows_issued = 0
        self._working_cycles = 0

    def accepts_from(self) -> int:
        """T-VX-01: nothing in flight."""
        return self.ends[-1] + 1 if self.ends else 0

    def begin(self, cycle: int, instruction: Instruction) -> None:
        if isinstance(instruction, Vector):
            self._rows_issued += instruction.n_tiles * instruction.rows
        self._working_cycles += working_cycles(instruction)
        self.retire(cycle + duration_cycles(instruction))

    def counters(self) -> dict[str, int]:
        return {"vector_instructions": len(self.ends), "vector_rows": self._rows_issued}

    def working_cycles(self) -> int:
        return self._working_cycles
