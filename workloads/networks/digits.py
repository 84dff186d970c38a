"""``digits``: a residual network trained on real images, 231,680 MACs for each.

8 x 8 pixels, 16 channels with one residual sum, 4 x 4 pixels of 32 channels, 10 digits; 8,410
parameters. ``scripts/train_digits.py`` trains it, and has the same topology in NumPy.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from arch.errors import AssayError
from workloads.networks.builder import Network, NetworkBuilder
from workloads.networks.digits_data import digits_data
from workloads.networks.float_operators import Doubles
from workloads.networks.weights import StoredWeights

HELD_OUT = 450
"""Images that training did not see."""
_CLASSES = 10


def digits(batch: int = HELD_OUT) -> onnx.ModelProto:
    """Quantised, from images [batch, 1, 8, 8] of 0..16 to logits [batch, 10].

    Raises
    ------
    AssayError
        The batch is empty.
    """
    return network(batch).model


def network(batch: int = HELD_OUT) -> Network:
    """The model and the float network behind it."""
    if batch < 1:
        raise AssayError(f"digits: batch = {batch} must be at least 1")
    data = digits_data()
    calibration = data.calibration.astype(np.float32)
    builder = NetworkBuilder("digits", calibration, StoredWeights(data.weights), batch)
    x = builder.conv(builder.input, "stem", 16, 3, rectifier="relu")
    x = builder.add(x, builder.conv(x, "block", 16, 3), "add", rectifier="relu")
    x = builder.max_pool(x, "max_pool", 2, stride=2)
    x = builder.conv(x, "widen", 32, 3, rectifier="relu")
    x = builder.flatten(builder.average_pool(x, "average_pool", 2), "flatten")
    return builder.finish(builder.linear(x, "fc", _CLASSES))


def images() -> NDArray[np.float32]:
    """The held-out images, float32 [450, 1, 8, 8] of 0..16."""
    return digits_data().images.astype(np.float32)


def labels() -> NDArray[np.uint8]:
    """The digits on them."""
    return digits_data().labels


def float_logits() -> Doubles:
    """What the float network makes of the held-out images, [450, 10]."""
    return network().forward(images())


def accuracy(logits: NDArray[np.floating]) -> float:
    """Share of the first images whose greatest logit, in logits [count, 10], is right."""
    return float((logits.argmax(axis=1) == labels()[: len(logits)]).mean())
