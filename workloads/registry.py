"""Workloads by name: what a user may ask for, with the numbers it runs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arch.errors import AssayError
from workloads.attention import attention
from workloads.conv import conv
from workloads.gemm import gemm
from workloads.graph import Graph
from workloads.llama_block import llama_block
from workloads.minilm_linear import minilm_linear
from workloads.minilm_workload import HOST_OPERATORS, minilm, parse_shape
from workloads.networks.catalogue import DESCRIPTIONS, NETWORKS
from workloads.onnx_graph.edges import Edges
from workloads.onnx_workload import FILE_SUFFIX, network, onnx_file
from workloads.similarity import Similarities

Arrays = dict[str, NDArray[np.generic]]

_NAMED = {
    "minilm_linear": "three linear layers of MiniLM's layer 0, real weights and sentences",
    **DESCRIPTIONS,
}
_SHAPED = {
    "gemm:MxKxN": "one linear layer, int8 in and out, seeded: gemm:128x768x768",
    "conv:HxWxC:RxSxK": "one convolution, seeded: conv:22x35x54:8x6x29[:s2][:p1][:d2][:g32]",
    "attention:TOKENSxHEADSxWIDTH": "bare attention, seeded: attention:128x12x32[:causal]",
    "minilm:N": "MiniLM, six layers of real weights, on one sequence of N tokens",
    "minilm:NxB": "the same on B sentences, each cut or padded to N tokens",
    "llama_block:prefill:N": "a decoder block, seeded, on N tokens",
    "llama_block:decode:N": "the same for one token, with a cache of N in DRAM",
    "FILE.onnx": "any quantised ONNX model, QDQ or QOperator",
}
_FLOAT_EDGES = ("quantise the inputs", "dequantise the outputs")


@dataclass(frozen=True)
class Workload:
    """A graph and one array for each of its inputs.

    Attributes
    ----------
    host_operators
        What happens to the numbers outside the accelerator: before `inputs` and behind the outputs.
    accuracy
        Of outputs by name against float32: figures by name, such as ``cosine_mean``. None where
        there is no such reference.
    similarities
        Of outputs by name: the sentences behind them. None where there are none.
    edges
        Between the arrays of an ONNX model and those of the graph; None for other workloads.
    """

    name: str
    graph: Graph
    inputs: Arrays
    host_operators: tuple[str, ...] = ()
    accuracy: Callable[[Arrays], dict[str, float]] | None = None
    similarities: Callable[[Arrays], Similarities] | None = None
    edges: Edges | None = None

    def with_inputs(self, arrays: Arrays) -> Workload:
        """The same with a user's arrays, named and shaped as in the model where there is one."""
        inputs = arrays if self.edges is None else self.edges.quantize(arrays)
        # Nothing else is known of a user's numbers.
        return Workload(self.name, self.graph, inputs, self.host_operators, edges=self.edges)

    def outside(self, outputs: Arrays) -> Arrays:
        """Outputs of the graph as its user sees them."""
        return outputs if self.edges is None else self.edges.dequantize(outputs)


def names() -> dict[str, str]:
    """Every name or form of a name, with one line that says what it is."""
    return {**_NAMED, **_SHAPED}


def load(name: str, seed: int = 0, sentences: Sequence[str] | None = None) -> Workload:
    """Build a workload.

    Parameters
    ----------
    name
        A key of :func:`names`, with numbers in place of the capitals.
    seed
        Of the numbers of shaped workloads; named ones have their own.
    sentences
        What ``minilm`` encodes in place of its own sentences; nothing else takes any.

    Raises
    ------
    AssayError
        The name is unknown, its shape is malformed, the seed is negative, or sentences are given
        to a workload that takes none.
    """
    if seed < 0:
        raise AssayError(f"seed = {seed} must be at least 0")
    family, colon, shape = name.partition(":")
    if family == "minilm" and colon:
        tokens, batch = parse_shape(shape)
        encoding = minilm(tokens, sentences, batch)
        return Workload(
            name,
            encoding.graph,
            encoding.inputs,
            HOST_OPERATORS,
            encoding.accuracy,
            encoding.similarities,
        )
    if sentences is not None:
        raise AssayError(f"{name} takes no sentences: leave them out, or run minilm:N")
    if family == "gemm" and colon:
        return Workload(name, *gemm(shape, seed))
    if family == "conv" and colon:
        return Workload(name, *conv(shape, seed))
    if family == "attention" and colon:
        return Workload(name, *attention(shape, seed))
    if family == "llama_block" and colon:
        graph, inputs, accuracy = llama_block(shape, seed)
        return Workload(name, graph, inputs, _FLOAT_EDGES, accuracy)
    if name.endswith(FILE_SUFFIX):
        graph, inputs, edges = onnx_file(name, seed)
        return Workload(name, graph, inputs, edges.host_operators, edges=edges)
    if name in NETWORKS:
        graph, inputs, edges, accuracy = network(name, seed)
        return Workload(name, graph, inputs, edges.host_operators, accuracy, edges=edges)
    if name == "minilm_linear":
        return Workload(name, *minilm_linear())
    raise AssayError(f"no workload '{name}': give one of {', '.join(names())}")
