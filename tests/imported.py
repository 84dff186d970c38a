"""Models through the importer, and their graphs beside ONNX Runtime."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from onnx import TensorProto
from onnx_models import onnx_runtime

import compiler
import golden.machine
from arch.config import load_config
from arch.errors import AssayError
from flow.reference import evaluate, first_difference
from workloads.graph import Graph
from workloads.onnx_graph.edges import Edges
from workloads.onnx_graph.lowering import build_graph
from workloads.onnx_import.normal import Normalized, Value
from workloads.onnx_import.normalize import normalize_model


def imported(model: onnx.ModelProto) -> tuple[Graph, Edges]:
    return build_graph(normalize_model(onnx.shape_inference.infer_shapes(model), "test"))


def random_feeds(model: onnx.ModelProto, seed: int = 0, deviation: float = 2.0) -> dict:
    """Normal floats, any bytes; indices 0 to 9."""
    rng = np.random.default_rng(seed)
    feeds = {}
    for value in model.graph.input:
        kind = value.type.tensor_type
        shape = tuple(dim.dim_value for dim in kind.shape.dim)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        if kind.elem_type == TensorProto.FLOAT:
            feeds[value.name] = (rng.standard_normal(shape) * deviation).astype(np.float32)
        elif dtype.itemsize == 1:
            limits = np.iinfo(dtype)
            feeds[value.name] = rng.integers(limits.min, limits.max + 1, shape).astype(dtype)
        else:
            feeds[value.name] = rng.integers(0, 10, shape).astype(dtype)
    return feeds


def compared(
    model: onnx.ModelProto, steps: float = 0, share: float = 1.0, optimize: bool = True
) -> Graph:
    """The graph, of which every output is within `steps` steps of what ONNX Runtime gives.

    No more than `share` of the elements differ; a step is the least difference between two
    elements of an output.
    """
    graph, edges = imported(model)
    feeds = random_feeds(model)
    got = edges.dequantize(evaluate(graph, edges.quantize(feeds)))
    for name, want in onnx_runtime(model, feeds, optimize).items():
        assert (got[name].shape, got[name].dtype) == (want.shape, want.dtype)
        levels = np.unique(np.concatenate([want.reshape(-1), got[name].reshape(-1)]))
        assert len(levels) > 4
        step = np.diff(levels.astype(np.float64))
        step = step[step > np.abs(levels).max() * 1e-6].min()
        difference = np.abs(got[name].astype(np.float64) - want) / step
        assert difference.max() <= steps + 1e-3, (name, difference.max(), (difference > 0.5).mean())
        assert (difference > 0.5).mean() <= share
    return graph


def compiled(model: onnx.ModelProto, config: str, seed: int = 0) -> tuple[Edges, dict]:
    """The edges, and the model's outputs; the golden machine makes every tensor as the graph."""
    graph, edges = imported(model)
    inputs = edges.quantize(random_feeds(model, seed))
    tensors = evaluate(graph, inputs)
    image = compiler.compile(graph, inputs, load_config(config))
    state = golden.machine.run(image, load_config(config))
    assert first_difference(tensors, state.tensors, image) is None
    return edges, edges.dequantize(tensors)


def kinds(graph: Graph) -> list[str]:
    return [operator.kind for operator in graph.operators]


def differences(model: onnx.ModelProto, seed: int = 0) -> dict[str, tuple[str, int, float]]:
    """Each node alone, on the codes that ONNX Runtime has in front of it.

    Returns
    -------
    By the node's name its operator, how many codes the greatest difference from ONNX Runtime's
    codes is, and which share of them differs. Nodes whose tensors ONNX Runtime does not show as
    they are (sums, indices), and those that change no code are left out.
    """
    model = onnx.shape_inference.infer_shapes(model)
    normalized = normalize_model(model, "test")
    seen = _every_tensor(model, random_feeds(model, seed))
    names = {value.name for node in normalized.nodes for value in node.outputs}
    found = {}
    for node in normalized.nodes:
        read = {v.name: v for v in node.inputs if v is not None and v.constant is None}
        (made,) = node.outputs
        if any(_codes(seen, value, names) is None for value in (*read.values(), made)):
            continue
        alone = Normalized("one", (node,), read, {"made": made}, (), frozenset(), frozenset())
        try:
            graph, edges = build_graph(alone)
        except AssayError as error:
            if "computes nothing" in str(error):
                continue
            raise
        feeds = {name: _codes(seen, value, names) for name, value in read.items()}
        got = edges.dequantize(evaluate(graph, edges.quantize(feeds)))["made"].astype(int)
        off = np.abs(got - _codes(seen, made, names))
        found[node.name] = (node.op, int(off.max()), float((off > 0).mean()))
    return found


def _every_tensor(model: onnx.ModelProto, feeds: dict) -> dict[str, np.ndarray]:
    """What ONNX Runtime computes, all codes among it; other outputs do not keep it from fusing."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    known = {output.name for output in model.graph.output}
    for node in model.graph.node:
        quantised = node.op_type == "QuantizeLinear" or node.op_type.startswith("QLinear")
        if quantised and node.output[0] not in known:
            shown.graph.output.append(onnx.helper.make_empty_tensor_value_info(node.output[0]))
    return onnx_runtime(shown, feeds)


def _codes(seen: dict[str, np.ndarray], value: Value, names: Collection[str]) -> np.ndarray | None:
    """The codes of a value, where ONNX Runtime shows them.

    What is only moved may have a suffix; but what it has where a value is called so is quantised
    in another way.
    """
    moved = f"{value.name}_QuantizeLinear_Output"
    name = value.name if moved in names or value.name in seen else moved
    return seen[name] if name in seen and seen[name].dtype.itemsize == 1 else None
