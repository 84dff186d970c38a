"""Finds accesses whose order only the hardware's timing would decide."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arch.happens_before import HappensBefore, describe
from arch.isa import Engine, Instruction
from golden.block import Block
from golden.errors import GoldenError
from golden.memory import Memory

Traces = dict[tuple[Memory, Engine], NDArray[np.int32]]


class RaceDetector:
    """Remembers for every byte the last instruction of each engine that wrote and that read it.

    Two accesses of different engines to one byte, of which at least one writes, must be ordered by
    semaphores. As an engine completes its instructions in order, it is enough to look at the last
    access of each engine: if that one is ordered, all before it are. Accesses of one engine are
    ordered by the program.
    """

    def __init__(self, program: Sequence[Instruction], clocks: HappensBefore) -> None:
        self._program = program
        self._clocks = clocks
        # One above the index of the last instruction, 0 if none: the unit of the clocks.
        self._last_write: Traces = {}
        self._last_read: Traces = {}
        self._touched: defaultdict[Memory, set[Engine]] = defaultdict(set)

    def read(self, index: int, memory: Memory, size: int, block: Block) -> None:
        """Note that instruction ``index`` reads a block of a memory of ``size`` bytes.

        Raises
        ------
        GoldenError
            It is unordered with a write.
        """
        self._check(index, memory, block, self._last_write, "writes")
        self._note(index, memory, size, block, self._last_read)

    def write(self, index: int, memory: Memory, size: int, block: Block) -> None:
        """Note that instruction ``index`` writes a block; as :meth:`read`.

        Raises
        ------
        GoldenError
            It is unordered with a write or a read.
        """
        self._check(index, memory, block, self._last_write, "writes")
        self._check(index, memory, block, self._last_read, "reads")
        self._note(index, memory, size, block, self._last_write)

    def last_writer(self, memory: Memory, address: int) -> int | None:
        """Index of the instruction that wrote a byte last, in program order; None if none did."""
        last = [
            int(t[address]) for (written, _), t in self._last_write.items() if written is memory
        ]
        return max(last) - 1 if any(last) else None

    def _note(self, index: int, memory: Memory, size: int, block: Block, traces: Traces) -> None:
        engine = self._engine(index)
        if (memory, engine) not in traces:
            traces[memory, engine] = np.zeros(size, np.int32)
            self._touched[memory].add(engine)
        block.footprint.view(traces[memory, engine])[...] = index + 1

    def _check(self, index: int, memory: Memory, block: Block, traces: Traces, does: str) -> None:
        own = self._engine(index)
        for engine in self._touched[memory] - {own}:
            trace = traces.get((memory, engine))
            if trace is None:
                continue
            completed = self._clocks.start[index, engine]
            if block.footprint.view(trace).max() > completed:
                late = block.view(trace) > completed
                address = int(block.addresses()[late].min())
                other = int(trace[address]) - 1
                raise GoldenError(
                    f"byte {address:#x} of {memory}: {describe(other, self._program[other])} "
                    f"{does} it, and no semaphore orders the two: let {own.name} wait for "
                    f"{engine.name}"
                )

    def _engine(self, index: int) -> Engine:
        engine = self._program[index].engine
        assert engine is not None
        return engine
