"""Element-wise operators, products and softmax of the golden model against ONNX Runtime."""

import math

import numpy as np
import pytest
from onnx_operators import EIGHT_BITS, qlinear_arrays, random_codes, run_onnx

from arch.isa import ElementType
from golden.ops.linear import linear, matmul_integer, qlinear_matmul
from golden.ops.move import move
from golden.ops.multiply import multiply
from golden.ops.qlinear_add import add_table, addition_table
from golden.ops.quantize import dequantize, quantize
from golden.ops.repeat import repeat_rows
from golden.ops.requantize import combined_scale
from golden.ops.softmax import softmax
from golden.ops.table import build_table, lookup

INT8, UINT8 = ElementType.INT8, ElementType.UINT8


def product_scales(rng: np.random.Generator) -> tuple[np.float32, np.float32, np.float32]:
    a, b = np.exp(rng.uniform(-6, 0, 2)).astype(np.float32)
    return a, b, np.float32(a * b * rng.uniform(5, 200))


@pytest.mark.parametrize("element", EIGHT_BITS)
def test_multiply_equals_onnx_runtime_where_the_zero_point_is_0(element):
    """QLinearMul, ties and all; with right rows that repeat."""
    rng = np.random.default_rng(1)
    for trial in range(40):
        repeats = int(rng.integers(1, 5))
        left, right = (random_codes(rng, element, (m, 60)) for m in (8 * repeats, 8))
        a_scale, b_scale, y_scale = product_scales(rng)
        if trial % 4 == 0:
            a_scale, b_scale, y_scale = (2.0 ** rng.integers(-6, 0, 3)).astype(np.float32)
        a_zero, b_zero = random_codes(rng, element, 2)
        arrays = qlinear_arrays(
            a=(left.reshape(8, repeats, 60), a_scale, a_zero),
            b=(right[:, None], b_scale, b_zero),
            y=(None, y_scale, a_zero.dtype.type(0)),
        )
        expected = run_onnx("QLinearMul", arrays, "com.microsoft").reshape(left.shape)
        scale = combined_scale(a_scale, b_scale, y_scale)
        got = multiply(left, int(a_zero), right, int(b_zero), scale, 0, element)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("element", EIGHT_BITS)
def test_multiply_is_within_one_of_onnx_runtime(element):
    """It adds the zero point in float32 before it rounds: 1 differs in 10^5 at most."""
    rng = np.random.default_rng(2)
    differ = elements = 0
    for _ in range(120):
        left, right = (random_codes(rng, element, (50, 64)) for _ in range(2))
        a_scale, b_scale, y_scale = product_scales(rng)
        a_zero, b_zero, y_zero = random_codes(rng, element, 3)
        arrays = qlinear_arrays(
            a=(left, a_scale, a_zero), b=(right, b_scale, b_zero), y=(None, y_scale, y_zero)
        )
        expected = run_onnx("QLinearMul", arrays, "com.microsoft")
        scale = combined_scale(a_scale, b_scale, y_scale)
        got = multiply(left, int(a_zero), right, int(b_zero), scale, int(y_zero), element)
        difference = np.abs(got.astype(int) - expected)
        assert difference.max() <= 1
        differ, elements = differ + np.count_nonzero(difference), elements + difference.size
    assert differ <= elements * 1e-5


