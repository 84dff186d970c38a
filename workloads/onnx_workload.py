"""Workloads from quantised ONNX models: a user's files, and the networks that are built here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.graph import Graph
from workloads.networks import digits
from workloads.networks.catalogue import build
from workloads.networks.samples import sample
from workloads.onnx_graph.edges import Edges
from workloads.onnx_graph.lowering import build_graph
from workloads.onnx_import.normalize import normalize_model
from workloads.onnx_import.reader import read_model

Arrays = dict[str, NDArray[Any]]
Accuracy = Callable[[Arrays], dict[str, float]]

FILE_SUFFIX = ".onnx"


def onnx_file(path: str, seed: int) -> tuple[Graph, Arrays, Edges]:
    """Graph, seeded inputs and edges of a model file.

    Raises
    ------
    AssayError
        It cannot be read, is not quantised, or holds what is not supported.
    """
    graph, edges = build_graph(normalize_model(read_model(path), Path(path).stem))
    return graph, edges.seeded(seed), edges


def network(name: str, seed: int) -> tuple[Graph, Arrays, Edges, Accuracy]:
    """Graph, inputs and edges of a network by name, and its outputs against floating point."""
    built = build(name, seed)
    graph, edges = build_graph(normalize_model(built.model, name))
    (source,), (result,) = edges.inputs, edges.outputs
    count = source.shape[0]
    samples = digits.images() if name == "digits" else sample(name, seed, count)

    def accuracy(outputs: Arrays) -> dict[str, float]:
        got = edges.dequantize(outputs)[result.name].reshape(count, -1)
        want = np.asarray(built.forward(samples), np.float64).reshape(count, -1)
        figures = _cosines(got.astype(np.float64), want)
        if name == "digits":
            figures |= {"top1": digits.accuracy(got), "top1_float": digits.accuracy(want)}
        return figures

    return graph, edges.quantize({source.name: samples}), edges, accuracy


def _cosines(got: NDArray[np.float64], want: NDArray[np.float64]) -> dict[str, float]:
    norms = np.linalg.norm(got, axis=1) * np.linalg.norm(want, axis=1)
    cosines = (got * want).sum(axis=1) / np.maximum(norms, np.finfo(np.float64).tiny)
    return {"cosine_mean": float(cosines.mean()), "cosine_min": float(cosines.min())}
