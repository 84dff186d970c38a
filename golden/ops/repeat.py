"""Rows that each serve as many rows of another tensor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def repeat_rows(x: NDArray[np.integer], rows: int) -> NDArray[np.integer]:
    """Row ``m // (rows // len(x))`` of ``x`` at row ``m``; ``len(x)`` divides ``rows``."""
    return x.repeat(rows // len(x), axis=0)
