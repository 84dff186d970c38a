"""Inverse square root and reciprocal of integers as float32 (rule N-06)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.ops.rounding import bit_length

_ROOTS = np.rint(2.0**24 / np.sqrt(np.arange(257).clip(1) / 64)).astype(np.int64)
"""``rint(2^24 / sqrt(j / 64))`` at ``j``, used from 64 to 256."""


def inverse_square_root(x: ArrayLike) -> NDArray[np.float32]:
    """``x ** (-1/2)`` of integers; 0 of 0.

    ``x`` is normalised to ``D = x * 2^z`` in [2^62, 2^64), ``z`` even, and only its upper 26 bits
    ``d`` count. A chord of 1/64 in ``d / 2^24`` from 1 to 4 gives ``a``, one step of Newton
    ``a * (3 - d * a^2) / 2`` gives ``w``; all shifts round down::

        d = D >> 38       j = D >> 56       h = (D >> 40) & 65535
        a = A[j] - (((A[j] - A[j+1]) * h) >> 16)
        t = (a * a) >> 22
        u = 3 * 2^24 - ((d * t) >> 26)
        w = (a * u) >> 25                     2^23 <= w <= 2^24
        result = w * 2^(z/2 - 55)

    ``w`` has 24 bits (or is 2^24), so the result is a float32 without rounding. Widths: ``d`` 26
    bits, ``a`` 25, ``t`` 27, ``u`` 26, the products 50, 52 and 51.

    Error, relative. The chord is above by at most 3/32 * 2^-12 = 2.3e-5, of which the step leaves
    1.5 times the square, 0.8e-9, below. Dropping bits of ``D`` raises the result by up to 2^-25,
    those of ``t`` and ``d * t`` (which only raise ``u``) by 2^-25 each, and those of ``w`` lower
    it by up to 2^-23. Over all 50,331,648 values of ``d`` it was measured to lie within -1.19e-7
    and +0.67e-7 of the exact root.

    Parameters
    ----------
    x
        Integers, 0 up to 2^64 - 1.
    """
    w, power = _significand(np.asarray(x, np.uint64))
    return np.ldexp(w.astype(np.float32), power)


def reciprocal(x: ArrayLike) -> NDArray[np.float32]:
    """``1 / x``: the square of :func:`inverse_square_root`, rounded half to even; 0 of 0.

    The square has 48 bits and is exact in float64. Its relative error is twice that of the root,
    and 2^-24 for the rounding: below 2^-21.7.

    Parameters
    ----------
    x
        Integers, 0 up to 2^64 - 1.
    """
    w, power = _significand(np.asarray(x, np.uint64))
    return np.ldexp(w.astype(np.float64) ** 2, 2 * power).astype(np.float32)


def _significand(x: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``w`` and the power of two that it is multiplied with; ``w`` is 0 for 0."""
    high = (x >> np.uint64(32)).astype(np.int64)
    low = (x & np.uint64(0xFFFF_FFFF)).astype(np.int64)
    bits = np.where(high > 0, 32 + bit_length(high), bit_length(low))
    z = (64 - bits) & ~1
    upper = ((x << z.clip(0, 62).astype(np.uint64)) >> np.uint64(38)).astype(np.int64)
    d = np.where(x > 0, upper, 1 << 24)
    j, h = d >> 18, (d >> 2) & 65535
    a = _ROOTS[j] - (((_ROOTS[j] - _ROOTS[j + 1]) * h) >> 16)
    t = (a * a) >> 22
    u = (3 << 24) - ((d * t) >> 26)
    w = (a * u) >> 25
    return np.where(x > 0, w, 0), (z >> 1) - 55
