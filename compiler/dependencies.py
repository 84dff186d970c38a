"""What each step must wait for, from the regions that steps declare."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence

from arch.isa import Engine
from compiler.step import Region, Step

Needs = list[int]
"""For each engine the last step that must have completed, as an index of steps; -1: none."""


def dependencies(steps: Sequence[Step]) -> list[Needs]:
    """The steps of other engines that each step must wait for when executed in this order.

    Of each engine the last one suffices, since engines retire in order. A read waits for the last
    write of what it reads; a write for the last write and all reads since.
    """
    engines = [step.engine for step in steps]
    spaces: dict[str, _Space] = {}
    result = []
    for index, step in enumerate(steps):
        need = [-1] * len(Engine)
        for region in step.reads:
            spaces.setdefault(region.space, _Space(engines)).collect(region, need, write=False)
        for region in step.writes:
            spaces.setdefault(region.space, _Space(engines)).collect(region, need, write=True)
        need[step.engine] = -1
        for region in step.reads:
            spaces[region.space].record(region, index, write=False)
        for region in step.writes:
            spaces[region.space].record(region, index, write=True)
        result.append(need)
    return result


class _Space:
    """The latest accesses of one space, as one line of segments for each range of rows."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = engines
        self._bands: dict[tuple[int, int], _Segments] = {}

    def collect(self, region: Region, need: Needs, *, write: bool) -> None:
        """Raise `need` to what an access to `region` conflicts with."""
        for (top, bottom), segments in self._bands.items():
            if top < region.bottom and region.top < bottom:
                segments.collect(region.low, region.high, need, write=write)

    def record(self, region: Region, index: int, *, write: bool) -> None:
        """Note that step `index` accesses `region`."""
        rows = (region.top, region.bottom)
        if rows not in self._bands:
            self._bands[rows] = _Segments(self._engines)
        self._bands[rows].record(region.low, region.high, index, write=write)


class _Segments:
    """A line cut where accesses begin and end; each segment knows its last writer and readers.

    Segment ``i`` reaches from ``_starts[i]`` to the next start; what it knows is a list of the
    writer and, for each engine, the last reader since.
    """

    _UNTOUCHED = (-1,) * (1 + len(Engine))

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = engines
        self._starts = [0]
        self._accesses = [list(self._UNTOUCHED)]

    def collect(self, low: int, high: int, need: Needs, *, write: bool) -> None:
        first = bisect_right(self._starts, low) - 1
        for position in range(first, len(self._starts)):
            if self._starts[position] >= high:
                break
            writer, *readers = self._accesses[position]
            if writer >= 0:
                engine = self._engines[writer]
                need[engine] = max(need[engine], writer)
            if write:
                need[:] = map(max, need, readers)

    def record(self, low: int, high: int, index: int, *, write: bool) -> None:
        first, last = self._cut(low), self._cut(high)
        if write:
            self._starts[first:last] = [low]
            self._accesses[first:last] = [[index, *self._UNTOUCHED[1:]]]
            return
        engine = self._engines[index]
        for access in self._accesses[first:last]:
            access[1 + engine] = index

    def _cut(self, at: int) -> int:
        position = bisect_right(self._starts, at) - 1
        if self._starts[position] != at:
            self._accesses.insert(position + 1, list(self._accesses[position]))
            insort(self._starts, at)
            position += 1
        return position
