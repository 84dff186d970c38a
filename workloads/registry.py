"""Workloads by name: what a user may ask for, with the numbers it runs on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arch.errors import AssayError
from workloads.gemm import gemm
from workloads.graph import Graph
from workloads.minilm_linear import minilm_linear

_NAMED = {
    "minilm_linear": "three linear layers of MiniLM's layer 0, real weights and sentences",
}
_SHAPED = {
    "gemm:MxKxN": "one linear layer, int8 in and out, seeded: gemm:128x768x768",
}


@dataclass(frozen=True)
class Workload:
    """A graph and one array for each of its inputs."""

    name: str
    graph: Graph
    inputs: dict[str, NDArray[np.generic]]


def names() -> dict[str, str]:
    """Every name or form of a name, with one line that says what it is."""
    return {**_NAMED, **_SHAPED}


def load(name: str, seed: int = 0) -> Workload:
    """Build a workload.

    Parameters
    ----------
    name
        A key of :func:`names`, with numbers in place of the capitals.
    seed
        Of the numbers of shaped workloads; named ones have their own.

    Raises
    ------
    AssayError
        The name is unknown, its shape is malformed, or the seed is negative.
    """
    if seed < 0:
        raise AssayError(f"seed = {seed} must be at least 0")
    family, colon, shape = name.partition(":")
    if family == "gemm" and colon:
        return Workload(name, *gemm(shape, seed))
    if name == "minilm_linear":
        return Workload(name, *minilm_linear())
    raise AssayError(f"no workload '{name}': give one of {', '.join(names())}")
