"""Powers of two with negative exponents (rule N-05): the exponential of every softmax."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.ops.requantize import requantize

FRACTION_BITS = 18
"""Fraction bits of the requantised exponent ``y``."""

FULL_BITS = 26
"""``f`` of 2^0 is ``2 ** FULL_BITS``."""

_VANISHED = 1 << 23
_POWERS = np.rint(2.0**24 * 2.0 ** (-np.arange(257) / 256)).astype(np.int64)


def exponent(
    v: ArrayLike, scale: ArrayLike, peak: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``2 ** (-v * scale * 2^-18)``, times ``peak`` and rounded, and times 2^26.

    In integers, with ``y = requantize(v, scale)`` (N-01, not clamped), ``i = y >> 18``, ``j = (y >>
    10) & 255``, ``h = y & 1023`` and ``E[j] = rint(2^24 * 2^(-j/256))``::

        f = (E[j] * 1024 - (E[j] - E[j+1]) * h) >> (8 + i)     0 where y >= 2^23
        result = (f * peak + 2^25) >> 26

    Widths: ``E`` 25 bits, the difference 16, the products 35 and 26, ``f`` 27, ``f * peak`` 42.

    Error. ``y`` is within 1 of ``v * scale``: rounding to an integer 1/2, the two roundings to 24
    bits 1/4 each where ``y < 2^23``. That is a factor of ``2^(2^-18)``, 2.65e-6. The chord over a
    256th lies above ``2^-x`` by at most ``(ln 2 / 256)^2 / 8`` = 0.92e-6 of it, and rounding ``E``
    adds 0.06e-6. So ``f`` is ``2^26 * 2^-x`` within a relative 3.7e-6, less at most 1 for the
    shift: in units of the peak 0.001 for 255 and 0.12 for 32767, to which the last rounding adds
    1/2. Where ``y >= 2^23`` the power is 2^-32 or less.

    Parameters
    ----------
    v
        int32, 0 up.
    scale
        float32, positive and normal, broadcast against ``v``.
    peak
        The result of ``v = 0``: 255 or 32767.

    Returns
    -------
    The result and ``f``, int64.
    """
    y = requantize(v, scale)
    near = y < _VANISHED
    y = np.where(near, y, 0)
    j, h = (y >> 10) & 255, y & 1023
    start = _POWERS[j]
    chord = (start << 10) - (start - _POWERS[j + 1]) * h
    f = np.where(near, chord >> (8 + (y >> FRACTION_BITS)), 0)
    return (f * peak + (1 << (FULL_BITS - 1))) >> FULL_BITS, f
