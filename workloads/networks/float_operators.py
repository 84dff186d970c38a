"""Float operators on NCHW images, in float64.

Doubles, because calibration makes scales and folded weights of them: what another BLAS rounds
otherwise then vanishes when they become float32, and a seed gives the same model everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Pair = tuple[int, int]
Pads = tuple[int, int, int, int]
"""Rows above, columns left, rows below, columns right."""


def same_pads(extents: Pair, kernel: Pair, stride: Pair) -> Pads:
    """TensorFlow's SAME: ceil(extent / stride) outputs, the odd pixel of padding at the end."""
    before, after = [], []
    for extent, reach, step in zip(extents, kernel, stride, strict=True):
        total = max((-(-extent // step) - 1) * step + reach - extent, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    return before[0], before[1], after[0], after[1]


def convolve(x: Doubles, weight: Doubles, stride: Pair, pads: Pads, groups: int) -> Doubles:
    """Convolution without bias of x [N, C, H, W] with weight [out, C / groups, rows, columns]."""
    channels, outputs = x.shape[1], weight.shape[0]
    if groups == channels == outputs:
        return _depthwise(x, weight, stride, pads)
    parts = zip(np.split(x, groups, axis=1), np.split(weight, groups), strict=True)
    return np.concatenate([_dense(part, kernel, stride, pads) for part, kernel in parts], axis=1)


def max_pool(x: Doubles, kernel: Pair, stride: Pair, pads: Pads) -> Doubles:
    """Maxima of windows; padding is never the greatest."""
    maxima: Doubles = _windows(x, kernel, stride, pads, -np.inf).max(axis=(-2, -1))
    return maxima


def average_pool(x: Doubles, kernel: Pair, stride: Pair) -> Doubles:
    """Means of windows that lie in the image."""
    means: Doubles = _windows(x, kernel, stride, (0, 0, 0, 0), 0.0).mean(axis=(-2, -1))
    return means


def softmax(x: Doubles) -> Doubles:
    """Over the last axis."""
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    probabilities: Doubles = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def _pad(x: Doubles, pads: Pads, value: float) -> Doubles:
    top, left, bottom, right = pads
    if not any(pads):
        return x
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def _windows(x: Doubles, kernel: Pair, stride: Pair, pads: Pads, value: float) -> Doubles:
    """A view [N, C, output rows, output columns, kernel rows, kernel columns]."""
    views: Doubles = sliding_window_view(_pad(x, pads, value), kernel, axis=(2, 3))
    return views[:, :, :: stride[0], :: stride[1]]


def _dense(x: Doubles, weight: Doubles, stride: Pair, pads: Pads) -> Doubles:
    outputs, channels, *kernel = weight.shape
    views = _windows(x, (kernel[0], kernel[1]), stride, pads, 0.0)
    rows, columns = views.shape[2:4]
    taps = channels * kernel[0] * kernel[1]
    operands = views.transpose(0, 1, 4, 5, 2, 3).reshape(len(x), taps, rows * columns)
    product: Doubles = weight.reshape(outputs, taps) @ operands
    return product.reshape(len(x), outputs, rows, columns)


def _depthwise(x: Doubles, weight: Doubles, stride: Pair, pads: Pads) -> Doubles:
    """Tap by tap: a matrix product would have a single row."""
    views = _windows(x, (weight.shape[2], weight.shape[3]), stride, pads, 0.0)
    total = np.zeros(views.shape[:4])
    for row in range(weight.shape[2]):
        for column in range(weight.shape[3]):
            total += views[..., row, column] * weight[:, 0, row, column, None, None]
    return total
