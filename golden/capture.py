"""Tensors as they are when they are complete, before anything reuses their places (section 10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arch.image import TensorPlace
from arch.isa import ElementType
from golden.block import Block
from golden.memory import ByteMemory, Memory

START, END = -1, -2
"""Moments beside the ends of instructions, which are their indices: of the run."""


@dataclass(frozen=True)
class TensorBytes:
    """The elements of a tensor.

    Attributes
    ----------
    data
        uint8 (rows, bytes of the elements of a row), without padding.
    written
        bool, of the same shape.
    """

    data: NDArray[np.uint8]
    written: NDArray[np.bool_]


class Captures:
    """Copies tensors out of the memories; ``tensors`` holds those that were complete so far."""

    def __init__(self, places: Sequence[TensorPlace], memories: dict[Memory, ByteMemory]) -> None:
        self.tensors: dict[str, TensorBytes] = {}
        self._memories = memories
        self._moments: defaultdict[int, list[TensorPlace]] = defaultdict(list)
        for place in places:
            # An output has to be there when the host reads it, not only when it was complete.
            late = place.role == "intermediate" and place.complete < 0
            moment = END if late or place.role == "output" else place.complete
            self._moments[moment].append(place)

    def take(self, moment: int) -> None:
        """Copy what is complete at the end of an instruction, or at ``START`` or ``END``."""
        for place in self._moments[moment]:
            memory = self._memories[Memory(place.memory)]
            row_bytes = place.cols * ElementType[place.element_type.upper()].bytes
            block = Block(place.address, (place.rows, row_bytes), (place.row_bytes, 1))
            self.tensors[place.name] = TensorBytes(
                block.view(memory.data).copy(), block.view(memory.written).copy()
            )
