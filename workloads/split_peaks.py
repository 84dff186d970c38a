"""Channels of rare, large activations, spread over several channels so that int8 spans less.

In MiniLM one or two of 1,536 channels reach four times as far as all others: a step for all of them
is then four times too coarse. Behind GELU, which is the identity far above 0 and nothing far
below, a large value is a sum of smaller ones: with ``clip`` to at most `limit`,

    GELU(x) = clip(GELU(x)) + clip(GELU(x - limit)) + clip(GELU(x - 2 limit)) + ...

but for 0.17 next to multiples of the limit. Each further term is a channel of its own, with the
same weights and another bias. It takes the place of a channel that matters least, which is
replaced by its mean; so the layers keep their size. (After "Improving Neural Network
Quantization without Retraining using Outlier Channel Splitting", Zhao et al., 2019, which halves
channels instead.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Layers:
    """Weights [out, in] and biases [out] of two linear layers with GELU between them."""

    weight1: Floats
    bias1: Floats
    weight2: Floats
    bias2: Floats


def split_peaks(
    layers: Layers, peak: Floats, mean: Floats, deviation: Floats, copies: int
) -> tuple[Layers, float]:
    """Split the channels that reach farthest.

    Parameters
    ----------
    layers
        The float layers; they are not changed.
    peak, mean, deviation
        Of each activation between them: its greatest value and its statistics, float32 [inner].
    copies
        Channels that may be replaced.

    Returns
    -------
    New layers, to be clipped between at the second result: the limit.
    """
    limit, counts = _limit(peak, copies)
    importance = deviation * np.linalg.norm(layers.weight2, axis=0)
    importance[counts > 0] = np.inf
    split = np.repeat(np.arange(len(peak)), counts)
    multiple = np.concatenate([np.arange(1, count + 1) for count in counts])
    replaced = np.argsort(importance)[: len(split)]
    weight1, bias1, weight2 = (x.copy() for x in (layers.weight1, layers.bias1, layers.weight2))
    weight1[replaced] = weight1[split]
    bias1[replaced] = bias1[split] - multiple * np.float32(limit)
    weight2[:, replaced] = weight2[:, split]
    bias2 = layers.bias2 + layers.weight2[:, replaced] @ mean[replaced]
    return Layers(weight1, bias1, weight2, bias2), limit


def _limit(peak: Floats, copies: int) -> tuple[float, NDArray[np.int64]]:
    """The least limit for which that many copies are enough, and the copies of each channel."""
    highest = np.sort(peak)[-copies - 1 :]
    candidates = np.sort(np.divide.outer(highest, np.arange(1, copies + 2)).ravel())
    for limit in candidates[candidates >= highest[0]]:
        counts = np.maximum(np.ceil(peak / limit).astype(np.int64) - 1, 0)
        if counts.sum() <= copies:
            break
    return float(limit), counts
