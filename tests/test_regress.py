"""`assay regress`: runs on `tiny`, with faults planted in golden, and with bad input."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import signal
import sqlite3
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from rich.console import Console

import golden.machine
from flow import cli
from flow.regress import command, terminal
from flow.regress.junit import write_junit
from flow.regress.schema import Regression, Run
from flow.result import Result
from flow.run import compile_workload
from flow.suite.point import RunPoint, distinct_builds
from flow.suite.suite import Suite, read_suite
from golden.machine import MachineState
from workloads import registry

SUITE = """
configs = ["{config}"]
[[groups]]
workloads = ["gemm:5x5x5"]
seeds = [1, 2, 3]
[[groups]]
workloads = ["gemm:9x21x10"]
memories = ["axi"]
timings = [{{dram_latency_cycles = 20}}]
seeds = [4]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where results go: not those of the user."""
    monkeypatch.setattr(command, "FOLDER", tmp_path / "regress")
    return tmp_path / "regress"


@pytest.fixture
def regress(folder, tmp_path, capsys):
    """Status, result and lines of stdout; by default of a suite whose configuration is a file."""
    config, suite = tmp_path / "my small.toml", tmp_path / "mine.toml"
    config.write_text('extends = "tiny"\n')
    suite.write_text(SUITE.format(config=config))

    def call(*arguments: str) -> tuple[int, Regression, list[str]]:
        path = tmp_path / "regression.json"
        status = cli._main(["regress", *(arguments or [str(suite)]), "--json", str(path)])
        printed = capsys.readouterr().out
        assert printed.replace("\n", "").isprintable()
        return status, Regression.model_validate_json(path.read_bytes()), printed.splitlines()

    return call


@pytest.fixture
def plant(monkeypatch):
    """Does something to what golden leaves, in runs of one seed."""

    def plant_fault(seed: int, fault: Callable[[MachineState], object]) -> None:
        run = golden.machine.run

        def faulty(image, config, of):
            state = run(image, config, of)
            if of == seed:
                fault(state)
            return state

        monkeypatch.setattr(golden.machine, "run", faulty)

    return plant_fault


def flip_first_output(state: MachineState) -> None:
    state.dram[state.dram_written.nonzero()[0][0]] ^= 1


def rows(folder) -> list[sqlite3.Row]:
    connection = sqlite3.connect(folder / "results.sqlite")
    connection.row_factory = sqlite3.Row
    found = connection.execute("SELECT * FROM runs ORDER BY rowid").fetchall()
    connection.close()
    return found


def point(**changes: object) -> RunPoint:
    fields = {
        "workload": "gemm:5x5x5",
        "config": "tiny",
        "seed": 0,
        "dram_latency_cycles": 100,
        "dram_bytes_per_cycle": 4,
        "simulator": "verilator",
        "memory": "fast",
    }
    return RunPoint.model_validate(fields | changes)


def test_a_suite_passes_and_database_and_junit_say_so(regress, folder):
    status, found, lines = regress()
    assert (status, found.passed, len(found.runs)) == (0, True, 4)
    assert lines[-1].startswith("PASS mine: 4 runs: 4 passed, 0 failed, 0 skipped; ")
    assert not any(line.startswith(("FAIL", "SKIP")) for line in lines)
    assert sum(" passed gemm:" in line for line in lines) == 4
    by_seed = {row["seed"]: row for row in rows(folder)}
    for run in found.runs:
        row = by_seed[run.point.seed]
        assert {name: row[name] for name in RunPoint.model_fields} == run.point.model_dump()
        assert (row["suite"], row["passed"], row["status"]) == ("mine", 1, "passed")
        assert (row["failure"], row["rerun"]) == ("", run.point.command)
        for name in ("cycles", "predicted_cycles", "utilization", "khz", "seconds", "build"):
            assert row[name] == getattr(run, name)
            assert row[name]
    fast, axi = by_seed[1], by_seed[4]
    assert fast["cycles"] == fast["predicted_cycles"]
    assert fast["build"] == by_seed[2]["build"] != axi["build"]
    suite = ElementTree.parse(folder / "junit.xml").getroot().find("testsuite")
    assert suite.attrib | {"time": "", "timestamp": ""} == {
        "name": "mine",
        "tests": "4",
        "failures": "0",
        "errors": "0",
        "skipped": "0",
        "time": "",
        "timestamp": "",
    }
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert set(cases) == {run.point.title for run in found.runs}
    for run in found.runs:
        each = cases[run.point.title].iter("property")
        properties = {found.get("name"): found.get("value") for found in each}
        assert properties["cycles"] == str(run.cycles)
        assert properties["memory"] == run.point.memory


def test_a_fault_is_reported_once_and_its_command_reproduces_it(
    regress, folder, plant, tmp_path, capsys
):
    plant(4, flip_first_output)
    status, found, lines = regress()
    assert (status, found.passed) == (1, False)
    (failed,) = found.having("failed")
    assert failed.point.seed == 4
    (line,) = (line for line in lines if line.startswith("FAIL gemm"))
    title, _, again = line.partition("; again with: ")
    assert title == f"FAIL {failed.point.title}: {failed.reason}"
    assert lines[-1].startswith("FAIL mine: 4 runs: 3 passed, 1 failed, 0 skipped; ")
    (row,) = (row for row in rows(folder) if not row["passed"])
    assert (row["seed"], row["failure"], row["rerun"]) == (4, failed.reason, again)
    (case,) = ElementTree.parse(folder / "junit.xml").findall(".//failure/..")
    assert case.get("name") == failed.point.title
    assert case.find("failure").get("message") == failed.reason
    assert case.find("failure").text.splitlines() == [*failed.failures, f"again with: {again}"]

    result = tmp_path / "result.json"
    assert cli._main([*shlex.split(again)[1:], "--json", str(result)]) == 1
    capsys.readouterr()
    rerun = Result.model_validate_json(result.read_bytes())
    assert (rerun.failures, rerun.cycles) == (failed.failures, failed.cycles)
    assert (rerun.memory, rerun.seed) == ("axi", 4)

    assert regress("--last")[1].runs == found.runs
    status, again_found, _ = regress("--failed")
    assert (status, [run.point for run in again_found.runs]) == (1, [failed.point])
    assert len(rows(folder)) == 5


def test_the_command_holds_every_axis_that_differs():
    each = point(dram_latency_cycles=20, dram_bytes_per_cycle=3, seed=7, simulator="icarus")
    assert each.command == (
        "assay run gemm:5x5x5 --config tiny --set dram_latency_cycles=20 "
        "--set dram_bytes_per_cycle=3 --sim icarus --memory fast --seed 7"
    )


def test_a_run_that_crashes_or_raises_fails_alone(regress, folder, plant):
    plant(2, lambda state: os.kill(os.getpid(), signal.SIGKILL))
    plant(3, lambda state: state.nothing)
    status, found, _ = regress()
    assert status == 1
    reasons = {run.point.seed: run.reason for run in found.runs}
    assert reasons[1] == reasons[4] == ""
    assert reasons[2] == "the process of the run was killed by SIGKILL"
    assert reasons[3].startswith("AttributeError: 'MachineState' object has no attribute 'nothing'")
    texts = [failure.text for failure in ElementTree.parse(folder / "junit.xml").iter("failure")]
    assert sum("Traceback (most recent call last)" in text for text in texts) == 1


def test_a_build_that_fails_fails_each_of_its_runs(regress, monkeypatch):
    def fail(config, simulator, *, memory):
        raise RuntimeError("no compiler today")

    monkeypatch.setattr("flow.regress.regress.build_simulation", fail)
    status, found, _ = regress()
    assert (status, len(found.having("failed"))) == (1, 4)
    for run in found.runs:
        assert run.reason.startswith("the build failed: RuntimeError: no compiler today")


def test_runs_without_their_simulator_are_skipped_and_say_why(regress, tmp_path, monkeypatch):
    suite = tmp_path / "both.toml"
    suite.write_text(
        'workloads = ["gemm:1x1x1"]\nconfigs = ["tiny"]\nsimulators = ["verilator", "icarus"]\n'
    )
    which = shutil.which

    def without_icarus(name, *others, **named):
        return None if name == "iverilog" else which(name, *others, **named)

    monkeypatch.setattr(shutil, "which", without_icarus)
    status, found, lines = regress(str(suite))
    assert (status, len(found.having("passed")), len(found.having("skipped"))) == (0, 1, 1)
    (line,) = (line for line in lines if line.startswith("SKIP"))
    assert line.startswith("SKIP 1 runs: iverilog is not installed: install the package iverilog")
    assert " 1 passed, 0 failed, 1 skipped; " in lines[-1]
    suite.write_text(suite.read_text().replace('"verilator", ', ""))
    assert regress(str(suite))[0] == 1


def test_an_interrupt_keeps_what_finished(regress, folder, monkeypatch):
    finished = terminal.Lines.finished

    def interrupt(self: terminal.Lines, run: Run) -> None:
        finished(self, run)
        raise KeyboardInterrupt

    monkeypatch.setattr(terminal.Lines, "finished", interrupt)
    status, found, lines = regress()
    assert (status, found.passed, found.planned, len(found.runs)) == (1, False, 4, 1)
    assert f"interrupted: 1 of 4 runs are kept in {folder / 'results.sqlite'}" in lines
    assert " 1 passed, 0 failed, 0 skipped, 3 not made; " in lines[-1]
    assert len(rows(folder)) == 1


def test_junit_holds_any_text_of_a_failure(tmp_path):
    start = "2026-01-01T00:00:00Z"
    run = Run(point=point(), status="failed", failures=["a\x1b[31m\0<b>&\ud800"], finished=start)
    found = Regression(suite="s", started=start, seconds=1, planned=1, runs=[run])
    write_junit(found, tmp_path / "junit.xml")
    (failure,) = ElementTree.parse(tmp_path / "junit.xml").iter("failure")
    assert failure.get("message") == "a?[31m?<b>&?"


def test_the_live_table_fits_80_columns_and_is_removed():
    file = io.StringIO()
    to = Console(file=file, force_terminal=True, width=80, height=40, color_system=None)
    run = Run(
        point=point(workload="gemm:1024x4096x4096", memory="axi-random"),
        status="failed",
        finished="2026-01-01T00:00:00Z",
        cycles=123_456_789,
    )
    with terminal.Display("mine", 3, to) as display:
        display.building(point())
        display.built(point())
        display.begun(point())
        display.finished(run)
        display.waiting()
        shown = Console(file=io.StringIO(), width=80, color_system=None)
        shown.print(display._picture())
    lines = shown.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("mine: 1 of 3 runs; 0 passed, 1 failed, 0 skipped; ")
    assert sum(" failed " in line and "123,456,789" in line for line in lines) == 1
    assert sum(" runs " in line and "gemm:5x5x5 tiny" in line for line in lines) == 1


BAD = {
    "unknown suite": (["none"], "no suite 'none': give one of correlate, nightly, smoke"),
    "with failed": (["smoke", "--failed"], "suite 'smoke' with --failed"),
    "no last": (["--last"], "there was no regression yet"),
    "no folder": (["--junit", "/nowhere/j.xml"], "there is no folder"),
    "no jobs": (["--jobs", "0"], "greater than or equal to 1"),
}
BAD_SUITES = {
    "unknown key": ("shapes = []", "unknown key 'shapes'"),
    "unknown key of a group": ("[[groups]]\nshapes = []", "unknown key 'groups.0.shapes'"),
    "unknown key of a timing": ("timings = [{latency = 3}]", "unknown key 'timings.0.latency'"),
    "unknown simulator": ('simulators = ["vcs"]', "simulators.0 = 'vcs'"),
    "unknown memory": ('[[groups]]\nmemories = ["hbm"]', "groups.0.memories.0 = 'hbm'"),
    "unknown workload": ('[[groups]]\nworkloads = ["gem"]', "no workload 'gem'"),
    "bad seed": ("seeds = [-1]", "greater than or equal to 0"),
    "empty axis": ("seeds = []", "seeds = []"),
    "no groups": ("groups = []", "groups = []"),
    "no TOML": ("= 1", "not a readable TOML file"),
}


@pytest.mark.parametrize("name", [*BAD, *BAD_SUITES])
def test_bad_input_is_one_line_and_status_2(name, folder, tmp_path, capsys):
    if name in BAD:
        arguments, said = BAD[name]
    else:
        text, said = BAD_SUITES[name]
        path = tmp_path / "bad.toml"
        path.write_text(f'workloads = ["gemm:1x1x1"]\nconfigs = ["tiny"]\n{text}\n')
        arguments = [str(path)]
    assert cli._main(["regress", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


def test_a_suite_without_configs_is_refused(folder, tmp_path, capsys):
    path = tmp_path / "bad.toml"
    path.write_text('[[groups]]\nworkloads = ["gemm:1x1x1"]\n')
    assert cli._main(["regress", str(path)]) == 2
    assert "suite 'bad': key 'configs' is missing" in capsys.readouterr().err


def test_a_file_that_is_no_database_is_refused(folder, capsys):
    folder.mkdir()
    (folder / "results.sqlite").write_text("hello, this is not a database at all" * 99)
    assert cli._main(["regress", "--last"]) == 2
    assert "not a database of regressions" in capsys.readouterr().err


def test_a_group_says_what_differs_from_the_suite(tmp_path):
    path = tmp_path / "groups.toml"
    path.write_text(
        'workloads = ["gemm:1x1x1"]\nconfigs = ["tiny"]\nseeds = [1]\n'
        '[[groups]]\nmemories = ["axi"]\n[[groups]]\nseeds = [1, 2]\n[[groups]]\nseeds = [2]\n'
    )
    found = [(each.memory, each.seed) for each in read_suite(str(path), Suite).runs()]
    assert found == [("axi", 1), ("fast", 1), ("fast", 2)]


def test_the_smoke_suite_has_every_configuration_simulator_and_memory():
    points = read_suite("smoke", Suite).runs()
    assert len(points) >= 60
    assert {each.config for each in points} == {"tiny", "edge", "base", "wide", "8x16", "16x8"}
    assert {each.simulator for each in points} == {"verilator", "icarus"}
    assert {each.memory for each in points} == {"fast", "axi", "axi-random"}
    assert {"minilm_linear", "gemm:1x1x1"} < {each.workload for each in points}


def test_the_nightly_suite_is_wider_and_its_programs_fit():
    points = read_suite("nightly", Suite).runs()
    assert len(points) >= 1000
    builds = {each.build_key for each in distinct_builds(points)}
    assert builds >= {each.build_key for each in read_suite("smoke", Suite).runs()}
    for each in {each.workload: each for each in points if each.config == "tiny"}.values():
        compile_workload(registry.load(each.workload, each.seed), each.loaded)