@pytest.mark.parametrize("element", EIGHT_BITS)
def test_an_addition_of_repeated_rows_equals_onnx_runtime(element):
    """QLinearAdd of a row for each image to all of its pixels."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        repeats = int(rng.integers(1, 6))
        x, rows = random_codes(rng, element, (4 * repeats, 70)), random_codes(rng, element, (4, 70))
        x_scale, r_scale, y_scale = np.exp(rng.uniform(-6, 0, 3)).astype(np.float32)
        x_zero, r_zero, y_zero = random_codes(rng, element, 3)
        arrays = qlinear_arrays(
            a=(x.reshape(4, repeats, 70), x_scale, x_zero),
            b=(rows[:, None], r_scale, r_zero),
            y=(None, y_scale, y_zero),
        )
        expected = run_onnx("QLinearAdd", arrays, "com.microsoft").reshape(x.shape)
        constants = r_scale, int(r_zero), x_scale, int(x_zero), y_scale, int(y_zero)
        ra, table = addition_table(*constants, signed=element is INT8)
        got = add_table(x, repeat_rows(rows, len(x)), ra, table).clip(element.low, element.high)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("element", EIGHT_BITS)
def test_a_concatenation_of_requantised_codes_equals_onnx_runtime(element):
    """QLinearConcat: a table for each input, then copies."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        count = int(rng.integers(1, 4))
        sources = [random_codes(rng, element, (6, int(n))) for n in rng.integers(1, 90, count)]
        scales = rng.uniform(0.01, 0.1, count + 1).astype(np.float32)
        zeros = random_codes(rng, element, count + 1)
        arrays = {"y_scale": np.asarray(scales[-1]), "y_zero": np.asarray(zeros[-1])}
        mapped = []
        for i, source in enumerate(sources):
            arrays |= qlinear_arrays(**{f"x{i}": (source, scales[i], zeros[i])})
            real = dequantize(source, scales[i], int(zeros[i]))
            mapped.append(quantize(real, scales[-1], int(zeros[-1]), element))
        starts = np.cumsum([0, *(source.size for source in sources)])
        index = np.concatenate(
            [
                start + np.arange(source.size).reshape(source.shape)
                for start, source in zip(starts[:-1], sources, strict=True)
            ],
            axis=1,
        )
        expected = run_onnx("QLinearConcat", arrays, "com.microsoft", axis=1)
        np.testing.assert_array_equal(move(mapped, index), expected)


@pytest.mark.parametrize("element", EIGHT_BITS)
def test_a_table_of_a_sigmoid_is_within_one_of_onnx_runtime(element):
    """QLinearSigmoid, which ONNX Runtime makes in float32: every code, many scales."""
    rng = np.random.default_rng(5)
    codes = np.arange(256, dtype=np.uint8).view(np.int8 if element is INT8 else np.uint8)
    differ = 0
    for _ in range(50):
        x_scale, y_scale = np.float32(rng.uniform(0.01, 0.2)), np.float32(rng.uniform(0.003, 0.01))
        x_zero, y_zero = random_codes(rng, element, 2)
        arrays = qlinear_arrays(x=(codes, x_scale, x_zero), y=(None, y_scale, y_zero))
        expected = run_onnx("QLinearSigmoid", arrays, "com.microsoft")
        table = build_table(
            lambda x: 1 / (1 + math.exp(-x)),
            *(float(x_scale), int(x_zero), element),
            *(float(y_scale), int(y_zero), element),
        )
        difference = np.abs(lookup(codes, table, element is INT8) - expected)
        assert difference.max() <= 1
        differ += np.count_nonzero(difference)
    assert differ <= 50 * 256 * 1e-3


