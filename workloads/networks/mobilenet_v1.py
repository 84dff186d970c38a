"""``mobilenet_v1_025``: visual wake words of MLPerf Tiny, 7,489,664 MACs.

Topology: MobileNet v1 (https://arxiv.org/abs/1704.04861) of width 0.25 on 96 x 96 x 3, as
``benchmark/training/visual_wake_words/vww_model.py`` in https://github.com/mlcommons/tiny.
"""

from __future__ import annotations

import onnx

from workloads.networks.builder import Network, NetworkBuilder
from workloads.networks.samples import calibration
from workloads.networks.weights import SeededWeights

_NAME = "mobilenet_v1_025"
_BLOCKS = (
    (16, 1),
    (32, 2),
    (32, 1),
    (64, 2),
    (64, 1),
    (128, 2),
    *[(128, 1)] * 5,
    (256, 2),
    (256, 1),
)
"""Channels and stride of each depthwise separable block."""
_CLASSES = 2


def mobilenet_v1_025(seed: int = 0) -> onnx.ModelProto:
    """Quantised, with seeded weights."""
    return network(seed).model


def network(seed: int = 0) -> Network:
    """The model and the float network behind it."""
    builder = NetworkBuilder(_NAME, calibration(_NAME, seed), SeededWeights(seed))
    x = builder.conv(builder.input, "stem", 8, 3, stride=2, rectifier="relu")
    for block, (channels, stride) in enumerate(_BLOCKS, start=1):
        x = builder.depthwise(x, f"block{block}.dw", stride=stride, rectifier="relu")
        x = builder.conv(x, f"block{block}.pw", channels, 1, rectifier="relu")
    x = builder.flatten(builder.average_pool(x, "pool", 3), "flatten")
    x = builder.linear(x, "fc", _CLASSES, gain=2.0)
    return builder.finish(builder.softmax(x, "softmax"))
