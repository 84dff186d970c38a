"""What GTKWave opens: the signals of the layout, grouped, with words and markers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from vcd.gtkw import GTKWSave, make_translation_filter

from flow.toolchain import Simulator
from flow.waves.layout import BENCH, Group, Row, groups
from flow.waves.markers import Markers
from flow.waves.names import Name, trace_path
from flow.waves.words import Words, color

SESSION_FILE = "session.gtkw"
_WORDS = "words"

_WIDTH, _HEIGHT = 1600, 1000
_SIGNALS_WIDTH = 430
_WAVES_WIDTH = 1080
"""Pixels of the window, of the names in it, and of what is left for waves."""
_FRAME_WIDTH = 200
"""Pixels that hold one unit of time at GTKWave's zoom of 0; half as many at -1."""


class SessionWriter:
    """Writes a session and the tables of words that it needs.

    Parameters
    ----------
    trace
        The file; everything else is written beside it.
    simulator
        Decides how names are spelled.
    names
        Of :func:`flow.waves.names.name_map`.
    tables
        Of :func:`flow.waves.words.tables`.
    """

    def __init__(
        self,
        trace: Path,
        simulator: Simulator,
        names: Mapping[str, Name],
        tables: Mapping[str, Words],
    ) -> None:
        self._trace = trace.resolve()
        self._simulator = simulator
        self._names = names
        self._tables = tables

    def write(self, markers: Markers, first: int, last: int) -> None:
        """Write the session; it shows the time from ``first`` to ``last``."""
        folder = self._trace.parent
        (folder / _WORDS).mkdir()
        placed = {"a": markers.start, "b": markers.divergence, "c": markers.end}
        # Typed as if each letter were a dictionary.
        letters: Any = {letter: time for letter, time in placed.items() if time is not None}
        primary = markers.start if markers.divergence is None else markers.divergence
        with (folder / SESSION_FILE).open("w") as file:
            save = GTKWSave(file)
            save.dumpfile(str(self._trace))
            save.savefile(str(folder / SESSION_FILE))
            save.timestart(first)
            save.size(_WIDTH, _HEIGHT)
            save.zoom_markers(_zoom(last - first), primary, **letters)
            save.sst_expanded(False)
            save.signals_width(_SIGNALS_WIDTH)
            for group in groups():
                self._group(save, group)

    def _group(self, save: GTKWSave, group: Group) -> None:
        titled = save.group(group.title, closed=group.closed) if group.title else nullcontext()
        with titled:
            for row in group.rows:
                self._row(save, row)

    def _row(self, save: GTKWSave, row: Row) -> None:
        if row.name.startswith(BENCH):
            parts = ("assay_top", "waves", *row.name.removeprefix(BENCH).split("."))
            path, width, words = trace_path(parts, self._simulator), row.bench_bits, None
        else:
            name = self._names[row.name]
            path, width, words = name.path(self._simulator), name.width_bits, name.values
        if row.words is not None:
            words = self._tables[row.words]
        save.trace(
            f"{path}[{width - 1}:0]" if width > 1 else path,
            alias=row.label,
            datafmt=row.form,
            translate_filter_file=self._table(row.words or row.name, words) if words else None,
        )

    def _table(self, name: str, words: Words) -> str:
        """Write a table and return its path."""
        path = self._trace.parent / _WORDS / f"{name}.txt"
        rows = [(v, word, c) if (c := color(word)) else (v, word) for v, word in words.items()]
        path.write_text(make_translation_filter(rows, datafmt="dec") + "\n")
        return str(path)


def _zoom(steps: int) -> float:
    """GTKWave's zoom that lets so many steps of time fill the window."""
    return -math.log2(steps * _FRAME_WIDTH / _WAVES_WIDTH)
