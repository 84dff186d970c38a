"""`assay correlate` through RTL: passing, with planted faults, and with bad input."""

from __future__ import annotations

import csv
import re

import pytest
from test_planted_faults import wake  # noqa: F401 (a fixture)

from arch.config import load_config
from arch.registers import register_map
from flow import cli
from flow.correlate import page
from flow.correlate.correlate import distinct_builds
from flow.correlate.csv_file import COLUMNS
from flow.correlate.schema import Correlation
from flow.correlate.suite import load_suite
from model import vector

SMALL = [
    *("correlate", "--workload", "gemm:5x5x5", "--workload", "gemm:16x16x16"),
    *("--config", "tiny", "--timing", "100:4", "--timing", "20:3"),
]


@pytest.fixture
def correlate(capsys, tmp_path):
    """Status, result, and the lines of stdout."""

    def call(*arguments: str) -> tuple[int, Correlation, list[str]]:
        path = tmp_path / "correlation.json"
        status = cli._main([*arguments, "--json", str(path)])
        lines = capsys.readouterr().out.splitlines()
        return status, Correlation.model_validate_json(path.read_bytes()), lines

    return call


def test_model_and_rtl_agree_and_the_files_say_so(correlate, tmp_path):
    files = ["--csv", str(tmp_path / "c.csv"), "--html", str(tmp_path / "c.html")]
    status, found, lines = correlate(*SMALL, *files)
    assert (status, found.passed, found.failures, found.causes) == (0, True, [], [])
    assert len(found.runs) == 4
    assert all(run.cycles == run.predicted_cycles and not run.parting for run in found.runs)
    assert lines[-1] == "PASS 4 runs, 4 of them equal in every start and end"
    assert max(map(len, lines)) <= 80
    with (tmp_path / "c.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 4 * len(register_map().counters)
    assert {row["error"] for row in rows} == {"0"}
    text = (tmp_path / "c.html").read_text()
    page_alone = text.replace(page.get_plotlyjs(), "")
    assert len(page_alone) < 200_000
    assert not re.search(r"""(?:src|href)=(?!"data:)|https?:|@import|url\(""", page_alone)
    assert "gemm:16x16x16 on tiny, 20:3" in page_alone


def test_a_latency_of_the_model_that_is_off_by_three_is_named(monkeypatch, correlate):
    cycles = vector.VECTOR_PIPELINE_CYCLES
    monkeypatch.setattr(vector, "VECTOR_PIPELINE_CYCLES", cycles + 3)
    status, found, lines = correlate(*SMALL)
    assert (status, found.passed) == (1, False)
    for run in found.runs:
        parting = run.parting
        assert (parting.engine, parting.event, parting.error) == ("VECTOR", "end", 3)
        assert parting.governed[0].rules[0] == "T-VX-04"
        (line,) = (line for line in lines if line.startswith(f"FAIL {run.point.title}:"))
        assert f"VECTOR instruction {parting.instruction}: end predicted in cycle" in line
        assert line.endswith(f"again with: {run.point.command}")
    (cause,) = found.causes
    assert (cause.name, cause.contract, cause.model, cause.rtl) == (
        *("VECTOR_PIPELINE_CYCLES", cycles, cycles + 3, cycles),
    )
    assert f"CAUSE {cause}" in lines


def test_an_rtl_counter_that_misses_an_event_is_named(wake, correlate):  # noqa: F811
    wake("vector_rows")
    status, found, lines = correlate(*SMALL, "--jobs", "1")
    assert (status, found.passed, found.causes) == (1, False, [])
    for run in found.runs:
        assert run.parting is None
        (fault,) = run.counter_faults
        assert (fault.counter, fault.engine) == ("vector_rows", "VECTOR")
        assert fault.rules == ["section 8", "T-VX-03"]
        assert fault.measured == fault.predicted - 1
        assert fault.first_instruction is not None
        assert any(
            line.startswith(f"FAIL {run.point.title}") and str(fault) in line for line in lines
        )


def test_the_suite_of_the_project_is_large_enough():
    suite = load_suite("correlate")
    assert len(suite.workloads) >= 8
    assert len(suite.configs) >= 5
    assert len(suite.timings) >= 3
    points = suite.points()
    assert len(points) == len(suite.workloads) * len(suite.configs) * len(suite.timings)
    assert len(distinct_builds(points)) == len(suite.configs)


def test_a_suite_of_a_user_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'workloads = ["gemm:1x1x1"]\nconfigs = ["tiny"]\n[[timings]]\n[[timings]]\n'
        "dram_latency_cycles = 9\n"
    )
    points = load_suite(str(path)).points()
    assert [point.timing for point in points] == ["100:4", "9:4"]
    assert points[1].command == (
        "assay correlate --workload gemm:1x1x1 --config tiny --timing 9:4 --seed 0"
    )


BAD = {
    "unknown suite": (["none"], "no suite 'none'"),
    "unknown workload": ([*SMALL[1:], "--workload", "gem"], "no workload 'gem'"),
    "unknown configuration": ([*SMALL[1:], "--config", "none"], "no configuration 'none'"),
    "timing": (["--timing", "100"], "is not LATENCY:BYTES"),
    "too fast for the port": (["--config", "tiny", "--timing", "100:8"], "raise axi_data_bits"),
    "latency out of range": (["--timing", "2:4"], "dram_latency_cycles = 2"),
    "no folder": (["--html", "/nowhere/c.html"], "there is no folder"),
    "no jobs": (["--jobs", "0"], "greater than or equal to 1"),
    "unknown key": (["{suite}"], "unknown key 'shapes'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_status_2(name, tmp_path, capsys):
    suite = tmp_path / "bad.toml"
    suite.write_text('workloads = ["gemm:1x1x1"]\nconfigs = ["tiny"]\nshapes = []\n')
    arguments, said = BAD[name]
    arguments = [each.replace("{suite}", str(suite)) for each in arguments]
    assert cli._main(["correlate", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


def test_overrides_change_fields_and_keep_the_port():
    base, slow = load_config("tiny"), load_config("tiny", {"dram_bytes_per_cycle": 1})
    assert slow.hardware_hash == base.hardware_hash
    assert (slow.dram_bytes_per_cycle, slow.axi_data_bits) == (1, 32)
    assert load_config("tiny", {"queue_depth": 3}).hardware_hash != base.hardware_hash


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("dram_latency_cycles", "is no KEY=VALUE"),
        ("=3", "is no KEY=VALUE"),
        ("latency=3", "unknown key 'latency'"),
        ("rows=12", "tiny.toml with rows = 12: rows = 12 must be a power of two"),
        ("rows=many", "rows = 'many'"),
    ],
)
def test_a_bad_override_is_one_line_and_status_2(change, said, capsys):
    assert cli._main(["predict", "gemm:4x4x4", "--config", "tiny", "--set", change]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


def test_overrides_reach_the_run(tmp_path, capsys):
    cycles = []
    for latency in ("100", "200"):
        path = tmp_path / f"{latency}.json"
        change = ["--set", f"dram_latency_cycles={latency}", "--json", str(path)]
        assert cli._main(["predict", "gemm:4x4x4", "--config", "tiny", *change]) == 0
        cycles.append(int(re.search(r'"cycles": (\d+)', path.read_text().split("timeline")[1])[1]))
    assert cycles[1] - cycles[0] >= 300
    capsys.readouterr()
