"""The source graph: integer operators over integer tensors, in the order in which they run.

A graph holds numbers only, no addresses and no tiles: those are the compiler's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arch.errors import AssayError
from workloads.operators import Append, Gather, Operator
from workloads.tensor import DTYPES, Tensor, describe


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor whose elements are part of the graph."""

    tensor: Tensor
    values: NDArray[np.generic]

    def __post_init__(self) -> None:
        _check_values(f"constant '{self.tensor.name}'", self.values, self.tensor)


@dataclass(frozen=True)
class Graph:
    """Operators in the order in which they run.

    Raises
    ------
    AssayError
        A tensor is read before it is made, made twice, or an output is never made; or a cache is no
        input.
    """

    name: str
    inputs: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    outputs: tuple[Tensor, ...]
    constants: tuple[Constant, ...] = ()

    def __post_init__(self) -> None:
        if not self.operators:
            raise AssayError(f"graph '{self.name}' has no operator: add one")
        if len({operator.name for operator in self.operators}) < len(self.operators):
            raise AssayError(f"graph '{self.name}' has two operators of one name: rename one")
        made: dict[str, Tensor] = {}
        for tensor in (*self.inputs, *(constant.tensor for constant in self.constants)):
            _make(made, tensor)
        for operator in self.operators:
            for tensor in operator.inputs:
                _require(made, tensor, f"operator '{operator.name}' reads")
            if isinstance(operator, Append) and operator.cache not in self.inputs:
                raise AssayError(
                    f"operator '{operator.name}': cache '{operator.cache.name}' must be an input "
                    "of the graph, behind which there is room in DRAM"
                )
            for tensor in operator.outputs:
                _make(made, tensor)
        for tensor in self.outputs:
            _require(made, tensor, f"graph '{self.name}' returns")

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Every tensor, in the order in which they are made."""
        constants = (constant.tensor for constant in self.constants)
        made = (tensor for operator in self.operators for tensor in operator.outputs)
        return (*self.inputs, *constants, *made)


def check_inputs(graph: Graph, inputs: dict[str, NDArray[np.generic]]) -> None:
    """Raise an AssayError unless `inputs` holds just the graph's inputs, shaped and typed so.

    Indices must lie within the table that they are for.
    """
    names = [tensor.name for tensor in graph.inputs]
    if unknown := sorted(set(inputs) - set(names)):
        raise AssayError(f"no graph input '{unknown[0]}': the inputs are {', '.join(names)}")
    for tensor in graph.inputs:
        if tensor.name not in inputs:
            raise AssayError(f"graph input '{tensor.name}' is missing: give an array for it")
        _check_values(f"graph input '{tensor.name}'", inputs[tensor.name], tensor)
    for operator in graph.operators:
        if isinstance(operator, Gather) and operator.indices.name in inputs:
            _check_indices(operator, inputs[operator.indices.name])


def _check_values(what: str, values: NDArray[np.generic], tensor: Tensor) -> None:
    dtype = DTYPES[tensor.element_type]
    if values.shape != (tensor.rows, tensor.cols) or values.dtype != dtype:
        raise AssayError(
            f"{what} is {describe(values)}, must be {dtype.name} {[tensor.rows, tensor.cols]}"
        )


def _check_indices(operator: Gather, indices: NDArray[np.generic]) -> None:
    entries = len(operator.table)
    wrong = indices[(indices < 0) | (indices >= entries)]  # type: ignore[operator]
    if wrong.size:
        raise AssayError(
            f"graph input '{operator.indices.name}' holds index {wrong[0]}: the table of operator "
            f"'{operator.name}' has {entries} rows, so indices are 0 to {entries - 1}"
        )


def _make(made: dict[str, Tensor], tensor: Tensor) -> None:
    if tensor.name in made:
        raise AssayError(f"tensor '{tensor.name}' is made twice: rename one")
    made[tensor.name] = tensor


def _require(made: dict[str, Tensor], tensor: Tensor, reader: str) -> None:
    if made.get(tensor.name) != tensor:
        known = ", ".join(made) if made else "none"
        raise AssayError(
            f"{reader} tensor '{tensor.name}', which no input or operator before it makes so: "
            f"made are {known}"
        )
