"""Whole operators of the golden model, element by element as their definitions say."""

import math

import numpy as np
import pytest

from arch.isa import ElementType
from golden.ops.add import add
from golden.ops.append import append
from golden.ops.attention import attention
from golden.ops.exponent import exponent
from golden.ops.gather import gather
from golden.ops.inverse_root import inverse_square_root, reciprocal
from golden.ops.move import move
from golden.ops.multiply import multiply
from golden.ops.narrow import narrow
from golden.ops.normalize import normalize
from golden.ops.quantize import DTYPES
from golden.ops.requantize import requantize
from golden.ops.rotary import rotary
from golden.ops.softmax import softmax
from golden.ops.sum_rows import sum_rows

INT8, UINT8, INT16 = ElementType.INT8, ElementType.UINT8, ElementType.INT16


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(21)


def clamp(value: int, element: ElementType) -> int:
    return max(element.low, min(element.high, value))


def scaled(value: int, scale: float) -> int:
    return int(requantize(value, np.float32(scale)))


def int16(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-32768, 32768, shape).astype(np.int16)


def test_gather_takes_rows_by_number(rng):
    table = int16(rng, 9, 3)
    indices = np.array([[8, 0, 8]], np.int32)
    assert gather(indices, table).tolist() == [table[i].tolist() for i in (8, 0, 8)]


def test_append_puts_rows_behind_the_cache(rng):
    cache, rows = int16(rng, 2, 3), int16(rng, 1, 3)
    assert append(cache, rows).tolist() == [*cache.tolist(), *rows.tolist()]


def test_add_saturates_before_it_shifts(rng):
    left, right = int16(rng, 20, 6), int16(rng, 20, 6)
    expected = [
        [
            clamp(round(clamp(int(a) + int(b), INT16) / 128) - 9, INT8)
            for a, b in zip(*rows, strict=True)
        ]
        for rows in zip(left, right, strict=True)
    ]
    assert add(left, right, 7, -9, INT8).tolist() == expected
    # 40000 saturates to 32767, which is 127.998 * 256; 128 - 20 would have been 136.
    big = np.array([[20000]], np.int16)
    assert add(big, big, 8, -20, INT8).tolist() == [[108]]


def test_multiply_subtracts_and_adds_zero_points(rng):
    left = rng.integers(0, 256, (5, 7)).astype(np.uint8)
    right = int16(rng, 5, 7)
    expected = [
        [clamp(scaled((int(a) - 100) * int(b), 3e-5) + 7, INT8) for a, b in zip(*rows, strict=True)]
        for rows in zip(left, right, strict=True)
    ]
    assert multiply(left, 100, right, 0, 3e-5, 7, INT8).tolist() == expected
    assert multiply(right, 0, left, 100, 3e-5, 7, INT8).tolist() == expected
    assert multiply(right, 0, right, 0, 1e-9, 0, INT16).tolist() == [
        [clamp(scaled(int(a) ** 2, 1e-9), INT16) for a in row] for row in right
    ]


