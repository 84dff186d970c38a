"""Where everything lies in DRAM, and how constants are packed (rules B-05, D-01, D-02)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from arch.config import Config
from arch.errors import AssayError
from arch.image import TensorPlace
from arch.isa import Addition
from model.tiling import ceil_div, round_up
from workloads.graph import DTYPES, Graph, Linear, Tensor

_ALIGNMENT_BYTES = 4096
"""Bursts are cut at multiples of this, so nothing begins between them."""


@dataclass
class Layout:
    """Addresses by name of tensor or operator, and the bytes that go there before the run."""

    config: Config
    tensors: dict[str, TensorPlace] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)
    unary_tables: dict[str, int] = field(default_factory=dict)
    addition_tables: dict[str, int] = field(default_factory=dict)
    sections: list[tuple[str, int, bytes]] = field(default_factory=list)
    end: int = 0

    def reserve(self, size: int) -> int:
        """Set aside `size` bytes.

        Raises
        ------
        AssayError
            DRAM is full.
        """
        address = self.end
        self.end = round_up(address + size, _ALIGNMENT_BYTES)
        if self.end > self.config.dram_bytes:
            raise AssayError(
                f"the workload needs more DRAM than the {self.config.dram_mib} MiB of "
                f"configuration '{self.config.name}': raise dram_mib"
            )
        return address

    def add(self, name: str, content: bytes) -> int:
        """Place `content` as a section of the image."""
        address = self.reserve(len(content))
        self.sections.append((name, address, content))
        return address


def lay_out(graph: Graph, inputs: dict[str, NDArray[np.generic]], config: Config) -> Layout:
    """Place every tensor and constant of `graph`."""
    layout = Layout(config)
    given = {tensor.name for tensor in graph.inputs}
    returned = {tensor.name for tensor in graph.outputs}
    for tensor in graph.tensors:
        role: Literal["input", "output", "intermediate"] = "intermediate"
        row_bytes = round_up(tensor.cols * tensor.element_type.bytes, config.word_bytes)
        if tensor.name in given:
            role = "input"
            content = _pad_rows(inputs[tensor.name], tensor, row_bytes)
            address = layout.add(f"input.{tensor.name}", content)
        else:
            role = "output" if tensor.name in returned else "intermediate"
            address = layout.reserve(tensor.rows * row_bytes)
        layout.tensors[tensor.name] = TensorPlace(
            name=tensor.name,
            role=role,
            element_type=_type_name(tensor),
            rows=tensor.rows,
            cols=tensor.cols,
            address=address,
            row_bytes=row_bytes,
        )
    for operator in graph.operators:
        _place_constants(operator, layout, config)
    return layout


def _place_constants(operator: Linear, layout: Layout, config: Config) -> None:
    name = operator.name
    weights = pack_weights(operator.weight, config.rows, config.cols)
    layout.weights[name] = layout.add(f"weights.{name}", weights)
    parameters = pack_parameters(operator.bias, operator.scale, config.cols)
    layout.parameters[name] = layout.add(f"parameters.{name}", parameters)
    if operator.table is not None:
        content = operator.table.values.tobytes()
        layout.unary_tables[name] = layout.add(f"unary.{name}", content)
    residual = operator.residual
    if residual is not None and residual.kind is Addition.TABLE:
        assert residual.table is not None, "checked by Residual"
        content = residual.table.astype("<f4").tobytes()
        layout.addition_tables[name] = layout.add(f"addition.{name}", content)


def pack_weights(weight: NDArray[np.int8], rows: int, cols: int) -> bytes:
    """Weights [K, N] as [n tile][k tile][row][col], zero beyond K and N (rule D-02)."""
    k, n = weight.shape
    k_tiles, n_tiles = ceil_div(k, rows), ceil_div(n, cols)
    padded = np.zeros((k_tiles * rows, n_tiles * cols), np.int8)
    padded[:k, :n] = weight
    return padded.reshape(k_tiles, rows, n_tiles, cols).transpose(2, 0, 1, 3).tobytes()


def pack_parameters(bias: NDArray[np.int32], scale: NDArray[np.float32], cols: int) -> bytes:
    """For each n tile `cols` biases and then `cols` scales; 0 and 1 beyond N (rule B-05)."""
    n_tiles = ceil_div(bias.size, cols)
    biases = np.zeros((n_tiles, cols), "<i4")
    biases.reshape(-1)[: bias.size] = bias
    scales = np.ones((n_tiles, cols), "<f4")
    scales.reshape(-1)[: scale.size] = scale
    return np.concatenate([biases, scales.view("<i4")], axis=1).tobytes()


def _pad_rows(array: NDArray[np.generic], tensor: Tensor, row_bytes: int) -> bytes:
    little = np.ascontiguousarray(array, DTYPES[tensor.element_type].newbyteorder("<"))
    padded = np.zeros((tensor.rows, row_bytes), np.uint8)
    padded[:, : tensor.cols * tensor.element_type.bytes] = little.view(np.uint8)
    return padded.tobytes()


def _type_name(tensor: Tensor) -> Literal["int8", "uint8", "int16"]:
    names: dict[str, Literal["int8", "uint8", "int16"]] = {
        "INT8": "int8",
        "UINT8": "uint8",
        "INT16": "int16",
    }
    return names[tensor.element_type.name]
