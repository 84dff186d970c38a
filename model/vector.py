"""VECTOR: one instruction at a time, parameters and then rows of each n tile."""

from __future__ import annotations

from arch.isa import Engine, FillTable, Instruction, Table, Vector
from arch.timing import TABLE_PIPELINE_CYCLES, VECTOR_PARAMETER_CYCLES, VECTOR_PIPELINE_CYCLES
from model.kernel import Semaphores, Sequencer


class VectorEngine(Sequencer):
    """Closed form for each instruction: without port conflicts nothing delays a row (T-VX-03)."""

    def __init__(self, semaphores: Semaphores) -> None:
        super().__init__(Engine.VECTOR, semaphores)
        self._rows_issued = 0
        self._words_read = 0

    def accepts_from(self) -> int:
        """T-VX-01: nothing in flight."""
        return self.ends[-1] + 1 if self.ends else 0

    def begin(self, cycle: int, instruction: Instruction) -> None:
        """Parameters, rows, pipeline (T-VX-02, T-VX-04, T-VX-05), or a table (T-VX-06)."""
        if isinstance(instruction, FillTable):
            words = Table(instruction.table).words
            self._words_read += words
            self.retire(cycle + words + TABLE_PIPELINE_CYCLES)
            return
        assert isinstance(instruction, Vector)
        self._rows_issued += instruction.n_tiles * instruction.rows
        busy = instruction.n_tiles * (VECTOR_PARAMETER_CYCLES + instruction.rows)
        self.retire(cycle + busy + VECTOR_PIPELINE_CYCLES)

    def counters(self) -> dict[str, int]:
        return {"vector_instructions": len(self.ends), "vector_rows": self._rows_issued}

    def working_cycles(self) -> int:
        return self._rows_issued + self._words_read