@pytest.mark.parametrize("right", EIGHT_BITS)
def test_a_batched_product_of_activations_equals_onnx_runtime(right):
    """MatMulInteger, every matrix of the batch by its own."""
    rng = np.random.default_rng(6)
    for left in EIGHT_BITS:
        for _ in range(10):
            *batch, M, K, N = (int(n) for n in rng.integers(1, 40, 4))
            a = random_codes(rng, left, (*batch, 2, M, K))
            b = random_codes(rng, right, (*batch, 2, K, N))
            a_zero, b_zero = random_codes(rng, left, ()), random_codes(rng, right, ())
            arrays = {"a": a, "b": b, "a_zero": a_zero, "b_zero": b_zero}
            expected = run_onnx("MatMulInteger", arrays)
            got = matmul_integer(a, b, a_zero, b_zero)
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("element", EIGHT_BITS)
def test_a_batched_qlinear_matmul_equals_onnx_runtime(element):
    rng = np.random.default_rng(7)
    for _ in range(20):
        batch, M, K, N = (int(n) for n in rng.integers(1, 40, 4))
        a, b = random_codes(rng, element, (batch, M, K)), random_codes(rng, element, (batch, K, N))
        a_scale, b_scale = rng.uniform(0.001, 0.1, 2).astype(np.float32)
        y_scale = np.float32(a_scale * b_scale * math.sqrt(K) * 100)
        a_zero, b_zero, y_zero = random_codes(rng, element, 3)
        arrays = qlinear_arrays(
            a=(a, a_scale, a_zero), b=(b, b_scale, b_zero), y=(None, y_scale, y_zero)
        )
        left, right = (a, a_scale, int(a_zero)), (b, b_scale, int(b_zero))
        got = qlinear_matmul(*left, *right, y_scale, int(y_zero), element)
        np.testing.assert_array_equal(got, run_onnx("QLinearMatMul", arrays))


@pytest.mark.parametrize("per_column", [False, True])
@pytest.mark.parametrize("element", EIGHT_BITS)
def test_a_linear_layer_equals_qgemm_of_onnx_runtime(element, per_column):
    rng = np.random.default_rng(8)
    for _ in range(20):
        M, K, N = (int(n) for n in rng.integers(1, 80, 3))
        x, weight = random_codes(rng, element, (M, K)), random_codes(rng, INT8, (K, N))
        bias = rng.integers(-30_000, 30_000, N).astype(np.int32)
        x_scale, y_scale = np.float32(0.02), np.float32(0.01 * math.sqrt(K) * rng.uniform(1, 3))
        w_scale = np.asarray(rng.uniform(0.001, 0.01, N if per_column else ()), np.float32)
        x_zero, y_zero = random_codes(rng, element, 2)
        w_zero = random_codes(rng, INT8, N if per_column else ())
        arrays = qlinear_arrays(a=(x, x_scale, x_zero), b=(weight, w_scale, w_zero))
        arrays |= {"c": bias, "y_scale": np.asarray(y_scale), "y_zero": np.asarray(y_zero)}
        scale = combined_scale(x_scale, w_scale, y_scale)
        got = linear(x, weight, bias, scale, int(y_zero), element, int(x_zero), w_zero)
        np.testing.assert_array_equal(got, run_onnx("QGemm", arrays, "com.microsoft"))


@pytest.mark.parametrize("element", EIGHT_BITS)
def test_softmax_is_within_one_of_onnx_runtime(element):
    """QLinearSoftmax, which sums integers of a table: 1 differs in 100 at most."""
    rng = np.random.default_rng(9)
    differ = elements = 0
    for trial in range(60):
        x = random_codes(rng, element, (40, int(rng.integers(2, 120))))
        x_zero, y_zero = random_codes(rng, element, ()), x.dtype.type(element.low)
        x_scale = np.float32(np.exp(rng.uniform(-6, -1)))
        y_scale = np.float32(1 / 256 if trial % 2 else rng.uniform(1 / 300, 1 / 100))
        arrays = qlinear_arrays(x=(x, x_scale, x_zero), y=(None, y_scale, y_zero))
        expected = run_onnx("QLinearSoftmax", arrays, "com.microsoft", axis=-1, opset=13)
        scale = np.float32(float(x_scale) * math.log2(math.e) * 2**18)
        output_scale = 2.0**26 / 32767 / float(y_scale)
        got = softmax(x.astype(np.int32), scale, output_scale, element.low, element)
        difference = np.abs(got.astype(int) - expected)
        assert difference.max() <= 1
        differ, elements = differ + np.count_nonzero(difference), elements + difference.size
    assert elements > 100_000
    assert differ <= elements * 1e-2
