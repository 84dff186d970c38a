"""Unary functions of 8-bit codes through a table of 256 entries, exact for every code."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arch.isa import ElementType


def lookup(q: ArrayLike, table: NDArray[np.uint8], signed: bool) -> NDArray[np.int64]:
    """``table[q & 255]`` read as int8 where ``signed``, else as uint8.

    Parameters
    ----------
    q
        Integers; only the low byte counts.
    table
        256 uint8.
    signed
        The entries are int8.
    """
    entries = table.view(np.int8) if signed else table
    return np.asarray(entries[np.asarray(q, np.int64) & 255], np.int64)


def build_table(
    function: Callable[[float], float],
    x_scale: float,
    x_zero: int,
    x_type: ElementType,
    y_scale: float,
    y_zero: int,
    y_type: ElementType,
) -> NDArray[np.uint8]:
    """The table of ``saturate(rint(function((q - x_zero) * x_scale) / y_scale) + y_zero)``.

    Everything but the given scales is float64, rounded half to even once.

    Returns
    -------
    256 uint8: the low byte of the result for code ``q`` at index ``q & 255``.
    """
    table = np.zeros(256, np.uint8)
    for q in range(x_type.low, x_type.high + 1):
        y = round(function((q - x_zero) * x_scale) / y_scale) + y_zero
        table[q & 255] = min(max(y, y_type.low), y_type.high) & 255
    return table


def gelu(x: float) -> float:
    """``x * Phi(x)`` with the exact error function, in float64."""
    return 0.5 * x * (1.0 + math.erf(x / math.sqrt(2.0)))
