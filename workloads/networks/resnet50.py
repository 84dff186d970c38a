"""``resnet50``: ImageNet classification at 224 x 224, 4,089,184,256 MACs.

Topology: ResNet-50 of https://arxiv.org/abs/1512.03385 in the form called v1.5, whose stride is in
the 3 x 3 convolution of a bottleneck: ``resnet50`` of ``torchvision/models/resnet.py`` in
https://github.com/pytorch/vision.
"""

from __future__ import annotations

import onnx

from workloads.networks.builder import Activation, Network, NetworkBuilder
from workloads.networks.samples import calibration
from workloads.networks.weights import SeededWeights

_STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
"""Width of the bottlenecks and how many, for each stage."""
_EXPANSION = 4
_CLASSES = 1000
_BRANCH_GAIN = 0.5
"""Of the last convolution of a block, so that sums do not grow with depth."""


def resnet50(seed: int = 0) -> onnx.ModelProto:
    """Quantised, with seeded weights."""
    return network(seed).model


def network(seed: int = 0) -> Network:
    """The model and the float network behind it."""
    builder = NetworkBuilder("resnet50", calibration("resnet50", seed), SeededWeights(seed))
    x = builder.conv(builder.input, "stem", 64, 7, stride=2, padding=3, rectifier="relu")
    x = builder.max_pool(x, "pool", 3, stride=2, padding=1)
    for stage, (width, blocks) in enumerate(_STAGES, start=1):
        for block in range(blocks):
            stride = 2 if stage > 1 and block == 0 else 1
            x = _bottleneck(builder, x, f"stage{stage}.{block}", width, stride)
    x = builder.flatten(builder.global_average_pool(x, "average"), "flatten")
    return builder.finish(builder.linear(x, "fc", _CLASSES))


def _bottleneck(
    builder: NetworkBuilder, x: Activation, name: str, width: int, stride: int
) -> Activation:
    y = builder.conv(x, f"{name}.conv1", width, 1, rectifier="relu")
    y = builder.conv(y, f"{name}.conv2", width, 3, stride=stride, padding=1, rectifier="relu")
    outputs = width * _EXPANSION
    y = builder.conv(y, f"{name}.conv3", outputs, 1, gain=_BRANCH_GAIN)
    if x.values.shape[1] != outputs:
        x = builder.conv(x, f"{name}.downsample", outputs, 1, stride=stride)
    return builder.add(x, y, f"{name}.add", rectifier="relu")
