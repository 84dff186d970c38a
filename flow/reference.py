"""The workload by its mathematics: operators on whole tensors, no program and no buffers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arch.image import Image, TensorPlace
from arch.isa import Addition
from golden.ops.linear import add_bias, matmul_integer
from golden.ops.qlinear_add import add_int16, add_table
from golden.ops.requantize import add_zero_point, requantize
from golden.ops.table import lookup
from workloads.graph import DTYPES, Graph, Linear

Array = NDArray[np.generic]


def evaluate(graph: Graph, inputs: dict[str, Array]) -> dict[str, Array]:
    """Every tensor of the graph, by name, in its own type."""
    tensors = dict(inputs)
    for operator in graph.operators:
        tensors[operator.output.name] = _linear(operator, tensors)
    return tensors


def _linear(operator: Linear, tensors: dict[str, Array]) -> Array:
    kind = operator.requantized_type
    acc = matmul_integer(tensors[operator.input.name], operator.weight, operator.input_zero_point)
    codes = requantize(add_bias(acc, operator.bias), operator.scale)
    codes = add_zero_point(codes, operator.output_zero_point, kind.low, kind.high)
    if operator.table is not None:
        values = operator.table.values
        codes = lookup(codes, values.view(np.uint8), values.dtype == np.int8)
    if operator.residual is not None:
        other = tensors[operator.residual.tensor.name]
        if operator.residual.kind is Addition.INT16:
            codes = add_int16(codes, other)
        else:
            assert operator.residual.table is not None
            scale = int(np.float32(operator.residual.scale).view(np.uint32))
            codes = add_table(codes, other, scale, operator.residual.table)
    element_type = operator.output.element_type
    return np.clip(codes, element_type.low, element_type.high).astype(DTYPES[element_type])


def read_tensor(dram: NDArray[np.uint8], place: TensorPlace) -> Array:
    """A tensor from the bytes of DRAM, without its padding."""
    dtype = np.dtype(place.element_type).newbyteorder("<")
    rows = dram[place.address : place.address + place.rows * place.row_bytes]
    used = rows.reshape(place.rows, place.row_bytes)[:, : place.cols * dtype.itemsize]
    return np.ascontiguousarray(used).view(dtype)


def read_outputs(dram: NDArray[np.uint8], image: Image) -> dict[str, Array]:
    """The outputs of a program, by name."""
    places = image.debug.tensors
    return {place.name: read_tensor(dram, place) for place in places if place.role == "output"}


def first_difference(
    expected: dict[str, Array], dram: NDArray[np.uint8], image: Image
) -> str | None:
    """Where the program's outputs differ from the mathematics, in words; None if nowhere."""
    for name, got in read_outputs(dram, image).items():
        wrong = np.argwhere(got != expected[name])
        if wrong.size:
            row, column = (int(i) for i in wrong[0])
            return (
                f"output {name} [{row}, {column}]: the operators give "
                f"{expected[name][row, column]}, the program on the golden machine gives "
                f"{got[row, column]} ({len(wrong)} elements differ)"
            )
    return None
