"""Builds are found again by content, never made twice at once, never half made."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from arch.errors import AssayError
from flow import build as build_module
from flow.build import Sources, build
from flow.cache import cached, digest

TRIVIAL = Sources(
    top="trivial",
    files={"trivial.v": "module trivial; parameter X = 1; initial $finish; endmodule"},
    cocotb=False,
)


@pytest.fixture
def compiles(monkeypatch) -> list[str]:
    """Commands that the builder ran, none of them executed."""
    ran: list[str] = []

    def execute(commands, workspace, log):
        ran.extend(Path(command[0]).name for command in commands)
        (workspace / TRIVIAL.top).write_text("program")
        log.write_text("")

    monkeypatch.setattr(build_module, "_execute", execute)
    return ran


def test_the_same_sources_are_built_once(tmp_path, compiles):
    first = build(TRIVIAL, "verilator", tmp_path)
    ran = len(compiles)
    second = build(TRIVIAL, "verilator", tmp_path)
    assert first.folder == second.folder
    assert ran > 0
    assert len(compiles) == ran


@pytest.mark.parametrize(
    "other",
    [
        replace(TRIVIAL, files={"trivial.v": TRIVIAL.files["trivial.v"] + " "}),
        replace(TRIVIAL, files={**TRIVIAL.files, "extra.svh": ""}),
        replace(TRIVIAL, parameters={"X": 2}),
        replace(TRIVIAL, cocotb=True),
    ],
    ids=["text", "file", "parameter", "cocotb"],
)
def test_any_difference_is_another_build(tmp_path, compiles, other):
    assert build(TRIVIAL, "verilator", tmp_path).folder != (
        build(other, "verilator", tmp_path).folder
    )


def test_flags_and_versions_are_part_of_the_key(tmp_path, compiles, monkeypatch):
    first = build(TRIVIAL, "verilator", tmp_path).folder
    monkeypatch.setattr(build_module, "_CXX_FLAGS", ("-O2",))
    second = build(TRIVIAL, "verilator", tmp_path).folder
    monkeypatch.setattr(build_module.toolchain, "versions", lambda simulator: {"gcc": "99"})
    third = build(TRIVIAL, "verilator", tmp_path).folder
    assert len({first, second, third}) == 3


def test_a_failed_build_leaves_only_its_log(tmp_path):
    broken = replace(TRIVIAL, files={"trivial.v": "module trivial; nonsense; endmodule"})
    with pytest.raises(AssayError, match=r"'verilator_bin' failed with status \d+: see "):
        build(broken, "verilator", tmp_path)
    left = sorted(path.suffix for path in tmp_path.iterdir())
    assert left == [".lock", ".log"]
    assert "nonsense" in next(tmp_path.glob("*.log")).read_text()


def _make_slowly(root: Path, key: str) -> None:
    def make(folder: Path) -> None:
        with (root / "made").open("a") as file:
            file.write("x")
        (folder / "half").write_text("")
        time.sleep(0.5)
        (folder / "whole").write_text("")

    cached(key, make, root)


def test_two_processes_make_a_key_once(tmp_path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_make_slowly, args=(tmp_path, "key")) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=20)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert (tmp_path / "made").read_text() == "x"
    assert (tmp_path / "key" / "whole").exists()


def test_a_killed_make_is_never_taken_for_complete(tmp_path):
    process = multiprocessing.get_context("fork").Process(
        target=_make_slowly, args=(tmp_path, "key")
    )
    process.start()
    while not (tmp_path / "key.partial" / "half").exists():
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(timeout=20)
    assert not (tmp_path / "key").exists()
    _make_slowly(tmp_path, "key")
    assert sorted(path.name for path in (tmp_path / "key").iterdir()) == ["half", "whole"]
    assert not (tmp_path / "key.partial").exists()


def test_digest_does_not_depend_on_the_order_of_keys():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})
