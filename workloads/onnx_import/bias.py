"""Biases of convolutions and products, in the units of their accumulators."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from workloads.onnx_import.entries import Constant, Entry, Real
from workloads.onnx_import.messages import extents, fail, quoted
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.normal import Value
from workloads.onnx_import.quantization import numbers_of
from workloads.onnx_import.values import integer_value

_SAME_SCALE = 1e-6
"""Relative: quantisers multiply the two scales in float32 or in float64."""


def bias_value(
    operation: Operation, entry: Entry, name: str, x: Value, w: Value, channels: int
) -> Value:
    """A bias from floating point, or from codes of any scale, to int32 accumulators.

    The accumulator's scale is that of `x` times that of `w`. Codes that have it stay. Others, and
    floating-point numbers, become ``rint(bias / scale)``, saturated, as onnxruntime.quantization
    does; ONNX Runtime also takes codes of another scale by their real value.
    """
    assert x.scale is not None
    assert w.scale is not None
    scale = np.broadcast_to((x.scale * w.scale).reshape(-1), (channels,))
    if isinstance(entry, Constant) and entry.array.dtype.kind == "f":
        real = _for_each(operation, entry.array, name, channels).astype(np.float32)
    elif isinstance(entry, Real) and entry.value.constant is not None:
        held = entry.value
        given = _for_each(operation, held.constant, name, channels)
        assert held.scale is not None
        fits = held.scale.size in (1, channels) and np.allclose(
            held.scale.reshape(-1), scale, rtol=_SAME_SCALE, atol=0
        )
        if fits and held.element_type is ElementType.INT32:
            return integer_value(name, given)
        real = _for_each(operation, numbers_of(held), name, channels).astype(np.float32)
    else:
        fail(operation, f"its bias {quoted(name)} must be constant: add it with Add")
    if not np.all(np.isfinite(real)):
        fail(operation, f"its bias {quoted(name)} is not finite")
    with np.errstate(all="ignore"):
        steps = np.rint(real / scale).astype(np.float64)
    limits = ElementType.INT32
    return integer_value(name, np.clip(steps, limits.low, limits.high).astype(np.int64))


def accumulator_bias(operation: Operation, entry: Entry, name: str, channels: int) -> Value:
    """A bias that the model has in accumulator units."""
    if not isinstance(entry, Constant) or entry.array.dtype != np.int32:
        fail(operation, f"its bias {quoted(name)} must be constant int32")
    return integer_value(name, _for_each(operation, entry.array, name, channels))


def _for_each(
    operation: Operation, array: NDArray[np.generic] | None, name: str, channels: int
) -> NDArray[np.generic]:
    """One number for each output channel; leading extents of 1 go."""
    assert array is not None
    flat = array.reshape(-1)
    if flat.size not in (1, channels) or flat.size != max(array.shape[-1:], default=1):
        fail(
            operation,
            f"its bias {quoted(name)} of {extents(array.shape)} must have one number for each of "
            f"the {channels} output channels: use Add",
        )
    return np.broadcast_to(flat, (channels,))
