"""Sums of two quantised tensors through a table of 256 numbers (rule N-02)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workloads.checks import LEAST_NORMAL
from workloads.epilogue import Range
from workloads.onnx_graph.codes import all_codes, requantized
from workloads.quantize import Quantization

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_REACH = 8
"""How many float32 next to a table entry are tried on either side."""


@dataclass(frozen=True, eq=False)
class Sum:
    """``rint(f32(q * scale + table[b & 255]))``: one operand's code is `q`, the other's `b`."""

    scale: np.float32
    table: Floats


def qlinear_add(a: Quantization, b: Quantization, y: Quantization) -> Sum:
    """ONNX Runtime's QLinearAdd, `a` being `q`.

    In float32, one rounding for each name: ``ra = sa / sy``, ``rb = sb / sy``, ``c = zy - fma(ra,
    za, f32(rb * zb))``, ``table = fma(b, rb, c)``.
    """
    ra, rb, c = _ratios(a, b, y)
    codes = all_codes(b.element_type).astype(np.float64)
    return Sum(ra, _flushed(_rounded_sum(codes * np.float64(rb), np.float64(c))))


def exchanged(a: Quantization, b: Quantization, y: Quantization, clamp: Range | None) -> Sum | None:
    """The same sum for every pair of codes with `b` as `q`; None if there is no such table.

    The inner product is then rounded for the other operand, so entries may have to be neighbours of
    the rounded ones.
    """
    wanted = pairs(qlinear_add(a, b, y), a, y, clamp).T
    ra, rb, c = _ratios(a, b, y)
    codes = all_codes(a.element_type).astype(np.float64)
    start = _flushed(_rounded_sum(codes * np.float64(ra), np.float64(c)))
    return _fitted(rb, start, wanted, b, y, clamp)


def real_sum(q: Quantization, reals: Floats, y: Quantization, clamp: Range | None) -> Sum:
    """`q` plus one of 256 reals, as float32 has it between dequantisation and quantisation.

    A few sums next to ties may differ, where no table gives all of them.
    """
    wanted = requantized(q.dequantize(all_codes(q.element_type))[:, None] + reals, y)
    if clamp is not None:
        wanted = np.clip(wanted, *clamp)
    scale = np.float32(q.scale / y.scale)
    offset = y.zero_point - np.float64(scale) * q.zero_point
    start = _flushed((offset + reals.astype(np.float64) / np.float64(y.scale)).astype(np.float32))
    return _fitted(scale, start, wanted, q, y, clamp) or Sum(scale, start)


def pairs(total: Sum, q: Quantization, y: Quantization, clamp: Range | None) -> NDArray[np.int64]:
    """The sum for every pair of codes, [q, b] by their low bytes."""
    products = all_codes(q.element_type).astype(np.float64)[:, None] * np.float64(total.scale)
    sums = np.rint(_rounded_sum(products, total.table.astype(np.float64)))
    low, high = clamp or (y.element_type.low, y.element_type.high)
    return np.clip(sums, low, high).astype(np.int64)


def _ratios(
    a: Quantization, b: Quantization, y: Quantization
) -> tuple[np.float32, np.float32, np.float32]:
    ra, rb = np.float32(a.scale / y.scale), np.float32(b.scale / y.scale)
    inner = np.float64(np.float32(rb * np.float32(b.zero_point)))
    offset = _rounded_sum(np.float64(ra) * np.float64(a.zero_point), inner)
    return ra, rb, np.float32(np.float32(y.zero_point) - offset)


def _fitted(
    scale: np.float32,
    start: Floats,
    wanted: NDArray[np.int64],
    q: Quantization,
    y: Quantization,
    clamp: Range | None,
) -> Sum | None:
    """Entries near `start` with which every sum is what is wanted, [q, b] by low bytes."""
    if scale < LEAST_NORMAL:
        return None
    table, open_entries = start.copy(), np.ones(256, np.bool_)
    up = down = start
    for step in range(_REACH + 1):
        for candidate in (up, down):
            codes = pairs(Sum(scale, candidate), q, y, clamp)
            fits = open_entries & (codes == wanted).all(axis=0)
            table[fits] = candidate[fits]
            open_entries &= ~fits
            if not open_entries.any():
                return Sum(scale, _flushed(table))
            if step == 0:
                break
        up = np.nextafter(up, np.float32(np.inf))
        down = np.nextafter(down, np.float32(-np.inf))
    return None


def _flushed(table: Floats) -> Floats:
    """Subnormal numbers count as zero (N-02)."""
    return np.where(np.abs(table) < LEAST_NORMAL, np.float32(0), table).astype(np.float32)


def _rounded_sum(x: Doubles | np.float64, y: Doubles | np.float64) -> Floats:
    """``x + y`` in float32, rounded once.

    The sum in float64 is rounded to odd, which keeps what a second rounding has to know.
    """
    x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
    total = x + y
    part = total - x
    error = (x - (total - part)) + (y - part)
    even = total.view(np.int64) & 1 == 0
    toward = np.where(error > 0, np.inf, -np.inf)
    odd = np.where((error != 0) & even, np.nextafter(total, toward), total)
    return odd.astype(np.float32)
