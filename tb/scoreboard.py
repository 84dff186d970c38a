"""Byte-by-byte comparison of every memory of the RTL with the golden model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arch.config import Config
from arch.image import DebugInfo
from tb import memory_layout

DRAM = "dram"

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Expectation:
    """What a memory must hold: golden ``data`` where ``written``, else what it held before.

    Both are uint8 and bool arrays of the memory's bytes.
    """

    data: Bytes
    written: NDArray[np.bool_]


@dataclass(frozen=True)
class Mismatch:
    """The first wrong byte of a memory; ``place`` says where in the memory's own terms."""

    memory: str
    address: int
    expected: int
    got: int
    written: bool
    place: str

    def __str__(self) -> str:
        what = "expected" if self.written else "never written by the program, before the run"
        return (
            f"{self.memory} byte {self.address:#x} ({self.place}): {what} {self.expected:#04x}, "
            f"got {self.got:#04x}"
        )


@dataclass(frozen=True)
class Verdict:
    """Outcome over all memories.

    Attributes
    ----------
    compared_bytes
        Bytes the program (or the image) wrote, each compared with the golden model.
    untouched_bytes
        Bytes never written, each compared with what it held before the run.
    mismatches
        Wrong bytes of both kinds.
    first
        The first one of each memory that has any.
    """

    compared_bytes: int
    untouched_bytes: int
    mismatches: int
    first: tuple[Mismatch, ...]

    @property
    def passed(self) -> bool:
        """No mismatch, and something was compared."""
        return self.mismatches == 0 and self.compared_bytes > 0


def compare(
    config: Config,
    debug: DebugInfo,
    expected: Mapping[str, Expectation],
    before: Mapping[str, Bytes],
    after: Mapping[str, Bytes],
) -> Verdict:
    """Compare DRAM (``"dram"``) and every buffer.

    Parameters
    ----------
    config, debug
        Used to say where a mismatch lies.
    expected
        By memory, from the golden model.
    before, after
        By memory, what the RTL held before and after the run; uint8 of equal size.

    Raises
    ------
    ValueError
        The memories, or their sizes, are not those of the golden model.
    """
    names = {*memory_layout.shapes(config), DRAM}
    if not names == set(expected) == set(before) == set(after):
        raise ValueError(f"every one of {', '.join(sorted(names))} must be compared")
    compared = untouched = mismatches = 0
    first = []
    for name, want in expected.items():
        if not want.data.size == before[name].size == after[name].size:
            raise ValueError(f"{name}: sizes of golden model and RTL differ")
        target = np.where(want.written, want.data, before[name])
        wrong = np.flatnonzero(target != after[name])
        written = int(np.count_nonzero(want.written))
        compared += written
        untouched += want.data.size - written
        mismatches += wrong.size
        if wrong.size:
            at = int(wrong[0])
            place = _place(config, debug, name, at)
            values = int(target[at]), int(after[name][at])
            first.append(Mismatch(name, at, *values, bool(want.written[at]), place))
    return Verdict(compared, untouched, mismatches, tuple(first))


def _place(config: Config, debug: DebugInfo, memory: str, address: int) -> str:
    if memory != DRAM:
        return memory_layout.describe(config, memory, address)
    for tensor in debug.tensors:
        row, byte = divmod(address - tensor.address, tensor.row_bytes)
        if 0 <= row < tensor.rows:
            column = byte // (2 if tensor.element_type == "int16" else 1)
            if column >= tensor.cols:
                return f"padding of tensor {tensor.name}, row {row}"
            tile = f"n tile {column // config.cols}, lane {column % config.cols}"
            return f"tensor {tensor.name} [{row}, {column}], {tile}"
    return "in no tensor"
