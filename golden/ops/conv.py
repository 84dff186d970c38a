"""Two-dimensional convolution of 8-bit operands into int32, channels innermost."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.ops.linear import matmul_integer


def conv_integer(
    x: NDArray[np.integer],
    weight: NDArray[np.integer],
    x_zero: int = 0,
    weight_zero: ArrayLike = 0,
    stride: int = 1,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> NDArray[np.int32]:
    """Convolve; taps outside the image count as ``x_zero``, so they add nothing.

    Parameters
    ----------
    x
        (H, W, channels), int8 or uint8.
    weight
        (kernel rows, kernel columns, channels, N), int8 or uint8.
    x_zero, weight_zero
        Zero points; ``weight_zero`` may hold one for each of the N output channels.
    stride
        Rows, and columns, from output to output.
    padding
        Rows above, columns left, rows below, columns right.

    Returns
    -------
    int32 (output rows, output columns, N), wrapping.
    """
    top, left, bottom, right = padding
    padded = np.pad(
        x.astype(np.int32), ((top, bottom), (left, right), (0, 0)), constant_values=x_zero
    )
    kernel_rows, kernel_columns, channels, outputs = weight.shape
    windows = np.lib.stride_tricks.sliding_window_view(
        padded, (kernel_rows, kernel_columns), axis=(0, 1)
    )[::stride, ::stride]
    patches = windows.transpose(0, 1, 3, 4, 2).reshape(*windows.shape[:2], -1)
    flat = weight.reshape(kernel_rows * kernel_columns * channels, outputs)
    return matmul_integer(patches, flat, x_zero, weight_zero)
