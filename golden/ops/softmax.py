"""Softmax over rows, in three passes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arch.isa import ElementType
from golden.ops.exponent import exponent
from golden.ops.inverse_root import reciprocal
from golden.ops.quantize import DTYPES
from golden.ops.requantize import add_zero_point, requantize, row_scale

PEAK = ElementType.INT16.high
"""What the second pass makes of a row's greatest element."""

_NOTHING = ElementType.INT32.low


def differences(x: NDArray[np.integer], counts: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How far each element that counts is below the greatest of its row, at most 2^31 - 1.

    Parameters
    ----------
    x, counts
        int32 and bool (..., M, n).

    Returns
    -------
    int64 of the same shape; 0 where an element does not count.
    """
    wide = x.astype(np.int64)
    maximum = np.where(counts, wide, _NOTHING).max(axis=-1, keepdims=True)
    return np.where(counts, np.minimum(maximum - wide, ElementType.INT32.high), 0)


def softmax(
    x: NDArray[np.integer],
    scale: ArrayLike,
    output_scale: float,
    zero_point: int,
    element_type: ElementType,
    counts: NDArray[np.bool_] | None = None,
) -> NDArray[np.integer]:
    """``exp(x) / sum(exp(x))`` of each row, over the elements that count.

    The passes: the maximum; ``e, f = exponent(maximum - x, scale)`` with the peak 32767 (N-05) and
    the sum of ``f``; ``clamp(requantize(e, f32(output_scale * reciprocal(sum))) + zero_point)``
    (N-01, N-06, N-08). Elements that do not count give ``zero_point``, and so do all of a row in
    which none counts.

    Error. ``e`` is within 1/2 + 0.12 of its value (N-05); as the sum is at least that of the
    greatest element, the quotient is within 0.62 / 32767 of the greatest probability. The sum of
    ``f`` is within a relative 3.7e-6 and the reciprocal within 3e-7: 0.13 / 32767 together. With
    the last rounding that is below 1.3 steps of 1 / 32767, and 0.51 of 1 / 255.

    Parameters
    ----------
    x
        int32 values (..., M, n), or codes of 8 or 16 bits, whose zero point does not matter;
        greater differences in a row than 2^31 - 1 count as that.
    scale
        float32: the scale of ``x`` times ``log2(e) * 2^18``.
    output_scale
        float32: ``2^26 / (32767 * s)`` for results in steps ``s``.
    zero_point, element_type
        Of the result: INT8, UINT8 or INT16.
    counts
        bool, as ``x``; all where None.

    Returns
    -------
    (..., M, n) of the dtype of ``element_type``.
    """
    counted = np.ones(x.shape, np.bool_) if counts is None else counts
    e, f = exponent(differences(x, counted), scale, PEAK)
    e, f = np.where(counted, e, 0), np.where(counted, f, 0)
    of_row = reciprocal(f.sum(axis=-1, keepdims=True))
    q = requantize(e, row_scale(np.float32(output_scale), of_row))
    return add_zero_point(q, zero_point, element_type.low, element_type.high).astype(
        DTYPES[element_type]
    )
