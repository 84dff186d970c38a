"""Models made here, normalised and interpreted, against ONNX Runtime."""

from __future__ import annotations

import normal_interpreter
import numpy as np
import onnx
import pytest
from onnx_cases import CLOSE, EXACT, Case
from onnx_models import ModelBuilder, onnx_runtime, sample_of

from workloads.onnx_import.normalize import normalize_model

DTYPES = {"uint8": np.uint8, "int8": np.int8}


def between(shape: tuple[int, ...], case: Case, dtype: type, seed: int = 0) -> onnx.ModelProto:
    """An operator between quantisations, and its result dequantised.

    The result's scale is found by running the model without it.
    """
    plain = ModelBuilder(seed)
    made = case(plain, plain.through(plain.input(shape), dtype=dtype))
    sample = {"x": sample_of(shape)}
    peak = np.abs(onnx_runtime(plain.model(made), sample, optimize=False)[made]).max()
    b = ModelBuilder(seed)
    made = case(b, b.through(b.input(shape), dtype=dtype))
    return b.model(b.through(made, float(peak / 120), dtype=dtype))


def codes_apart(model: onnx.ModelProto, optimize: bool = False) -> np.ndarray:
    """How far the interpreted normal form is from ONNX Runtime, in codes, by element."""
    normalized = normalize_model(model, "test")
    normal_interpreter.check_form(normalized)
    (output,) = model.graph.output
    apart: list[np.ndarray] = []
    seen: set[float] = set()
    for seed in range(3):
        feeds = {"x": sample_of(normalized.inputs["x"].shape, seed)}
        expected = onnx_runtime(model, feeds, optimize)[output.name]
        made = normal_interpreter.run(normalized, feeds)[output.name]
        assert made.shape == expected.shape
        seen.update(expected.flat)
        apart.append((made - expected) / normalized.outputs[output.name].scale)
    assert len(seen) > 1
    return np.rint(np.concatenate(apart, axis=None))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EXACT)
def test_operators_of_integers_equal_onnx_runtime(name, dtype):
    apart = codes_apart(between(*EXACT[name], DTYPES[dtype]))
    # Where ONNX Runtime computes in float32, a few results are at the middle of two codes.
    assert np.abs(apart).max() <= 1
    assert np.count_nonzero(apart) <= 1 + 0.01 * apart.size


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CLOSE)
def test_operators_are_within_one_code_of_onnx_runtime(name, dtype):
    apart = codes_apart(between(*CLOSE[name], DTYPES[dtype]))
    assert np.abs(apart).max() <= 1
    assert np.count_nonzero(apart) <= 1 + 0.03 * apart.size
