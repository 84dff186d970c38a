"""What a model says, in plain Python, after every rule about its structure was checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from arch.errors import AssayError
from workloads.onnx_import.messages import fail, quoted
from workloads.onnx_import.tensors import check_extents
from workloads.onnx_import.unique_names import UniqueNames

FIRST_OPSET = 13
"""The first with a scale for each channel."""
MICROSOFT = "com.microsoft"
_FIRST_IR_VERSION = 3
_FIXED = "python -m onnxruntime.tools.make_dynamic_shape_fixed"

AttributeValue = int | float | str | tuple[int, ...] | tuple[float, ...] | TensorProto


@dataclass(frozen=True, eq=False)
class Operation:
    """A node of the model.

    Attributes
    ----------
    name
        Never empty, and of no other node.
    domain
        Empty for that of ONNX.
    opset
        Version of its domain.
    inputs, outputs
        Empty where one is left out; the last input never is.
    """

    name: str
    op: str
    domain: str
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, AttributeValue]


@dataclass(frozen=True)
class Edge:
    """An input or output of the model; extents that are not fixed are None, or text."""

    data_type: int
    shape: tuple[int | str | None, ...] | None


@dataclass(frozen=True, eq=False)
class ModelGraph:
    """Operations in an order in which they can run; each tensor is made once."""

    name: str
    operations: tuple[Operation, ...]
    initializers: Mapping[str, TensorProto]
    inputs: Mapping[str, Edge]
    outputs: Mapping[str, Edge]


def model_graph(model: ModelProto) -> ModelGraph:
    """Check the structure of a model.

    Raises
    ------
    AssayError
        Versions that are unknown, functions, subgraphs, sparse tensors, names that are missing or
        given twice, operations that read what is made later or never, malformed attributes.
    """
    opsets = _opsets(model)
    graph = model.graph
    if graph.sparse_initializer:
        raise AssayError("the model has sparse initializers: store them as dense tensors")
    initializers = _initializers(graph)
    inputs = _edges(graph.input, "input")
    # Up to IR version 3 every initializer is listed as an input too.
    inputs = {name: edge for name, edge in inputs.items() if name not in initializers}
    operations = _operations(graph, opsets)
    outputs = _edges(graph.output, "output")
    _check_order(operations, {*initializers, *inputs}, outputs)
    return ModelGraph(_text(graph.name), operations, initializers, inputs, outputs)


def input_shape(name: str, edge: Edge) -> tuple[int, ...]:
    """Extents of an input of the model; an AssayError where one is not fixed."""
    if edge.shape is None:
        raise AssayError(f"input {quoted(name)} has no shape: give it one when exporting")
    for axis, extent in enumerate(edge.shape):
        if isinstance(extent, int) and extent > 0:
            continue
        if isinstance(extent, int):
            raise AssayError(f"input {quoted(name)} has extent {extent}: export it with 1 at least")
        if extent is None:
            raise AssayError(
                f"input {quoted(name)} has a dynamic dimension, number {axis}: fix it, "
                f"such as with {_FIXED} --input_name {quoted(name)[1:-1]} "
                "--input_shape ... in.onnx out.onnx"
            )
        raise AssayError(
            f"input {quoted(name)} has a dynamic dimension {quoted(extent)}: fix it, for example "
            f"with {_FIXED} --dim_param {quoted(extent)[1:-1]} --dim_value 1 in.onnx out.onnx"
        )
    shape = tuple(extent for extent in edge.shape if isinstance(extent, int))
    check_extents(f"input {quoted(name)}", shape)
    return shape


def _text(value: str | bytes) -> str:
    # The bindings give bytes where a string is not UTF-8.
    if isinstance(value, bytes):
        raise AssayError(
            f"the model holds a name {quoted(value)} that is not UTF-8: export it again"
        )
    return value


def _opsets(model: ModelProto) -> dict[str, int]:
    if not _FIRST_IR_VERSION <= model.ir_version <= onnx.IR_VERSION:
        raise AssayError(
            f"the model has IR version {model.ir_version}, must be {_FIRST_IR_VERSION} to "
            f"{onnx.IR_VERSION}: save it with another release of onnx"
        )
    if model.functions:
        raise AssayError("the model has local functions: inline them with onnx.inliner")
    opsets: dict[str, int] = {}
    for opset in model.opset_import:
        domain = _text(opset.domain)
        domain = "" if domain == "ai.onnx" else domain
        if domain in opsets:
            raise AssayError(f"the model imports opset domain {quoted(domain)} twice: export again")
        opsets[domain] = opset.version
    newest = onnx.defs.onnx_opset_version()
    if not FIRST_OPSET <= opsets.get("", 0) <= newest:
        raise AssayError(
            f"the model has opset {opsets.get('', 0)}, must be {FIRST_OPSET} to {newest}: convert "
            "it with onnx.version_converter, or export it again"
        )
    return opsets


def _initializers(graph: GraphProto) -> dict[str, TensorProto]:
    initializers: dict[str, TensorProto] = {}
    for tensor in graph.initializer:
        name = _text(tensor.name)
        if not name or name in initializers:
            raise AssayError(
                f"the model has two initializers {quoted(name)}, or one without a name: rename it"
            )
        initializers[name] = tensor
    return initializers


def _edges(values: Iterable[ValueInfoProto], kind: str) -> dict[str, Edge]:
    edges: dict[str, Edge] = {}
    for value in values:
        name = _text(value.name)
        if not name or name in edges:
            raise AssayError(
                f"the model has two {kind}s {quoted(name)}, or one without a name: rename it"
            )
        if not value.type.HasField("tensor_type"):
            raise AssayError(f"{kind} {quoted(name)} is no tensor: export it as one")
        edges[name] = _edge(value)
    return edges


def _edge(value: ValueInfoProto) -> Edge:
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return Edge(kind.elem_type, None)
    shape: list[int | str | None] = []
    for extent in kind.shape.dim:
        if extent.HasField("dim_value"):
            shape.append(extent.dim_value)
        else:
            shape.append(_text(extent.dim_param) or None)
    return Edge(kind.elem_type, tuple(shape))


def _operations(graph: GraphProto, opsets: Mapping[str, int]) -> tuple[Operation, ...]:
    if not graph.node:
        raise AssayError("the model has no nodes: there is nothing to run")
    names = UniqueNames()
    return tuple(_operation(node, opsets, names) for node in graph.node)


def _operation(node: NodeProto, opsets: Mapping[str, int], names: UniqueNames) -> Operation:
    op, domain = _text(node.op_type), _text(node.domain)
    inputs, outputs = [_text(read) for read in node.input], [_text(made) for made in node.output]
    while inputs and not inputs[-1]:
        inputs.pop()
    name = names.unique(_text(node.name) or next(filter(None, outputs), op))
    domain = "" if domain == "ai.onnx" else domain
    edges = tuple(inputs), tuple(outputs)
    operation = Operation(name, op, domain, opsets.get(domain, 0), *edges, {})
    if domain not in opsets:
        fail(operation, f"the model does not import its domain {quoted(domain)}: export it again")
    if not any(outputs):
        fail(operation, "it makes nothing: remove it")
    attributes = {}
    for attribute in node.attribute:
        key = _text(attribute.name)
        if key in attributes:
            fail(operation, f"attribute {quoted(key)} is given twice: export it again")
        attributes[key] = _attribute(operation, attribute)
    return Operation(name, op, domain, opsets[domain], *edges, attributes)


def _attribute(operation: Operation, attribute: AttributeProto) -> AttributeValue:
    name = quoted(attribute.name)
    if attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
        fail(operation, "graphs within a graph are not imported: unroll loops, resolve conditions")
    readers: dict[int, Any] = {
        AttributeProto.INT: lambda: attribute.i,
        AttributeProto.FLOAT: lambda: attribute.f,
        AttributeProto.STRING: lambda: attribute.s.decode("utf-8", "replace"),
        AttributeProto.INTS: lambda: tuple(attribute.ints),
        AttributeProto.FLOATS: lambda: tuple(attribute.floats),
        AttributeProto.TENSOR: lambda: attribute.t,
    }
    if attribute.ref_attr_name or attribute.type not in readers:
        fail(operation, f"attribute {name} is neither number, text, list nor tensor: export again")
    value: AttributeValue = readers[attribute.type]()
    return value


def _check_order(
    operations: Iterable[Operation], known: set[str], outputs: Mapping[str, Edge]
) -> None:
    made = {name for operation in operations for name in operation.outputs if name}
    for operation in operations:
        for name in operation.inputs:
            if name and name not in known:
                later = "is made only behind it: sort the nodes; no cycle is possible"
                never = "is made by no node: export the model again"
                fail(
                    operation, f"it reads {quoted(name)}, which {later if name in made else never}"
                )
        for name in operation.outputs:
            if name and name in known:
                fail(operation, f"it makes {quoted(name)}, which is there already: rename it")
            known.add(name)
    known.discard("")
    for name in outputs:
        if name not in known:
            raise AssayError(f"output {quoted(name)} is made by no node: export the model again")
    if not outputs:
        raise AssayError("the model has no outputs: there is nothing to run")
