"""Matrix products of 8-bit operands into int32: MatMulInteger, QLinearMatMul."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arch.isa import ElementType
from golden.ops.quantize import DTYPES
from golden.ops.requantize import add_zero_point, combined_scale, requantize


def matmul_integer(
    a: ArrayLike, b: ArrayLike, a_zero: ArrayLike = 0, b_zero: ArrayLike = 0
) -> NDArray[np.int32]:
    """``(a - a_zero) @ (b - b_zero)``, the sum wrapped to int32 (rule N-04).

    The operands are 9-bit integers and the product is made in float64 by BLAS, which is exact: no
    partial sum reaches 2^53 for K below 2^37. Wrapping the exact sum equals wrapping each addition.

    Parameters
    ----------
    a
        (..., M, K), int8 or uint8.
    b
        (..., K, N), int8 or uint8.
    a_zero, b_zero
        Zero points, broadcast against ``a`` and ``b``: one for each row of ``a`` is (M, 1), for
        each column of ``b`` is (N,).
    """
    left = np.asarray(a, np.float64) - np.asarray(a_zero, np.float64)
    right = np.asarray(b, np.float64) - np.asarray(b_zero, np.float64)
    return wrap_int32(left @ right)


def wrap_int32(exact: NDArray[np.float64]) -> NDArray[np.int32]:
    """Integers held in float64, below 2^53 in magnitude, modulo 2^32 as int32."""
    return exact.astype(np.int64).astype(np.int32)


def add_bias(acc: NDArray[np.int32], bias: ArrayLike) -> NDArray[np.int32]:
    """``acc + bias`` in int32, wrapping; ``bias`` int32, broadcast over the last axis."""
    return acc + np.asarray(bias, np.int32)


def linear(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike,
    scale: ArrayLike,
    y_zero: int,
    element_type: ElementType,
    x_zero: int = 0,
    weight_zero: ArrayLike = 0,
) -> NDArray[np.integer]:
    """A quantised linear layer: product, int32 bias, requantisation, saturation.

    Parameters
    ----------
    x
        (..., M, K), int8 or uint8.
    weight
        (..., K, N), int8 or uint8.
    bias
        int32, (N,) or 0.
    scale
        float32, (N,) or one for all: ``combined_scale`` of the three scales.
    y_zero, element_type
        Zero point and type of the result.
    x_zero, weight_zero
        Zero points of the operands; ``weight_zero`` may hold one for each column.

    Returns
    -------
    (..., M, N) of the dtype of ``element_type``; QLinearMatMul where the bias is 0.
    """
    acc = add_bias(matmul_integer(x, weight, x_zero, weight_zero), bias)
    codes = add_zero_point(requantize(acc, scale), y_zero, element_type.low, element_type.high)
    return codes.astype(DTYPES[element_type])


def qlinear_matmul(
    a: ArrayLike,
    a_scale: float,
    a_zero: int,
    b: ArrayLike,
    b_scale: ArrayLike,
    b_zero: ArrayLike,
    y_scale: float,
    y_zero: int,
    element_type: ElementType,
) -> NDArray[np.integer]:
    """ONNX's QLinearMatMul; ``b_scale`` and ``b_zero`` for the tensor or for each column."""
    scale = combined_scale(a_scale, b_scale, y_scale)
    return linear(a, b, 0, scale, y_zero, element_type, a_zero, b_zero)
