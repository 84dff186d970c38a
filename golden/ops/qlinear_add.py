"""Addition of two quantised tensors: through a table (rule N-02), or of int16 (N-03)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.ops.rounding import add_to_odd, fma_float32

TERM_LIMIT = float(1 << 26)
"""Both ``|q * ra|`` and ``|t|`` stay below this."""


def addition_table(
    b_scale: float,
    b_zero: int,
    a_scale: float,
    a_zero: int,
    y_scale: float,
    y_zero: int,
    signed: bool,
) -> tuple[int, NDArray[np.float32]]:
    """Constants with which :func:`add_table` equals ONNX's QLinearAdd of ``a`` and ``b``.

    Everything is float32, rounded half to even at each named step::

        ra = a_scale / y_scale            rb = b_scale / y_scale
        c  = y_zero - fma(ra, a_zero, f32(rb * b_zero))
        t[b & 255] = fma(b, rb, c)        b int8 where signed, else uint8

    Returns
    -------
    The bits of ``ra``, and ``t``: 256 float32.
    """
    ra = np.float32(a_scale) / np.float32(y_scale)
    rb = np.float32(b_scale) / np.float32(y_scale)
    offset = fma_float32(
        np.array([ra]), np.array([a_zero], np.float32), np.array([rb * np.float32(b_zero)])
    )
    c = np.float32(y_zero) - offset
    codes = np.arange(256, dtype=np.uint8)
    b = (codes.view(np.int8) if signed else codes).astype(np.float32)
    return int(ra.view(np.uint32)), fma_float32(b, np.full(256, rb), c)


def add_table(q: ArrayLike, b: ArrayLike, ra: int, table: NDArray[np.float32]) -> NDArray[np.int64]:
    """``rint(round24(q * ra + t[b & 255]))``, not clamped.

    ``q * ra`` (at most 16 + 24 bits) is exact in float64; the sum is rounded to odd in float64, so
    that the cast to float32 rounds the exact sum once, half to even; then half to even to an
    integer. Subnormal entries of the table count as zero.

    Parameters
    ----------
    q
        Integers of the first operand: int8 or uint8 codes.
    b
        Codes of the second operand.
    ra
        Bits of a float32, positive and normal.
    table
        256 float32.

    Raises
    ------
    ValueError
        A term is not below ``TERM_LIMIT`` in magnitude.
    """
    scale = np.float64(np.uint32(ra).view(np.float32))
    product = np.asarray(q, np.float64) * scale
    entries = np.where(np.abs(table) < np.finfo(np.float32).tiny, np.float32(0), table)
    term = entries[np.asarray(b, np.int64) & 255].astype(np.float64)
    if not (np.all(np.abs(product) < TERM_LIMIT) and np.all(np.abs(term) < TERM_LIMIT)):
        raise ValueError("a term of the addition is 2^26 or more: choose a larger output scale")
    product, term = np.broadcast_arrays(product, term)
    return np.rint(add_to_odd(product, term).astype(np.float32)).astype(np.int64)


def add_int16(q: ArrayLike, b: ArrayLike) -> NDArray[np.int64]:
    """``q + b``, exact; the clamp is the caller's."""
    return np.asarray(q, np.int64) + np.asarray(b, np.int64)
