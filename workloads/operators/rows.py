"""Operators that move elements and change no number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from workloads.checks import (
    WRITABLE,
    check_array,
    check_output_zero_point,
    check_range,
    check_shape,
    check_type,
    fail,
)
from workloads.tensor import DTYPES, Tensor, check_name, describe


@dataclass(frozen=True, eq=False)
class Gather:
    """``output[i] = table[indices[i]]``.

    Attributes
    ----------
    indices
        Tensor [1, count], int32: one row, so that they lie one behind the other.
    table
        int8, uint8 or int16 [entries, width].
    output
        Tensor [count, width] of the table's type.
    """

    name: str
    indices: Tensor
    table: NDArray[np.int8] | NDArray[np.uint8] | NDArray[np.int16]
    output: Tensor

    kind: ClassVar[str] = "gather"
    macs: ClassVar[int] = 0

    def __post_init__(self) -> None:
        check_name("operator", self.name)
        check_type(self.name, "indices", self.indices, (ElementType.INT32,))
        check_type(self.name, "output", self.output, WRITABLE)
        if self.table.ndim != 2 or self.table.dtype != DTYPES[self.output.element_type]:
            fail(
                self.name,
                f"table is {describe(self.table)}, must be [entries, width] of the output's "
                f"{self.output.element_type.name.lower()}",
            )
        check_shape(self.name, "indices", self.indices, 1, self.output.rows)
        check_shape(self.name, "output", self.output, self.indices.cols, self.table.shape[1])

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.indices,)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.output,)


@dataclass(frozen=True, eq=False)
class Append:
    """``output = [cache; rows]``: rows are stored behind a cache that is a graph input in DRAM.

    No byte of the cache moves: the output begins where the cache does.
    """

    name: str
    cache: Tensor
    rows: Tensor
    output: Tensor

    kind: ClassVar[str] = "append"
    macs: ClassVar[int] = 0

    def __post_init__(self) -> None:
        check_name("operator", self.name)
        check_type(self.name, "cache", self.cache, WRITABLE)
        for key, tensor in (("rows", self.rows), ("output", self.output)):
            check_type(self.name, key, tensor, (self.cache.element_type,))
        check_shape(self.name, "rows", self.rows, self.rows.rows, self.cache.cols)
        total = self.cache.rows + self.rows.rows
        check_shape(self.name, "output", self.output, total, self.cache.cols)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.cache, self.rows)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.output,)


@dataclass(frozen=True, eq=False)
class Concat:
    """Columns of all inputs side by side."""

    name: str
    inputs: tuple[Tensor, ...]
    output: Tensor

    kind: ClassVar[str] = "concat"
    macs: ClassVar[int] = 0

    def __post_init__(self) -> None:
        check_name("operator", self.name)
        check_type(self.name, "output", self.output, WRITABLE)
        for index, tensor in enumerate(self.inputs):
            check_type(self.name, f"input {index}", tensor, (self.output.element_type,))
            check_shape(self.name, f"input {index}", tensor, self.output.rows, tensor.cols)
        columns = sum(tensor.cols for tensor in self.inputs)
        check_shape(self.name, "output", self.output, self.output.rows, columns)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.output,)


@dataclass(frozen=True, eq=False)
class Move:
    """Elements of the inputs in another order, repeated or left out.

    Attributes
    ----------
    inputs
        Tensors of the output's type.
    index
        int64 of the output's shape: which element of all inputs, row by row, one input behind the
        other; -1 where it is `fill`.
    fill
        A code of the output's type.
    """

    name: str
    inputs: tuple[Tensor, ...]
    index: NDArray[np.int64]
    output: Tensor
    fill: int = 0

    kind: ClassVar[str] = "move"
    macs: ClassVar[int] = 0

    def __post_init__(self) -> None:
        check_name("operator", self.name)
        check_type(self.name, "output", self.output, WRITABLE)
        for index, tensor in enumerate(self.inputs):
            check_type(self.name, f"input {index}", tensor, (self.output.element_type,))
        check_array(self.name, "index", self.index, np.int64, (self.output.rows, self.output.cols))
        elements = sum(tensor.rows * tensor.cols for tensor in self.inputs)
        for end in (self.index.min(), self.index.max()):
            check_range(self.name, "index", int(end), -1, elements - 1)
        check_output_zero_point(self.name, "fill", self.fill, self.output.element_type)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.output,)
