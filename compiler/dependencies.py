"""What each step must wait for, from the regions that steps declare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arch.isa import Engine
from compiler.step import Region, Step

Needs = list[int]
"""For each engine the last step that must have completed, as an index of steps; -1: none."""

_WRITE, _READ = 0, 1


def dependencies(steps: Sequence[Step]) -> list[Needs]:
    """The steps of other engines that each step must wait for when executed in this order.

    Of each engine the last one suffices, since engines retire in order. A read waits for the last
    write of what it reads; a write for the last write and all reads since.
    """
    spaces = _spaces(steps)
    result = []
    for index, step in enumerate(steps):
        engine = step.engine
        need = np.zeros(len(Engine), np.int32)
        read = [spaces[region.space].units(region) for region in step.reads]
        written = [spaces[region.space].units(region) for region in step.writes]
        for units in read:
            np.maximum(need, units[:, :, _WRITE].max(axis=(0, 1)), out=need)
        for units in written:
            np.maximum(need, units.max(axis=(0, 1, 2)), out=need)
        need[engine] = 0
        for units in read:
            units[:, :, _READ, engine] = index + 1
        for units in written:
            units[:] = 0
            units[:, :, _WRITE, engine] = index + 1
        result.append((need - 1).tolist())
    return result


def _spaces(steps: Sequence[Step]) -> dict[str, _Space]:
    """A space for each name, in the coarsest units that tell its regions apart."""
    marks: dict[str, int] = defaultdict(int)
    ends: dict[str, int] = defaultdict(int)
    for step in steps:
        for region in (*step.reads, *step.writes):
            marks[region.space] |= region.start | region.stride
            end = region.start + (region.rows - 1) * region.stride + max(region.size, region.stride)
            ends[region.space] = max(ends[region.space], end)
    return {
        space: _Space(end, (marks[space] & -marks[space]) or end) for space, end in ends.items()
    }


class _Space:
    """The latest accesses of each unit of a space: for each engine one above the step, 0: none.

    Parameters
    ----------
    end, unit
        Of the space; regions start at multiples of `unit`.
    """

    def __init__(self, end: int, unit: int) -> None:
        self._unit = unit
        units = -(-end // unit)
        self._accesses = np.zeros((units, 2, len(Engine)), np.int32)

    def units(self, region: Region) -> NDArray[np.int32]:
        """Accesses of the units of a region, a view: [row, unit, write or read, engine].

        Of a unit the last write counts, and the reads since.
        """
        first, size = region.start // self._unit, -(-region.size // self._unit)
        stride = region.stride // self._unit or size
        units = self._accesses[first : first + region.rows * stride]
        return units.reshape(region.rows, stride, 2, len(Engine))[:, :size]
