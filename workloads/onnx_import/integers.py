"""ONNX's operators of plain integers: sums without a scale, and functions of codes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from arch.isa import ElementType
from workloads.onnx_import import attributes
from workloads.onnx_import.constants import cast_target
from workloads.onnx_import.context import Context, bytes_of
from workloads.onnx_import.entries import Codes, Computed, Constant, Entry, Moved, Real
from workloads.onnx_import.functions import function_of
from workloads.onnx_import.messages import extents, fail, problem
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.normal import Value
from workloads.onnx_import.products import CONV_TABLE, convolution, matrix_product
from workloads.onnx_import.quantization import element_type_of

_ONE = np.asarray(1, np.float32)
_ZERO = np.asarray(0, np.int64)


def matmul_integer(context: Context, operation: Operation) -> Entry:
    """MatMulInteger: int32 sums."""
    attributes.read(operation, {})
    rank = len(context.entry(operation, 1).shape)
    a, b = _plain(context, operation, 0, None), _plain(context, operation, 1, rank - 1)
    made = matrix_product(context.emitter, operation, "MatMulInteger", a, b)
    return _sums(context, operation, made)


def conv_integer(context: Context, operation: Operation) -> Entry:
    """ConvInteger: int32 sums."""
    given = attributes.read(operation, CONV_TABLE)
    x, w = _plain(context, operation, 0, None), _plain(context, operation, 1, 0)
    return _sums(context, operation, convolution(operation, "ConvInteger", x, w, given))


def _plain(context: Context, operation: Operation, place: int, axis: int | None) -> Value:
    """Codes of input `place` without scale, with the zero point from two inputs behind."""
    entry = context.entry(operation, place)
    zero_point = context.constant(operation, place + 2)
    dtype = context.dtype_of(operation, entry)
    if zero_point is None:
        zero_point = np.zeros((), dtype)
    if zero_point.dtype != dtype:
        fail(operation, f"zero point {place + 2} must be {dtype.name}, not {zero_point.dtype.name}")
    if zero_point.size == 1:
        zero_point, axis = zero_point.reshape(()), None
    elif axis is None or axis < 0 or zero_point.shape != entry.shape[axis : axis + 1]:
        fail(
            operation,
            f"its zero point {extents(zero_point.shape)} must be one, or that of each output "
            "channel",
        )
    points = zero_point.astype(np.int64)
    if isinstance(entry, Constant):
        kind = element_type_of(operation, dtype)
        value = Value(operation.inputs[place], entry.shape, kind, constant=entry.array)
    else:
        assert isinstance(entry, Codes)
        value = entry.value
    return bytes_of(operation, replace(value, scale=None, zero_point=points, axis=axis))


def _sums(context: Context, operation: Operation, made: Computed | Moved) -> Codes:
    source = made if isinstance(made, Computed) else made.source
    assert isinstance(source, Computed)
    output = Value(source.name, source.shape, ElementType.INT32)
    value = context.emitter.emit(operation, source.op, source.inputs[:2], output, source.attributes)
    for move in made.moves if isinstance(made, Moved) else ():
        value = context.emitter.move(value, move)
    return Codes(value)


def cast(context: Context, operation: Operation) -> Entry:
    """Cast of what is computed: of sums to floating point, else only to the type that it has."""
    entry, dtype = context.entry(operation, 0), cast_target(operation)
    if isinstance(entry, Codes) and entry.value.element_type is ElementType.INT32:
        if dtype in (np.int32, np.int64):
            return entry
        if dtype == np.float32:
            return Real(replace(entry.value, scale=_ONE, zero_point=_ZERO, axis=None))
    if isinstance(entry, Codes) and context.dtype_of(operation, entry) == dtype:
        return entry
    if not isinstance(entry, Codes) and dtype == np.float32:
        return entry
    raise problem(operation, f"it casts a computed tensor to {dtype.name}: quantise instead")


def integer_function(context: Context, operation: Operation) -> Entry | None:
    """Relu or Clip of codes, as one of the numbers that they stand for; None if it is not that.

    Codes whose quantisation the model does not give count as themselves.
    """
    entry = context.entry(operation, 0)
    if not isinstance(entry, Codes) or operation.op not in ("Relu", "Clip"):
        return None
    value = bytes_of(operation, entry.value)
    if value.scale is None or value.zero_point is None:
        value = replace(value, scale=_ONE, zero_point=_ZERO)
    assert value.scale is not None
    assert value.zero_point is not None
    function = function_of(operation, context.constants(operation))
    limits = {"min": 0.0, "max": np.inf, **function.attributes}
    bounds = {
        side: (limit - int(value.zero_point)) * float(value.scale) for side, limit in limits.items()
    }
    output = replace(value, name=operation.outputs[0])
    return Codes(context.emitter.emit(operation, "Clip", (value,), output, bounds))
