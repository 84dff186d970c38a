"""How constants are packed for the hardware (rules B-05, B-07, D-02)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.tiling import ceil_div

Weights = NDArray[Any]
"""int8 or uint8."""


def zero_points(
    zero_point: int | NDArray[np.int32], columns: int
) -> tuple[int, NDArray[np.int32] | None]:
    """The zero point of all columns, or else (0 and) one for each: a row of them (rule D-02)."""
    each = np.broadcast_to(np.asarray(zero_point, np.int32), columns)
    return (int(each[0]), None) if (each == each[0]).all() else (0, each)


def pack_weights(
    weight: Weights,
    rows: int,
    cols: int,
    chunk_tiles: int,
    zero_row: NDArray[np.int32] | None = None,
) -> bytes:
    """Weights [K, N] as [n tile][k tile][row][col], zero beyond K and N (rule D-02).

    With a `zero_row` [N] each chunk of k tiles, which is what an instruction takes, begins with it.
    """
    k, n = weight.shape
    k_tiles, n_tiles = ceil_div(k, rows), ceil_div(n, cols)
    padded = np.zeros((k_tiles * rows, n_tiles * cols), weight.dtype)
    padded[:k, :n] = weight
    tiles = padded.reshape(k_tiles, rows, n_tiles, cols).transpose(2, 0, 1, 3)
    if zero_row is None:
        return tiles.tobytes()
    zeros = np.zeros((n_tiles, cols), weight.dtype)
    zeros.reshape(-1)[:n] = zero_row
    parts = []
    for first in range(0, k_tiles, chunk_tiles):
        chunk = tiles[:, first : first + chunk_tiles].reshape(n_tiles, -1)
        parts += [zeros, chunk]
    return np.concatenate(parts, axis=1).tobytes()


def pack_parameters(bias: NDArray[np.int32], scale: NDArray[np.float32], cols: int) -> bytes:
    """For each n tile `cols` biases and then `cols` scales; 0 and 1 beyond N (rule B-05)."""
    n_tiles = ceil_div(bias.size, cols)
    biases = np.zeros((n_tiles, cols), "<i4")
    biases.reshape(-1)[: bias.size] = bias
    scales = np.ones((n_tiles, cols), "<f4")
    scales.reshape(-1)[: scale.size] = scale
    return np.concatenate([biases, scales.view("<i4")], axis=1).tobytes()


def pack_interpolation(values: NDArray[np.int16]) -> bytes:
    """257 points, the first at -32768, as the 256 words that N-07 reads.

    Word ``i`` serves the numbers whose high byte is ``i``: its low half is the point at the
    interval's beginning, its high half the one at its end.
    """
    pairs = np.stack([values[:-1], values[1:]], axis=1)
    return np.roll(pairs, 128, axis=0).astype("<i2").tobytes()
