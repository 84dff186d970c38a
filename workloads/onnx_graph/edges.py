"""Between the arrays of a model and those of its graph: what the host does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.errors import AssayError
from arch.isa import ElementType
from workloads.onnx_import.messages import extents, quoted
from workloads.quantize import Quantization
from workloads.tensor import DTYPES, Tensor

Arrays = dict[str, NDArray[Any]]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class InputEdge:
    """An input of the model, and of the graph: one of those, where it is quantised in several ways.

    Attributes
    ----------
    name, shape
        In the model.
    order
        Which element, in the model's order, each element of the tensor is; None for the same order.
    codes
        Where the model's input is floating point; else None.
    entries
        Of the smallest table that it indexes; None where it is no index.
    """

    name: str
    shape: tuple[int, ...]
    tensor: Tensor
    order: Indices | None
    codes: Quantization | None
    entries: int | None

    def quantize(self, array: NDArray[Any]) -> NDArray[Any]:
        """The graph's array of the model's."""
        self._check(array)
        if self.codes is not None:
            array = self.codes.quantize(array)
        flat = np.ascontiguousarray(array).reshape(-1)
        if self.order is not None:
            flat = flat[self.order]
        tensor = self.tensor
        return flat.reshape(tensor.rows, tensor.cols).astype(DTYPES[tensor.element_type])

    def _check(self, array: NDArray[Any]) -> None:
        if array.shape != self.shape:
            raise AssayError(
                f"input {quoted(self.name)} is {extents(array.shape)}, must be "
                f"{extents(self.shape)}: reshape it"
            )
        if self.codes is not None:
            allowed: tuple[type[np.generic], ...] = (np.float32,)
        elif self.tensor.element_type is ElementType.INT32:
            allowed = (np.int64, np.int32)
        else:
            allowed = (DTYPES[self.tensor.element_type].type,)
        if array.dtype.type not in allowed:
            names = " or ".join(np.dtype(each).name for each in allowed)
            raise AssayError(
                f"input {quoted(self.name)} is {array.dtype.name}, must be {names}: cast it"
            )
        if self.codes is not None and not np.isfinite(array).all():
            raise AssayError(
                f"input {quoted(self.name)} holds numbers that are not finite: replace them"
            )
        if self.entries is not None:
            self._check_indices(array)

    def _check_indices(self, array: NDArray[Any]) -> None:
        wrong = array[(array < 0) | (array >= self.entries)]
        if wrong.size:
            assert self.entries is not None
            raise AssayError(
                f"input {quoted(self.name)} holds index {wrong.flat[0]}: the table has "
                f"{self.entries} rows, so indices are 0 to {self.entries - 1}"
            )

    def seeded(self, rng: np.random.Generator) -> NDArray[Any]:
        """Any codes, or indices of the table."""
        kind = self.tensor.element_type
        low, high = (kind.low, kind.high) if self.entries is None else (0, self.entries - 1)
        shape = (self.tensor.rows, self.tensor.cols)
        return rng.integers(low, high + 1, shape).astype(DTYPES[kind])


@dataclass(frozen=True, eq=False)
class OutputEdge:
    """An output of the model, in a tensor of the graph.

    Attributes
    ----------
    name, shape
        In the model.
    tensor
        Of the graph; int16 of twice the rows where it holds the halves of int32 sums.
    place
        Where in the tensor, row by row, each element is; None for the same order.
    scale, zero_point
        Where the model's output is floating point; else the scale is None.
    halves
        Whether the tensor holds halves.
    """

    name: str
    shape: tuple[int, ...]
    tensor: Tensor
    place: Indices | None
    scale: np.float32 | NDArray[np.float32] | None
    zero_point: int
    halves: bool

    def dequantize(self, array: NDArray[Any]) -> NDArray[Any]:
        """The model's array of the graph's."""
        if self.halves:
            low, high = np.split(array.astype(np.int32), 2)
            array = (high << 16) | (low & 0xFFFF)
        flat = array.reshape(-1)
        if self.place is not None:
            flat = flat[self.place]
        codes = flat.reshape(self.shape)
        if self.scale is None:
            return codes
        real = (codes.astype(np.int32) - self.zero_point).astype(np.float32) * self.scale
        return np.asarray(real, np.float32)


@dataclass(frozen=True, eq=False)
class Edges:
    """Both edges of a model.

    Attributes
    ----------
    host_operators
        What the host does at them, in words.
    """

    inputs: tuple[InputEdge, ...]
    outputs: tuple[OutputEdge, ...]
    host_operators: tuple[str, ...] = ()

    def quantize(self, arrays: Arrays) -> Arrays:
        """Inputs of the graph, by its names, of those of the model, by its own.

        Raises
        ------
        AssayError
            A name, shape or type is wrong, or a number is not finite or no index of the table.
        """
        names = ", ".join(dict.fromkeys(quoted(edge.name) for edge in self.inputs))
        if unknown := sorted(set(arrays) - {edge.name for edge in self.inputs}):
            raise AssayError(f"the model has no input {quoted(unknown[0])}: its inputs are {names}")
        for edge in self.inputs:
            if edge.name not in arrays:
                raise AssayError(
                    f"no array for input {quoted(edge.name)} of the model: its inputs are {names}"
                )
        return {edge.tensor.name: edge.quantize(arrays[edge.name]) for edge in self.inputs}

    def dequantize(self, arrays: Arrays) -> Arrays:
        """Outputs of the model, by its names, of those of the graph, by its own."""
        return {edge.name: edge.dequantize(arrays[edge.tensor.name]) for edge in self.outputs}

    def seeded(self, seed: int) -> Arrays:
        """Inputs of the graph for a run without data: any codes, and indices of the tables."""
        rng = np.random.default_rng([seed, *(math.prod(edge.shape) for edge in self.inputs)])
        return {edge.tensor.name: edge.seeded(rng) for edge in self.inputs}
