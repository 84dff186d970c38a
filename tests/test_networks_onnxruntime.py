"""The integer graphs of the networks against ONNX Runtime, by operators and as whole models.

``python -m pytest tests/test_networks_onnxruntime.py -s`` prints the figures.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import onnx
import pytest
from onnx_kernels import INEXACT, Pair, Runs, all_sums, pairs, results, rows, stacked
from onnx_models import Array, onnx_runtime
from onnx_operators import qlinear_arrays, run_onnx

from flow.evaluate import evaluate
from workloads.networks.catalogue import NETWORKS, build
from workloads.networks.digits import HELD_OUT
from workloads.networks.samples import sample
from workloads.onnx_graph.edges import Edges
from workloads.onnx_graph.lowering import build_graph
from workloads.onnx_import.normal import Value
from workloads.onnx_import.normalize import normalize_model
from workloads.operators import AveragePool, Softmax, SumRows

SAMPLES = {"digits": HELD_OUT, "resnet50": 2, "mobilenet_v2": 2}
"""32 of the others."""
MEANS = (AveragePool, SumRows, Softmax)
"""Operators whose arithmetic is not that of ONNX Runtime."""


@dataclass(frozen=True, eq=False)
class Case:
    """A network, inputs in batches of its size, and what its graph makes of each of them."""

    name: str
    model: onnx.ModelProto
    pairs: list[Pair]
    edges: Edges
    feeds: list[dict[str, Array]]
    runs: Runs

    def say(self, what: str, elements: Counter[str], differing: Counter[str]) -> None:
        counts = ", ".join(f"{kind} {differing[kind]}/{count}" for kind, count in elements.items())
        samples = sum(len(feed["input"]) for feed in self.feeds)
        print(f"\n{self.name}, {samples} samples, {what}: differing elements of {counts}")


def load(name: str, count: int) -> Case:
    model = build(name).model
    normal = normalize_model(model, name)
    graph, edges = build_graph(normal)
    batches = np.split(sample(name, count=count), count // edges.inputs[0].shape[0])
    feeds = [{"input": batch} for batch in batches]
    runs = [evaluate(graph, edges.quantize(feed)) for feed in feeds]
    return Case(name, model, pairs(graph, normal), edges, feeds, runs)


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> Case:
    return load(request.param, SAMPLES.get(request.param, 32))


def off(got: Array, expected: Array) -> Array:
    """How many codes lie between each element and what is expected."""
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    return np.abs(got.astype(int) - expected)


def every_tensor(model: onnx.ModelProto, feed: dict[str, Array]) -> dict[str, Array]:
    """What is quantised in ONNX Runtime, and the output."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            shown.graph.output.append(onnx.helper.make_empty_tensor_value_info(node.output[0]))
    return onnx_runtime(shown, feed)


def test_tensors_that_are_shown_do_not_keep_onnx_runtime_from_fusing(network):
    feed = network.feeds[0]
    expected = onnx_runtime(network.model, feed)["output"]
    np.testing.assert_array_equal(every_tensor(network.model, feed)["output"], expected)


def codes(seen: dict[str, Array], value: Value) -> Array:
    return seen[value.name if value.name in seen else f"{value.name}_QuantizeLinear_Output"]


def test_operators_equal_kernels_of_onnx_runtime_on_equal_inputs(network):
    """All but means and softmax, which may be 1 apart now and then."""
    elements, differing = Counter(), Counter()
    for pair in network.pairs:
        for result in results(pair, network.runs):
            distance = off(result.got, result.expected)
            limit = 1 if result.kernel in INEXACT else 0
            assert distance.max() <= limit, (pair.operator.name, result.kernel)
            elements[result.kernel] += distance.size
            differing[result.kernel] += np.count_nonzero(distance)
    network.say("operator by operator", elements, differing)
    assert all(differing[kernel] <= count * 1e-2 for kernel, count in elements.items())


def test_sums_equal_onnx_runtime_for_every_pair_of_codes(network):
    for pair in network.pairs:
        if pair.addition is not None:
            result = all_sums(pair)
            np.testing.assert_array_equal(result.got, result.expected, pair.operator.name)


def test_tensors_of_the_whole_model_equal_onnx_runtime(network):
    """All of ``digits``; of the others all up to the first mean, and nearly all behind it."""
    seen = [every_tensor(network.model, feed) for feed in network.feeds]
    elements, differing, behind = Counter(), Counter(), set()
    for pair in network.pairs:
        operator, output = pair.operator, pair.output
        expected = np.concatenate([rows(codes(tensors, pair.made)) for tensors in seen])
        distance = off(stacked(network.runs, output), expected)
        if isinstance(operator, MEANS) or any(x.name in behind for x in operator.inputs):
            behind.add(output.name)
        exact = network.name == "digits" or output.name not in behind
        assert distance.max() <= (0 if exact else 2), operator.name
        elements[operator.kind] += distance.size
        differing[operator.kind] += np.count_nonzero(distance)
    network.say("whole", elements, differing)
    assert all(differing[kind] <= count * 2e-2 for kind, count in elements.items())


def test_outputs_equal_onnx_runtime(network):
    """As a user sees them: float32 in, float32 out, default optimisation."""
    (edge,) = network.edges.outputs
    elements, differing = Counter(), Counter()
    for feed, tensors in zip(network.feeds, network.runs, strict=True):
        got = network.edges.dequantize(tensors)["output"]
        expected = onnx_runtime(network.model, feed)["output"]
        assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
        distance = np.abs(got - expected) / edge.scale
        assert distance.max() <= (0 if network.name in ("digits", "autoencoder") else 2.01)
        elements["outputs"] += distance.size
        differing["outputs"] += np.count_nonzero(distance)
    network.say("outputs", elements, differing)
    assert differing["outputs"] <= elements["outputs"] * 2e-2


@pytest.mark.parametrize("name", ["digits", "resnet8", "ds_cnn"])
def test_one_wrong_element_of_any_operator_is_noticed(name):
    case = load(name, SAMPLES.get(name, 1))
    (tensors,) = case.runs
    for pair in case.pairs:
        wrong = tensors[pair.output.name].copy()
        wrong[-1, -1] ^= 128
        found = [
            np.count_nonzero(off(result.got, result.expected))
            for result in results(pair, [tensors | {pair.output.name: wrong}])
        ]
        assert found[-1] >= 1


def test_softmax_of_onnx_runtime_rounds_the_reciprocal_of_its_scale_down():
    """So ``1 / 255`` is taken for ``1 / 254``: networks here have ``1 / 256``."""
    x = np.random.default_rng(0).integers(0, 256, (500, 10)).astype(np.uint8)
    zero = np.uint8(0)
    made = [
        run_onnx(
            "QLinearSoftmax",
            qlinear_arrays(x=(x, np.float32(0.05), zero), y=(None, np.float32(1 / steps), zero)),
            "com.microsoft",
            axis=-1,
            opset=13,
        )
        for steps in (254, 255, 256)
    ]
    np.testing.assert_array_equal(made[0], made[1])
    assert (made[1] != made[2]).mean() > 0.1
