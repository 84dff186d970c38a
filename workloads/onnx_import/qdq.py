"""QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.onnx_import import attributes
from workloads.onnx_import.context import Context
from workloads.onnx_import.entries import Codes, Constant, Entry, Parameters, Real
from workloads.onnx_import.messages import fail, problem
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.quantization import (
    BYTES,
    codes_of,
    element_type_of,
    make_parameters,
    numbers_of,
)
from workloads.onnx_import.tensors import dtype_of, type_name
from workloads.onnx_import.values import constant_value

_TABLE: attributes.Table = {
    "axis": attributes.integer(1),
    "block_size": attributes.integer(0),
    "output_dtype": attributes.integer(0),
    # These matter only to other types.
    "saturate": attributes.integer(1),
    "precision": attributes.integer(0),
}
_FLOAT = 1
"""TensorProto.FLOAT."""


def quantize(context: Context, operation: Operation) -> Entry:
    """QuantizeLinear: of what is computed it decides how the node yields it."""
    entry = context.entry(operation, 0)
    numbers = _numbers(entry)
    parameters = _parameters(context, operation, entry)
    if numbers is None:
        if parameters.element_type not in BYTES:
            fail(
                operation,
                f"it quantises to {parameters.element_type.name.lower()}: use int8 or uint8",
            )
        name = operation.outputs[0]
        return Codes(context.emitter.quantize(operation, entry, parameters, name))
    if numbers.dtype.kind != "f":
        fail(operation, f"it quantises {numbers.dtype.name}: give it float")
    codes = codes_of(numbers, parameters)
    context.spend(operation, codes.size, codes.dtype)
    return Constant(operation.outputs[0], codes)


def dequantize(context: Context, operation: Operation) -> Entry:
    """DequantizeLinear: codes as numbers."""
    entry = context.entry(operation, 0)
    given = attributes.read(operation, _TABLE)
    attributes.require(operation, "block_size", given["block_size"], 0)
    if given["output_dtype"] not in (0, _FLOAT):
        fail(operation, f"it makes {type_name(given['output_dtype'])}: use float")
    if isinstance(entry, Constant):
        axis = _axis(operation, given["axis"], entry)
        parameters = context.parameters(operation, 1, 0, axis)
        return Real(constant_value(operation.inputs[0], entry.array, parameters))
    if isinstance(entry, Codes):
        parameters = context.parameters(operation, 1, 0)
        return Real(
            replace(
                entry.value, scale=parameters.scale, zero_point=parameters.zero_point, axis=None
            )
        )
    raise problem(operation, "it dequantises what is not quantised: give it integers")


def _numbers(entry: Entry) -> NDArray[Any] | None:
    """Of what is constant."""
    if isinstance(entry, Constant):
        return entry.array
    if isinstance(entry, Real) and entry.value.constant is not None:
        return numbers_of(entry.value)
    return None


def _parameters(context: Context, operation: Operation, entry: Entry) -> Parameters:
    given = attributes.read(operation, _TABLE)
    attributes.require(operation, "block_size", given["block_size"], 0)
    scale, zero_point = (context.constant(operation, place) for place in (1, 2))
    if scale is None:
        fail(operation, "it lacks its scale: export it again")
    dtype = np.dtype(np.uint8)
    if zero_point is not None:
        dtype = zero_point.dtype
    elif given["output_dtype"]:
        wanted = dtype_of(given["output_dtype"])
        if wanted is None:
            fail(
                operation,
                f"it makes {type_name(given['output_dtype'])}: quantise to int8 or uint8",
            )
        dtype = wanted
    axis = None
    if _numbers(entry) is not None:
        axis = _axis(operation, given["axis"], entry)
    element_type = element_type_of(operation, dtype)
    return make_parameters(operation, scale, zero_point, element_type, axis, entry.shape)


def _axis(operation: Operation, axis: int, entry: Entry) -> int | None:
    """That of a constant's channels; there is none in a scalar or, by default, in a list."""
    rank = len(entry.shape)
    if -rank <= axis < rank:
        return axis % rank
    # The default of 1 is beyond what has a scale for the whole tensor.
    return None
