"""BatchNormalization that no convolution took in: one of each channel alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from workloads.onnx_import import attributes
from workloads.onnx_import.bias import bias_value
from workloads.onnx_import.context import Context
from workloads.onnx_import.entries import Computed, Constant, Entry, Move, Moved
from workloads.onnx_import.messages import extents, fail
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.normal import Value
from workloads.onnx_import.products import CONV_TABLE, convolution

_TABLE: attributes.Table = {
    "epsilon": attributes.number(float(np.float32(1e-5))),
    "momentum": attributes.number(0.9),
    "training_mode": attributes.integer(0),
}
_CODE = 127
"""Of a factor: its size is in the scale of its channel."""


def batch_normalization(context: Context, operation: Operation) -> Entry:
    """A convolution of one pixel and one channel, whose scale is the factor of that channel.

    The offset is rounded to accumulators, of which 127 are about one code of the result.
    """
    given = attributes.read(operation, _TABLE)
    attributes.require(operation, "training_mode", given["training_mode"], 0)
    if any(operation.outputs[1:]):
        fail(operation, "only its first output is supported: export the model for inference")
    x = context.operand(operation, 0)
    if len(x.shape) < 2:
        fail(operation, f"its input {extents(x.shape)} must have an axis of channels")
    name, channels = operation.outputs[0], x.shape[1]
    scale, offset, mean, variance = (
        _for_each(context, operation, place, channels) for place in range(1, 5)
    )
    with np.errstate(all="ignore"):
        factor = scale / np.sqrt(variance + given["epsilon"])
        offset = offset - mean * factor
    if not np.all(np.isfinite(factor) & np.isfinite(offset)):
        fail(operation, "its factors are not finite: export the model again")
    flat = len(x.shape) == 2
    if flat:
        pixels = Move(operation, f"{name}.pixels", "Reshape", (*x.shape, 1))
        x = context.emitter.move(x, pixels)
    w = _weight(context.emitter.fresh(f"{name}.factor"), factor, len(x.shape))
    table = {key: each.default for key, each in CONV_TABLE.items()}
    made = convolution(operation, "Conv", x, w, {**table, "group": channels})
    # Only this name is quoted, should the offset not fit.
    added = Constant(operation.inputs[2], offset.astype(np.float32))
    bias = bias_value(operation, added, context.emitter.fresh(f"{name}.offset"), x, w, channels)
    made = replace(made, inputs=(x, w, bias))
    return _flattened(made, name) if flat else made


def _for_each(
    context: Context, operation: Operation, place: int, channels: int
) -> NDArray[np.float64]:
    array = context.constant(operation, place)
    if array is None or array.dtype.kind != "f" or array.shape != (channels,):
        fail(operation, f"its input {place} must be one float for each of {channels} channels")
    return array.astype(np.float64)


def _weight(name: str, factor: NDArray[np.float64], rank: int) -> Value:
    shape = (factor.size,) + (1,) * (rank - 1)
    step = np.abs(factor).astype(np.float32) / np.float32(_CODE)
    # A factor that is nothing needs a scale all the same.
    step = np.maximum(step, np.finfo(np.float32).tiny)
    codes = (_CODE * np.sign(factor)).astype(np.int8).reshape(shape)
    zero_point = np.zeros(factor.size, np.int64)
    return Value(name, shape, ElementType.INT8, step, zero_point, 0, codes)


def _flattened(made: Computed, name: str) -> Moved:
    source = replace(made, name=f"{name}.normalized")
    return Moved(source, (Move(made.operation, name, "Reshape", made.shape[:2]),))
