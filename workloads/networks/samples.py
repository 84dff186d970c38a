"""Inputs: smooth random images for networks with seeded weights, real ones for ``digits``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arch.errors import AssayError
from workloads.networks.digits_data import digits_data
from workloads.networks.float_operators import Doubles

Floats = NDArray[np.float32]

_OCTAVES = 5
_CONTRAST = 0.3
"""Deviation of a pixel, of the range."""


@dataclass(frozen=True)
class InputForm:
    """What a network reads.

    Attributes
    ----------
    shape
        Of one sample.
    low, high
        Range of its values, as the network's authors scale them.
    calibration
        Samples that activation ranges come from.
    grid
        (channels, rows, columns) in which neighbours are alike, where `shape` is flat.
    """

    shape: tuple[int, ...]
    low: float
    high: float
    calibration: int
    grid: tuple[int, int, int] | None = None


FORMS = {
    "resnet8": InputForm((3, 32, 32), 0.0, 255.0, 16),
    "mobilenet_v1_025": InputForm((3, 96, 96), 0.0, 1.0, 32),
    "ds_cnn": InputForm((1, 49, 10), -4.0, 4.0, 16),
    "autoencoder": InputForm((640,), -60.0, 10.0, 128, grid=(1, 5, 128)),
    "resnet50": InputForm((3, 224, 224), -2.1, 2.6, 4),
    "mobilenet_v2": InputForm((3, 224, 224), -1.0, 1.0, 4),
}


def sample(name: str, seed: int = 0, count: int = 1) -> Floats:
    """Inputs of a network, float32 [count, ...]; none is among those of its calibration.

    Those of ``digits`` are its held-out images, in an order that the seed gives.

    Raises
    ------
    AssayError
        There is no such network, or it has not as many inputs.
    """
    rng = np.random.default_rng([seed, 2])
    if name != "digits":
        return _draw(_form(name), rng, count)
    images = digits_data().images.astype(np.float32)
    if count > len(images):
        raise AssayError(f"digits has {len(images)} held-out images: {count} are too many")
    return images[rng.permutation(len(images))[:count]]


def calibration(name: str, seed: int) -> Floats:
    """Samples that the activation ranges of a network come from."""
    form = _form(name)
    return _draw(form, np.random.default_rng([seed, 3]), form.calibration)


def _form(name: str) -> InputForm:
    if name not in FORMS:
        raise AssayError(f"no network '{name}': give one of {', '.join((*FORMS, 'digits'))}")
    return FORMS[name]


def _draw(form: InputForm, rng: np.random.Generator, count: int) -> Floats:
    """Noise whose amplitude falls with frequency, as that of photographs does."""
    channels, rows, columns = form.grid or form.shape
    total = np.zeros((count, channels, rows, columns))
    for octave in range(_OCTAVES):
        points = 2 << octave
        grid = rng.standard_normal((count, channels, points, points))
        total += _blend(rows, points) @ grid @ _blend(columns, points).T / points
    centred = total / total.std() * _CONTRAST + 0.5
    scaled = form.low + (form.high - form.low) * np.clip(centred, 0.0, 1.0)
    samples: Floats = scaled.astype(np.float32).reshape(count, *form.shape)
    return samples


def _blend(extent: int, points: int) -> Doubles:
    """Linear interpolation from `points` to `extent` places, as a matrix."""
    at = np.linspace(0, points - 1, extent)[:, None]
    weights: Doubles = np.maximum(1 - np.abs(at - np.arange(points)), 0.0)
    return weights
