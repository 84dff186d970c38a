"""Elements in another order: concatenation, slices, transposition, padding, repetition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def move(
    sources: Sequence[NDArray[np.integer]], index: NDArray[np.integer], fill: int = 0
) -> NDArray[np.integer]:
    """``flat[index]``, or ``fill`` where the index is -1; ``flat`` holds all sources.

    Parameters
    ----------
    sources
        Of one dtype and any shapes. ``flat`` has their elements in row-major order, one source
        behind the other.
    index
        Integers of the result's shape, -1 up to the number of elements less 1.
    fill
        A code of the type.

    Returns
    -------
    The shape of ``index``, the dtype of the sources.
    """
    dtype = sources[0].dtype
    # The fill lies last, where -1 points.
    flat = np.concatenate([*(source.ravel() for source in sources), np.array([fill], dtype)])
    return np.asarray(flat[index])
