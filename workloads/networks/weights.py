"""Where the weights of a network come from: a seed, or a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from workloads.networks.float_operators import Doubles

Floats = NDArray[np.float32]
Respond = Callable[[Doubles], Doubles]
"""From a weight to what its layer makes of the calibration samples: [N, out, ...], no bias."""

_GAMMA_SPREAD = 0.25
_BETA_DEVIATION = 0.2
_LEAST_DEVIATION = 0.1
"""A channel that hardly varies on the calibration samples is not blown up."""


class Weights(Protocol):
    """Gives each layer its weight [out, ...] and bias [out]."""

    def layer(
        self, name: str, shape: tuple[int, ...], gain: float, normalize: bool, respond: Respond
    ) -> tuple[Floats, Floats]: ...


class SeededWeights:
    """He initialisation, with a batch normalisation folded into it.

    The normalisation takes its statistics from the calibration samples, as training would have
    left them; so activations keep their range through any number of layers.

    Parameters
    ----------
    seed
        Of everything that is drawn.
    """

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 1])

    def layer(
        self, name: str, shape: tuple[int, ...], gain: float, normalize: bool, respond: Respond
    ) -> tuple[Floats, Floats]:
        """Draw a layer whose outputs deviate by about `gain` if a batch normalisation follows."""
        outputs, taps = shape[0], int(np.prod(shape[1:]))
        weight = self._rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / taps))
        gamma = gain * self._rng.uniform(1 - _GAMMA_SPREAD, 1 + _GAMMA_SPREAD, outputs)
        beta = gain * _BETA_DEVIATION * self._rng.standard_normal(outputs)
        if normalize:
            response = respond(weight.astype(np.float64))
            axes = (0, *range(2, response.ndim))
            deviation = response.std(axis=axes)
            gamma /= np.maximum(deviation, _LEAST_DEVIATION * np.sqrt((deviation**2).mean()))
            beta -= gamma * response.mean(axis=axes)
        weight *= gamma.astype(np.float32).reshape(-1, *(1,) * (len(shape) - 1))
        return weight, beta.astype(np.float32)


class StoredWeights:
    """``<layer>.weight`` and ``<layer>.bias`` of a file.

    Parameters
    ----------
    arrays
        float32 by name.
    """

    def __init__(self, arrays: Mapping[str, Floats]) -> None:
        self._arrays = arrays

    def layer(
        self, name: str, shape: tuple[int, ...], gain: float, normalize: bool, respond: Respond
    ) -> tuple[Floats, Floats]:
        """What is stored; the other arguments are for weights that are drawn."""
        weight, bias = self._arrays[f"{name}.weight"], self._arrays[f"{name}.bias"]
        assert weight.shape == shape
        return weight, bias
