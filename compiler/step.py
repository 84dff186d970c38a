"""An instruction with what it touches: the unit that is ordered and synchronised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from arch.isa import Engine, Instruction


class Region(NamedTuple):
    """``rows`` pieces of ``size`` of a space, ``stride`` apart, from ``start`` on.

    A space is a buffer (in bytes), memory of tensors in DRAM (in bytes), the statistics file (in
    entries), or something that is only touched whole (an accumulator half, a table).
    """

    space: str
    start: int
    size: int
    rows: int = 1
    stride: int = 0


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
