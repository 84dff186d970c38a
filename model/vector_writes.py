"""What VECTOR writes, and when."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from arch.config import Config
from arch.isa import Buffer, Destination, ElementType, Instruction, Vector
from arch.timing import VECTOR_PIPELINE_CYCLES
from model.sub_banks import Masks, Requests, SubBanks

BUFFERS = {Destination.ACTIVATION: Buffer.ACTIVATION, Destination.WEIGHT: Buffer.WEIGHT}
"""Where a destination lies."""


def written_buffers(program: Iterable[Instruction]) -> frozenset[Buffer]:
    """The buffers that any VECTOR of a program writes."""
    destinations = {each.output_buffer for each in program if isinstance(each, Vector)}
    return frozenset(BUFFERS[each] for each in BUFFERS if each in destinations)


class _Rows:
    """The rows of an instruction; each has ``steps`` cycles, and is issued in the last of them."""

    def __init__(self, instruction: Vector, steps: int, cols: int, sub_banks: SubBanks) -> None:
        self.buffer = BUFFERS[Destination(instruction.output_buffer)]
        self.steps = steps
        self._instruction = instruction
        self._cols = cols
        self._sub_banks = sub_banks

    @cached_property
    def masks(self) -> Masks:
        """Sub-banks of the valid lanes of each row, n tile by n tile (I-04, B-04)."""
        v = self._instruction
        element_bytes = ElementType(v.element_type).bytes
        tile = np.arange(v.n_tiles)[:, None]
        row = np.arange(v.rows)
        lanes = np.where(tile == v.n_tiles - 1, v.last_n, self._cols)
        addresses = v.output_address + row * v.output_row_stride + tile * self._cols * element_bytes
        return self._sub_banks.of(addresses, lanes * element_bytes).ravel()


class VectorWrites:
    """Writes of VECTOR, which nothing holds (B-04).

    They are worked out when somebody looks at them or at what comes before.
    """

    def __init__(self, config: Config) -> None:
        self._cols = config.cols
        self._sub_banks = {buffer: SubBanks(config, buffer) for buffer in BUFFERS.values()}
        self._requests = {buffer: Requests() for buffer in BUFFERS.values()}
        self._rows: _Rows | None = None
        self._issued: list[tuple[_Rows, int, int, int]] = []

    def begin(self, instruction: Vector, steps: int) -> None:
        """Take up an instruction whose rows take ``steps`` cycles each (T-VX-03)."""
        self._rows = None
        if instruction.output_buffer != Destination.NONE:
            buffer = BUFFERS[Destination(instruction.output_buffer)]
            self._rows = _Rows(instruction, steps, self._cols, self._sub_banks[buffer])

    def issue(self, cycle: int, first: int, steps: int) -> None:
        """Go through steps of its rows, from the given one on, from ``cycle`` on without a gap."""
        if self._rows is not None:
            self._issued.append((self._rows, cycle, first, steps))

    def window(self, buffer: Buffer, first: int, length: int) -> Masks:
        """Sub-banks of a buffer that are written in ``length`` cycles from ``first`` on.

        Nobody looks at what lies before ``first`` again.
        """
        for rows, cycle, step, steps in self._issued:
            # T-VX-04
            written = cycle + VECTOR_PIPELINE_CYCLES
            if written + steps > first:
                # Steps to the end of the first row.
                ahead = rows.steps - 1 - step % rows.steps
                masks = rows.masks[step // rows.steps : (step + steps) // rows.steps]
                self._requests[rows.buffer].window(written, steps)[ahead :: rows.steps] = masks
        self._issued.clear()
        return self._requests[buffer].window(first, length)
