"""The folder of the last trace: the trace, GTKWave's session, the name map, the result."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from arch.config import Config
from arch.errors import AssayError
from arch.image import Image
from flow.result import Result
from flow.toolchain import Simulator
from flow.waves.markers import Divergence, place
from flow.waves.names import name_map
from flow.waves.record import CYCLE_STEPS, Trace, Window
from flow.waves.session import SESSION_FILE, SessionWriter
from flow.waves.words import tables

NAMES_FILE = "names.json"
RESULT_FILE = "run.json"
TRACE_FILE = "trace.json"

_VIEWER = "gtkwave"


def save_run(
    trace: Trace,
    window: Window,
    divergence: Divergence | None,
    result: Result,
    image: Image,
    config: Config,
    simulator: Simulator,
) -> None:
    """Write everything that belongs to a trace beside it.

    Raises
    ------
    AssayError
        The window begins after the run.
    """
    window.check_reached(result.cycles)
    folder = trace.file.parent
    names, markers = name_map(config), place(trace, divergence)
    behind = result.cycles if window.behind is None else min(window.behind, result.cycles)
    SessionWriter(trace.file, simulator, names, tables(image)).write(
        markers, trace.time(window.first), trace.time(behind)
    )
    entries = {name: signal.entry(simulator) for name, signal in names.items()}
    _write(folder / NAMES_FILE, entries)
    about: dict[str, object] = {
        "file": trace.file.name,
        "cycles": [window.first, behind],
        "start": markers.start,
        "end": markers.end,
        "steps_per_cycle": CYCLE_STEPS,
    }
    if divergence is not None:
        about["divergence"] = {
            "time": markers.divergence,
            "cycle": divergence.cycle,
            "reason": divergence.reason,
        }
    _write(folder / TRACE_FILE, about)
    (folder / RESULT_FILE).write_text(result.model_dump_json(indent=2) + "\n")


def tell(folder: Path, divergence: Divergence | None, say: Callable[[str], None]) -> None:
    """Say where the trace is, and what its marker B means."""
    if divergence is not None:
        say(f"marker B, cycle {divergence.cycle}: {divergence.reason}")
    say(f"waveforms in {folder}: make waves opens them")


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")


def view(folder: Path) -> int:
    """Open GTKWave on the trace in a folder and return its status.

    Raises
    ------
    AssayError
        There is no trace, no GTKWave, or no display.
    """
    session = folder.resolve() / SESSION_FILE
    if not session.exists():
        raise AssayError("no run with waveforms yet: assay run WORKLOAD --waves")
    if shutil.which(_VIEWER) is None:
        raise AssayError(
            f"{_VIEWER} is not installed: install the package {_VIEWER}; the files are in "
            f"{session.parent}"
        )
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        raise AssayError(
            f"there is no display for {_VIEWER}: open {session} where there is one, its files are "
            "beside it"
        )
    return subprocess.run([_VIEWER, str(session)]).returncode