def test_rows_of_the_right_factor_serve_as_many_of_the_left_one(rng):
    left, right = int16(rng, 6, 3), rng.integers(-128, 128, (2, 3)).astype(np.int8)
    expected = [
        [
            clamp(scaled(int(left[m, c]) * (int(right[m // 3, c]) - 5), 1e-4) - 3, UINT8)
            for c in (0, 1, 2)
        ]
        for m in range(6)
    ]
    assert multiply(left, 0, right, 5, 1e-4, -3, UINT8).tolist() == expected


@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize(("element", "zero"), [(INT16, 0), (INT8, -128), (INT8, 7), (UINT8, 200)])
def test_normalize_is_its_definition(rng, centre, element, zero):
    """N-06, N-08."""
    low, high = element.low, element.high
    codes = rng.integers(low, high + 1, (6, 11))
    codes[0], codes[1, :], codes[2, 0] = 5, low, high
    x = codes.astype(DTYPES[element])
    scale = rng.uniform(100, 20000, 11).astype(np.float32)
    offset = rng.integers(-32768, 32768, 11).astype(np.int32)
    got = normalize(x, centre, scale, offset, 7, zero)
    if centre:
        np.testing.assert_array_equal(got, normalize(x, True, scale, offset, 7, zero - 20))
    for row, results in zip((codes - zero).tolist(), got.tolist(), strict=True):
        n, total, squares = len(row), sum(row), sum(v * v for v in row)
        radicand = (n * squares - total**2 if centre else squares) + 7
        root = inverse_square_root(np.uint64(radicand))
        for c, value in enumerate(row):
            v = n * value - total if centre else value
            q = scaled(v, np.float32(scale[c] * root))
            assert results[c] == clamp(q + int(offset[c]), INT16)


def test_a_row_without_deviation_is_its_offset():
    x = np.full((1, 4), -321, np.int16)
    offset = np.array([1, -2, 3, 32767], np.int32)
    scale = np.full(4, 1e9, np.float32)
    for epsilon in (0, 1, (1 << 32) - 1):
        assert normalize(x, True, scale, offset, epsilon).tolist() == [offset.tolist()]


@pytest.mark.parametrize(
    ("element", "zero", "steps"),
    [(UINT8, 3, 255), (UINT8, 0, 100), (INT8, -128, 256), (INT8, -7, 300), (INT16, 0, 32767)],
)
@pytest.mark.parametrize(("low", "high", "scale"), [(-3000, 3000, 400), (-128, 256, 8000)])
def test_softmax_is_its_three_passes(rng, element, zero, steps, low, high, scale):
    """N-05, N-06, N-08, with a row in which nothing counts."""
    x = rng.integers(low, high, (5, 9)).astype(np.int32)
    counts = np.arange(9) < np.array([9, 4, 1, 0, 9])[:, None]
    scale, output_scale = np.float32(scale), 2.0**26 / 32767 * steps
    got = softmax(x, scale, output_scale, zero, element, counts)
    assert got.dtype == DTYPES[element]
    for row, kept, results in zip(x.tolist(), counts.tolist(), got.tolist(), strict=True):
        maximum = max((v for v, k in zip(row, kept, strict=True) if k), default=0)
        pairs = [
            tuple(int(a) for a in exponent(maximum - v, scale, 32767)) if k else (0, 0)
            for v, k in zip(row, kept, strict=True)
        ]
        of_row = reciprocal(np.uint64(sum(f for _, f in pairs)))
        product = np.float32(np.float32(output_scale) * of_row)
        expected = [clamp(scaled(e, product) + zero, element) for e, _ in pairs]
        assert results == expected
    assert got[3].tolist() == [zero] * 9


@pytest.mark.parametrize("element", [INT8, UINT8, INT16])
def test_softmax_of_codes_does_not_depend_on_their_zero_point(rng, element):
    codes = rng.integers(0, 128, (4, 10))
    how = 9000.0, 2.0**26 / 32767 * 255, 0, UINT8
    np.testing.assert_array_equal(
        softmax(codes.astype(DTYPES[element]), *how), softmax(codes - 77, *how)
    )


def attention_by_definition(q, k, v, heads, kv_heads, zeros, score_scale, output_scale, causal):
    """Plain loops over heads, queries and keys."""
    size = q.shape[1] // heads
    rows = []
    for i, query in enumerate(q.tolist()):
        row = []
        for h in range(heads):
            g = h // (heads // kv_heads) * size
            keys = [j for j in range(len(k)) if not causal or j <= i + len(k) - len(q)]
            scores = {
                j: sum(
                    (query[h * size + c] - zeros[0]) * (int(k[j, g + c]) - zeros[1])
                    for c in range(size)
                )
                for j in keys
            }
            top = max(scores.values(), default=0)
            powers = {
                j: [int(a) for a in exponent(top - s, np.float32(score_scale), 255)]
                for j, s in scores.items()
            }
            of_row = reciprocal(np.uint64(sum(f for _, f in powers.values())))
            scale = np.float32(np.float32(output_scale) * of_row)
            for c in range(size):
                total = sum(p * (int(v[j, g + c]) - zeros[2]) for j, (p, _) in powers.items())
                row.append(clamp(scaled(total, scale) + zeros[3], INT8))
        rows.append(row)
    return rows


@pytest.mark.parametrize(
    ("queries", "keys", "causal"),
    [(5, 5, False), (5, 5, True), (2, 6, True), (1, 4, True), (4, 2, True)],
)
def test_attention_is_its_definition(rng, queries, keys, causal):
    """With shared key and value heads, and queries that attend to nothing."""
    q, k, v = (
        rng.integers(-128, 128, (n, 4 * w)).astype(np.int8) for n, w in shapes(queries, keys)
    )
    how = (4, 2, (3, -5, 7, -11), 60.0, 2.0**26 / 255 * 0.9, causal)
    got = attention(q, k, v, *how, INT8)
    assert got.dtype == np.int8
    assert got.tolist() == attention_by_definition(q, k, v, *how)


def shapes(queries: int, keys: int) -> list[tuple[int, int]]:
    """Rows, and heads of four columns."""
    return [(queries, 4), (keys, 2), (keys, 2)]


def test_attention_is_near_the_float_one(rng):
    """Weights of 8 bits over the greatest: within a step and a half of the output."""
    q, k, v = (rng.integers(-128, 128, (64, 32)).astype(np.int8) for _ in range(3))
    scale = 0.002 / math.sqrt(32)
    score_scale = scale * math.log2(math.e) * 2**18
    got = attention(q, k, v, 1, 1, (0, 0, 0, 0), score_scale, 2.0**26 / 255, False, INT8)
    scores = q.astype(float) @ k.T.astype(float) * scale
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    exact = weights / weights.sum(axis=1, keepdims=True) @ v.astype(float)
    assert np.abs(got - exact).max() < 1.5


def test_rotary_turns_the_halves_of_every_head(rng):
    x, cosine, sine = int16(rng, 3, 12), int16(rng, 3, 4), int16(rng, 3, 4)
    got = narrow(rotary(x, cosine, sine, 2.0**-15), 3, 1, INT16)
    for m in range(3):
        for col in range(12):
            c = col % 4
            partner = col - c + (c + 2) % 4
            t = clamp(scaled(int(x[m, col]) * int(cosine[m, c]), 2.0**-15), INT16)
            u = clamp(scaled(int(x[m, partner]) * int(sine[m, c]), 2.0**-15), INT16)
            assert got[m, col] == clamp(round(clamp(t + u, INT16) / 8) + 1, INT16)


def test_rows_of_each_segment_are_summed(rng):
    x = rng.integers(0, 256, (10, 3)).astype(np.uint8)
    segments, scale = ((0, 4), (5, 1), (4, 6)), (1.0, 300.0, 0.25)
    expected = [
        [clamp(scaled(sum(int(r[c]) - 9 for r in x[a : a + n]), s), INT16) for c in range(3)]
        for (a, n), s in zip(segments, scale, strict=True)
    ]
    assert sum_rows(x, 9, segments, scale).tolist() == expected


@pytest.mark.parametrize(("element", "zero"), [(INT8, -100), (UINT8, 250), (INT16, 0)])
def test_sums_of_rows_have_a_type_and_a_zero_point(rng, element, zero):
    x = rng.integers(-128, 128, (10, 3)).astype(np.int8)
    sums = x[3:10].astype(int).sum(axis=0) + 7 * 5
    got = sum_rows(x, -5, [(3, 7)], [0.125], zero, element)
    assert got.dtype == DTYPES[element]
    assert got.tolist() == [[clamp(scaled(int(s), 0.125) + zero, element) for s in sums]]


def test_move_copies_elements_of_all_sources(rng):
    first, second = int16(rng, 2, 3), int16(rng, 4)
    index = np.array([[9, -1, 0, 5, 5], [6, 3, -1, 2, 8]], np.int32)
    flat = [*first.ravel().tolist(), *second.tolist()]
    expected = [[flat[i] if i >= 0 else -321 for i in row] for row in index.tolist()]
    got = move([first, second], index, -321)
    assert (got.dtype, got.tolist()) == (np.int16, expected)
    assert move([first, second], index)[0, 1] == 0


def test_move_is_a_transposition_and_a_slice(rng):
    x = rng.integers(0, 256, (4, 6)).astype(np.uint8)
    places = np.arange(24).reshape(4, 6)
    np.testing.assert_array_equal(move([x], places.T), x.T)
    np.testing.assert_array_equal(move([x], places[1::2, 3:]), x[1::2, 3:])
    padded = np.pad(places, 1, constant_values=-1)
    np.testing.assert_array_equal(move([x], padded, 255), np.pad(x, 1, constant_values=255))
