"""Requantisation of int32 values by float32 scales (rules N-01, N-08), in integers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.ops.rounding import SIGNIFICAND_BITS, bit_length, shift_half_even

SATURATED = 1 << 24
"""Magnitude of every result at or beyond it: past any int16 clamp, with any int16 zero point."""

_FLOAT32_EXPONENT_BIAS = 127 + 23
_VANISHING_SHIFT = SIGNIFICAND_BITS + 2


def is_valid_scale(scale: ArrayLike) -> NDArray[np.bool_]:
    """Where a float32 is positive and normal, as N-01 wants it."""
    exponent = np.asarray(scale, np.float32).view(np.uint32) >> 23
    return (exponent >= 1) & (exponent <= 254)


def requantize(acc: ArrayLike, scale: ArrayLike) -> NDArray[np.int64]:
    """Multiply accumulators by scales and round to integers.

    1. ``|acc|`` is rounded half to even to 24 significant bits (only bites from 2^24 up);
    2. multiplied by the 24-bit significand of the scale, exactly, in 48 bits;
    3. the product is rounded half to even to 24 significant bits;
    4. scaled by its power of two, rounded half to even to an integer, and the sign restored.

    Parameters
    ----------
    acc
        int32 values, the bias included.
    scale
        float32, positive and normal or 0, broadcast against ``acc``.

    Returns
    -------
    int64; equal to ``rint(float32(acc) * scale)`` in float32 up to ``SATURATED``, beyond which the
    result is ``+-SATURATED``. The zero point is not added. A scale of 0 has the exponent field 0,
    so that step 4 shifts every bit out: the result is 0.
    """
    value = np.asarray(acc).astype(np.int64)
    bits = np.asarray(scale, np.float32).view(np.uint32).astype(np.int64)
    significand = (bits & 0x7FFFFF) | 0x800000
    exponent = (bits >> 23) - _FLOAT32_EXPONENT_BIAS

    magnitude = np.abs(value)
    rounded, shift = _round_to_24_bits(magnitude)
    product, product_shift = _round_to_24_bits(rounded * significand)
    power = exponent + shift + product_shift

    down = np.clip(-power, 0, _VANISHING_SHIFT)
    up = np.clip(power, 0, SIGNIFICAND_BITS + 1)
    result = np.minimum(shift_half_even(product, down) << up, SATURATED)
    return np.asarray(np.where(value < 0, -result, result), np.int64)


def row_scale(scale: ArrayLike, of_row: ArrayLike) -> NDArray[np.float32]:
    """``float32(scale * of_row)``, rounded half to even: one scale for each row (N-08).

    The product of two 24-bit significands has 48 bits, so this is one rounding, of relative error
    at most 2^-24.

    Parameters
    ----------
    scale
        float32, positive and normal.
    of_row
        float32, positive and normal or 0, broadcast against ``scale``.

    Raises
    ------
    ValueError
        A product of two normal numbers is not normal.
    """
    scale, of_row = np.asarray(scale, np.float32), np.asarray(of_row, np.float32)
    with np.errstate(over="ignore", under="ignore"):
        product = np.asarray(scale * of_row, np.float32)
    bad = ~is_valid_scale(product) & (of_row != 0)
    if bad.any():
        raise ValueError(
            f"the product {product[bad][0]} of a scale and that of its row is not normal: choose "
            "scales nearer to 1"
        )
    return product


def add_zero_point(q: ArrayLike, zero_point: int, low: int, high: int) -> NDArray[np.int64]:
    """``clamp(q + zero_point, low, high)`` without overflow; all of them int16 but ``q``."""
    return np.clip(np.asarray(q, np.int64) + zero_point, low, high)


def combined_scale(a_scale: float, b_scale: ArrayLike, y_scale: float) -> NDArray[np.float32]:
    """``f32(f32(a_scale * b_scale) / y_scale)``: what ONNX Runtime requantises with.

    ``b_scale`` may hold one scale for each channel.
    """
    product = np.float32(a_scale) * np.asarray(b_scale, np.float32)
    return np.asarray(product / np.float32(y_scale), np.float32)


def _round_to_24_bits(value: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``value`` (0 to 2^49) as ``m * 2 ** shift``: ``m`` has 24 bits or is 2^24, shift >= 0."""
    shift = np.maximum(bit_length(value) - SIGNIFICAND_BITS, 0)
    return shift_half_even(value, shift), shift
