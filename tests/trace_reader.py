"""Traces as pywellen reads them."""

from __future__ import annotations

import bisect
from pathlib import Path

import pywellen


class TraceReader:
    """Values in a trace by the paths of the name map; a value holds until the next."""

    def __init__(self, path: Path):
        self._waveform = pywellen.Waveform(str(path))
        # An index at the end of a name is read as that of an array.
        self.variables = {v.full_name.replace(".[", "["): v for v in self._waveform.all_vars()}

    def changes(self, path: str) -> list[tuple[int, int | str]]:
        """Time and value of every change; a value with an X is a string."""
        found: list[tuple[int, int | str]] = []
        self._waveform.stream_changes(
            lambda time, _, value: found.append((time, value)), [self.variables[path]]
        )
        return found

    def at(self, path: str, times: list[int]) -> list[int | str]:
        """Values at some times."""
        changes = self.changes(path)
        moments = [time for time, _ in changes]
        return [changes[bisect.bisect_right(moments, time) - 1][1] for time in times]
