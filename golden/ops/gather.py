"""Rows of a table, by their numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def gather(indices: NDArray[np.int32], table: NDArray[np.integer]) -> NDArray[np.integer]:
    """``table[indices[0, i]]`` at row ``i``.

    Parameters
    ----------
    indices
        int32 (1, count), 0 up to the number of entries.
    table
        (entries, width).

    Returns
    -------
    (count, width) of the dtype of ``table``.
    """
    return np.asarray(table[indices[0]])
