"""Bad input of every kind: status 2, one line on stderr that helps, nothing on stdout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flow import cli


def assay(capsys, *arguments: str) -> tuple[int, str]:
    """Status and stderr of a command that prints nothing on stdout."""
    status = cli._main(list(arguments))
    output = capsys.readouterr()
    assert output.out == ""
    return status, output.err


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "typo.toml").write_text('extends = "base"\nrowz = 8\n')
    (tmp_path / "odd.toml").write_text('extends = "base"\nrows = 12\n')
    (tmp_path / "type.toml").write_text('extends = "base"\nrows = "many"\n')
    (tmp_path / "syntax.toml").write_text("rows = = 1\n")
    (tmp_path / "text.assay").write_text("hello")
    np.savez(tmp_path / "wrong.npz", z=np.zeros((2, 2), np.int8))
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "part.npz").write_bytes((tmp_path / "wrong.npz").read_bytes()[:100])
    np.save(tmp_path / "array.npy", np.zeros((2, 2), np.int8))
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    (tmp_path / "text.onnx").write_text("hello")
    return tmp_path


GEMM = "gemm:4x4x4"

BAD_COMMANDS = {
    "unknown workload": (["run", "gem:4x4x4"], "no workload 'gem:4x4x4'"),
    "malformed shape": (["run", "gemm:4x4"], "4x4"),
    "zero extent": (["run", "gemm:0x4x4"], "0"),
    "number beyond all": (["run", f"gemm:{'9' * 5000}x4x4"], "x4x4"),
    "extent beyond all": (["run", f"conv:9x9x4:3x3x4:s{'9' * 5000}"], "the shape is HxWxC:RxSxK"),
    "tokens beyond all": (["run", f"minilm:{'9' * 5000}"], "minilm"),
    "malformed convolution": (["run", "conv:9x9:3x3"], "the shape is HxWxC:RxSxK"),
    "kernel larger than image": (["run", "conv:3x3x3:5x5x4"], "more than the padded image has"),
    "groups that divide nothing": (["run", "conv:9x9x4:3x3x4:g3"], "groups = 3 must divide"),
    "unknown option of a convolution": (
        ["run", "conv:9x9x4:3x3x4:q2"],
        "'q2' is not one of s (stride)",
    ),
    "kernel beyond the fields": (["run", "conv:400x9x4:300x3x4"], "must be 1 to 255"),
    "missing model": (["run", "{files}/none.onnx"], "there is no file"),
    "not a model": (["run", "{files}/text.onnx"], "is not an ONNX model"),
    "unknown configuration": (["run", GEMM, "--config", "bas"], "no configuration 'bas'"),
    "unknown key": (["run", GEMM, "--config", "{files}/typo.toml"], "unknown key 'rowz'"),
    "rule broken": (["predict", GEMM, "--config", "{files}/odd.toml"], "power of two"),
    "wrong type": (["predict", GEMM, "--config", "{files}/type.toml"], "rows = 'many'"),
    "no TOML": (["predict", GEMM, "--config", "{files}/syntax.toml"], "not a readable TOML"),
    "unknown simulator": (["run", GEMM, "--sim", "vcs"], "no simulator 'vcs'"),
    "unknown memory": (["run", GEMM, "--memory", "hbm"], "no memory 'hbm'"),
    "missing image": (["run", "{files}/none.assay"], "cannot be read"),
    "not an image": (["predict", "{files}/text.assay"], "not a program image"),
    "image with inputs": (
        ["run", "{files}/text.assay", "--inputs", "{files}/wrong.npz"],
        "--inputs is for workloads",
    ),
    "unknown input": (["run", GEMM, "--inputs", "{files}/wrong.npz"], "no graph input 'z'"),
    "not an npz": (["run", GEMM, "--inputs", "{files}/text.npz"], "not a readable .npz"),
    "a part of an npz": (["run", GEMM, "--inputs", "{files}/part.npz"], "not a readable .npz"),
    "an array alone": (["run", GEMM, "--inputs", "{files}/array.npz"], "not a readable .npz"),
    "no folder for JSON": (["run", GEMM, "--json", "{files}/no/x.json"], "there is no folder"),
    "folder as JSON": (["run", GEMM, "--json", "{files}"], "cannot be written"),
    "image with sentences": (
        ["run", "{files}/text.assay", "--sentences", "{files}/typo.toml"],
        "--sentences is for workloads",
    ),
    "sentences for a shape": (["run", GEMM, "--sentences", "{files}/typo.toml"], "minilm:N"),
    "no sentences": (["run", "minilm:16", "--sentences", "{files}/none.txt"], "cannot be read"),
    "too many tokens": (["predict", "minilm:513"], "513 tokens must be 1 to 512"),
    "too little DRAM": (["predict", "minilm:16", "--set", "dram_mib=8"], "raise dram_mib"),
    "heads across tiles": (["predict", "attention:16x2x20"], "do not begin at whole tiles"),
    "unknown form": (["predict", "llama_block:16"], "such as llama_block:decode:128"),
    "missing argument": (["run"], "Missing argument"),
    "unknown option": (["run", GEMM, "--sede", "1"], "No such option"),
    "unknown command": (["fly"], "No such command"),
    "option without value": (["run", GEMM, "--config"], "requires an argument"),
    "seed not a number": (["run", GEMM, "--seed", "x"], "valid integer"),
    "negative seed": (["run", GEMM, "--seed", "-1"], "greater than or equal to 0"),
}


@pytest.mark.parametrize("name", BAD_COMMANDS)
def test_bad_input_gives_status_2_and_one_helpful_line(name, files, capsys):
    arguments, said = BAD_COMMANDS[name]
    arguments = [argument.replace("{files}", str(files)) for argument in arguments]
    status, error = assay(capsys, *arguments)
    assert status == 2
    assert error.startswith("assay: ")
    assert error.count("\n") == 1
    assert said in error


def test_a_damaged_image_is_refused(tmp_path, capsys):
    image = tmp_path / "x.assay"
    assert assay(capsys, "compile", GEMM, str(image), "--config", "tiny") == (0, "")
    content = bytearray(image.read_bytes())
    content[-1] ^= 1
    image.write_bytes(content)
    status, error = assay(capsys, "run", str(image), "--config", "tiny")
    assert status == 2
    assert "damaged" in error


def test_an_image_for_other_hardware_is_refused(tmp_path, capsys):
    image = tmp_path / "x.assay"
    assay(capsys, "compile", GEMM, str(image), "--config", "tiny")
    status, error = assay(capsys, "run", str(image), "--config", "base")
    assert status == 2
    assert "compiled for hardware" in error


def test_a_missing_simulator_is_named_with_its_package(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    status, error = assay(capsys, "run", GEMM, "--sim", "icarus")
    assert status == 2
    assert "install the package iverilog" in error


def test_the_process_itself_exits_with_the_status():
    command = [sys.executable, "-c", "from flow.cli import main; main()", "run", "nonsense"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
