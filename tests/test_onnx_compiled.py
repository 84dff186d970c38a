"""Imported models on configurations in which their operands meet in one buffer, or do not fit."""

import numpy as np
import pytest
from imported import compared, compiled, random_feeds
from onnx_models import ModelBuilder, onnx_runtime

CONFIGS = ["base", "tiny", "wide", "edge", "8x16", "16x8"]


@pytest.mark.parametrize("config", CONFIGS)
def test_a_tensor_times_its_own_transposition(config):
    b = ModelBuilder(3)
    x = b.through(b.node("MatMul", [b.through(b.input((2, 9, 24))), b.weight((24, 24))]), 0.08)
    turned = b.node("Transpose", [x], perm=[0, 2, 1])
    model = b.model(b.through(b.node("MatMul", [x, turned]), 1.5))
    compiled(model, config)
    compared(model)


@pytest.mark.parametrize("config", CONFIGS)
def test_a_product_of_more_rows_than_half_the_accumulators(config):
    b = ModelBuilder(8)
    x = b.through(b.input((1, 141, 16)))
    rows = b.through(b.node("MatMul", [x, b.weight((16, 16))]), 0.08)
    others = b.through(b.node("MatMul", [x, b.weight((16, 16))]), 0.08)
    turned = b.node("Transpose", [others], perm=[0, 2, 1])
    scores = b.node("Add", [b.node("MatMul", [rows, turned]), b.floats(141)])
    compiled(b.model(b.through(scores)), config)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("shape", [(4, 5, 10, 15), (1, 700, 3, 2)])
def test_many_rows_times_one_that_is_loaded(shape, config):
    b = ModelBuilder(4)
    factor = b.constant(b.rng.uniform(0.5, 2, (1, shape[1], 1, 1)).astype(np.float32))
    x = b.through(b.node("Mul", [b.through(b.input(shape)), b.through(factor, 0.01, 0)]), 0.08)
    pooled = b.node("MaxPool", [x], kernel_shape=[2, 2])
    compiled(b.model(b.through(b.node("Sigmoid", [pooled]), 1 / 255, 0)), config)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("shape", [(2, 3, 15, 15), (1, 2, 1, 211), (1, 2, 40, 70)])
def test_a_product_with_all_pixels_of_an_image(shape, config):
    b = ModelBuilder(7)
    x = b.through(b.node("ReduceMean", [b.through(b.input(shape))], axes=[1], keepdims=1), 0.02)
    x = b.through(b.node("MatMul", [b.node("Flatten", [x]), b.weight((shape[2] * shape[3], 5))]))
    compiled(b.model(x), config)


def test_a_normalisation_behind_softmax():
    b = ModelBuilder(6)
    x = b.through(b.node("Softmax", [b.through(b.input((8, 32)))]), 1 / 255, 0)
    x = b.through(b.node("LayerNormalization", [x, b.floats(32)]))
    x = b.node("LayerNormalization", [x, b.floats(32)], epsilon=0.01)
    compiled(b.model(b.through(x)), "base")


def test_two_normalisations_of_one_tensor():
    b = ModelBuilder(6)
    x = b.through(b.input((8, 32)))
    one = b.node("LayerNormalization", [x, b.floats(32)])
    two = b.node("LayerNormalization", [x, b.floats(32)], epsilon=1.0)
    compiled(b.model(b.through(one), b.through(two, 0.02)), "base")


@pytest.mark.parametrize("scale", [3.75, 40.0, 1e36])
def test_softmax_of_codes_far_apart(scale):
    b = ModelBuilder(5)
    x = b.node("Mul", [b.through(b.input((30, 15)), 0.05), b.constant(np.float32(scale / 0.05))])
    x = b.node("Softmax", [b.through(x, scale)])
    model = b.model(b.through(x, 1 / 255, 0))
    _, got = compiled(model, "tiny")
    for name, want in onnx_runtime(model, random_feeds(model)).items():
        np.testing.assert_allclose(got[name], want, rtol=0, atol=1.01 / 255)
