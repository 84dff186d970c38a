"""Functions of int16 through a table of 257 values, interpolated (rule N-07)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def interpolation_words(nodes: NDArray[np.int16]) -> NDArray[np.int16]:
    """The wide table of a function given at every multiple of 256.

    Parameters
    ----------
    nodes
        int16 (257,): the value at ``-32768 + 256 * i`` at ``i``.

    Returns
    -------
    int16 (256, 2): the values at ``q & ~255`` and at the next multiple, at ``(q >> 8) & 255``.
    """
    return np.roll(np.stack([nodes[:-1], nodes[1:]], axis=1), 128, axis=0)


def interpolate(q: ArrayLike, words: NDArray[np.int16]) -> NDArray[np.int64]:
    """``(t0 * (256 - h) + t1 * h + 128) >> 8`` with ``h = q & 255``.

    The chord between two nodes, exact in 25 bits, rounded half up once: within 1/2 of the chord,
    and never outside of int16.

    Parameters
    ----------
    q
        int16.
    words
        int16 (256, 2): ``t0`` and ``t1`` at ``(q >> 8) & 255``.
    """
    code = np.asarray(q, np.int64)
    pair = words[(code >> 8) & 255].astype(np.int64)
    h = code & 255
    return np.asarray((pair[..., 0] * (256 - h) + pair[..., 1] * h + 128) >> 8)
