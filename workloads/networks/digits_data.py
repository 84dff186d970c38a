"""Images, labels and trained weights of ``digits``, as ``scripts/train_digits.py`` wrote them.

The images are those of scikit-learn's ``load_digits``: 1,797 of the "Optical Recognition of
Handwritten Digits" (https://doi.org/10.24432/C50P49, E. Alpaydin and C. Kaynak, CC BY 4.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_FILE = Path(__file__).with_name("digits.npz")


@dataclass(frozen=True, eq=False)
class DigitsData:
    """All of the file.

    Attributes
    ----------
    images
        uint8 [450, 1, 8, 8], ink 0..16, which training did not see.
    labels
        uint8 [450], the digits on them.
    calibration
        uint8 [128, 1, 8, 8], from training.
    weights
        float32 by layer and kind, such as ``stem.weight``.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    calibration: NDArray[np.uint8]
    weights: dict[str, NDArray[np.float32]]


@cache
def digits_data() -> DigitsData:
    """The file, read once."""
    with np.load(_FILE) as stored:
        arrays = dict(stored)
    images, labels, calibration = (arrays.pop(name) for name in ("images", "labels", "calibration"))
    return DigitsData(images, labels, calibration, arrays)
