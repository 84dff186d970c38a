"""Rotary position embedding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from golden.ops.narrow import clamp16
from golden.ops.requantize import requantize


def rotary(
    x: NDArray[np.int16], cosine: NDArray[np.int16], sine: NDArray[np.int16], scale: float
) -> NDArray[np.int64]:
    """Each head of ``x`` turned: ``clamp16(t + u)``.

    With ``swap`` exchanging the halves of a head::

        t = clamp16(requantize(x * cosine, scale))
        u = clamp16(requantize(swap(x) * sine, scale))

    Products are exact in 31 bits; ``t`` and ``u`` are rounded half to even, so the sum is within 1
    of the exact one where nothing saturates.

    Parameters
    ----------
    x
        int16 (M, heads * head size).
    cosine, sine
        int16 (M, head size); the first half of the sine holds the sign.
    scale
        float32: input scale times that of the two over that of the result.

    Returns
    -------
    int64 (M, heads * head size), in the range of int16.
    """
    heads = x.astype(np.int64).reshape(len(x), -1, cosine.shape[1])
    swapped = np.roll(heads, cosine.shape[1] // 2, axis=2)
    t, u = (
        clamp16(requantize(factor * turn[:, None].astype(np.int64), np.float32(scale)))
        for factor, turn in ((heads, cosine), (swapped, sine))
    )
    return clamp16(t + u).reshape(x.shape)
