"""Tables for functions of int16 codes (rule N-07): 257 values, straight lines between them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]

_STEP = 256
_LOW, _HIGH = -(1 << 15), (1 << 15) - 1


def interpolation_table(
    function: Callable[[Reals], Reals], input_scale: float, output_scale: float
) -> NDArray[np.int16]:
    """Values of a smooth function for which the worst error of interpolation is least.

    A chord of a function of curvature ``c`` over a step ``d`` is off by 0 at its ends and by ``c *
    d^2 / 8`` in the middle, all to one side. Each value is therefore moved to the other side by
    half of that, as the second difference of its neighbours tells: the error that is left, ``c *
    d^2 / 16``, has both signs. With ``input_scale * 32768 = a`` and an output as wide, it is ``c *
    a / 8`` steps of the output: 0.1 a for GELU, 0.063 a for SiLU. Rounding the values and the
    result adds 1, so an int16 result is within 2 of the rounded function up to ``a`` = 14, or 24.

    Values beyond int16 saturate, which bends the chord in front of the first one that does: choose
    an output scale that spans the function over all codes.

    Parameters
    ----------
    function
        Element-wise, of real numbers.
    input_scale, output_scale
        Real numbers are codes times these.

    Returns
    -------
    int16 (257,): for the code ``-32768 + 256 * i`` at ``i``.
    """
    codes = _LOW + _STEP * np.arange(-1.0, 258.0)
    exact = function(codes * float(input_scale)) / float(output_scale)
    curvature = exact[2:] - 2 * exact[1:-1] + exact[:-2]
    shifted = np.rint(exact[1:-1] - curvature / 16)
    return np.clip(shifted, _LOW, _HIGH).astype(np.int16)
