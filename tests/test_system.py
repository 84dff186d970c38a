"""Workloads through compiler, golden model, RTL and analytical model, on every configuration."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from arch.config import Config, load_config
from flow import cli, reference
from flow.result import Result
from flow.run import Program, compile_workload, run
from flow.toolchain import Simulator
from workloads import registry

SHAPES = ("1x1x1", "1x7x3", "16x16x16", "17x33x65", "5x100x1", "70x9x130")

CONFIGS = ("tiny", "edge", "base", "wide", "base-16x8", "base-8x16")


def judge(name: str, config: Config, simulator: Simulator = "verilator", seed: int = 0) -> Result:
    program = compile_workload(registry.load(name, seed), config)
    return run(program, config, simulator, seed=seed, notify=lambda text: None).result


def on_each_config(*extra: tuple[str, str]):
    """Parametrise by configuration and shape; tests of one configuration share a process."""
    pairs = [(config, f"gemm:{shape}") for config in CONFIGS for shape in SHAPES]
    return pytest.mark.parametrize(
        ("config", "name"),
        [
            pytest.param(config, name, marks=pytest.mark.xdist_group(config))
            for config, name in (*pairs, *extra)
        ],
    )


@on_each_config(
    ("base", "gemm:197x768x96"),
    ("base", "gemm:1024x16x16"),
    ("tiny", "gemm:300x20x20"),
    ("base", "minilm_linear"),
)
def test_every_byte_and_every_counter_agree(config, name):
    result = judge(name, load_config(config), seed=7)
    assert result.failures == []
    assert result.passed
    assert result.mismatches == 0 < result.outputs_compared


@pytest.mark.xdist_group("base")
@pytest.mark.parametrize(("name", "least"), [("gemm:128x768x768", 0.97), ("gemm:32x384x1536", 0.95)])
def test_large_layers_keep_the_tile_busy(name, least):
    result = judge(name, load_config("base"))
    assert result.failures == []
    assert result.utilization >= least


@pytest.mark.xdist_group("base")
@pytest.mark.parametrize(
    "memory",
    [
        {"dram_latency_cycles": 4},
        {"dram_latency_cycles": 900, "dram_bytes_per_cycle": 3},
        {"dram_bytes_per_cycle": 1, "dram_latency_cycles": 33},
    ],
    ids=str,
)
def test_one_build_serves_every_memory(memory):
    config = load_config("base").model_copy(update=memory)
    result = judge("gemm:40x96x80", config)
    assert result.failures == []


@pytest.mark.xdist_group("tiny")
def test_both_simulators_take_the_same_cycles():
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed")
    config = load_config("tiny")
    verilator = judge("gemm:9x21x10", config, "verilator")
    icarus = judge("gemm:9x21x10", config, "icarus")
    assert icarus.failures == []
    assert (icarus.counters, icarus.ledger) == (verilator.counters, verilator.ledger)


@pytest.mark.xdist_group("tiny")
def test_a_run_is_the_same_twice_and_with_other_garbage():
    config = load_config("tiny")
    program = compile_workload(registry.load("gemm:9x21x10", 3), config)
    runs = [
        run(program, config, "verilator", seed=seed, notify=lambda text: None)
        for seed in (3, 3, 4)
    ]
    first = runs[0]
    for other in runs[1:]:
        assert other.result.counters == first.result.counters
        assert other.result.ledger == first.result.ledger
        assert np.array_equal(other.outputs["output"], first.outputs["output"])


@pytest.mark.xdist_group("tiny")
def test_an_image_file_runs_as_its_workload_does(tmp_path, capsys):
    image, report = str(tmp_path / "x.assay"), tmp_path / "r.json"
    arguments = ["gemm:9x21x10", "--config", "tiny", "--seed", "2"]
    assert cli._main(["compile", arguments[0], image, *arguments[1:]]) == 0
    assert cli._main(["run", image, "--config", "tiny", "--json", str(report)]) == 0
    assert "bit-exact" in capsys.readouterr().out
    result = json.loads(report.read_text())
    assert result["passed"]
    assert result["counters"] == judge("gemm:9x21x10", load_config("tiny"), seed=2).counters


@pytest.mark.xdist_group("tiny")
def test_inputs_are_read_and_outputs_saved(tmp_path, capsys):
    config = load_config("tiny")
    workload = registry.load("gemm:6x10x7", 1)
    inputs = {name: np.flip(array).copy() for name, array in workload.inputs.items()}
    np.savez(tmp_path / "in.npz", **inputs)
    status = cli._main(
        ["run", "gemm:6x10x7", "--config", config.name, "--seed", "1"]
        + ["--inputs", str(tmp_path / "in.npz"), "--outputs", str(tmp_path / "out.npz")]
    )
    capsys.readouterr()
    assert status == 0
    expected = reference.evaluate(workload.graph, inputs)
    with np.load(tmp_path / "out.npz") as outputs:
        assert sorted(outputs) == [tensor.name for tensor in workload.graph.outputs]
        for name, array in outputs.items():
            assert array.dtype == expected[name].dtype
            assert np.array_equal(array, expected[name])


@pytest.mark.xdist_group("tiny")
def test_predict_needs_no_simulator_and_agrees_with_the_run(tmp_path, monkeypatch, capsys):
    report = tmp_path / "p.json"
    measured = judge("gemm:9x21x10", load_config("tiny"))
    monkeypatch.setenv("PATH", "")
    status = cli._main(["predict", "gemm:9x21x10", "--config", "tiny", "--json", str(report)])
    assert status == 0
    assert json.loads(report.read_text())["timeline"]["cycles"] == measured.cycles


@pytest.mark.xdist_group("tiny")
def test_exclusive_cycles_of_operators_partition_the_run():
    result = judge("gemm:9x21x10", load_config("tiny"))
    assert sum(one.exclusive_cycles for one in result.operators) == result.cycles
    assert all(0 < one.span_cycles <= result.cycles for one in result.operators)


@pytest.mark.xdist_group("tiny")
def test_a_program_that_never_ends_times_out_and_says_so(monkeypatch):
    monkeypatch.setattr("flow.run._WATCHDOG_LEAST_CYCLES", 200)
    monkeypatch.setattr("flow.run._WATCHDOG_FACTOR", 0)
    config = load_config("tiny")
    workload = registry.load("gemm:9x21x10", 0)
    program = Program("slow", compile_workload(workload, config).image, workload)
    result = run(program, config, "verilator", seed=0, notify=lambda text: None).result
    assert not result.passed
    assert result.failures[0].startswith("the interrupt did not come before the watchdog")
