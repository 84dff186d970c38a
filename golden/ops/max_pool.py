"""The greatest of each window of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from golden.ops.windows import Padding, Pair, output_extents, taps


def max_pool(
    x: NDArray[np.integer],
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Padding = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
) -> NDArray[np.integer]:
    """The greatest code of each window and channel; nothing is rounded.

    Parameters
    ----------
    x
        (images, H, W, channels), int8 or uint8.
    kernel, stride, padding, dilation
        As in :func:`golden.ops.conv.conv_integer`. Padding is never the greatest; a window of
        padding alone gives the least code of the type.

    Returns
    -------
    (images, output rows, output columns, channels) of the dtype of ``x``, ONNX's MaxPool.
    """
    images, height, width, channels = x.shape
    window = (height, width), kernel, stride, padding, dilation
    shape = images, *output_extents(*window), channels
    result = np.full(shape, np.iinfo(x.dtype).min, x.dtype)
    for tap in taps(*window):
        part = result[tap.outputs]
        np.maximum(part, x[tap.inputs], out=part)
    return result
