"""MATRIX: a loader of weight tiles and a streamer of rows, coupled by two banks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from arch.config import Config
from arch.isa import Engine, Instruction, Matrix
from arch.timing import MATRIX_PIPELINE_CYCLES, MATRIX_WEIGHT_BANKS
from model.kernel import Semaphores, Sequencer
from model.matrix_reads import MatrixReads
from model.sub_banks import Integers


class MatrixEngine(Sequencer):
    """Tiles in closed form: nothing outside MATRIX delays it once an instruction is issued.

    Attributes
    ----------
    reads
        What it asks for in the activation buffer.
    """

    def __init__(self, semaphores: Semaphores, config: Config) -> None:
        super().__init__(Engine.MATRIX, semaphores)
        self.reads = MatrixReads(config)
        self._rows = config.rows
        self._cols = config.cols
        self._loaded = 0
        self._streamed = (0,) * MATRIX_WEIGHT_BANKS
        self._macs = 0
        self._tiles = 0
        self._rows_issued = 0

    def accepts_from(self) -> int:
        """T-MX-01: in the cycle of the last weight read of the instruction before."""
        return self._loaded

    def begin(self, cycle: int, instruction: Instruction) -> None:
        assert isinstance(instruction, Matrix)
        self._loaded = cycle
        reads = self._cols if instruction.weight_transposed else self._rows
        rows = instruction.output_rows * instruction.output_columns
        taps = instruction.ky_count * instruction.kx_count
        tiles = taps * instruction.k_tiles
        if instruction.weight_zero_row:
            parts = [(1, reads + 1), (tiles - 1, reads)] * instruction.n_tiles
        else:
            parts = [(instruction.n_tiles * tiles, reads)]
        firsts = [first for part in parts for first in self._run_tiles(*part, rows)]
        self.reads.add(instruction, np.concatenate(firsts))
        self._macs += rows * taps * self._macs_of_row(instruction)
        self._tiles += instruction.n_tiles * tiles
        self._rows_issued += rows * instruction.n_tiles * tiles
        self.retire(self._streamed[-1] + MATRIX_PIPELINE_CYCLES)

    def _macs_of_row(self, instruction: Matrix) -> int:
        """MACs of a row at one tap, over its k tiles and n tiles (section 8)."""
        if instruction.maximum:
            return 0
        valid_k = (instruction.k_tiles - 1) * self._rows + instruction.last_k
        valid_n = (instruction.n_tiles - 1) * self._cols + instruction.last_n
        return (instruction.mac_k or valid_k) * valid_n

    def _run_tiles(self, tiles: int, reads: int, rows: int) -> Iterator[Integers]:
        """Load and stream equal tiles; yields the cycles of their first rows.

        Once a tile only shifts the state, all others do too.

        ``_loaded`` is the cycle of the last weight read, ``_streamed`` those of the last rows of
        as many tiles as there are banks, oldest first: reads wait for the tile two before
        (T-MX-02), rows for the tile's own reads and the tile before (T-MX-03). The shift of the
        steady state is ``max(rows, reads)`` (T-MX-04).
        """
        for tile in range(tiles):
            before = (self._loaded, *self._streamed)
            self._loaded = max(self._loaded, self._streamed[0]) + reads
            last_row = max(self._loaded, self._streamed[-1]) + rows
            self._streamed = (*self._streamed[1:], last_row)
            after = (self._loaded, *self._streamed)
            shift = after[0] - before[0]
            first_row = last_row - rows + 1
            if all(new - old == shift for old, new in zip(before, after, strict=True)):
                left = tiles - tile - 1
                yield first_row + shift * np.arange(left + 1)
                self._loaded += shift * left
                self._streamed = tuple(cycle + shift * left for cycle in self._streamed)
                return
            yield np.array([first_row])

    def counters(self) -> dict[str, int]:
        return {
            "matrix_instructions": len(self.ends),
            "macs": self._macs,
            "mac_slots": self._rows_issued * self._rows * self._cols,
            "matrix_rows": self._rows_issued,
            "weight_tiles": self._tiles,
        }

    def working_cycles(self) -> int:
        """One row issued a cycle, written ``MATRIX_PIPELINE_CYCLES`` later (T-MX-05)."""
        return self._rows_issued
