"""What VECTOR writes, and when."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import cached_property

import numpy as np

from arch.config import Config
from arch.isa import Buffer, Destination, ElementType, Instruction, Vector
from model.sub_banks import Masks, SubBanks

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

    Sub-banks are worked out when somebody looks, and what is looked at only goes forward: nobody
    asks for a cycle before the first one of the last question.

    Parameters
    ----------
    pipeline_cycles
        From the issue of a row to its write (T-VX-04).
    """

    def __init__(self, config: Config, pipeline_cycles: int) -> None:
        self._cols = config.cols
        self._pipeline_cycles = pipeline_cycles
        self._sub_banks = {buffer: SubBanks(config, buffer) for buffer in BUFFERS.values()}
        self._rows: _Rows | None = None
        self._issued: deque[tuple[_Rows, int, int, int]] = deque()

    def begin(self, instruction: Vector, steps: int) -> None:
        """Take up an instruction whose rows take ``steps`` cycles each (T-VX-03)."""
        self._rows = None
        if instruction.output_buffer != Destination.NONE:
            buffer = BUFFERS[Destination(instruction.output_buffer)]
            self._rows = _Rows(instruction, steps, self._cols, self._sub_banks[buffer])

    def issue(self, cycle: int, first: int, steps: int) -> None:
        """Go through steps of its rows, from the given one on, from ``cycle`` on without a gap."""
        if self._rows is not None:
            self._issued.append((self._rows, cycle + self._pipeline_cycles, first, steps))

    def any(self, buffer: Buffer, first: int, last: int) -> bool:
        """Whether a buffer may be written in a cycle from ``first`` to ``last``."""
        issued = self._issued
        while issued and issued[0][1] + issued[0][3] <= first:
            issued.popleft()
        for rows, cycle, _, _ in issued:
            if cycle > last:
                return False
            if rows.buffer is buffer:
                return True
        return False

    def window(self, buffer: Buffer, first: int, length: int) -> Masks:
        """Sub-banks of a buffer that are written in ``length`` cycles from ``first`` on."""
        masks = np.zeros(length, np.uint8)
        for rows, cycle, step, steps in self._issued:
            if cycle >= first + length:
                break
            if rows.buffer is buffer:
                size = rows.steps
                # Where the first row is written, and which ones are written within the window.
                at = cycle + size - 1 - step % size - first
                low = max(0, -(at // size))
                high = min((step + steps) // size - step // size, -((at - length) // size))
                if low < high:
                    written = rows.masks[step // size :][low:high]
                    masks[at + low * size : at + high * size : size] = written
        return masks
