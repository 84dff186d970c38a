"""Section 5 of the document in plain numbers: what the vector unit calculates with.

Arrays are int64 [rows, lanes] unless said otherwise; scales are bits of float32.
"""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

import numpy as np

SIGNIFICAND_BITS = 24


def wrap(value: np.ndarray, bits: int) -> np.ndarray:
    """As a signed number of ``bits``, of which the upper ones are lost (N-04)."""
    half = 1 << (bits - 1)
    return (value + half & (1 << bits) - 1) - half


def floats(scale: np.ndarray | int) -> np.ndarray:
    """The float32 of these bits."""
    return np.asarray(scale, np.uint32).view(np.float32)


def requantize(value: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """N-01 before zero point and clamp, as integral float32, which may be large."""
    return np.rint(value.astype(np.float32) * floats(scale))


def row_scaled(scale: np.ndarray, of_row: np.ndarray) -> np.ndarray:
    """N-08."""
    product: np.ndarray = np.asarray(floats(scale) * floats(of_row), np.float32)
    return product.view(np.uint32)


def exponent(value: np.ndarray, scale: np.ndarray, greatest: int) -> tuple[np.ndarray, np.ndarray]:
    """N-05: the results and their ``f``."""
    places = np.minimum(requantize(value, scale), 2.0**23).astype(np.int64)
    table = np.rint(2.0**24 * 2.0 ** (-np.arange(257) / 256)).astype(np.int64)
    i, j, h = places >> 18, places >> 10 & 255, places & 1023
    line = table[j] * 1024 - (table[j] - table[j + 1]) * h
    f = np.where(places >= 1 << 23, 0, line >> (8 + i))
    return (f * greatest + (1 << 25)) >> 26, f


def interpolate(code: np.ndarray, words: np.ndarray) -> np.ndarray:
    """N-07; ``words`` uint32 [256]."""
    pairs = np.asarray(words, "<u4").view("<i2").astype(np.int64).reshape(-1, 2)[code >> 8 & 255]
    h = code & 255
    return (pairs[..., 0] * (256 - h) + pairs[..., 1] * h + 128) >> 8


def add_table(code: np.ndarray, residual: np.ndarray, scale: int, words: np.ndarray) -> np.ndarray:
    """N-02; ``words`` uint32 [256]."""
    ra = Fraction(float(floats(scale)))
    terms = np.where(words & 0x7F800000, floats(words), 0)[residual & 255]
    pairs = zip(code.ravel().tolist(), terms.ravel().tolist(), strict=True)
    sums = [round(_float32(q * ra + Fraction(term))) for q, term in pairs]
    return np.array(sums).reshape(code.shape)


def shift(value: np.ndarray, bits: int) -> np.ndarray:
    """N-09."""
    return np.rint(value / 2.0**bits).astype(np.int64)


def inverse(x: int, *, square_root: bool) -> int:
    """N-06: bits of the float32."""
    if x == 0:
        return 0
    z = (64 - x.bit_length()) // 2 * 2
    scaled = x << z
    d, j, h = scaled >> 38, scaled >> 56, scaled >> 40 & 65535
    here, following = (round(Fraction(isqrt(2**156 // k), 2**51)) for k in (j, j + 1))
    a = here - ((here - following) * h >> 16)
    t = a * a >> 22
    u = 3 * 2**24 - (d * t >> 26)
    w = a * u >> 25
    if square_root:
        value = Fraction(w) * Fraction(2) ** (z // 2 - 55)
    else:
        value = _float32(Fraction(w * w) * Fraction(2) ** (z - 110))
    return int(np.float32(float(value)).view(np.uint32))


def _float32(value: Fraction) -> Fraction:
    """To 24 significant bits, half to even."""
    magnitude = abs(value)
    if magnitude == 0:
        return value
    places = SIGNIFICAND_BITS - (magnitude.numerator.bit_length())
    places += magnitude.denominator.bit_length()
    while magnitude * Fraction(2) ** places >= 1 << SIGNIFICAND_BITS:
        places -= 1
    return round(value * Fraction(2) ** places) / Fraction(2) ** places
