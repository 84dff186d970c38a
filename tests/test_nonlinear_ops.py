"""Exponent, roots, interpolation and shifts of the golden model against exact arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest

from arch.isa import ElementType
from golden.ops.exponent import exponent
from golden.ops.interpolate import interpolate, interpolation_words
from golden.ops.inverse_root import inverse_square_root, reciprocal
from golden.ops.narrow import narrow
from golden.ops.requantize import requantize, row_scale
from golden.ops.rounding import shift_half_even

TWO_TO_18 = float(1 << 18)


def exponent_by_rule(y: int, peak: int) -> tuple[int, int]:
    """N-05 of an exponent that is requantised already, as it is written."""
    if y >= 1 << 23:
        return 0, 0
    i, j, h = y >> 18, y >> 10 & 255, y & 1023
    low, high = (round(2**24 * 2 ** (-n / 256)) for n in (j, j + 1))
    f = (low * 1024 - (low - high) * h) >> 8 + i
    return (f * peak + (1 << 25)) >> 26, f


@pytest.mark.parametrize("peak", [255, 32767])
def test_the_exponent_is_the_rule_for_every_octave_and_around_its_end(peak):
    """N-05."""
    rng = np.random.default_rng(1)
    y = np.concatenate([rng.integers(0, 1 << 23, 3000), [0, 1, (1 << 23) - 1, 1 << 23, 1 << 26]])
    result, f = exponent(y, np.float32(1), peak)
    # The greatest values do not fit the 24 bits that N-01 rounds to; they are even.
    expected = [exponent_by_rule(int(value), peak) for value in y]
    assert list(zip(result.tolist(), f.tolist(), strict=True)) == expected


@pytest.mark.parametrize("peak", [255, 32767])
def test_the_exponent_is_within_its_bound(peak):
    """N-05: f within 3.7e-6 and 1, so the result within 1/2 + 0.13 of the power of two."""
    rng = np.random.default_rng(2)
    v = rng.integers(0, 1 << 31, 200_000) >> rng.integers(0, 31, 200_000)
    scale = np.exp2(rng.uniform(-8, 20, v.size)).astype(np.float32)
    result, f = exponent(v, scale, peak)
    power = np.exp2(-(v * scale.astype(np.float64)) / TWO_TO_18)
    assert (np.abs(f - power * 2**26) <= 3.7e-6 * power * 2**26 + 1).all()
    assert np.abs(result - power * peak).max() <= 0.5 + 3.7e-6 * peak + peak / 2**26
    assert (f[v == 0] == 1 << 26).all()
    assert (result[v == 0] == peak).all()


def test_the_exponent_never_rises_with_the_distance():
    v = np.arange(0, 1 << 23, 7)
    result, f = exponent(v, np.float32(1), 32767)
    assert (np.diff(f) <= 0).all()
    assert (np.diff(result) <= 0).all()


def root_by_rule(x: int) -> tuple[int, int]:
    """N-06 as it is written: w, and the power of two beside it."""
    z = next(z for z in range(0, 64, 2) if 1 << 62 <= x << z < 1 << 64)
    D = x << z
    d, j, h = D >> 38, D >> 56, D >> 40 & 65535
    low, high = (round(2**24 / math.sqrt(n / 64)) for n in (j, j + 1))
    a = low - ((low - high) * h >> 16)
    t = a * a >> 22
    u = 3 * 2**24 - (d * t >> 26)
    return a * u >> 25, z // 2 - 55


def integers_of_every_size(rng: np.random.Generator, count: int) -> list[int]:
    drawn = [int(rng.integers(1, 1 << 63)) << 1 | 1 for _ in range(count)]
    ends = [1 << bit for bit in range(64)] + [(1 << bit) - 1 for bit in range(1, 65)]
    return [max(1, value >> int(rng.integers(0, 64))) for value in drawn] + ends


def test_roots_and_reciprocals_are_the_rule():
    """N-06."""
    values = integers_of_every_size(np.random.default_rng(3), 2000)
    roots = inverse_square_root(np.array(values, np.uint64))
    inverses = reciprocal(np.array(values, np.uint64))
    for x, root, inverse in zip(values, roots, inverses, strict=True):
        w, power = root_by_rule(x)
        assert 1 << 23 <= w <= 1 << 24
        exact = Fraction(w) * Fraction(2) ** power
        assert Fraction(float(root)) == exact, x
        assert inverse == np.float32(float(exact * exact)), x


def test_roots_and_reciprocals_are_within_their_bounds():
    """N-06: 1.19e-7 and 3e-7, relative."""
    values = np.array(integers_of_every_size(np.random.default_rng(4), 100_000), np.uint64)
    exact = values.astype(np.longdouble)
    assert np.abs(inverse_square_root(values) * np.sqrt(exact) - 1).max() < 1.2e-7
    assert np.abs(reciprocal(values) * exact - 1).max() < 3.0e-7


def test_nothing_has_neither_root_nor_reciprocal():
    """N-06: of 0 both are 0, and a scale of 0 makes 0 of everything (N-08)."""
    none = np.zeros(3, np.uint64)
    assert (inverse_square_root(none) == 0).all()
    assert (reciprocal(none) == 0).all()
    values = np.array([-(1 << 31), -1, 0, 1, (1 << 31) - 1])
    assert (requantize(values, row_scale(np.float32(1e30), reciprocal(none[0]))) == 0).all()


def test_a_row_scale_rounds_half_to_even():
    """N-08: significands of 24 bits whose product lies half way between two."""
    one = Fraction(1 << 23)
    for left, right in ((0x800001, 0xC00000), (0x800003, 0xC00000), (0xABCDEF, 0x987654)):
        exact = Fraction(left) * Fraction(right) / one
        shift = 1 if exact >= 1 << 24 else 0
        expected = round(exact / (1 << shift)) << shift
        assert row_scale(np.float32(left), np.float32(right / float(one))) == expected


@pytest.mark.parametrize(("scale", "of_row"), [(1e-20, 1e-20), (1e30, 1e10)])
def test_a_row_scale_that_is_not_normal_is_refused(scale, of_row):
    """N-08."""
    with pytest.raises(ValueError, match="of a scale and that of its row is not normal"):
        row_scale(np.float32(scale), np.float32([1, of_row]))


def test_interpolation_is_the_chord_rounded_half_up_for_every_code():
    """N-07."""
    rng = np.random.default_rng(5)
    nodes = rng.integers(-32768, 32768, 257).astype(np.int16)
    nodes[:4] = -32768, -32768, 32767, -32768
    codes = np.arange(-32768, 32768)
    got = interpolate(codes, interpolation_words(nodes))
    i, h = (codes + 32768) >> 8, codes & 255
    exact = nodes[i] * (256.0 - h) / 256 + nodes[i + 1] * h / 256.0
    np.testing.assert_array_equal(got, np.floor(exact + 0.5))
    assert got[codes % 256 == 0].tolist() == nodes[:-1].tolist()


def test_the_words_of_a_table_lie_at_the_code_s_upper_byte():
    """N-07: code 0 is word 0, code -256 is word 255."""
    words = interpolation_words(np.arange(257, dtype=np.int16))
    assert words[[0, 1, 127, 128, 255]].tolist() == [
        *([128, 129], [129, 130], [255, 256], [0, 1], [127, 128])
    ]


def test_a_shift_rounds_half_to_even_for_both_signs():
    """N-09."""
    values = np.arange(-5000, 5001)
    for bits in range(16):
        expected = [round(Fraction(int(value), 1 << bits)) for value in values]
        got = shift_half_even(values, np.asarray(bits))
        np.testing.assert_array_equal(got, expected)


def test_narrow_adds_the_zero_point_behind_the_shift_and_saturates():
    """N-09, I-04."""
    r = np.array([-32768, -24, -8, 8, 24, 32767])
    assert narrow(r, 4, -3, ElementType.INT8).tolist() == [-128, -5, -3, -3, -1, 127]
    assert narrow(r, 4, 3, ElementType.UINT8).tolist() == [0, 1, 3, 3, 5, 255]
    assert narrow(r, 0, 0, ElementType.INT16).tolist() == r.tolist()
