"""The quantised networks: topology, structure, and the numbers of ONNX Runtime on them."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from arch.errors import AssayError
from workloads.networks import (
    autoencoder,
    digits,
    ds_cnn,
    mobilenet_v1,
    mobilenet_v2,
    resnet8,
    resnet50,
)
from workloads.networks.builder import Network
from workloads.networks.catalogue import NETWORKS, build
from workloads.networks.digits_data import digits_data
from workloads.networks.float_operators import average_pool, convolve, max_pool, same_pads
from workloads.networks.samples import FORMS, sample

ROOT = Path(__file__).resolve().parent.parent
LARGE = ("resnet50", "mobilenet_v2")
SMALL = tuple(name for name in NETWORKS if name not in LARGE)
MACS = {
    "resnet8": 12_501_632,
    "mobilenet_v1_025": 7_489_664,
    "ds_cnn": 2_656_768,
    "autoencoder": 264_192,
    "resnet50": 4_089_184_256,
    "mobilenet_v2": 300_774_272,
    "digits": 231_680,
}
PARAMETERS = {
    "resnet8": 77_706,
    "mobilenet_v1_025": 210_850,
    "ds_cnn": 22_604,
    "autoencoder": 265_864,
    "resnet50": 25_530_472,
    "mobilenet_v2": 3_487_816,
    "digits": 8_410,
}
"""Weights and biases, batch normalisations folded."""
FUSED = {
    *("QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearAdd", "QGemm"),
    *("QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearSoftmax", "MaxPool", "NhwcMaxPool"),
    *("Flatten", "Transpose"),
}
QUANTIZATION = ("QuantizeLinear", "DequantizeLinear")
RECTIFIERS = ("Relu", "Clip")
MODELS = {
    "resnet8": resnet8.resnet8,
    "mobilenet_v1_025": mobilenet_v1.mobilenet_v1_025,
    "ds_cnn": ds_cnn.ds_cnn,
    "autoencoder": autoencoder.autoencoder,
    "resnet50": resnet50.resnet50,
    "mobilenet_v2": mobilenet_v2.mobilenet_v2,
    "digits": lambda seed: digits.digits(),
}


@functools.cache
def network(name: str) -> Network:
    return build(name)


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def run(model: onnx.ModelProto, samples: np.ndarray, fused: bool = True, **options: str):
    """Outputs of ONNX Runtime, the samples in batches of the model's size."""
    levels = onnxruntime.GraphOptimizationLevel
    chosen = onnxruntime.SessionOptions()
    chosen.graph_optimization_level = levels.ORT_ENABLE_ALL if fused else levels.ORT_DISABLE_ALL
    chosen.intra_op_num_threads = 1
    chosen.log_severity_level = 3
    for name, value in options.items():
        setattr(chosen, name, value)
    session = onnxruntime.InferenceSession(model.SerializeToString(), chosen)
    batch = session.get_inputs()[0].shape[0]
    parts = [
        session.run(None, {"input": samples[first : first + batch]})
        for first in range(0, len(samples), batch)
    ]
    return [np.concatenate(values) for values in zip(*parts, strict=True)]


def samples_of(name: str, count: int) -> np.ndarray:
    return sample(name, count=digits.HELD_OUT if name == "digits" else count)


