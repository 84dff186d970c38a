"""``mobilenet_v2``: ImageNet classification at 224 x 224, width 1.0, 300,774,272 MACs.

Topology: table 2 of https://arxiv.org/abs/1801.04381, padded as its authors' implementation,
``research/slim/nets/mobilenet`` in https://github.com/tensorflow/models.
"""

from __future__ import annotations

import onnx

from workloads.networks.builder import Activation, Network, NetworkBuilder
from workloads.networks.samples import calibration
from workloads.networks.weights import SeededWeights

_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, blocks, and stride of the first block."""
_LAST_CHANNELS = 1280
_CLASSES = 1000
_RECTIFIED_GAIN = 2.0
"""Three deviations reach six, so ReLU6 does clip."""
_BRANCH_GAIN = 0.5
"""Of what is added to a block's input, so that sums do not grow with depth."""


def mobilenet_v2(seed: int = 0) -> onnx.ModelProto:
    """Quantised, with seeded weights."""
    return network(seed).model


def network(seed: int = 0) -> Network:
    """The model and the float network behind it."""
    builder = NetworkBuilder("mobilenet_v2", calibration("mobilenet_v2", seed), SeededWeights(seed))
    gain = _RECTIFIED_GAIN
    x = builder.conv(builder.input, "stem", 32, 3, stride=2, rectifier="relu6", gain=gain)
    for stage, (expansion, channels, blocks, first_stride) in enumerate(_STAGES, start=1):
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            x = _block(builder, x, f"stage{stage}.{block}", expansion, channels, stride)
    x = builder.conv(x, "last", _LAST_CHANNELS, 1, rectifier="relu6", gain=gain)
    x = builder.flatten(builder.global_average_pool(x, "average"), "flatten")
    return builder.finish(builder.linear(x, "fc", _CLASSES))


def _block(
    builder: NetworkBuilder, x: Activation, name: str, expansion: int, channels: int, stride: int
) -> Activation:
    """Inverted residual: widened, filtered for each channel, narrowed without rectifier."""
    inputs, gain = x.values.shape[1], _RECTIFIED_GAIN
    adds = stride == 1 and inputs == channels
    y = x
    if expansion > 1:
        y = builder.conv(y, f"{name}.expand", inputs * expansion, 1, rectifier="relu6", gain=gain)
    y = builder.depthwise(y, f"{name}.dw", stride=stride, rectifier="relu6", gain=gain)
    y = builder.conv(y, f"{name}.project", channels, 1, gain=_BRANCH_GAIN if adds else 1.0)
    return builder.add(x, y, f"{name}.add") if adds else y
