"""A model in normal form to a graph of integer operators, and its edges."""

from __future__ import annotations

from collections.abc import Callable

from arch.errors import AssayError
from workloads.graph import Graph
from workloads.onnx_graph.builder import Builder
from workloads.onnx_graph.codes import quantization
from workloads.onnx_graph.edges import Edges, InputEdge
from workloads.onnx_graph.fusing import Fusion, used
from workloads.onnx_graph.lower_conv import lower_conv
from workloads.onnx_graph.lower_elementwise import lower_add, lower_sub, lower_unary
from workloads.onnx_graph.lower_matmul import lower_matmul
from workloads.onnx_graph.lower_movement import (
    lower_chosen,
    lower_concat,
    lower_gather,
    lower_pad,
    lower_reshape,
    lower_transpose,
)
from workloads.onnx_graph.lower_norm import lower_layer_normalization, lower_softmax
from workloads.onnx_graph.lower_pool import (
    lower_average_pool,
    lower_global_average_pool,
    lower_max_pool,
    lower_reduce_mean,
)
from workloads.onnx_graph.lower_products import lower_div, lower_mul
from workloads.onnx_graph.outputs import Outputs
from workloads.onnx_graph.tables import FUNCTIONS
from workloads.onnx_import.messages import fail
from workloads.onnx_import.normal import Node, Normalized
from workloads.operators import Gather, Operator

_LOWERINGS: dict[str, Callable[[Builder, Node], None]] = {
    "Add": lower_add,
    "AveragePool": lower_average_pool,
    "Concat": lower_concat,
    "Conv": lower_conv,
    "ConvInteger": lower_conv,
    "Div": lower_div,
    "Gather": lower_gather,
    "Gemm": lower_matmul,
    "GlobalAveragePool": lower_global_average_pool,
    "LayerNormalization": lower_layer_normalization,
    "MatMul": lower_matmul,
    "MatMulInteger": lower_matmul,
    "MaxPool": lower_max_pool,
    "Mul": lower_mul,
    "Pad": lower_pad,
    "ReduceMean": lower_reduce_mean,
    "Requantize": lower_unary,
    "Reshape": lower_reshape,
    "Resize": lower_chosen,
    "Slice": lower_chosen,
    "Softmax": lower_softmax,
    "Sub": lower_sub,
    "Transpose": lower_transpose,
    **dict.fromkeys(FUNCTIONS, lower_unary),
}


def build_graph(model: Normalized) -> tuple[Graph, Edges]:
    """The integer graph of a model, and what the host does at its edges.

    Raises
    ------
    AssayError
        A node cannot be mapped to an operator; or nothing is left to compute.
    """
    builder = Builder(model)
    for node in model.nodes:
        if node.op not in _LOWERINGS:
            fail(node, f"no such operator: the supported ones are {', '.join(sorted(_LOWERINGS))}")
        try:
            _LOWERINGS[node.op](builder, node)
        except AssayError as error:
            if str(error).startswith("node "):
                raise
            fail(node, str(error))
    outputs = Outputs(builder, model)
    operators = used(builder.operators, outputs.tensors)
    operators = Fusion(operators, outputs.tensors, builder.exchanges).operators
    if len(operators) == outputs.copies:
        raise AssayError(
            f"model '{model.name}' computes nothing: its outputs are its inputs in other shapes"
        )
    return _graph(builder, model, operators, outputs)


def _graph(
    builder: Builder, model: Normalized, operators: list[Operator], outputs: Outputs
) -> tuple[Graph, Edges]:
    operators = [outputs.renamed(operator) for operator in operators]
    read = {tensor.name for operator in operators for tensor in operator.inputs}
    inputs = []
    for name, source in builder.inputs.items():
        if source.tensor is None or source.tensor.name not in read:
            continue
        value = model.inputs[name]
        node = Node(name, "QuantizeLinear", (), (value,))
        codes = quantization(node, value) if name in model.float_inputs else None
        entries = [
            len(operator.table)
            for operator in operators
            if isinstance(operator, Gather) and operator.indices == source.tensor
        ]
        inputs.append(
            InputEdge(
                model.origins.get(name, name),
                value.shape,
                source.tensor,
                source.order,
                codes,
                min(entries, default=None),
            )
        )
    graph = Graph(
        model.name,
        tuple(edge.tensor for edge in inputs),
        tuple(operators),
        tuple(dict.fromkeys(edge.tensor for edge in outputs.edges)),
        tuple(each for name, each in builder.constants.items() if name in read),
    )
    return graph, Edges(
        tuple(inputs), outputs.edges, (*model.host_operators, *outputs.host_operators)
    )
