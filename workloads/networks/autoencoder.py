"""``autoencoder``: anomaly detection of MLPerf Tiny on machine sounds (ToyADMOS), 264,192 MACs.

Topology: ``benchmark/training/anomaly_detection/keras_model.py`` in
https://github.com/mlcommons/tiny: five frames of 128 log mel energies in and out, eight numbers in
the middle, a batch normalisation behind every layer but the last.
"""

from __future__ import annotations

import onnx

from workloads.networks.builder import Network, NetworkBuilder
from workloads.networks.samples import calibration
from workloads.networks.weights import SeededWeights

_HIDDEN = (128, 128, 128, 128, 8, 128, 128, 128, 128)
_OUTPUTS = 640


def autoencoder(seed: int = 0) -> onnx.ModelProto:
    """Quantised, with seeded weights."""
    return network(seed).model


def network(seed: int = 0) -> Network:
    """The model and the float network behind it."""
    builder = NetworkBuilder("autoencoder", calibration("autoencoder", seed), SeededWeights(seed))
    x = builder.input
    for layer, outputs in enumerate(_HIDDEN, start=1):
        x = builder.linear(x, f"dense{layer}", outputs, rectifier="relu", normalize=True)
    return builder.finish(builder.linear(x, "reconstruction", _OUTPUTS))
