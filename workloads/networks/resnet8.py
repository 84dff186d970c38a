"""``resnet8``: image classification of MLPerf Tiny, 12,501,632 MACs.

Topology: ``resnet_v1_eembc`` of ``benchmark/training/image_classification/keras_model.py`` in
https://github.com/mlcommons/tiny (CIFAR-10, 32 x 32 x 3): ResNet v1 with three stacks of one block.
"""

from __future__ import annotations

import onnx

from workloads.networks.builder import Network, NetworkBuilder
from workloads.networks.samples import calibration
from workloads.networks.weights import SeededWeights

_CLASSES = 10


def resnet8(seed: int = 0) -> onnx.ModelProto:
    """Quantised, with seeded weights."""
    return network(seed).model


def network(seed: int = 0) -> Network:
    """The model and the float network behind it."""
    builder = NetworkBuilder("resnet8", calibration("resnet8", seed), SeededWeights(seed))
    x = builder.conv(builder.input, "stem", 16, 3, rectifier="relu")
    for stack, channels in enumerate((16, 32, 64), start=1):
        stride = 1 if stack == 1 else 2
        y = builder.conv(x, f"stack{stack}.conv1", channels, 3, stride=stride, rectifier="relu")
        y = builder.conv(y, f"stack{stack}.conv2", channels, 3)
        if stride > 1:
            x = builder.conv(x, f"stack{stack}.shortcut", channels, 1, stride=stride)
        x = builder.add(x, y, f"stack{stack}.add", rectifier="relu")
    x = builder.flatten(builder.average_pool(x, "pool", 8), "flatten")
    x = builder.linear(x, "fc", _CLASSES, gain=2.0)
    return builder.finish(builder.softmax(x, "softmax"))
