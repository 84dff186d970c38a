"""The mean of each window of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from golden.ops.quantize import DTYPES
from golden.ops.requantize import add_zero_point, requantize
from golden.ops.windows import Padding, Pair, output_extents, taps


def average_pool(
    x: NDArray[np.integer],
    x_zero: int,
    kernel: Pair,
    scale: float,
    y_zero: int,
    element_type: ElementType,
    stride: Pair = (1, 1),
    padding: Padding = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    count_include_pad: bool = False,
) -> NDArray[np.integer]:
    """``clamp(requantize(sum of (x - x_zero), f32(f32(scale) / f32(count))) + y_zero)``.

    The sum over the taps inside the image is int32 and exact (2^23 taps); the quotient is rounded
    half to even to float32, then N-01. So the only roundings are those of the scale (relative
    2^-24), of N-01, and the last one. It was measured to equal ONNX Runtime's
    QLinearGlobalAveragePool. QLinearAveragePool sums float32 and adds the zero point before it
    rounds: 1 apart at exact ties with an odd ``y_zero``, in up to a sixth of the other ties unless
    codes times their scale are exact in float32, and in 4 of 10^5 elements that are no ties.

    Parameters
    ----------
    x, x_zero
        int8 or uint8 (images, H, W, channels), and its zero point.
    scale
        float32: scale of ``x`` over that of the result.
    y_zero, element_type
        Zero point and type of the result.
    kernel, stride, padding, dilation
        As in :func:`golden.ops.conv.conv_integer`.
    count_include_pad
        ``count`` is the number of taps of the kernel, and not of those inside the image (or 1 where
        there is none).

    Returns
    -------
    (images, output rows, output columns, channels) of the dtype of ``element_type``.
    """
    images, height, width, channels = x.shape
    window = (height, width), kernel, stride, padding, dilation
    rows, columns = output_extents(*window)
    acc = np.zeros((images, rows, columns, channels), np.int32)
    inside = np.zeros((1, rows, columns, 1), np.int32)
    for tap in taps(*window):
        acc[tap.outputs] += x[tap.inputs].astype(np.int32) - x_zero
        inside[tap.outputs] += 1
    count = np.full_like(inside, kernel[0] * kernel[1]) if count_include_pad else inside
    divided = np.float32(scale) / count.clip(1).astype(np.float32)
    codes = add_zero_point(requantize(acc, divided), y_zero, element_type.low, element_type.high)
    return codes.astype(DTYPES[element_type])
