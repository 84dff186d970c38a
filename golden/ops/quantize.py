"""QuantizeLinear and DequantizeLinear, per tensor."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arch.isa import ElementType

DTYPES: dict[ElementType, type[np.integer]] = {
    ElementType.INT8: np.int8,
    ElementType.UINT8: np.uint8,
    ElementType.INT16: np.int16,
}


def quantize(
    x: ArrayLike, scale: float, zero_point: int, element_type: ElementType
) -> NDArray[np.integer]:
    """``saturate(rint(x / scale) + zero_point)``.

    The division is in float32 (never a product with the reciprocal), rounded half to even to an
    integer; the sum saturates to the range of ``element_type``.

    Parameters
    ----------
    x
        float32, finite.
    scale, zero_point, element_type
        float32 and positive; in the range of the type; the type of the codes.
    """
    quotient = np.rint(np.asarray(x, np.float32) / np.float32(scale)).astype(np.float64)
    codes = np.clip(quotient + zero_point, element_type.low, element_type.high)
    return np.asarray(codes, DTYPES[element_type])


def dequantize(q: ArrayLike, scale: float, zero_point: int) -> NDArray[np.float32]:
    """``(q - zero_point) * scale``: exact in int32, then one float32 product, half to even."""
    difference = np.asarray(q).astype(np.int32) - zero_point
    return difference.astype(np.float32) * np.float32(scale)