def layers(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    return (node for node in model.graph.node if node.op_type in ("Conv", "Gemm"))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_model_is_valid_and_its_inferred_shapes_agree(name):
    onnx.checker.check_model(network(name).model, full_check=True)


@pytest.mark.parametrize("name", NETWORKS)
def test_macs_and_parameters_are_those_of_the_publication(name):
    model = network(name).model
    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        info.name: [dim.dim_value for dim in info.type.tensor_type.shape.dim]
        for info in graph.value_info
    }
    values = constants(model)
    counted = parameters = 0
    for node in layers(model):
        weight = values[f"{node.name}.weight_quantized"]
        parameters += weight.size + values[f"{node.name}.bias_quantized"].size
        counted += weight.size * int(np.prod(shapes[node.output[0]][2:]))
    assert counted == network(name).macs == MACS[name]
    assert parameters == PARAMETERS[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_operator_stands_between_dequantize_and_quantize(name):
    model = network(name).model
    values = constants(model)
    makers = {node.output[0]: node for node in model.graph.node}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for tensor in node.input:
            readers.setdefault(tensor, []).append(node)
    for node in model.graph.node:
        if node.op_type in QUANTIZATION:
            continue
        (reader,) = readers[node.output[0]]
        if node.op_type in RECTIFIERS:
            assert makers[node.input[0]].op_type in ("Conv", "Gemm", "Add")
            assert values[readers[node.output[0]][0].input[2]] == 0
        else:
            assert all(makers[tensor].op_type == "DequantizeLinear" for tensor in node.input)
        assert reader.op_type in ("QuantizeLinear", *RECTIFIERS)
    assert {node.op_type for node in readers["input"]} == {"QuantizeLinear"}
    assert makers["output"].op_type == "DequantizeLinear"


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_are_symmetric_by_channel_and_biases_have_the_accumulators_scale(name):
    model = network(name).model
    values = constants(model)
    makers = {node.output[0]: node for node in model.graph.node}
    for node in layers(model):
        source, weight, bias = (makers[tensor] for tensor in node.input)
        codes, scale, zero_point = (values[tensor] for tensor in weight.input)
        assert codes.dtype == zero_point.dtype == np.int8
        assert scale.shape == zero_point.shape == (len(codes),)
        assert not zero_point.any()
        assert (np.abs(codes.reshape(len(codes), -1).astype(int)).max(axis=1) == 127).all()
        sums, sum_scale, sum_zero_point = (values[tensor] for tensor in bias.input)
        assert sums.dtype == sum_zero_point.dtype == np.int32
        assert not sum_zero_point.any()
        assert np.array_equal(sum_scale, values[source.input[1]] * scale)


@pytest.mark.parametrize("name", NETWORKS)
def test_sums_of_16_codes_times_the_scale_of_an_activation_are_exact_in_float32(name):
    values = constants(network(name).model)
    for tensor, scale in values.items():
        if tensor.endswith("_scale") and scale.ndim == 0:
            sums = np.arange(16 * 255 + 1)
            assert np.array_equal(sums * np.float64(scale), sums.astype(np.float32) * scale), tensor


@pytest.mark.parametrize("name", NETWORKS)
def test_names_are_unique_and_short_enough_for_an_image(name):
    nodes = network(name).model.graph.node
    assert len({node.name for node in nodes}) == len(nodes)
    fused = (*QUANTIZATION, *RECTIFIERS)
    assert max(len(node.name) for node in nodes if node.op_type not in fused) <= 20


@pytest.mark.parametrize("name", NETWORKS)
def test_codes_follow_the_float_network(name):
    samples = samples_of(name, 4)
    expected = network(name).forward(samples)
    for fused in (False, True):
        (got,) = run(network(name).model, samples, fused)
        norms = np.linalg.norm(got, axis=1) * np.linalg.norm(expected, axis=1)
        assert ((got * expected).sum(axis=1) / norms).min() > 0.99


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_runtime_fuses_every_operator(name, tmp_path):
    path = tmp_path / "fused.onnx"
    run(network(name).model, samples_of(name, 1), optimized_model_filepath=str(path))
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert set(kinds) <= FUSED
    assert kinds.count("QuantizeLinear") == kinds.count("DequantizeLinear") == 1


@pytest.mark.parametrize("name", NETWORKS)
def test_no_tensor_is_dead(name):
    """On other samples than those of calibration."""
    model = onnx.ModelProto()
    model.CopyFrom(network(name).model)
    quantized = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    kind = onnx.TensorProto.UINT8
    model.graph.output.extend(
        helper.make_tensor_value_info(node.output[0], kind, None) for node in quantized
    )
    tensors = run(model, samples_of(name, 2 if name in LARGE else 16), fused=False)[1:]
    for node, codes in zip(quantized, tensors, strict=True):
        averaged = any(part in node.name for part in ("pool", "average", "flatten", "softmax"))
        assert int(codes.max()) - int(codes.min()) >= (12 if averaged else 120), node.name
        ends = ((codes == 0) | (codes == 255)).mean()
        assert ends < (0.9 if averaged else 0.7), node.name
        if codes.ndim == 4:
            assert (np.ptp(codes, axis=(0, 2, 3)) > 0).mean() > 0.95, node.name


@pytest.mark.parametrize("name", NETWORKS)
def test_the_module_gives_the_same_model_again(name):
    assert MODELS[name](0) == network(name).model


@pytest.mark.parametrize("name", [name for name in SMALL if name != "digits"])
def test_another_seed_gives_other_weights_on_the_same_topology(name):
    other, first = build(name, 1).model, network(name).model
    assert other.graph.node == first.graph.node
    assert other.graph.initializer != first.graph.initializer


def test_models_do_not_depend_on_the_kernels_of_blas():
    program = (
        "import hashlib\n"
        "from workloads.networks.catalogue import build\n"
        f"for name in {SMALL}:\n"
        "    print(hashlib.sha256(build(name).model.SerializeToString(True)).hexdigest())\n"
    )
    environment = {**os.environ, "OPENBLAS_CORETYPE": "Nehalem"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    models = (network(name).model.SerializeToString(True) for name in SMALL)
    assert done.stdout.split() == [hashlib.sha256(model).hexdigest() for model in models]


def test_relu6_clips():
    model = network("mobilenet_v2").model
    values = constants(model)
    scales = [
        values[f"{node.output[0]}_scale"] for node in model.graph.node if node.op_type == "Clip"
    ]
    assert len(scales) == 35
    assert sum(6 / 255 <= scale < 6 / 255 * (1 + 2**-11) for scale in scales) > 25


def test_a_bottleneck_of_resnet50_strides_in_its_3x3():
    for node in layers(network("resnet50").model):
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.name.endswith((".0.conv2", ".0.downsample")) and not node.name.startswith("stage1"):
            assert attributes["strides"] == [2, 2]
        elif node.name not in ("stem", "fc"):
            assert attributes["strides"] == [1, 1]


def test_same_pads_put_the_odd_pixel_at_the_end():
    assert same_pads((49, 10), (10, 4), (2, 2)) == (4, 1, 5, 1)
    assert same_pads((32, 32), (3, 3), (2, 2)) == (0, 0, 1, 1)
    assert same_pads((32, 32), (1, 1), (2, 2)) == (0, 0, 0, 0)
    assert same_pads((5, 6), (3, 3), (1, 1)) == (1, 1, 1, 1)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_convolution_and_pools_are_those_of_onnx(groups):
    rng = np.random.default_rng(groups)
    x = rng.standard_normal((2, 6, 9, 8))
    weight = rng.standard_normal((6, 6 // groups, 3, 2))
    window = {"kernel_shape": [3, 2], "strides": [2, 1]}
    pads = {"pads": [1, 0, 2, 1]}
    nodes = (
        (helper.make_node("Conv", ["x", "w"], ["y"], group=groups, **window, **pads),
         convolve(x, weight, (2, 1), (1, 0, 2, 1), groups)),
        (helper.make_node("MaxPool", ["x"], ["y"], **window, **pads),
         max_pool(x, (3, 2), (2, 1), (1, 0, 2, 1))),
        (helper.make_node("AveragePool", ["x"], ["y"], **window),
         average_pool(x, (3, 2), (2, 1))),
    )  # fmt: skip
    for node, got in nodes:
        feeds = {"x": x, "w": weight}
        graph = helper.make_graph(
            [node],
            "one",
            [
                helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, feeds[name].shape)
                for name in node.input
            ],
            [helper.make_tensor_value_info("y", onnx.TensorProto.DOUBLE, None)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        evaluator = ReferenceEvaluator(model)
        (expected,) = evaluator.run(None, {name: feeds[name] for name in node.input})
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FORMS)
def test_samples_are_in_range_and_differ(name):
    form = FORMS[name]
    first, second = sample(name, 0, 2)
    assert first.shape == form.shape
    assert first.dtype == np.float32
    assert form.low <= first.min() < first.max() <= np.float32(form.high)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, sample(name, 1)[0])
    assert np.array_equal(sample(name, 5, 3), sample(name, 5, 3))


def test_digits_in_int8_are_within_half_a_point_of_float():
    expected = digits.accuracy(digits.float_logits())
    assert expected > 0.99
    for fused in (False, True):
        (logits,) = run(network("digits").model, digits.images(), fused)
        assert abs(digits.accuracy(logits) - expected) <= 0.005


@pytest.mark.parametrize("batch", [1, 30])
def test_digits_come_in_batches_of_any_size(batch):
    model = digits.digits(batch)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == batch
    (logits,) = run(model, digits.images()[:90])
    assert np.array_equal(logits, run(network("digits").model, digits.images())[0][:90])


def test_digits_are_calibrated_on_images_of_training():
    data = digits_data()
    assert data.images.shape == (digits.HELD_OUT, 1, 8, 8)
    assert data.images.max() == data.calibration.max() == 16
    assert set(data.labels) == set(range(10))
    held_out = {image.tobytes() for image in data.images}
    assert not held_out & {image.tobytes() for image in data.calibration}


def test_samples_of_digits_are_held_out_images_in_any_order():
    drawn = sample("digits", 3, 450)
    held_out = digits.images()
    assert not np.array_equal(drawn, held_out)
    order = [np.lexsort(images.reshape(450, 64).T) for images in (drawn, held_out)]
    assert np.array_equal(drawn[order[0]], held_out[order[1]])


def test_errors_name_the_rule():
    known = "resnet8, mobilenet_v1_025, ds_cnn, autoencoder, resnet50, mobilenet_v2, digits"
    with pytest.raises(AssayError, match=f"^no network 'vgg': give one of {known}$"):
        build("vgg")
    with pytest.raises(AssayError, match=f"^no network 'vgg': give one of {known}$"):
        sample("vgg")
    with pytest.raises(AssayError, match=r"^seed = -1 must be at least 0$"):
        build("resnet8", -1)
    with pytest.raises(AssayError, match=r"^digits: batch = 0 must be at least 1$"):
        digits.digits(0)
    with pytest.raises(AssayError, match=r"^digits has 450 held-out images: 451 are too many$"):
        sample("digits", 0, 451)
