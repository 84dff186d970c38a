"""Two-dimensional convolution of 8-bit operands into int32, channels innermost."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.ops.linear import wrap_int32
from golden.ops.windows import Padding, Pair, output_extents, taps


def conv_integer(
    x: NDArray[np.integer],
    weight: NDArray[np.integer],
    x_zero: int = 0,
    weight_zero: ArrayLike = 0,
    stride: Pair = (1, 1),
    padding: Padding = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> NDArray[np.int32]:
    """Convolve; taps outside the image count as ``x_zero``, so they add nothing.

    Operands are 9-bit integers. Products and sums are made in float64, tap by tap, which is exact
    below 2^53 (2^37 taps and channels); the sum is wrapped to int32 once (N-04).

    Parameters
    ----------
    x
        (images, H, W, channels), int8 or uint8.
    weight
        (kernel rows, kernel columns, channels / groups, N), int8 or uint8.
    x_zero, weight_zero
        Zero points; ``weight_zero`` may hold one for each of the N output channels.
    stride, dilation
        (rows, columns) from output to output, and from tap to tap.
    padding
        Rows above, columns left, rows below, columns right.
    groups
        Divides channels and N: the g-th part of the output sees the g-th part of the input.

    Returns
    -------
    int32 (images, output rows, output columns, N), ONNX's ConvInteger.
    """
    images, *image, channels = x.shape
    kernel, N = weight.shape[:2], weight.shape[3]
    window = (image[0], image[1]), (kernel[0], kernel[1]), stride, padding, dilation
    by_group = (x.astype(np.float64) - x_zero).reshape(*x.shape[:3], groups, channels // groups)
    w = (weight.astype(np.float64) - np.asarray(weight_zero, np.float64)).reshape(
        *kernel, channels // groups, groups, N // groups
    )
    acc = np.zeros((images, *output_extents(*window), groups, N // groups))
    for tap in taps(*window):
        acc[tap.outputs] += _products(by_group[tap.inputs], w[tap.ky, tap.kx])
    return wrap_int32(acc).reshape(*acc.shape[:3], N)


def _products(x: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., groups, K) times (K, groups, N) to (..., groups, N), group by group."""
    if len(w) == 1:
        return np.asarray(x * w[0])
    rows = x.reshape(-1, *x.shape[3:]).swapaxes(0, 1)
    product = (rows @ w.swapaxes(0, 1)).swapaxes(0, 1)
    return product.reshape(*x.shape[:4], -1)
