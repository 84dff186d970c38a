"""The last step in front of an output: fewer bits and a zero point (rule N-09)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arch.isa import ElementType
from golden.ops.quantize import DTYPES
from golden.ops.rounding import shift_half_even


def narrow(
    r: ArrayLike, bits: int, zero_point: int, element_type: ElementType
) -> NDArray[np.integer]:
    """``clamp(r / 2^bits + zero_point)``, rounded half to even in front of the sum.

    Parameters
    ----------
    r
        Integers of at most 62 bits.
    bits
        0 to 15.
    zero_point, element_type
        Of the result, which saturates.

    Returns
    -------
    The dtype of ``element_type``.
    """
    shifted = shift_half_even(np.asarray(r, np.int64), np.asarray(bits))
    codes = np.clip(shifted + zero_point, element_type.low, element_type.high)
    return codes.astype(DTYPES[element_type])


def clamp16(r: ArrayLike) -> NDArray[np.int64]:
    """Integers saturated to int16."""
    return np.clip(np.asarray(r, np.int64), ElementType.INT16.low, ElementType.INT16.high)
