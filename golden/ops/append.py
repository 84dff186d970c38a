"""Rows behind a cache."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def append(cache: NDArray[np.integer], rows: NDArray[np.integer]) -> NDArray[np.integer]:
    """``cache`` and behind it ``rows``: (M1, n) and (M2, n) of one dtype to (M1 + M2, n)."""
    return np.concatenate([cache, rows])
