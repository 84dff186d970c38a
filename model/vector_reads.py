"""What VECTOR reads from the activation buffer, and how long MATRIX keeps it from doing so."""

from __future__ import annotations

import numpy as np

from arch.isa import Addition, ElementType, Operation, Source, Vector
from model.matrix_reads import MatrixReads
from model.sub_banks import Masks, Requests, SubBanks
from model.vector_writes import VectorWrites

_STRETCH_CYCLES = 1024
"""Cycles that are looked at together."""


def row_reads(instruction: Vector) -> list[tuple[int, int, int]]:
    """Address, row stride and bytes of an element of each read of a row, in order (T-VX-03)."""
    v = instruction
    reads = []
    if v.source != Source.ACCUMULATOR:
        reads.append((v.source_address, v.source_row_stride, Source(v.source).bytes))
    if v.operation == Operation.MULTIPLY:
        element_bytes = ElementType(v.multiplier_type).bytes
        reads.append((v.residual_address, v.residual_row_stride, element_bytes))
    elif v.addition != Addition.NONE:
        element_bytes = 2 if v.addition == Addition.INT16 else 1
        reads.append((v.residual_address, v.residual_row_stride, element_bytes))
    return reads


def read_masks(instruction: Vector, cols: int, sub_banks: SubBanks) -> Masks:
    """Sub-banks of each read, by n tile, row and place in the row; valid lanes only (B-04)."""
    tile = np.arange(instruction.n_tiles)[:, None]
    row = np.arange(instruction.rows)
    lanes = np.where(tile == instruction.n_tiles - 1, instruction.last_n, cols)
    reads = [
        sub_banks.of(address + row * stride + tile * cols * element_bytes, lanes * element_bytes)
        for address, stride, element_bytes in row_reads(instruction)
    ]
    return np.stack(reads, axis=-1)


class VectorReads:
    """The reads of one instruction, decided as far as those of MATRIX are known.

    Parameters
    ----------
    masks
        Sub-banks of each read, a line for what is read without a gap.
    gap_cycles
        In front of each line (T-VX-02).
    cycle
        In which the first read is wanted.
    matrix
        What VECTOR waits for.
    requests
        Where what it asks for is put down.
    writes
        Where what is read goes on.

    Attributes
    ----------
    denied_cycles
        In which a read waited (T-VX-03), as far as they are decided.
    """

    def __init__(
        self,
        masks: Masks,
        gap_cycles: int,
        cycle: int,
        matrix: MatrixReads,
        requests: Requests,
        writes: VectorWrites,
    ) -> None:
        self._masks = masks.ravel()
        self._block: int = masks.shape[1]
        self._gap = gap_cycles
        self._cycle = cycle
        self._matrix = matrix
        self._requests = requests
        self._writes = writes
        self._next = 0
        self.denied_cycles = 0

    @property
    def last_cycle(self) -> int:
        """Cycle of the last read if none of the undecided ones is denied."""
        left = len(self._masks) - self._next
        return self._cycle + left - 1 + self._gap * (max(0, left - 1) // self._block)

    def decide(self, until: int) -> bool:
        """Decide reads up to the cycle ``until``; whether all are decided then.

        MATRIX's reads up to that cycle are known.
        """
        while self._next < len(self._masks) and self._cycle <= until:
            known = min(_STRETCH_CYCLES, until - self._cycle + 1)
            block_left = self._block - self._next % self._block
            wanted = self._masks[self._next : self._next + min(known, block_left)]
            granted = _first(wanted & self._matrix.window(self._cycle, len(wanted)))
            self._requests.put(self._cycle, wanted[:granted])
            self._writes.issue(self._cycle, self._next, granted)
            self._next += granted
            self._cycle += granted
            if granted == block_left:
                if self._next < len(self._masks):
                    self._cycle += self._gap
            elif granted < len(wanted):
                taken = self._matrix.window(self._cycle, known - granted) & wanted[granted]
                denied = _first(taken == 0)
                # What waits still holds back STORE (B-04).
                self._requests.put(self._cycle, np.repeat(wanted[granted], denied))
                self._cycle += denied
                self.denied_cycles += denied
        return self._next == len(self._masks)


def _first(marks: Masks) -> int:
    """Index of the first mark that is not 0; how many there are if all are."""
    at = int((marks != 0).argmax())
    return at if marks[at] else len(marks)
