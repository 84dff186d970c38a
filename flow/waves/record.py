"""Recording a trace: which cycles, in which format, and what the simulation leaves of it."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from arch.errors import AssayError
from flow import toolchain
from flow.build import TraceFormat
from flow.cache import SIM_BUILD
from flow.toolchain import Simulator

LAST_RUN = SIM_BUILD / "waves" / "last"
"""Where the commands keep the last trace, and all that belongs to it."""

CYCLE_STEPS = 2
"""Units of time in the trace that a cycle takes."""

EVERYTHING = "all"
_WINDOW = re.compile(r"(\d+):(\d+)")
_TIMES_FILE = "waves_times.txt"
_RUNNER_VARIABLE = "WAVES"
# What Verilator's FST writer includes and links.
_FST_PROBE = """
#include <lz4.h>
#include <zlib.h>
int main() { return LZ4_versionNumber() == 0 || zlibVersion() == nullptr; }
"""


@dataclass(frozen=True)
class Window:
    """Cycles of the run to record: from ``first`` on, before ``behind``; all of them without.

    Without a window the simulation before and after the run is recorded too.
    """

    first: int = 0
    behind: int | None = None

    def plusargs(self) -> list[str]:
        """Arguments for ``tb/waves.sv``."""
        if self.behind is None:
            return []
        return [f"+waves_from={self.first}", f"+waves_to={self.behind}"]

    def check_reached(self, cycles: int) -> None:
        """Complain of a window that begins after a run of ``cycles``.

        Raises
        ------
        AssayError
            It does: nothing was recorded.
        """
        if self.first >= cycles:
            raise AssayError(
                f"--waves {self.first}:{self.behind} records nothing: the run ended after {cycles} "
                f"cycles, give a window that begins before"
            )


@dataclass(frozen=True)
class Recording:
    """What to record, and the folder for it, whose content is replaced."""

    window: Window
    folder: Path


def parse_window(text: str) -> Window:
    """Read ``all`` or ``FROM:TO``.

    Raises
    ------
    AssayError
        It is neither, or the window is empty.
    """
    if text == EVERYTHING:
        return Window()
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise AssayError(
            f"--waves {text}: give {EVERYTHING} or FROM:TO, two cycles of the run as in 1000:1200"
        )
    window = Window(int(match[1]), int(match[2]))
    if window.behind is not None and window.first >= window.behind:
        raise AssayError(
            f"--waves {text}: the window is empty: FROM must be below TO, which is the first cycle "
            "no longer recorded"
        )
    return window


@dataclass(frozen=True)
class Trace:
    """A recorded trace.

    Attributes
    ----------
    file
        The trace.
    start, end, halt
        Times at which the run began (cycle 0), ended, and was halted for an error; None where it
        was not.
    """

    file: Path
    start: int
    end: int | None
    halt: int | None

    def time(self, cycle: int) -> int:
        """When a cycle of the run begins."""
        return self.start + CYCLE_STEPS * cycle


def trace_format(simulator: Simulator) -> TraceFormat:
    """FST, or VCD where the libraries for it are missing."""
    return "fst" if simulator == "icarus" or _fst_compiles() else "vcd"


@functools.cache
def _fst_compiles() -> bool:
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        command = [str(toolchain.compiler()), "-x", "c++", "-", "-llz4", "-lz", "-o", "probe"]
        return not subprocess.run(
            command, cwd=folder, input=_FST_PROBE, text=True, capture_output=True
        ).returncode


def trace_file(form: TraceFormat) -> str:
    """Name of the trace in the folder of the run."""
    return f"waves.{form}"


def collect(folder: Path, form: TraceFormat, into: Path) -> Trace:
    """Take what the simulation of a traced build left in its folder; of several runs the first.

    What the other folder held is removed.
    """
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    name = trace_file(form)
    if (folder / name).exists():
        shutil.move(folder / name, into / name)
    times: dict[str, int] = {}
    for line in (folder / _TIMES_FILE).read_text().splitlines():
        event, time = line.split()
        times.setdefault(event, int(time))
    return Trace(into / name, times["start"], times.get("end"), times.get("halt"))


@contextlib.contextmanager
def runner_environment() -> Iterator[None]:
    """Hide from cocotb's runner the variable that would make it trace in its own way."""
    value = os.environ.pop(_RUNNER_VARIABLE, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[_RUNNER_VARIABLE] = value
