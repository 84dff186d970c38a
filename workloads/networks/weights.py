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
_RECTIFIED_CENTRE = 1.0
"""Deviations above zero at which a rectifier sits. At zero every layer would tell inputs apart a
little more than the last: after thirty, two nearly equal images have nothing in common, and the
error of quantisation has drowned the output, which does not happen to trained networks."""


class Weights(Protocol):
    """Gives each layer its weight [out, ...] and bias [out].

    A layer with `respond` has a batch normalisation folded into it.
    """

    def layer(
        self,
        name: str,
        shape: tuple[int, ...],
        gain: float,
        rectified: bool,
        respond: Respond | None,
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
        self,
        name: str,
        shape: tuple[int, ...],
        gain: float,
        rectified: bool,
        respond: Respond | None,
    ) -> tuple[Floats, Floats]:
        """Draw a layer; its outputs deviate by about `gain`, if it is normalised."""
        outputs, taps = shape[0], int(np.prod(shape[1:]))
        weight = self._rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / taps))
        gamma = gain * self._rng.uniform(1 - _GAMMA_SPREAD, 1 + _GAMMA_SPREAD, outputs)
        beta = gain * _BETA_DEVIATION * self._rng.standard_normal(outputs)
        if rectified:
            beta += gain * _RECTIFIED_CENTRE
        if respond is not None:
            response = respond(weight.astype(np.float64))
            axes = (0, *range(2, response.ndim))
            deviation = response.std(axis=axes)
            # a channel that hardly varies would come out as the noise it was made of
            gamma /= np.maximum(deviation, np.sqrt((deviation**2).mean()))
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
        self,
        name: str,
        shape: tuple[int, ...],
        gain: float,
        rectified: bool,
        respond: Respond | None,
    ) -> tuple[Floats, Floats]:
        """What is stored; the other arguments are for weights that are drawn."""
        weight, bias = self._arrays[f"{name}.weight"], self._arrays[f"{name}.bias"]
        assert weight.shape == shape
        return weight, bias
