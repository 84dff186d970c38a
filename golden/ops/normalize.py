"""Layer and root-mean-square normalisation of rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from golden.ops.inverse_root import inverse_square_root
from golden.ops.narrow import clamp16
from golden.ops.requantize import requantize, row_scale


def normalize(
    x: NDArray[np.integer],
    centre: bool,
    scale: NDArray[np.float32],
    offset: NDArray[np.int32],
    epsilon: int,
    x_zero: int = 0,
) -> NDArray[np.int16]:
    """Each row over its deviation (``centre``) or its root mean square, times a scale, plus offset.

    With the ``n`` columns of a row ``x``, less ``x_zero``, in int32 and 64 bits, exactly::

        v = n * x - sum(x)    radicand = n * sum(x^2) - sum(x)^2 + epsilon       centre
        v = x                 radicand = sum(x^2) + epsilon                      else
        y = clamp16(requantize(v, f32(scale[c] * radicand^(-1/2))) + offset[c])  N-01, N-06, N-08

    As ``v = n * (x - mean)`` and ``radicand = n^2 * (variance + epsilon / n^2)``, a layer
    normalisation by ``gamma`` in steps ``s`` takes ``scale = gamma / s``; the other ``scale = gamma
    * sqrt(n) / s``, as its radicand is ``n * (mean square + epsilon / n)``.

    Error. The inverse root is within 2^-23 of its value, the product of scales and the roundings of
    N-01 to 24 bits add 2^-24 + 2 * 2^-25 + 2^-24: below 3e-7 together, 0.01 of a step at 32767. So
    ``y`` is the rounded value or a neighbour of it, and that only next to a tie.

    Parameters
    ----------
    x
        int8, uint8 or int16 (M, n), ``n`` up to 32767.
    centre
        Subtract the mean first: layer normalisation.
    scale
        float32 (n,), positive and normal.
    offset
        int32 (n,), in the range of int16.
    epsilon
        Integer, 0 to 2^32 - 1.
    x_zero
        Zero point of ``x``, 0 for int16; with ``centre`` the result does not depend on it.

    Raises
    ------
    ValueError
        A scale times that of its row is not normal.
    """
    wide = x.astype(np.int64) - x_zero
    radicand = np.square(wide).sum(axis=1)
    v = wide
    if centre:
        n, total = x.shape[1], wide.sum(axis=1)
        radicand = n * radicand - total**2
        v = n * wide - total[:, None]
    of_row = inverse_square_root(radicand + epsilon)
    q = requantize(v, row_scale(scale, of_row[:, None]))
    return clamp16(q + offset).astype(np.int16)
