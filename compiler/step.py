"""An instruction with what it touches: the unit that is ordered and synchronised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from arch.isa import Engine, Instruction


class Region(NamedTuple):
    """A rectangle of a space: rows ``top`` to ``bottom``, bytes or vectors ``low`` to ``high``.

    Upper bounds are exclusive. A buffer is a space of one row, an accumulator half too; a tensor
    in DRAM is a space with its own rows, so that what one layer stores and the next one loads
    overlap exactly where they share elements.
    """

    space: str
    low: int
    high: int
    top: int = 0
    bottom: int = 1


@dataclass(frozen=True)
class Step:
    """An instruction without its waits and signals, its regions, and its operator's index."""

    instruction: Instruction
    reads: tuple[Region, ...]
    writes: tuple[Region, ...]
    operator: int

    @property
    def engine(self) -> Engine:
        engine = self.instruction.engine
        assert engine is not None, "END is no step"
        return engine
