"""Model files from anywhere: each is read, or refused in one line."""

from __future__ import annotations

import os
import random
import resource
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import ModelBuilder
from onnx_mutants import MODELS, changed, changed_bytes

from arch.errors import AssayError
from workloads.onnx_import.normal import Normalized
from workloads.onnx_import.normalize import normalize_model
from workloads.onnx_import.reader import read_model

ROWS = (3, 10)
SEEDS = 1500


def refusal(path: Path) -> str:
    with pytest.raises(AssayError) as raised:
        normalize_model(read_model(path), "test")
    message = str(raised.value)
    assert message.isprintable()
    assert len(message) < 500
    return message


def simple() -> onnx.ModelProto:
    b = ModelBuilder()
    y = b.node("MatMul", [b.through(b.input(ROWS)), b.weight((10, 4))])
    return b.model(b.through(y))


def saved(model: onnx.ModelProto, tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


FILES: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "there is no file"),
    "empty": (b"", "is empty"),
    "text": (b"hello, world\n", "is not an ONNX model"),
    "truncated": (simple().SerializeToString()[:-7], "is not an ONNX model, or only a part"),
    "of zeros": (bytes(100), "is not an ONNX model"),
    "without a graph": (onnx.ModelProto(ir_version=8).SerializeToString(), "holds no graph"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_models(name, tmp_path: Path):
    data, said = FILES[name]
    path = tmp_path / "model.onnx"
    if data is not None:
        path.write_bytes(data)
    assert said in refusal(path)


@pytest.mark.parametrize(
    ("path", "said"),
    [("", "no file"), ("\0", "no file"), ("x" * 300 + "/y", "name too long")],
)
def test_paths_that_are_none(path, said):
    assert said in refusal(Path(path))


def test_folders_and_pipes_are_no_files(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        assert "there is no file" in refusal(path)


def external(tmp_path: Path, location: str, **given: int | str) -> Path:
    """A model whose weight of 40 bytes is at a location."""
    model = simple()
    weight = next(t for t in model.graph.initializer if len(t.raw_data) == 40)
    (tmp_path / "data.bin").write_bytes(b"----" + weight.raw_data)
    (tmp_path / "below").mkdir(exist_ok=True)
    (tmp_path / "below" / "data.bin").write_bytes(weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **given}.items():
        weight.external_data.add(key=key, value=str(value))
    (tmp_path / "models").mkdir(exist_ok=True)
    return saved(model, tmp_path)


@pytest.mark.parametrize(
    ("location", "given"),
    [
        ("data.bin", {"offset": 4, "length": 40}),
        ("below/data.bin", {}),
        ("./data.bin", {"offset": 4}),
    ],
)
def test_external_data_below_the_models_folder_is_read(location, given, tmp_path: Path):
    (made,) = normalize_model(read_model(external(tmp_path, location, **given)), "test").nodes
    (expected,) = normalize_model(simple(), "test").nodes
    np.testing.assert_array_equal(made.inputs[1].constant, expected.inputs[1].constant)


EXTERNAL: dict[str, tuple[str, dict[str, int | str], str]] = {
    "parent": ("../data.bin", {}, "not below the model's folder"),
    "parent in between": ("below/../../data.bin", {}, "not below the model's folder"),
    "absolute": ("/etc/hostname", {}, "not below the model's folder"),
    "of another system": ("C:\\data.bin", {}, "not below the model's folder"),
    "nowhere": ("", {}, "not below the model's folder"),
    "zero byte": ("data\0.bin", {}, "not below the model's folder"),
    "link": ("link.bin", {}, "links out of the model's folder"),
    "link of a folder": ("outside/data.bin", {}, "links out of the model's folder"),
    "link to itself": ("circle.bin", {}, "circle.bin"),
    "missing": ("none.bin", {}, "there is no file 'none.bin'"),
    "folder": ("below", {}, "there is no file 'below'"),
    "long": ("x" * 5000, {}, "there is no file"),
    "length": ("data.bin", {"length": 41}, "41 bytes of external data, its shape needs 40"),
    "offset": ("data.bin", {"offset": 5}, "bytes 5 to 45 are not within the 44"),
    "far": ("data.bin", {"offset": 10**17}, "are not within the 44"),
    "negative": ("data.bin", {"offset": -1}, "offset '-1' of external data is no number"),
    "no number": ("data.bin", {"length": "forty"}, "length 'forty' of external data is no number"),
    "digits": ("data.bin", {"offset": "9" * 10000}, "is no number"),
}


@pytest.mark.parametrize("name", EXTERNAL)
def test_external_data_elsewhere_or_of_another_length_is_refused(name, tmp_path: Path):
    location, given, said = EXTERNAL[name]
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "data.bin").write_bytes(bytes(100))
    (folder / "link.bin").symlink_to(tmp_path / "data.bin")
    (folder / "outside").symlink_to(tmp_path)
    (folder / "circle.bin").symlink_to(folder / "circle.bin")
    message = refusal(external(folder, location, **given))
    assert said in message


def test_a_model_that_was_not_read_from_a_file_has_no_external_data(tmp_path: Path):
    model = onnx.load(external(tmp_path, "data.bin"), load_external_data=False)
    with pytest.raises(AssayError, match="is in another file: load the model by its path"):
        normalize_model(model, "test")


Change = Callable[[onnx.ModelProto], object]


def set_dims(*dims: int) -> Change:
    def change(model: onnx.ModelProto) -> None:
        weight = next(t for t in model.graph.initializer if len(t.raw_data) == 40)
        weight.dims[:] = dims

    return change


def sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add()


def swapped(model: onnx.ModelProto) -> None:
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes[::-1])


