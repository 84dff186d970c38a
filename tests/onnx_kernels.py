"""Operators of an imported network, one by one, in ONNX Runtime's integer kernels.

The kernels are given the same integers as the operator: its weights, biases and windows, and the
tensors that it reads. Scales and zero points are the model's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from onnx import helper
from onnx_models import MICROSOFT, Array, ModelBuilder, onnx_runtime

from flow.evaluate import evaluate
from golden.ops.requantize import combined_scale
from workloads.graph import Graph
from workloads.linear import Linear
from workloads.onnx_import.normal import Node, Normalized, Value
from workloads.operators import AveragePool, Conv, Map, MaxPool, Operator, Softmax, SumRows
from workloads.tensor import DTYPES, Tensor

Runs = Sequence[dict[str, Array]]
"""Every tensor of a graph, by name, in each of some runs."""

_NODES: dict[type, tuple[str, ...]] = {
    Conv: ("Conv", "Gemm"),
    Linear: ("Conv", "Gemm"),
    MaxPool: ("MaxPool",),
    AveragePool: ("AveragePool", "GlobalAveragePool"),
    SumRows: ("AveragePool", "GlobalAveragePool"),
    Softmax: ("Softmax",),
}
_RELABELLED = ("Reshape", "Transpose")
INEXACT = ("QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearSoftmax")
"""Kernels from which operators may be 1 apart."""


@dataclass(frozen=True, eq=False)
class Pair:
    """An operator, the node of the model that it computes, and a sum that was made part of it."""

    operator: Operator
    node: Node
    addition: Node | None = None

    @property
    def made(self) -> Value:
        """What the operator's output is in the model."""
        return (self.addition or self.node).outputs[0]

    @property
    def output(self) -> Tensor:
        return self.operator.outputs[0]


@dataclass(frozen=True, eq=False)
class Result:
    """Codes of an operator, or of a step of it, and those of the kernel."""

    kernel: str
    got: Array
    expected: Array


def pairs(graph: Graph, model: Normalized) -> list[Pair]:
    """Every operator beside its nodes, both in their order; no other node may be left."""
    waiting: dict[tuple[str, ...], list[Node]] = {}
    for node in model.nodes:
        if node.op not in _RELABELLED:
            (kind,) = {kinds for kinds in (*_NODES.values(), ("Add",)) if node.op in kinds}
            waiting.setdefault(kind, []).append(node)
    found = []
    for operator in graph.operators:
        node = waiting[_NODES[type(operator)]].pop(0)
        added = getattr(operator, "residual", None) is not None
        found.append(Pair(operator, node, waiting[("Add",)].pop(0) if added else None))
    assert not any(waiting.values())
    return found


def results(pair: Pair, runs: Runs) -> Iterator[Result]:
    """The steps of an operator, each in its kernel, on what the graph has in some runs."""
    operator, node = pair.operator, pair.node
    x, got = stacked(runs, operator.input), stacked(runs, pair.output)
    match operator:
        case Conv() | Linear() if operator.residual is None:
            yield _accumulated(operator, node, x, got)
        case Conv() | Linear():
            codes = np.concatenate([_before_the_sum(operator, tensors) for tensors in runs])
            yield _accumulated(operator, node, x, codes)
            other = stacked(runs, operator.residual.tensor)
            yield _added(operator, pair.addition, codes, other, got)
        case MaxPool() | AveragePool() | SumRows():
            yield _pooled(operator, node, x, got)
        case Softmax():
            yield _softmax(node, x, got)


def all_sums(pair: Pair) -> Result:
    """The sum that is part of an operator, of every code and every other one."""
    operator, residual = pair.operator, pair.operator.residual
    kinds = operator.requantized_type, residual.tensor.element_type
    codes, other = (np.arange(kind.low, kind.high + 1).astype(DTYPES[kind]) for kind in kinds)
    codes, other = np.repeat(codes[:, None], 256, axis=1), np.tile(other, (256, 1))
    left, right = (Tensor(name, 256, 256, kind) for name, kind in zip("ab", kinds, strict=True))
    made = Tensor("y", 256, 256, operator.output.element_type)
    alone = Map(name="sum", input=left, output=made, residual=replace(residual, tensor=right))
    graph = Graph("sum", (left, right), (alone,), (made,))
    got = evaluate(graph, {"a": codes, "b": other})["y"]
    return _added(operator, pair.addition, codes, other, got)


def stacked(runs: Runs, tensor: Tensor) -> Array:
    """A tensor of all runs, one behind the other."""
    return np.concatenate([tensors[tensor.name] for tensors in runs])


def rows(codes: Array) -> Array:
    """As tensors of a graph have it: a row for each pixel, or each sample."""
    return codes if codes.ndim == 2 else codes.transpose(0, 2, 3, 1).reshape(-1, codes.shape[1])


