"""Tensors that are columns of another one: what Concat joins can be made in its place at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container

from arch.config import Config
from workloads.graph import Graph
from workloads.operators import Concat
from workloads.tensor import Tensor


def joined_parts(
    graph: Graph, outside: Container[str], config: Config
) -> dict[str, tuple[Tensor, int]]:
    """By the name of a part the whole and its first column there.

    VECTOR writes at multiples of ``cols`` elements (I-04), and MATRIX reads rows of weights at
    multiples of ``rows`` and ``cols``, so the parts of a whole in a buffer begin at such ones. A
    tensor is part of one whole at most, and what comes from outside has a place of its own.
    """
    joins = [operator for operator in graph.operators if isinstance(operator, Concat)]
    uses = Counter(tensor.name for join in joins for tensor in join.inputs)
    wholes = {join.output.name for join in joins}
    result: dict[str, tuple[Tensor, int]] = {}
    for join in joins:
        columns = _first_columns(join)
        multiple = max(config.rows, config.cols)
        if all(
            uses[tensor.name] == 1
            and tensor.name not in outside
            and tensor.name not in wholes
            and column % multiple == 0
            for tensor, column in zip(join.inputs, columns, strict=True)
        ):
            for tensor, column in zip(join.inputs, columns, strict=True):
                result[tensor.name] = (join.output, column)
    return result


def _first_columns(join: Concat) -> list[int]:
    columns = [0]
    for tensor in join.inputs[:-1]:
        columns.append(columns[-1] + tensor.cols)
    return columns
