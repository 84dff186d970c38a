"""Runs through the commands: simulators, image files, inputs, outputs, predictions, watchdog."""

from __future__ import annotations

import functools
import json
import shutil

import numpy as np
import pytest
from system_bench import run_named

from arch.config import load_config
from arch.image import SectionKind
from flow import cli, reference
from flow.run import Program, compile_workload, run
from flow.simulate import Step
from tb.run_files import SLVERR, MemoryFaults
from workloads import registry


def test_both_simulators_take_the_same_cycles():
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed")
    config = load_config("tiny")
    verilator = run_named("gemm:9x21x10", config, simulator="verilator")
    icarus = run_named("gemm:9x21x10", config, simulator="icarus")
    assert icarus.failures == []
    assert (icarus.counters, icarus.ledger) == (verilator.counters, verilator.ledger)


def test_a_run_is_the_same_twice_and_with_other_garbage():
    config = load_config("tiny")
    program = compile_workload(registry.load("gemm:9x21x10", 3), config)
    runs = [
        run(program, config, "verilator", seed=seed, notify=lambda text: None) for seed in (3, 3, 4)
    ]
    first = runs[0]
    for other in runs[1:]:
        assert other.result.counters == first.result.counters
        assert other.result.ledger == first.result.ledger
        assert np.array_equal(other.outputs["output"], first.outputs["output"])


def test_an_image_file_runs_as_its_workload_does(tmp_path, capsys):
    image, report = str(tmp_path / "x.assay"), tmp_path / "r.json"
    arguments = ["gemm:9x21x10", "--config", "tiny", "--seed", "2"]
    assert cli._main(["compile", arguments[0], image, *arguments[1:]]) == 0
    assert cli._main(["run", image, "--config", "tiny", "--json", str(report)]) == 0
    assert "bit-exact" in capsys.readouterr().out
    result = json.loads(report.read_text())
    assert result["passed"]
    assert result["counters"] == run_named("gemm:9x21x10", load_config("tiny"), seed=2).counters


def test_inputs_are_read_and_outputs_saved(tmp_path, capsys):
    config = load_config("tiny")
    workload = registry.load("gemm:6x10x7", 1)
    inputs = {name: np.flip(array).copy() for name, array in workload.inputs.items()}
    np.savez(tmp_path / "in.npz", **inputs)
    status = cli._main(
        [
            *("run", "gemm:6x10x7", "--config", config.name, "--seed", "1"),
            *("--inputs", str(tmp_path / "in.npz"), "--outputs", str(tmp_path / "out.npz")),
        ]
    )
    capsys.readouterr()
    assert status == 0
    expected = reference.evaluate(workload.graph, inputs)
    with np.load(tmp_path / "out.npz") as outputs:
        assert sorted(outputs) == [tensor.name for tensor in workload.graph.outputs]
        for name, array in outputs.items():
            assert array.dtype == expected[name].dtype
            assert np.array_equal(array, expected[name])


def test_predict_needs_no_simulator_and_agrees_with_the_run(tmp_path, monkeypatch, capsys):
    report = tmp_path / "p.json"
    measured = run_named("gemm:9x21x10", load_config("tiny"))
    monkeypatch.setenv("PATH", "")
    status = cli._main(["predict", "gemm:9x21x10", "--config", "tiny", "--json", str(report)])
    assert status == 0
    assert json.loads(report.read_text())["timeline"]["cycles"] == measured.cycles


def test_an_error_of_hardware_fails_the_run_in_one_line_and_is_in_the_result(monkeypatch):
    config = load_config("tiny")
    program = compile_workload(registry.load("gemm:9x21x10", 0), config)
    image = program.image
    bad = next(s for s in image.sections if s.kind is SectionKind.DATA)
    faults = MemoryFaults(range(bad.address, bad.address + 4), read=SLVERR)
    monkeypatch.setattr("flow.simulate.Step", functools.partial(Step, faults=faults))
    result = run(program, config, "verilator", seed=0, notify=lambda text: None).result
    assert result.error is not None
    blamed = result.error.instruction
    text = image.program[blamed].disassemble()
    said = f"hardware stopped the program: read slverr in instruction {blamed} ({text})"
    assert result.failures == [said]
    assert json.loads(result.model_dump_json())["error"] == {
        "code": "READ_SLVERR",
        "instruction": blamed,
        "address": image.program_section.address + 64 * blamed,
        "disassembly": text,
    }


def test_a_result_without_an_error_has_no_such_key():
    assert "error" not in json.loads(
        run_named("gemm:9x21x10", load_config("tiny")).model_dump_json()
    )


def test_a_program_that_never_ends_times_out_and_says_so(monkeypatch):
    monkeypatch.setattr("flow.run._TIMEOUT_LEAST_CYCLES", 200)
    monkeypatch.setattr("flow.run._TIMEOUT_FACTOR", 0)
    config = load_config("tiny")
    workload = registry.load("gemm:9x21x10", 0)
    program = Program("slow", compile_workload(workload, config).image, workload)
    result = run(program, config, "verilator", seed=0, notify=lambda text: None).result
    assert not result.passed
    assert result.failures[0].startswith("no interrupt came in ")
