"""Trains the network of ``digits`` and writes ``workloads/networks/digits.npz``.

The only thing here that needs scikit-learn, which has the images; so it has an environment of its
own. From the root of the repository::

    python3 -m venv /tmp/train
    /tmp/train/bin/pip install numpy==2.4.6 scikit-learn==1.9.1
    OMP_NUM_THREADS=1 PYTHONPATH=. /tmp/train/bin/python scripts/train_digits.py

takes less than a minute. Images and split are the same everywhere; weights may differ in their last
digits, and so in a few images, with another BLAS.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from workloads.networks.float_operators import convolve

TARGET = Path(__file__).parents[1] / "workloads" / "networks" / "digits.npz"
SEED = 0
HELD_OUT = 450
CALIBRATION = 128
EPOCHS = 120
BATCH = 64
RATE = 3e-3
DECAY = 1e-4
FULL = 16.0
"""Value of a pixel that is covered by ink."""

LAYERS = {
    "stem": (16, 1, 3, 3),
    "block": (16, 16, 3, 3),
    "widen": (32, 16, 3, 3),
    "fc": (10, 128),
}
PADS = (1, 1, 1, 1)


def initialize(rng):
    """He initialisation."""
    parameters = {}
    for name, shape in LAYERS.items():
        deviation = np.sqrt(2 / np.prod(shape[1:]))
        parameters[f"{name}.weight"] = rng.standard_normal(shape) * deviation
        parameters[f"{name}.bias"] = np.zeros(shape[0])
    return parameters


def conv(parameters, name, x):
    """3 x 3, stride 1, an image as large as the input."""
    bias = parameters[f"{name}.bias"][:, None, None]
    return convolve(x, parameters[f"{name}.weight"], (1, 1), PADS, 1) + bias


def conv_gradient(parameters, gradients, name, x, dy):
    """Note the gradients of the layer, return that of its input."""
    gradients[f"{name}.bias"] = dy.sum(axis=(0, 2, 3))
    # the samples take the place of the channels, so that the sum runs over them and the pixels
    products = convolve(x.swapaxes(0, 1), dy.swapaxes(0, 1), (1, 1), PADS, 1)
    gradients[f"{name}.weight"] = products.swapaxes(0, 1)
    mirrored = parameters[f"{name}.weight"][:, :, ::-1, ::-1].swapaxes(0, 1)
    return convolve(dy, mirrored, (1, 1), PADS, 1)


def quads(x):
    """Pixels of each 2 x 2 window on axes 3 and 5."""
    n, channels, height, width = x.shape
    return x.reshape(n, channels, height // 2, 2, width // 2, 2)


def forward(parameters, x):
    """Logits of images [N, 1, 8, 8] in 0..1, and what the gradients need."""
    stem = np.maximum(conv(parameters, "stem", x), 0)
    added = np.maximum(stem + conv(parameters, "block", stem), 0)
    pooled = quads(added).max(axis=(3, 5))
    wide = np.maximum(conv(parameters, "widen", pooled), 0)
    features = quads(wide).mean(axis=(3, 5)).reshape(len(x), -1)
    logits = features @ parameters["fc.weight"].T + parameters["fc.bias"]
    return logits, (x, stem, added, pooled, wide, features)


def backward(parameters, saved, d_logits):
    """Gradients of all parameters from that of the logits."""
    x, stem, added, pooled, wide, features = saved
    gradients = {
        "fc.weight": d_logits.T @ features,
        "fc.bias": d_logits.sum(axis=0),
    }
    d_mean = (d_logits @ parameters["fc.weight"]).reshape(len(x), wide.shape[1], 2, 2) / 4
    d_wide = d_mean.repeat(2, axis=2).repeat(2, axis=3) * (wide > 0)
    d_pooled = conv_gradient(parameters, gradients, "widen", pooled, d_wide)
    greatest = quads(added) == pooled[:, :, :, None, :, None]
    d_quads = greatest * d_pooled[:, :, :, None, :, None] / greatest.sum((3, 5), keepdims=True)
    d_added = d_quads.reshape(added.shape) * (added > 0)
    d_stem = d_added + conv_gradient(parameters, gradients, "block", stem, d_added)
    conv_gradient(parameters, gradients, "stem", x, d_stem * (stem > 0))
    return gradients


def shifted(rng, images):
    """Each image moved by at most a pixel in either direction, blank where nothing moves in."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    moved = np.empty_like(images)
    for index, (dy, dx) in enumerate(rng.integers(0, 3, (len(images), 2))):
        moved[index] = padded[index, :, dy : dy + 8, dx : dx + 8]
    return moved


def train(rng, images, labels):
    """Adam on the cross entropy; the rate falls along a cosine."""
    parameters = initialize(rng)
    means = {name: np.zeros_like(values) for name, values in parameters.items()}
    squares = {name: np.zeros_like(values) for name, values in parameters.items()}
    steps = EPOCHS * (len(images) // BATCH)
    step = 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(images))
        for first in range(0, len(images) - BATCH + 1, BATCH):
            chosen = order[first : first + BATCH]
            logits, saved = forward(parameters, shifted(rng, images[chosen]))
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            d_logits = powers / powers.sum(axis=1, keepdims=True)
            d_logits[np.arange(BATCH), labels[chosen]] -= 1
            gradients = backward(parameters, saved, d_logits / BATCH)
            step += 1
            rate = RATE * (1 + np.cos(np.pi * step / steps)) / 2
            for name, gradient in gradients.items():
                means[name] += 0.1 * (gradient - means[name])
                squares[name] += 0.001 * (gradient**2 - squares[name])
                slope = means[name] / (1 - 0.9**step)
                spread = np.sqrt(squares[name] / (1 - 0.999**step)) + 1e-8
                parameters[name] -= rate * (slope / spread + DECAY * parameters[name])
    return parameters


def main():
    """Split, train, tell the accuracy, write."""
    data = load_digits()
    images = data.images.astype(np.uint8)[:, None]
    labels = data.target.astype(np.uint8)
    rng = np.random.default_rng(SEED)
    order = rng.permutation(len(images))
    held_out, rest = order[:HELD_OUT], order[HELD_OUT:]
    parameters = train(rng, images[rest] / FULL, labels[rest])
    # the network reads pixels as they are, 0..16
    parameters["stem.weight"] = parameters["stem.weight"] / FULL
    logits, _ = forward(parameters, images[held_out].astype(np.float64))
    right = int((logits.argmax(axis=1) == labels[held_out]).sum())
    count = sum(values.size for values in parameters.values())
    print(f"{right} of {HELD_OUT} held-out images right, {count} parameters")
    np.savez_compressed(
        TARGET,
        images=images[held_out],
        labels=labels[held_out],
        calibration=images[rest[:CALIBRATION]],
        **{name: values.astype(np.float32) for name, values in parameters.items()},
    )


if __name__ == "__main__":
    main()
