"""Rounding half to even in integers (N-09), and sums of floats that round only once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIGNIFICAND_BITS = 24
"""Significant bits of a float32."""


def shift_half_even(value: NDArray[np.int64], shift: NDArray[np.int64]) -> NDArray[np.int64]:
    """Divide by ``2 ** shift``, rounding half to even (N-09); exact, whatever the sign.

    ``>>`` rounds down and leaves a rest of 0 up to ``2 ** shift``, for negative values too.

    Parameters
    ----------
    value
        int64, up to 2^62 in magnitude.
    shift
        int64, 0 to 62.
    """
    one = np.int64(1)
    quotient = value >> shift
    twice_rest = (value & ((one << shift) - 1)) << 1
    unit = one << shift
    up = (twice_rest > unit) | ((twice_rest == unit) & (quotient & 1 == 1))
    return np.where(up, quotient + 1, quotient)


def bit_length(value: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bits of each integer, 0 for 0. int64, 0 up to 2^53, where float64 is exact."""
    return np.frexp(value.astype(np.float64))[1].astype(np.int64)


def add_to_odd(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """``x + y`` rounded to odd: an inexact sum takes the neighbour whose last bit is 1.

    Rounding the result further, half to even, to 51 bits or fewer gives what rounding the exact sum
    once would give; float64 addition followed by a cast to float32 would round ties twice.

    Both operands are finite and the sum is far from the ends of the range of float64.
    """
    total = x + y
    part = total - x
    error = (x - (total - part)) + (y - part)
    even = total.view(np.int64) & 1 == 0
    toward = np.where(error > 0, np.inf, -np.inf)
    return np.where((error != 0) & even, np.nextafter(total, toward), total)


def fma_float32(
    a: NDArray[np.float32], b: NDArray[np.float32], c: NDArray[np.float32]
) -> NDArray[np.float32]:
    """``a * b + c`` in float32, rounded once, half to even.

    The product of two float32 has 48 bits and is exact in float64.
    """
    product = a.astype(np.float64) * b.astype(np.float64)
    return add_to_odd(product, np.broadcast_to(c, product.shape).astype(np.float64)).astype(
        np.float32
    )