def _planes(codes: Array, height: int, width: int, channels: int) -> Array:
    pixels = codes.reshape(-1, height, width, channels)
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


def _before_the_sum(operator: Conv | Linear, tensors: dict[str, Array]) -> Array:
    """The operator's codes, to which its residual is added."""
    alone = replace(operator, residual=None)
    graph = Graph("alone", alone.inputs, (alone,), alone.outputs)
    return evaluate(graph, {alone.input.name: tensors[alone.input.name]})[alone.output.name]


def _accumulated(operator: Conv | Linear, node: Node, x: Array, got: Array) -> Result:
    source, weights, result = node.inputs[0], node.inputs[1], node.outputs[0]
    scale = combined_scale(source.scale, weights.scale, result.scale)
    np.testing.assert_array_equal(operator.scale, np.broadcast_to(scale, operator.scale.shape))
    assert operator.table is None
    b, weight = ModelBuilder(), operator.weight
    if isinstance(operator, Conv):
        image = operator.image
        x = _planes(x, image.height, image.width, image.channels)
        weight = weight.transpose(3, 2, 0, 1)
    given = [_input(b, x), *_parameters(b, source), b.constant(np.ascontiguousarray(weight))]
    given += _parameters(b, weights)
    if isinstance(operator, Conv):
        window = operator.window
        kernel, how = "QLinearConv", {"group": operator.groups, "dilations": window.dilation}
        given += [*_parameters(b, result), b.constant(operator.bias)]
        how |= {"strides": window.stride, "pads": window.padding}
    else:
        kernel, how = "QGemm", {"domain": MICROSOFT}
        given += [b.constant(operator.bias), *_parameters(b, result)]
    made = _run(b, b.node(kernel, given, **how), x, DTYPES[result.element_type])
    return Result(kernel, got, np.clip(made, *operator.requantized_range))


def _added(operator: Conv | Linear, node: Node, codes: Array, other: Array, got: Array) -> Result:
    """The sum of the operator's codes and of another tensor, whichever is first in the model."""
    first, second = node.inputs
    result, residual = node.outputs[0], operator.residual
    ratios = [np.float32(value.scale / result.scale) for value in (first, second)]
    assert np.float32(residual.scale) in ratios
    left, right = (codes, other) if ratios[0] == np.float32(residual.scale) else (other, codes)
    b = ModelBuilder()
    given = [_input(b, left, "a"), *_parameters(b, first)]
    given += [_input(b, right, "b"), *_parameters(b, second), *_parameters(b, result)]
    y = b.node("QLinearAdd", given, domain=MICROSOFT)
    model = b.model(y, kind=helper.np_dtype_to_tensor_dtype(got.dtype))
    made = onnx_runtime(model, {"a": left, "b": right})[y]
    limits = np.iinfo(got.dtype)
    return Result("QLinearAdd", got, np.clip(made, *(residual.clamp or (limits.min, limits.max))))


def _pooled(operator: MaxPool | AveragePool | SumRows, node: Node, x: Array, got: Array) -> Result:
    source, result = node.inputs[0], node.outputs[0]
    _, channels, height, width = source.shape
    x = _planes(x, height, width, channels)
    b, how = ModelBuilder(), {}
    given = [_input(b, x)]
    if node.op != "GlobalAveragePool":
        how = {key: node.attributes[key] for key in ("kernel_shape", "strides", "pads")}
    if isinstance(operator, MaxPool):
        kernel = "MaxPool"
    else:
        kernel, how["domain"] = f"QLinear{node.op}", MICROSOFT
        given += [*_parameters(b, source), *_parameters(b, result)]
    return Result(kernel, got, _run(b, b.node(kernel, given, **how), x, got.dtype))


def _softmax(node: Node, x: Array, got: Array) -> Result:
    b, kernel = ModelBuilder(), "QLinearSoftmax"
    given = [_input(b, x), *_parameters(b, node.inputs[0]), *_parameters(b, node.outputs[0])]
    y = b.node(kernel, given, domain=MICROSOFT, axis=-1, opset=13)
    return Result(kernel, got, _run(b, y, x, got.dtype))


def _input(b: ModelBuilder, codes: Array, name: str = "x") -> str:
    return b.input(codes.shape, helper.np_dtype_to_tensor_dtype(codes.dtype), name)


def _parameters(b: ModelBuilder, value: Value) -> list[str]:
    return b.parameters(value.scale, value.zero_point, DTYPES[value.element_type])


def _run(b: ModelBuilder, y: str, x: Array, dtype: np.dtype) -> Array:
    model = b.model(y, kind=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
    return rows(onnx_runtime(model, {"x": x})[y])
