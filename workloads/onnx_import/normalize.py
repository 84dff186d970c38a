"""A model of the package `onnx` to the normal form."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from onnx import ModelProto, TensorProto

from arch.errors import AssayError
from arch.isa import ElementType
from workloads.onnx_import.blocks import BLOCKS
from workloads.onnx_import.constants import constant_of, folded, is_foldable, shape_of
from workloads.onnx_import.context import Context
from workloads.onnx_import.entries import (
    Codes,
    Computed,
    Constant,
    Entry,
    HostInput,
    Joined,
    Moved,
    Real,
)
from workloads.onnx_import.float_operators import FLOAT_OPERATORS
from workloads.onnx_import.integers import cast, conv_integer, matmul_integer
from workloads.onnx_import.messages import as_the_quantizer, extents, fail, quoted, title
from workloads.onnx_import.model_graph import (
    MICROSOFT,
    Edge,
    ModelGraph,
    Operation,
    input_shape,
    model_graph,
)
from workloads.onnx_import.movement import MOVEMENTS
from workloads.onnx_import.moving import moved_entries
from workloads.onnx_import.normal import Node, Normalized, Value
from workloads.onnx_import.qdq import dequantize, quantize
from workloads.onnx_import.qoperator import CONTRIBUTED, STANDARD
from workloads.onnx_import.tensors import to_array, type_name
from workloads.onnx_import.unsupported import refuse_operator

Handler = Callable[[Context, Operation], Entry]

_INTEGER_INPUTS: dict[int, ElementType] = {
    TensorProto.INT8: ElementType.INT8,
    TensorProto.UINT8: ElementType.UINT8,
    TensorProto.INT32: ElementType.INT32,
    TensorProto.INT64: ElementType.INT32,
}


def _same(context: Context, operation: Operation) -> Entry:
    """Identity, and Dropout, which does nothing at inference."""
    if operation.op == "Dropout":
        training = context.constant(operation, 2)
        if training is not None and training.any():
            fail(operation, "it is in training mode: export the model for inference")
    return context.entry(operation, 0)


_HANDLERS: dict[str, Handler] = {
    **FLOAT_OPERATORS,
    **STANDARD,
    "QuantizeLinear": quantize,
    "DequantizeLinear": dequantize,
    "MatMulInteger": matmul_integer,
    "ConvInteger": conv_integer,
    "Cast": cast,
    "Constant": lambda _, operation: constant_of(operation),
    "Shape": shape_of,
    "Size": shape_of,
    "Identity": _same,
    "Dropout": _same,
}
_CONTRIBUTED_HANDLERS: dict[str, Handler] = {
    **CONTRIBUTED,
    "QuantizeLinear": quantize,
    "DequantizeLinear": dequantize,
    "Gelu": FLOAT_OPERATORS["Gelu"],
}


def normalize_model(model: ModelProto, name: str) -> Normalized:
    """Normalise a quantised model whose shapes are all fixed.

    Parameters
    ----------
    model
        As :func:`~workloads.onnx_import.reader.read_model` gives it; it is not trusted.
    name
        Of the result.

    Raises
    ------
    AssayError
        The model is malformed, has dynamic shapes, operators that are not supported, or numbers
        in floating point that are never quantised.
    """
    graph = model_graph(model)
    context = Context(graph)
    for tensor, stored in graph.initializers.items():
        context.define(tensor, Constant(tensor, to_array(stored)))
    integers = _define_inputs(context, graph)
    for operation in _needed(graph):
        context.bind(operation, *_entries(context, operation))
    outputs = {tensor: _output(context, tensor, edge) for tensor, edge in graph.outputs.items()}
    nodes, read = _read_by(context.emitter.nodes, outputs.values())
    made = {**integers, **context.emitter.inputs}
    origins = context.emitter.origins
    keys = [*(key for key in graph.inputs if key in made), *origins]
    inputs = {key: made[key] for key in keys if made[key].name in read}
    quantized = [tensor for tensor in inputs if tensor in context.emitter.inputs]
    dequantized = [tensor for tensor in outputs if isinstance(context[tensor], Real)]
    host_operators = (
        *(f"quantise {quoted(origins.get(tensor, tensor))}" for tensor in quantized),
        *(f"dequantise {quoted(tensor)}" for tensor in dequantized),
    )
    return Normalized(
        name,
        nodes,
        inputs,
        outputs,
        host_operators,
        frozenset(quantized),
        frozenset(dequantized),
        {key: origin for key, origin in origins.items() if key in inputs},
    )


def _read_by(nodes: list[Node], outputs: Iterable[Value]) -> tuple[tuple[Node, ...], set[str]]:
    """Nodes that outputs depend on, in their order, and the names of all that these read.

    An operation with several outputs, as Split, is a node for each of them.
    """
    read, kept = {value.name for value in outputs}, []
    for node in reversed(nodes):
        if any(value.name in read for value in node.outputs):
            kept.append(node)
            read.update(value.name for value in node.inputs if value is not None)
    return tuple(reversed(kept)), read


def _define_inputs(context: Context, graph: ModelGraph) -> dict[str, Value]:
    """Entries of the inputs; values of those that are integers."""
    integers = {}
    for tensor, edge in graph.inputs.items():
        shape = input_shape(tensor, edge)
        if edge.data_type == TensorProto.FLOAT:
            context.define(tensor, HostInput(tensor, shape))
        elif edge.data_type in _INTEGER_INPUTS:
            value = Value(context.emitter.fresh(tensor), shape, _INTEGER_INPUTS[edge.data_type])
            integers[tensor] = value
            context.define(tensor, Codes(value))
        else:
            raise AssayError(
                f"input {quoted(tensor)} is {type_name(edge.data_type)}: make it float, int8, "
                "uint8, int32 or int64"
            )
    return integers


def _needed(graph: ModelGraph) -> list[Operation]:
    """Operations that an output depends on, in their order."""
    wanted, needed = set(graph.outputs), []
    for operation in reversed(graph.operations):
        if not wanted.isdisjoint(operation.outputs):
            needed.append(operation)
            wanted.update(name for name in operation.inputs if name)
    return needed[::-1]


def _entries(context: Context, operation: Operation) -> tuple[Entry, ...]:
    """What the outputs of an operation are."""
    if operation.domain == "" and is_foldable(context, operation):
        return (folded(context, operation),)
    if operation.domain == "" and operation.op in MOVEMENTS | BLOCKS:
        return moved_entries(context, operation)
    handlers = {"": _HANDLERS, MICROSOFT: _CONTRIBUTED_HANDLERS}.get(operation.domain, {})
    if operation.op not in handlers:
        refuse_operator(operation)
    return (handlers[operation.op](context, operation),)


def _output(context: Context, tensor: str, edge: Edge) -> Value:
    """Codes of an output of the model."""
    entry = context[tensor]
    where = f"output {quoted(tensor)}"
    if isinstance(entry, Moved):
        entry = entry.source
    if isinstance(entry, Computed | Joined):
        raise AssayError(
            f"{title(entry.operation)}: its result is never quantised before {where}: quantise it, "
            f"QuantizeLinear and DequantizeLinear behind it, {as_the_quantizer(entry.operation)}"
        )
    if isinstance(entry, HostInput):
        raise AssayError(f"{where} is input {quoted(entry.name)}, never quantised: leave it out")
    if not isinstance(entry, Codes | Real) or entry.value.constant is not None:
        raise AssayError(f"{where} depends on no input: leave it out")
    value = entry.value
    expected = {kind for kind, of in _INTEGER_INPUTS.items() if of is value.element_type}
    if isinstance(entry, Real):
        expected = {TensorProto.FLOAT}
    if edge.data_type not in expected:
        raise AssayError(f"{where} is not {type_name(edge.data_type)}, as it is declared to be")
    declared = value.shape if edge.shape is None else edge.shape
    if len(declared) != len(value.shape) or any(
        isinstance(extent, int) and extent != made
        for extent, made in zip(declared, value.shape, strict=True)
    ):
        raise AssayError(
            f"{where} has shape {extents(value.shape)}, not the one that it is declared to have"
        )
    return value
