"""The operators of the golden model against ONNX Runtime, ONNX's node tests and pinned vectors."""

import math
import warnings
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import load_model_tests
from onnx_operators import EIGHT_BITS, qlinear_arrays, random_codes, run_onnx

from arch.isa import ElementType
from golden.ops.linear import linear, matmul_integer, qlinear_matmul
from golden.ops.qlinear_add import add_int16, add_table, addition_table
from golden.ops.quantize import DTYPES, dequantize, quantize
from golden.ops.requantize import SATURATED, add_zero_point, is_valid_scale, requantize
from golden.ops.rounding import fma_float32
from golden.ops.table import build_table, gelu, lookup


@cache
def node_tests() -> list[TestCase]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx computes the expected values while it loads
        return load_model_tests(kind="node")


def node_data(operator: str) -> list[tuple[list[np.ndarray], np.ndarray]]:
    """Inputs and expected output of every ONNX node test of one operator."""
    cases = [
        case for case in node_tests() if [n.op_type for n in case.model.graph.node] == [operator]
    ]
    data = [case.data_sets[0] for case in cases]
    return [(inputs, outputs[0]) for inputs, outputs in data]


def float32_requantize(acc: np.ndarray, scale: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        product = np.rint(acc.astype(np.float32) * scale)
    return np.clip(product.astype(np.float64), -SATURATED, SATURATED).astype(np.int64)


# (acc, significand, exponent, result): the scale is significand * 2 ** exponent
REQUANTIZE_PINNED = [
    (1, 1 << 23, -24, 0),  # 0.5 to even
    (3, 1 << 23, -24, 2),  # 1.5 to even
    (5, 1 << 23, -24, 2),  # 2.5 to even
    (-5, 1 << 23, -24, -2),
    (-7, 1 << 23, -24, -4),
    (16777217, 1 << 23, -23 - 24, 1),
    (16777217, 8388609, -39 - 16, 0),  # |acc| is exactly half a step between two float32
    (25165827, 8388608, -25 - 22, 2),  # step 1 rounds up to a tie at step 4
    (3, 0xAAAAAB, -24 - 1, 1),  # the product 1.00000006 rounds to 1 at step 3
    (-2147483648, 1 << 23, -23 - 31, -1),
    (2147483647, 1 << 23, -23 - 30, 2),
    (2147483647, 1 << 23, -23, SATURATED),
    (-2147483648, 0xFFFFFF, 104, -SATURATED),
    (2147483647, 1 << 23, -149, 0),  # the least normal scale
    (0, 0xFFFFFF, 104, 0),
]


@pytest.mark.parametrize(("acc", "significand", "exponent", "expected"), REQUANTIZE_PINNED)
def test_requantize_gives_the_pinned_results(acc, significand, exponent, expected):
    scale = np.float32(math.ldexp(significand, exponent))
    assert is_valid_scale(scale)
    assert requantize(acc, scale) == expected


def test_requantize_equals_float32_on_random_accumulators():
    rng = np.random.default_rng(1)
    acc = rng.integers(-(2**31), 2**31, 400_000) >> rng.integers(0, 31, 400_000)
    scale = (2.0 ** rng.uniform(-40, 2, acc.size)).astype(np.float32)
    np.testing.assert_array_equal(requantize(acc, scale), float32_requantize(acc, scale))


def test_requantize_equals_float32_on_every_positive_normal_scale_range():
    rng = np.random.default_rng(2)
    scale = rng.integers(1 << 23, 255 << 23, 200_000).astype(np.uint32).view(np.float32)
    acc = rng.integers(-(2**31), 2**31, scale.size)
    assert is_valid_scale(scale).all()
    np.testing.assert_array_equal(requantize(acc, scale), float32_requantize(acc, scale))


def test_requantize_equals_float32_next_to_ties():
    rng = np.random.default_rng(3)
    acc = rng.integers(1, 2**31, 400_000)
    ties = rng.integers(0, 300, acc.size) + 0.5
    scale = (ties / acc).astype(np.float32)
    got = requantize(acc, scale)
    np.testing.assert_array_equal(got, float32_requantize(acc, scale))
    rounded_once = np.rint(acc * scale.astype(np.float64)).astype(np.int64)
    assert (got != rounded_once).mean() > 0.01, "these inputs do not exercise step 3"


def test_a_scale_is_valid_when_positive_and_normal():
    tiny = np.finfo(np.float32).tiny
    scales = np.array([tiny, 1, np.finfo(np.float32).max, 0, tiny / 2, -1, np.inf, np.nan], "f4")
    assert is_valid_scale(scales).tolist() == [True] * 3 + [False] * 5


def test_a_saturated_value_passes_every_clamp():
    assert add_zero_point(SATURATED, -32768, -32768, 32767) == 32767
    assert add_zero_point(-SATURATED, 32767, -32768, 32767) == -32768


def test_matmul_wraps_at_32_bits():
    a = np.full((1, 40_000), 255, np.uint8)
    exact = 40_000 * 255 * 255
    assert matmul_integer(a, a.T)[0, 0] == exact - 2**32


def test_matmul_integer_passes_the_onnx_node_test():
    ((a, b, a_zero, b_zero), expected), *others = node_data("MatMulInteger")
    np.testing.assert_array_equal(matmul_integer(a, b, a_zero, b_zero), expected)
    assert not others


def test_qlinear_matmul_passes_the_onnx_node_tests():
    cases = node_data("QLinearMatMul")
    assert len(cases) == 8
    for (a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero), expected in cases:
        element = ElementType.INT8 if expected.dtype == np.int8 else ElementType.UINT8
        y_constants = y_scale.item(), y_zero.item(), element
        got = qlinear_matmul(a, a_scale.item(), a_zero.item(), b, b_scale, b_zero, *y_constants)
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("per_column", [False, True])
@pytest.mark.parametrize("element", EIGHT_BITS)
def test_qlinear_matmul_equals_onnx_runtime(element, per_column):
    rng = np.random.default_rng(4)
    for _ in range(20):
        M, K, N = rng.integers(1, 80, 3)
        a, b = random_codes(rng, element, (M, K)), random_codes(rng, element, (K, N))
        shape = N if per_column else ()
        a_scale, y_scale = rng.uniform(0.001, 0.1, 2).astype(np.float32)
        b_scale = np.asarray(rng.uniform(0.001, 0.1, shape), np.float32)
        a_zero, b_zero, y_zero = (random_codes(rng, element, s) for s in ((), shape, ()))
        y_scale = np.float32(y_scale * math.sqrt(K) * 5)
        arrays = qlinear_arrays(
            a=(a, a_scale, a_zero), b=(b, b_scale, b_zero), y=(None, y_scale, y_zero)
        )
        got = qlinear_matmul(
            a, a_scale, int(a_zero), b, b_scale, b_zero, y_scale, int(y_zero), element
        )
        np.testing.assert_array_equal(got, run_onnx("QLinearMatMul", arrays))


def test_linear_adds_the_bias_before_requantising():
    x, weight = np.array([[1, 2]], np.int8), np.array([[3], [4]], np.int8)
    assert linear(x, weight, [10], np.float32(0.5), -3, ElementType.INT8) == [[7]]  # 10.5 -> 10


@pytest.mark.parametrize("element", EIGHT_BITS)
def test_add_through_the_table_equals_onnx_runtime(element):
    rng = np.random.default_rng(6)
    codes = np.arange(256, dtype=np.uint8).view(DTYPES[element])
    a, b = (g.ravel() for g in np.meshgrid(codes, codes))
    for trial in range(40):
        scales = np.exp(rng.uniform(-6, 0, 3)).astype(np.float32)
        if trial % 4 == 0:
            scales = (2.0 ** rng.integers(-6, 0, 3)).astype(np.float32)  # ties
        a_scale, b_scale, y_scale = scales
        a_zero, b_zero, y_zero = (int(z) for z in random_codes(rng, element, 3))
        ra, table = addition_table(
            b_scale, b_zero, a_scale, a_zero, y_scale, y_zero, element is ElementType.INT8
        )
        got = np.clip(add_table(a, b, ra, table), element.low, element.high)
        zeros = np.array([a_zero, b_zero, y_zero], DTYPES[element])
        arrays = qlinear_arrays(
            a=(a, a_scale, zeros[0]), b=(b, b_scale, zeros[1]), y=(None, y_scale, zeros[2])
        )
        expected = run_onnx("QLinearAdd", arrays, "com.microsoft")
        np.testing.assert_array_equal(got, expected.astype(np.int64))


# b scale and zero point, a's, y's; a, b, and their sum, by ONNX Runtime. Not fusing the inner
# product of the constant c changes each of these sums by one.
ADDITION_PINNED = [
    ((0.789, 30, 0.138020843, 190, 0.166666672, 99), 94, 30, 20),
    ((0.536, 113, 0.146875009, 212, 0.2, 225), 180, 38, 1),
    ((0.427, 32, 0.0431547612, 213, 0.0476190485, 114), 101, 32, 12),
    ((0.527, 31, 0.0795454532, 232, 0.0909090936, 218), 4, 31, 18),
    ((0.598, 5, 0.03125, 97, 0.0666666701, 115), 49, 5, 92),
    ((0.177, 51, 0.0323275849, 158, 0.0344827585, 54), 118, 51, 16),
]


@pytest.mark.parametrize(("constants", "a", "b", "expected"), ADDITION_PINNED)
def test_addition_table_gives_the_pinned_results(constants, a, b, expected):
    ra, table = addition_table(*constants, signed=False)
    assert add_table(a, b, ra, table) == expected
    b_scale, b_zero, a_scale, a_zero, y_scale, y_zero = (
        np.float32(value) if isinstance(value, float) else np.uint8(value) for value in constants
    )
    # ONNX Runtime swaps the operands, and with them the roundings of c, where one has one element.
    arrays = qlinear_arrays(
        a=(np.full(8, a, np.uint8), a_scale, a_zero),
        b=(np.full(8, b, np.uint8), b_scale, b_zero),
        y=(None, y_scale, y_zero),
    )
    assert (run_onnx("QLinearAdd", arrays, "com.microsoft") == expected).all()


def round_to_24_bits(value: Fraction) -> Fraction:
    if value == 0:
        return value
    exponent = 0
    while abs(value) >= 1 << 24:
        value, exponent = value / 2, exponent + 1
    while abs(value) < 1 << 23:
        value, exponent = value * 2, exponent - 1
    return Fraction(round(value)) * Fraction(2) ** exponent


def test_add_through_the_table_equals_exact_fractions_next_to_ties():
    rng = np.random.default_rng(7)
    q = rng.integers(-128, 256, 3000)
    ra = np.float32(0.7231)
    term = (rng.integers(-90, 90, q.size) + 0.5 - q * np.float64(ra)).astype(np.float32)
    term = np.nextafter(term, rng.choice([-np.inf, np.inf], q.size)).astype(np.float32)
    for value, t in zip(q.tolist(), term, strict=True):
        exact = value * Fraction(float(ra)) + Fraction(float(t))
        table = np.full(256, t, np.float32)
        got = add_table(value, 0, int(ra.view(np.uint32)), table)
        assert int(got) == round(round_to_24_bits(exact)), (value, t)


def test_a_float64_sum_would_round_twice():
    # The exact sum lies just above a tie of float32; float64 rounds it onto the tie.
    a, b, c = np.float32([1]), np.float32([1 + 2**-23]), np.float32([2**-24])
    assert fma_float32(a, b, c) == np.float32(1 + 2**-22)
    tiny = np.float32([2**-24 + 2**-47])
    assert fma_float32(np.float32([1]), np.float32([1]), tiny) == np.float32(1 + 2**-23)
    below = np.float32([2**-80])
    product = np.float32([1 + 2**-12]), np.float32([1 + 2**-12])  # 1 + 2^-11 + 2^-24: a tie
    assert fma_float32(*product, below) == np.float32(1 + 2**-11 + 2**-23)
    assert fma_float32(*product, -below) == np.float32(1 + 2**-11)


def test_a_subnormal_table_entry_counts_as_zero():
    # q * ra = 2.5 + 2^-23 is a tie of round24: down to 2.5, up with any positive term.
    ra = int(np.float32(6990507 * 2.0**-23).view(np.uint32))
    results = [add_table(3, 0, ra, np.full(256, t, np.float32)) for t in (0, 2**-130, 2**-100)]
    assert results == [2, 2, 3]


def test_a_term_of_2_to_the_26_is_refused():
    ra = int(np.float32(2**19).view(np.uint32))
    assert add_table(127, 0, ra, np.zeros(256, np.float32)) == 127 << 19
    with pytest.raises(ValueError, match=r"2\^26 or more: choose a larger output scale"):
        add_table(128, 0, ra, np.zeros(256, np.float32))


def test_int16_addition_does_not_wrap():
    assert add_int16(np.int16(32767), np.int16(32767)) == 65534


@pytest.mark.parametrize("element", EIGHT_BITS)
def test_quantize_equals_onnx_runtime_and_divides(element):
    rng = np.random.default_rng(8)
    scale = np.float32(0.0237)
    ties = (rng.integers(-300, 300, 20_000) + 0.5).astype(np.float32) * scale
    x = np.concatenate([rng.normal(0, 2, 20_000).astype(np.float32), ties])
    zero_point = 7
    expected = run_onnx(
        "QuantizeLinear",
        {"x": x, "scale": np.asarray(scale), "zero": np.asarray(zero_point, DTYPES[element])},
    )
    np.testing.assert_array_equal(quantize(x, scale, zero_point, element), expected)
    by_reciprocal = np.rint(x * (np.float32(1) / scale)) + zero_point
    assert (np.clip(by_reciprocal, element.low, element.high) != expected).any()


@pytest.mark.parametrize("element", EIGHT_BITS)
def test_dequantize_equals_onnx_runtime(element):
    codes = np.arange(256, dtype=np.uint8).view(DTYPES[element])
    expected = run_onnx(
        "DequantizeLinear",
        {"q": codes, "scale": np.asarray(0.0237, "f4"), "zero": np.asarray(7, DTYPES[element])},
    )
    np.testing.assert_array_equal(dequantize(codes, 0.0237, 7), expected)


@pytest.mark.parametrize("element", EIGHT_BITS)
def test_a_gelu_table_is_exact_for_every_code(element):
    x_scale, x_zero, y_scale, y_zero = 0.031, 12, 0.017, 5
    table = build_table(gelu, x_scale, x_zero, element, y_scale, y_zero, element)
    codes = np.arange(element.low, element.high + 1)
    x = dequantize(codes, x_scale, x_zero)
    expected = quantize(run_onnx("Gelu", {"x": x}), y_scale, y_zero, element)
    got = lookup(codes, table, element is ElementType.INT8)
    np.testing.assert_array_equal(got, expected.astype(np.int64))


def test_lookup_uses_the_low_byte_and_the_sign_of_the_entries():
    table = np.arange(256, dtype=np.uint8)
    assert lookup([-1, 255, 3], table, signed=True).tolist() == [-1, -1, 3]
    assert lookup([-1, 255, 3], table, signed=False).tolist() == [255, 255, 3]
