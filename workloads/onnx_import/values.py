"""Values of the normal form from what the model gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from workloads.onnx_import.entries import Move, Parameters
from workloads.onnx_import.messages import fail, quoted
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.normal import Value
from workloads.onnx_import.quantization import codes_of, numbers_of, parameters_of

_EXACT = 1e-4
"""Of a step: a number that is a code is no further from it."""


def value_of(name: str, shape: tuple[int, ...], parameters: Parameters) -> Value:
    """A computed value."""
    return Value(
        name,
        shape,
        parameters.element_type,
        parameters.scale,
        parameters.zero_point,
        parameters.axis,
    )


def constant_value(name: str, codes: NDArray[Any], parameters: Parameters) -> Value:
    """Codes of the model."""
    return Value(
        name,
        codes.shape,
        parameters.element_type,
        parameters.scale,
        parameters.zero_point,
        parameters.axis,
        codes,
    )


def float_value(operation: Operation, name: str, numbers: NDArray[Any]) -> Value:
    """A floating-point constant that an operation reads; an AssayError where it is not finite."""
    with np.errstate(over="ignore"):
        array = np.asarray(numbers, np.float32)
    if not np.all(np.isfinite(array)):
        fail(operation, f"its constant {quoted(name)} is not finite: export the model again")
    return Value(name, array.shape, None, constant=array)


def integer_value(name: str, integers: NDArray[Any]) -> Value:
    """Integers without quantisation: indices, biases."""
    array = np.asarray(integers, np.int32)
    return Value(name, array.shape, ElementType.INT32, constant=array)


def refuse_sums(operation: Operation, value: Value) -> None:
    """Raise an AssayError if a value is int32: sums, which only leave the model as they are."""
    if value.element_type is ElementType.INT32:
        fail(
            operation,
            f"it reads int32 sums {quoted(value.name)}: quantise them, with QLinearMatMul or "
            "QLinearConv instead of MatMulInteger or ConvInteger",
        )


def fill_code(move: Move, value: Value, exact: bool) -> int:
    """The code that a Pad puts into a value; 0 for other movements.

    `exact` says that no quantisation follows, so that the number has to be a code.
    """
    if move.op != "Pad" or move.attributes["mode"] != "constant":
        return 0
    kind = value.element_type
    assert kind is not None
    if isinstance(move.fill, int):
        if not kind.low <= move.fill <= kind.high:
            fail(move.operation, f"it pads with {move.fill}, which is no {kind.name.lower()}")
        return move.fill
    parameters = parameters_of(value)
    if parameters.axis is not None:
        fail(move.operation, "it pads a weight that is quantised by channel: do it before")
    code = codes_of(np.asarray(move.fill), parameters)
    made = numbers_of(constant_value("", code, parameters))
    if exact and not abs(float(made) - move.fill) <= _EXACT * float(parameters.scale):
        fail(
            move.operation,
            f"it pads with {move.fill:g}, which is no code of {quoted(value.name)}: quantise its "
            "result",
        )
    return int(code)
