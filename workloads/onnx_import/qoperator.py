"""Operators that read codes and write codes, with their scales as inputs.

Each is the operator in floating point between the quantisations that it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from workloads.onnx_import import attributes
from workloads.onnx_import.bias import accumulator_bias
from workloads.onnx_import.context import Context, bytes_of
from workloads.onnx_import.elementwise import pair
from workloads.onnx_import.entries import Codes, Computed, Entry, Real
from workloads.onnx_import.functions import function_of
from workloads.onnx_import.joins import joined
from workloads.onnx_import.messages import fail
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.normal import Value
from workloads.onnx_import.products import CONV_TABLE, convolution, gemm, matrix_product
from workloads.onnx_import.quantization import BYTES
from workloads.onnx_import.reductions import (
    POOL_TABLE,
    average_pool,
    global_average_pool,
    reduce_mean,
    softmax,
)

_CHANNELS_LAST: attributes.Table = {"channels_last": attributes.integer(0)}


def _source(context: Context, operation: Operation, place: int, axis: int | None = None) -> Value:
    """Codes of input `place`, with scale and zero point from the two behind it."""
    parameters = context.parameters(operation, place + 1, place, axis)
    return bytes_of(operation, context.codes(operation, place, parameters))


def _result(context: Context, operation: Operation, entry: Entry, place: int) -> Codes:
    """Codes of a result, with scale and zero point from inputs `place` and behind."""
    parameters = context.parameters(operation, place, None)
    if parameters.element_type not in BYTES:
        fail(operation, "its result must be int8 or uint8")
    name = operation.outputs[0]
    return Codes(context.emitter.quantize(operation, entry, parameters, name))


def _given(operation: Operation, table: attributes.Table) -> dict[str, object]:
    given = attributes.read(operation, {**table, **_CHANNELS_LAST})
    attributes.require(operation, "channels_last", given["channels_last"], 0)
    return given


def _conv(context: Context, operation: Operation) -> Entry:
    given = _given(operation, CONV_TABLE)
    x, w = _source(context, operation, 0), _source(context, operation, 3, axis=0)
    made = convolution(operation, "Conv", x, w, given)
    made = _with_bias(context, operation, made, 8, w.shape[0])
    return _result(context, operation, made, 6)


def _with_bias(
    context: Context, operation: Operation, made: Computed, place: int, channels: int
) -> Computed:
    entry = context.optional(operation, place)
    if entry is None:
        return made
    bias = accumulator_bias(operation, entry, operation.inputs[place], channels)
    return replace(made, inputs=(*made.inputs[:2], bias))


def _matmul(context: Context, operation: Operation) -> Entry:
    attributes.read(operation, {})
    rank = len(context.entry(operation, 3).shape)
    a = _source(context, operation, 0)
    b = _source(context, operation, 3, axis=rank - 1 if rank > 1 else None)
    made = matrix_product(context.emitter, operation, "MatMul", a, b)
    return _result(context, operation, made, 6)


def _gemm(context: Context, operation: Operation) -> Entry:
    table = {
        "transA": attributes.integer(0),
        "transB": attributes.integer(0),
        "alpha": attributes.number(1.0),
    }
    given = attributes.read(operation, table)
    a = _source(context, operation, 0)
    b = _source(context, operation, 3, axis=0 if given["transB"] == 1 else 1)
    made = gemm(context.emitter, operation, a, b, given)
    made = _with_bias(context, operation, made, 6, made.shape[1])
    if context.optional(operation, 7) is None:
        return made
    return _result(context, operation, made, 7)


def _pair(op: str) -> Callable[[Context, Operation], Entry]:
    def handler(context: Context, operation: Operation) -> Entry:
        attributes.read(operation, {})
        left, right = _source(context, operation, 0), _source(context, operation, 3)
        return _result(context, operation, pair(operation, left, right, op), 6)

    return handler


def _function(op: str) -> Callable[[Context, Operation], Entry]:
    def handler(context: Context, operation: Operation) -> Entry:
        x = _source(context, operation, 0)
        function = function_of(replace(operation, op=op), context.constants(operation))
        name = operation.outputs[0]
        made = Computed(operation, name, op, (x,), x.shape, function.attributes)
        return _result(context, operation, made, 3)

    return handler


def _softmax(context: Context, operation: Operation) -> Entry:
    given = attributes.read(
        operation, {"axis": attributes.integer(-1), "opset": attributes.integer()}
    )
    x = _source(context, operation, 0)
    axis = attributes.axis_of(operation, given["axis"], len(x.shape))
    if given["opset"] < 13 and axis != len(x.shape) - 1:
        fail(operation, "before opset 13 only the last axis is supported: convert the model")
    return _result(context, operation, softmax(operation, x, axis), 3)


def _average_pool(context: Context, operation: Operation) -> Entry:
    given = _given(operation, POOL_TABLE)
    made = average_pool(operation, _source(context, operation, 0), given)
    return _result(context, operation, made, 3)


def _global_average_pool(context: Context, operation: Operation) -> Entry:
    _given(operation, {})
    made = global_average_pool(operation, _source(context, operation, 0))
    return _result(context, operation, made, 3)


def _reduce_mean(context: Context, operation: Operation) -> Entry:
    table = {"axes": attributes.integers(None), "keepdims": attributes.integer(1)}
    given = attributes.read(operation, table)
    x = _source(context, operation, 0)
    made = reduce_mean(operation, x, given["axes"], given["keepdims"])
    return _result(context, operation, made, 3)


def _concat(context: Context, operation: Operation) -> Entry:
    axis = attributes.read(operation, {"axis": attributes.integer()})["axis"]
    if len(operation.inputs) < 5 or len(operation.inputs) % 3 != 2:
        fail(operation, "it needs scale and zero point of its result and of each input")
    parts = tuple(
        Real(_source(context, operation, place)) for place in range(2, len(operation.inputs), 3)
    )
    return _result(context, operation, joined(context, operation, parts, axis), 0)


STANDARD: dict[str, Callable[[Context, Operation], Entry]] = {
    "QLinearConv": _conv,
    "QLinearMatMul": _matmul,
}
"""Of ONNX's own domain."""

CONTRIBUTED: dict[str, Callable[[Context, Operation], Entry]] = {
    "QLinearConv": _conv,
    "QGemm": _gemm,
    "QLinearAdd": _pair("Add"),
    "QLinearMul": _pair("Mul"),
    "QLinearSigmoid": _function("Sigmoid"),
    "QLinearLeakyRelu": _function("LeakyRelu"),
    "QLinearSoftmax": _softmax,
    "QLinearAveragePool": _average_pool,
    "QLinearGlobalAveragePool": _global_average_pool,
    "QLinearReduceMean": _reduce_mean,
    "QLinearConcat": _concat,
}
"""Of the domain com.microsoft."""
