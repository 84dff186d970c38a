"""Workloads are reproducible and well-formed, and say in one line what is wrong with a bad one."""

import re

import numpy as np
import pytest

from arch.errors import AssayError
from arch.isa import ElementType
from flow.reference import evaluate
from workloads import minilm, minilm_linear
from workloads.graph import Constant, Graph, check_inputs
from workloads.linear import Linear
from workloads.operators import Append, Gather
from workloads.quantize import asymmetric, symmetric
from workloads.registry import load, names
from workloads.sentences import SENTENCES
from workloads.tensor import Tensor

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
        ("gemm", "no workload 'gemm': give one of minilm_linear, digits"),
        ("resnet", "no workload 'resnet': give one of minilm_linear, digits"),
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


def test_indices_are_rows_of_their_table():
    indices = Tensor("i", 1, 2, ElementType.INT32)
    rows = Tensor("rows", 2, 3, ElementType.INT16)
    gather = Gather("gather", indices, np.zeros((7, 3), np.int16), rows)
    graph = Graph("g", (indices,), (gather,), (rows,))
    check_inputs(graph, {"i": np.array([[0, 6]], np.int32)})
    for index in (-1, 7):
        with pytest.raises(AssayError, match=f"'i' holds index {index}: .* so indices are 0 to 6"):
            check_inputs(graph, {"i": np.array([[0, index]], np.int32)})
    with pytest.raises(AssayError, match=re.escape("is int64 [1, 2], must be int32 [1, 2]")):
        check_inputs(graph, {"i": np.array([[0, 6]])})


def test_a_constant_has_the_shape_of_its_tensor():
    with pytest.raises(AssayError, match=re.escape("constant 'x' is int8 [3, 4], must be int8")):
        Constant(X, np.zeros((3, 4), np.int8))


def test_a_cache_is_an_input_of_the_graph():
    rows, total = Tensor("rows", 1, 5, ElementType.INT8), Tensor("total", 4, 5, ElementType.INT8)
    append = Append("append", X, rows, total)
    Graph("g", (X, rows), (append,), (total,))
    constant = Constant(X, np.zeros((3, 5), np.int8))
    with pytest.raises(AssayError, match="cache 'x' must be an input of the graph"):
        Graph("g", (rows,), (append,), (total,), (constant,))


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
    return minilm_linear.float_activations(minilm.load_parameters(), SENTENCES)


def test_minilm_integers_follow_the_float_network(float_values):
    workload = load("minilm_linear")
    tensors = evaluate(workload.graph, workload.inputs)
    tokens = minilm_linear.TOKENS
    query = workload.graph.operators[0]
    assert tensors["query"].shape == (tokens, 384)
    real = tensors["query"].astype(float) - query.output_zero_point
    assert cosine(real, float_values["query"][:tokens]) > 0.999
    assert tensors["sum"].dtype == np.int16
    assert cosine(tensors["sum"], float_values["ffn2"][:tokens]) > 0.999


def test_minilm_peaks_of_the_sum_need_16_bits(float_values):
    peak, deviation = np.abs(float_values["ffn2"]).max(), float_values["ffn2"].std()
    assert peak / deviation > 64
