"""``ds_cnn``: keyword spotting of MLPerf Tiny, 2,656,768 MACs.

Topology: ``benchmark/training/keyword_spotting/keras_model.py`` in
https://github.com/mlcommons/tiny, after https://arxiv.org/abs/1711.07128: 49 frames of 10 cepstral
coefficients, 12 classes. Its pool is half the input, 24 x 5, so that the last of the 25 rows of
features is not used; dropout is for training only.
"""

from __future__ import annotations

import onnx

from workloads.networks.builder import Network, NetworkBuilder
from workloads.networks.samples import calibration
from workloads.networks.weights import SeededWeights

_CHANNELS = 64
_BLOCKS = 4
_CLASSES = 12


def ds_cnn(seed: int = 0) -> onnx.ModelProto:
    """Quantised, with seeded weights."""
    return network(seed).model


def network(seed: int = 0) -> Network:
    """The model and the float network behind it."""
    builder = NetworkBuilder("ds_cnn", calibration("ds_cnn", seed), SeededWeights(seed))
    x = builder.conv(builder.input, "stem", _CHANNELS, (10, 4), stride=2, rectifier="relu")
    for block in range(1, _BLOCKS + 1):
        x = builder.depthwise(x, f"block{block}.dw", rectifier="relu")
        x = builder.conv(x, f"block{block}.pw", _CHANNELS, 1, rectifier="relu")
    x = builder.flatten(builder.average_pool(x, "pool", (24, 5)), "flatten")
    x = builder.linear(x, "fc", _CLASSES, gain=2.0)
    return builder.finish(builder.softmax(x, "softmax"))
