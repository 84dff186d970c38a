"""Networks by name."""

from __future__ import annotations

from collections.abc import Callable

from arch.errors import AssayError
from workloads.networks import (
    autoencoder,
    digits,
    ds_cnn,
    mobilenet_v1,
    mobilenet_v2,
    resnet8,
    resnet50,
)
from workloads.networks.builder import Network

NETWORKS: dict[str, Callable[[int], Network]] = {
    "resnet8": resnet8.network,
    "mobilenet_v1_025": mobilenet_v1.network,
    "ds_cnn": ds_cnn.network,
    "autoencoder": autoencoder.network,
    "resnet50": resnet50.network,
    "mobilenet_v2": mobilenet_v2.network,
    "digits": lambda seed: digits.network(),
}
"""From a seed to a network; the weights of ``digits`` are trained, so there it has no part."""


DESCRIPTIONS = {
    "digits": "residual CNN, trained, on 450 real images that it has not seen",
    "resnet8": "MLPerf Tiny image classification, 32 x 32 x 3; seeded weights",
    "mobilenet_v1_025": "MLPerf Tiny visual wake words, 96 x 96 x 3; seeded weights",
    "ds_cnn": "MLPerf Tiny keyword spotting, 49 x 10; seeded weights",
    "autoencoder": "MLPerf Tiny anomaly detection, 640; seeded weights",
    "resnet50": "ImageNet, 224 x 224 x 3; seeded weights",
    "mobilenet_v2": "ImageNet, 224 x 224 x 3; seeded weights",
}
"""What each is, in a line."""


def build(name: str, seed: int = 0) -> Network:
    """Build a network; the same seed gives the same model.

    Raises
    ------
    AssayError
        There is no such network, or the seed is negative.
    """
    if name not in NETWORKS:
        raise AssayError(f"no network '{name}': give one of {', '.join(NETWORKS)}")
    if seed < 0:
        raise AssayError(f"seed = {seed} must be at least 0")
    return NETWORKS[name](seed)
