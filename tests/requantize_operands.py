"""Operands for requantisation and addition: random ones, and those at which roundings differ."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1
Lane = tuple[np.ndarray, np.float32]
"""Values and the scale of one lane."""
CODE_MAX = 300
"""Requantised values are drawn up to here: beyond the clamps of int8 and uint8."""


@dataclass(frozen=True)
class RequantizeCase:
    """``values`` int32 [rows, lanes] times ``scales`` float32 [lanes], to int8 or uint8."""

    values: np.ndarray
    scales: np.ndarray
    zero_point: int
    signed: bool


@dataclass(frozen=True)
class AdditionCase:
    """QLinearAdd of ``a`` and ``b``, int8 or uint8 [rows, lanes]; (scale, zero point) of each."""

    a: np.ndarray
    b: np.ndarray
    a_quantization: tuple[np.float32, int]
    b_quantization: tuple[np.float32, int]
    y_quantization: tuple[np.float32, int]

    @property
    def signed(self) -> bool:
        return self.a.dtype == np.int8


def code_range(signed: bool) -> tuple[int, int]:
    """Least and greatest int8 or uint8."""
    return (-128, 127) if signed else (0, 255)


def requantize_cases(
    rng: np.random.Generator, rows: int, lanes: int = 16
) -> Iterator[RequantizeCase]:
    """One case for each zero point of each type; every case has lanes of every kind."""
    kinds = (_random, _wide, _exact_ties, _near_ties, _double_rounding, _edges, _extremes)
    for signed in (False, True):
        low, high = code_range(signed)
        for zero_point in range(low, high + 1):
            columns = [kinds[lane % len(kinds)](rng, rows) for lane in range(lanes)]
            values, scales = zip(*columns, strict=True)
            clipped = np.clip(np.stack(values, axis=1), INT32_MIN, INT32_MAX).astype(np.int32)
            yield RequantizeCase(clipped, np.array(scales, np.float32), zero_point, signed)


def _scale(rng: np.random.Generator, low_log2: float, high_log2: float) -> np.float32:
    return np.float32(2.0 ** rng.uniform(low_log2, high_log2))


def _random(rng: np.random.Generator, rows: int) -> Lane:
    scale = _scale(rng, -22, 2)
    return np.rint(rng.uniform(-CODE_MAX, CODE_MAX, rows) / scale), scale


def _wide(rng: np.random.Generator, rows: int) -> Lane:
    return rng.integers(INT32_MIN, INT32_MAX, rows, endpoint=True), _scale(rng, -32, -16)


def _exact_ties(rng: np.random.Generator, rows: int) -> Lane:
    power = int(rng.integers(1, 23))
    odd = 2 * rng.integers(-CODE_MAX, CODE_MAX, rows) + 1
    return odd << (power - 1), np.float32(2.0**-power)


def _near_ties(rng: np.random.Generator, rows: int) -> Lane:
    scale = _scale(rng, -22, -1)
    ties = rng.integers(-CODE_MAX, CODE_MAX, rows) + 0.5
    return np.rint(ties / scale) + rng.integers(-1, 2, rows), scale


def _double_rounding(rng: np.random.Generator, rows: int) -> Lane:
    """Products so near a tie that the rounding to 24 bits lands on it."""
    scale = _scale(rng, -25, -22)
    ties = rng.integers(-127, 127, rows) + 0.5
    return np.rint(ties / np.float64(scale)), scale


def _edges(rng: np.random.Generator, rows: int) -> Lane:
    """From 2^24 up the value itself is rounded: at, just below and just above its ties."""
    power = rng.integers(1, 8, rows)
    base = rng.integers(1 << 23, 1 << 24, rows) << power
    value = base + (1 << (power - 1)) + rng.integers(-1, 2, rows)
    near_2_24 = (1 << 24) + rng.integers(-4, 5, rows)
    value = np.where(rng.random(rows) < 0.3, near_2_24, value)
    return value * rng.choice([-1, 1], rows), _scale(rng, -24, -16)


def _extremes(rng: np.random.Generator, rows: int) -> Lane:
    """The ends of int32 and around 0, with every exponent a scale can have."""
    places = np.array([INT32_MIN, INT32_MIN + 1, INT32_MAX, INT32_MAX - 1, -2, -1, 0, 1, 2])
    exponent = rng.integers(-126, 128) if rng.random() < 0.5 else rng.integers(-34, 20)
    return rng.choice(places, rows), np.ldexp(np.float32(rng.uniform(1, 2)), exponent)


def addition_cases(rng: np.random.Generator, count: int, lanes: int = 16) -> Iterator[AdditionCase]:
    """``count`` cases of 1024 pairs; of each type two with all 65536 pairs first."""
    every_pair = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    for index in range(count + 4):
        dtype = np.int8 if index % 2 else np.uint8
        if index < 4:
            a, b = (codes.astype(np.uint8).view(dtype) for codes in every_pair)
        else:
            a, b = rng.integers(0, 256, (2, 1024), np.uint8).view(dtype)
        scales = _tying_scales(rng) if index % 4 >= 2 else _random_scales(rng)
        zeros = rng.integers(*code_range(dtype is np.int8), 3, endpoint=True)
        quantization = [(np.float32(s), int(z)) for s, z in zip(scales, zeros, strict=True)]
        yield AdditionCase(a.reshape(-1, lanes), b.reshape(-1, lanes), *quantization)


def _random_scales(rng: np.random.Generator) -> tuple[float, float, float]:
    """Scales of operands within some powers of two of the output's, often much smaller."""
    output = 2.0 ** rng.uniform(-10, 2)
    return output * 2.0 ** rng.uniform(-8, 2), output * 2.0 ** rng.uniform(-20, 2), output


