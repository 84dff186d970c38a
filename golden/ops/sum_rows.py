"""Sums over rows, such as the mean over the tokens of a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from golden.ops.linear import wrap_int32
from golden.ops.narrow import clamp16
from golden.ops.requantize import requantize


def sum_rows(
    x: NDArray[np.integer],
    x_zero: int,
    segments: Sequence[tuple[int, int]],
    scale: Sequence[float],
) -> NDArray[np.int16]:
    """``clamp16(requantize(sum of the rows of a segment of (x - x_zero), scale))``.

    The sum wraps at 32 bits (N-04).

    Parameters
    ----------
    x, x_zero
        int8 or uint8 (M, n), and its zero point.
    segments
        First row and number of rows of each.
    scale
        float32, one for each segment.

    Returns
    -------
    int16 (segments, n).
    """
    wide = x.astype(np.float64) - x_zero
    sums = np.stack([wide[start : start + count].sum(axis=0) for start, count in segments])
    scales = np.asarray(scale, np.float32)[:, None]
    return clamp16(requantize(wrap_int32(sums), scales)).astype(np.int16)
