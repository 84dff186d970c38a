"""Sums over rows, such as the mean over the tokens of a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from golden.ops.linear import wrap_int32
from golden.ops.quantize import DTYPES
from golden.ops.requantize import add_zero_point, requantize


def sum_rows(
    x: NDArray[np.integer],
    x_zero: int,
    segments: Sequence[tuple[int, int]],
    scale: Sequence[float],
    y_zero: int = 0,
    element_type: ElementType = ElementType.INT16,
) -> NDArray[np.integer]:
    """``clamp(requantize(sum of the rows of a segment of (x - x_zero), scale) + y_zero)``.

    The sum wraps at 32 bits (N-04).

    Parameters
    ----------
    x, x_zero
        int8 or uint8 (M, n), and its zero point.
    segments
        First row and number of rows of each.
    scale
        float32, one for each segment.
    y_zero, element_type
        Zero point and type of the result.

    Returns
    -------
    (segments, n) of the dtype of ``element_type``.
    """
    wide = x.astype(np.float64) - x_zero
    sums = np.stack([wide[start : start + count].sum(axis=0) for start, count in segments])
    scales = np.asarray(scale, np.float32)[:, None]
    codes = requantize(wrap_int32(sums), scales)
    return add_zero_point(codes, y_zero, element_type.low, element_type.high).astype(
        DTYPES[element_type]
    )
