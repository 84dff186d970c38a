"""Static quantisation of a float linear layer to integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from workloads.tensor import DTYPES

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Quantization:
    """``real = (code - zero_point) * scale``."""

    element_type: ElementType
    scale: np.float32
    zero_point: int = 0

    def quantize(self, x: Floats) -> NDArray[np.integer]:
        """Codes: ``rint(x / scale) + zero_point``, half to even, saturated."""
        low, high = self.element_type.low, self.element_type.high
        codes: Floats = np.clip(np.rint(x / self.scale) + self.zero_point, low, high)
        return codes.astype(DTYPES[self.element_type])

    def dequantize(self, codes: NDArray[np.generic]) -> Floats:
        return (codes.astype(np.float32) - np.float32(self.zero_point)) * self.scale


def asymmetric(x: Floats, element_type: ElementType) -> Quantization:
    """Codes that span the range of `x` and 0, which is exact."""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = np.float32((high - low) / (element_type.high - element_type.low))
    zero_point = int(np.rint(element_type.low - low / scale))
    return Quantization(element_type, scale, zero_point)


def symmetric(x: Floats, element_type: ElementType, margin: float = 1.0) -> Quantization:
    """Codes without zero point that reach `margin` times the greatest magnitude of `x`."""
    return Quantization(element_type, np.float32(np.abs(x).max() * margin / element_type.high))


@dataclass(frozen=True)
class QuantizedLinear:
    """int8 weight [K, N] with a scale for each channel; int32 bias and float32 scale [N]."""

    weight: NDArray[np.int8]
    bias: NDArray[np.int32]
    scale: Floats


def quantize_linear(
    weight: Floats, bias: Floats, source: Quantization, target: Quantization
) -> QuantizedLinear:
    """Quantise a layer of float weight [out, in] between two quantisations.

    ``scale = f32(f32(source.scale * weight_scale) / target.scale)``, as in ONNX.
    """
    weight_scale = (np.abs(weight).max(axis=1) / 127).astype(np.float32)
    codes = np.rint(weight / weight_scale[:, None]).astype(np.int8)
    accumulator_scale = source.scale * weight_scale
    return QuantizedLinear(
        weight=np.ascontiguousarray(codes.T),
        bias=np.rint(bias / accumulator_scale).astype(np.int32),
        scale=accumulator_scale / target.scale,
    )
