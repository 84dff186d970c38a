"""A model file through the command line: arrays by the model's names in and out."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest

from flow.cli import _main
from workloads.networks.resnet8 import resnet8
from workloads.networks.samples import sample


@pytest.fixture
def folder(tmp_path):
    onnx.save(resnet8(), tmp_path / "model.onnx")
    np.savez(tmp_path / "in.npz", input=sample("resnet8", seed=5))
    return tmp_path


def run(folder, *options):
    return _main(["run", str(folder / "model.onnx"), *options])


def test_outputs_of_rtl_are_those_of_onnx_runtime(folder, capsys):
    options = ["--inputs", "in.npz", "--outputs", "out.npz", "--json", "result.json"]
    paths = [each if each.startswith("--") else str(folder / each) for each in options]
    assert run(folder, *paths) == 0
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    feeds = dict(np.load(folder / "in.npz"))
    (expected,) = session.run(None, feeds)
    outputs = dict(np.load(folder / "out.npz"))
    assert outputs.keys() == {"output"}
    assert outputs["output"].dtype == np.float32
    np.testing.assert_array_equal(outputs["output"], expected)
    result = json.loads((folder / "result.json").read_text())
    assert result["passed"]
    assert result["host_operators"] == ["quantise 'input'", "dequantise 'output'"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"image": np.zeros((1, 3, 32, 32), np.float32)}, "has no input 'image'"),
        ({"input": np.zeros((1, 32, 32, 3), np.float32)}, "must be"),
        ({"input": np.zeros((1, 3, 32, 32))}, "must be float32: cast it"),
        ({"input": np.full((1, 3, 32, 32), np.nan, np.float32)}, "not finite"),
    ],
)
def test_wrong_arrays_are_one_line(folder, capsys, arrays, message):
    np.savez(folder / "wrong.npz", **arrays)
    assert run(folder, "--inputs", str(folder / "wrong.npz")) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
