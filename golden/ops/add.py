"""Sum of two int16 tensors (rule N-03)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from golden.ops.narrow import clamp16, narrow
from golden.ops.qlinear_add import add_int16


def add(
    left: NDArray[np.int16],
    right: NDArray[np.int16],
    bits: int,
    zero_point: int,
    element_type: ElementType,
) -> NDArray[np.integer]:
    """``narrow(clamp16(left + right))``: the exact sum saturates before it is shifted.

    Parameters
    ----------
    left, right
        int16 of one shape.
    bits, zero_point, element_type
        As in :func:`golden.ops.narrow.narrow`.
    """
    return narrow(clamp16(add_int16(left, right)), bits, zero_point, element_type)