def cyclic(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]


def typed(model: onnx.ModelProto) -> None:
    weight = next(t for t in model.graph.initializer if len(t.raw_data) == 40)
    weight.ClearField("raw_data")
    weight.int32_data.extend([300] * 40)


STRUCTURES: dict[str, tuple[Change, str]] = {
    "no nodes": (lambda m: m.graph.ClearField("node"), "has no nodes"),
    "no outputs": (lambda m: m.graph.ClearField("output"), "has no outputs"),
    "old": (lambda m: setattr(m, "ir_version", 2), "IR version 2, must be 3 to"),
    "of the future": (lambda m: setattr(m, "ir_version", 99), "IR version 99"),
    "opset 12": (lambda m: setattr(m.opset_import[0], "version", 12), "opset 12, must be 13 to"),
    "opset 99": (lambda m: setattr(m.opset_import[0], "version", 99), "opset 99, must be 13 to"),
    "no opset": (lambda m: m.ClearField("opset_import"), "opset 0, must be 13 to"),
    "two opsets": (lambda m: m.opset_import.add(domain="", version=13), "domain '' twice"),
    "functions": (lambda m: m.functions.add(name="f"), "local functions: inline them"),
    "sparse": (sparse, "sparse initializers"),
    "two initializers": (
        lambda m: m.graph.initializer.append(m.graph.initializer[0]),
        "has two initializers 'c",
    ),
    "two inputs": (lambda m: m.graph.input.append(m.graph.input[0]), "has two inputs 'x'"),
    "two outputs": (lambda m: m.graph.output.append(m.graph.output[0]), "has two outputs"),
    "unmade output": (
        lambda m: setattr(m.graph.output[0], "name", "z"),
        "output 'z' is made by no",
    ),
    "a sequence": (
        lambda m: m.graph.input[0].type.sequence_type.elem_type.tensor_type.SetInParent(),
        "input 'x' is no tensor",
    ),
    "unsorted": (swapped, "is made only behind it: sort the nodes"),
    "cyclic": (cyclic, "is made only behind it"),
    "made twice": (
        lambda m: m.graph.node[1].output.__setitem__(0, "x"),
        "makes 'x', which is there already",
    ),
    "unknown tensor": (
        lambda m: m.graph.node[0].input.__setitem__(0, "none"),
        "reads 'none', which is made by no node",
    ),
    "makes nothing": (lambda m: m.graph.node[0].ClearField("output"), "it makes nothing"),
    "attribute twice": (
        lambda m: m.graph.node[0].attribute.extend([helper.make_attribute("axis", 1)] * 2),
        "attribute 'axis' is given twice",
    ),
    "attribute of no type": (
        lambda m: m.graph.node[0].attribute.add(name="axis"),
        "attribute 'axis' is neither",
    ),
    "attribute of a function": (
        lambda m: m.graph.node[0].attribute.add(name="axis", ref_attr_name="a", type=2),
        "attribute 'axis' is neither",
    ),
    "too many elements": (set_dims(2**40, 2**40), "more than 268435456 elements"),
    "more elements": (set_dims(10, 5), "holds 40 bytes, its shape [10, 5] needs 50 bytes"),
    "fewer elements": (set_dims(10, 3), "holds 40 bytes, its shape [10, 3] needs 30 bytes"),
    "negative": (set_dims(-10, -4), "negative extent in [-10, -4]"),
    "too many dimensions": (set_dims(*[1] * 1000), "1000 dimensions"),
    "in segments": (
        lambda m: m.graph.initializer[0].segment.SetInParent(),
        "is in segments",
    ),
    "output of another type": (
        lambda m: setattr(m.graph.output[0].type.tensor_type, "elem_type", 3),
        "is not int8, as it is declared",
    ),
    "output of another shape": (
        lambda m: m.graph.output[0].type.tensor_type.shape.dim.add(dim_value=7),
        "has shape [3, 4], not the one that it is declared to have",
    ),
    "output of another extent": (
        lambda m: [
            m.graph.output[0].type.tensor_type.shape.dim.add(dim_value=extent) for extent in (3, 5)
        ],
        "has shape [3, 4], not the one that it is declared to have",
    ),
    "beyond its type": (typed, "holds numbers beyond int8"),
    "type of the future": (
        lambda m: setattr(m.graph.initializer[0], "data_type", 77),
        "is type 77",
    ),
    "text": (lambda m: setattr(m.graph.initializer[0], "data_type", 8), "is string"),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_malformed_models(name, tmp_path: Path):
    change, said = STRUCTURES[name]
    model = simple()
    change(model)
    assert said in refusal(saved(model, tmp_path))


def test_names_that_are_no_text(tmp_path: Path):
    data = simple().SerializeToString().replace(b"matmul", b"\xff\xfe\xfd\xfc\xfb\xfa")
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    assert "is not UTF-8" in refusal(path)


def test_long_chains_take_no_recursion():
    b = ModelBuilder()
    y = b.input(ROWS)
    for _ in range(3000):
        y = b.node("Identity", [b.node("Transpose", [y])])
    model = b.model(b.through(y))
    with pytest.raises(AssayError, match="more than 64 movements in floating point"):
        normalize_model(model, "test")


def test_concatenations_of_one_another_take_no_time():
    b = ModelBuilder()
    y = b.input((1, 1))
    for _ in range(12):
        y = b.node("Concat", [y, y, y, y], axis=0)
    model = b.model(b.through(b.node("Relu", [y])))
    with pytest.raises(AssayError, match="too many tensors are joined"):
        normalize_model(model, "test")


def test_nested_concatenations_take_no_recursion():
    b = ModelBuilder()
    y = b.input((1, 1))
    for _ in range(20):
        y = b.node("Concat", [y, b.floats(1, 1)], axis=0)
        y = b.node("Slice", [y, b.constant(np.array([0])), b.constant(np.array([1]))])
    model = b.model(b.through(b.node("Relu", [y])))
    with pytest.raises(AssayError, match="too many tensors are joined"):
        normalize_model(model, "test")


def outcome(read: Callable[[], Normalized]) -> bool:
    """Whether a model is normalised; refused in one line, it is not. Anything else is a defect."""
    with warnings.catch_warnings():
        # A warning is a line too.
        warnings.simplefilter("error")
        try:
            read()
        except AssayError as error:
            message = str(error)
        else:
            return True
    assert message.isprintable()
    assert len(message) < 700
    return False


def test_models_with_random_changes_are_read_or_refused():
    outcomes = [
        outcome(lambda seed=seed: normalize_model(changed(random.Random(seed)), "test"))
        for seed in range(SEEDS)
    ]
    assert 0.05 < np.mean(outcomes) < 0.6


def test_files_with_random_changes_are_read_or_refused(tmp_path: Path):
    path = tmp_path / "model.onnx"

    def read(seed: int) -> Normalized:
        path.write_bytes(changed_bytes(random.Random(seed)))
        return normalize_model(read_model(path), "test")

    outcomes = [outcome(lambda seed=seed: read(seed)) for seed in range(SEEDS)]
    assert 0.05 < np.mean(outcomes) < 0.6
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 << 20


def test_models_are_read_before_they_are_changed():
    for model in MODELS:
        assert normalize_model(model, "test").nodes