def _tying_scales(rng: np.random.Generator) -> tuple[float, float, float]:
    """Ratios that are dyadic, so that most sums are a multiple of a half or close to one."""
    output = 2.0 ** rng.uniform(-10, 2)
    first = rng.choice([1, 3, 5, 7]) * 2.0 ** -rng.integers(1, 5)
    second = rng.choice([1, 3, 5, 7]) * 2.0 ** -rng.integers(1, 14)
    return np.float32(output) * first, np.float32(output) * second, output


def tying_terms(rng: np.random.Generator, codes: np.ndarray, scale: np.float32) -> np.ndarray:
    """256 float32 near ``n + 1/2 - codes[i] * scale``: terms at which a sum is nearly a tie.

    Among them are zeros, subnormal numbers and numbers below the last bit of the adder's window.
    """
    ties = rng.integers(-CODE_MAX, CODE_MAX, 256) + rng.choice([0.0, 0.5, 0.5], 256)
    ties = np.where(rng.random(256) < 0.1, 0, ties)
    terms = (ties - codes * np.float64(scale)).astype(np.float32)
    beside = np.nextafter(terms, rng.choice([-1, 1], 256).astype(np.float32) * np.float32(np.inf))
    terms = np.where(rng.random(256) < 0.3, beside, terms)
    tiny = np.ldexp(rng.uniform(-1, 1, 256), rng.integers(-140, -8, 256))
    return np.where(rng.random(256) < 0.2, tiny, terms).astype(np.float32)


def hair_sums() -> Iterator[tuple[int, np.float32, np.ndarray]]:
    """``(code, scale, 256 terms)``: sums a hair from where the rounding to 24 bits becomes a tie.

    One term of the sum has bits so low that only a sticky bit keeps them: of the first kind the
    terms, of the second the product.
    """
    hairs = np.ldexp([0, 1, -1, 1.25, -1.25, 0.75], -36)[np.arange(256) % 6].astype(np.float32)
    for whole in range(1, 120):
        msb = whole.bit_length() - 1
        half_place = 2.0 ** (msb - 24)
        for side in (-1, 1):
            boundary = ((2 * whole + 1) << (23 - msb)) + side
            code = next((code for code in range(3, 128, 2) if boundary % code == 0), None)
            if code is not None:
                yield code, np.float32(boundary // code * half_place), hairs
        ties = np.resize(np.array([whole + 0.5, -whole - 0.5], np.float32), 256)
        yield 1, np.float32(half_place * (1 + 2.0**-23)), ties
        yield -1, np.float32(half_place * (1 + 2.0**-23)), ties
