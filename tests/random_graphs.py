"""Seeded random chains of linear layers, and random configurations to compile them for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arch.config import Config
from arch.isa import Addition, ElementType
from workloads.epilogue import KEEP, Narrow, Residual, UnaryTable
from workloads.graph import Graph
from workloads.linear import Linear
from workloads.tensor import DTYPES, Tensor

BYTE_TYPES = (ElementType.INT8, ElementType.UINT8)


def random_graph(
    rng: np.random.Generator, layers: int, extent: int
) -> tuple[Graph, dict[str, NDArray[np.generic]]]:
    """A chain of `layers` layers of up to `extent` rows and channels, with all that may follow.

    Every layer but the last yields 8 bits; the last one may yield int16.
    """
    rows = _extent(rng, extent)
    source = Tensor("x", rows, _extent(rng, extent), _pick(rng, BYTE_TYPES))
    inputs, operators, tensor = [source], [], source
    for index in range(layers):
        operator = _random_linear(rng, index, tensor, _extent(rng, extent), index == layers - 1)
        if operator.residual is not None:
            inputs.append(operator.residual.tensor)
        operators.append(operator)
        tensor = operator.output
    graph = Graph("random", tuple(inputs), tuple(operators), (tensor,))
    return graph, {tensor.name: random_tensor(rng, tensor) for tensor in inputs}


def random_tensor(rng: np.random.Generator, tensor: Tensor) -> NDArray[np.generic]:
    """Uniform over the whole range of its type."""
    low, high = tensor.element_type.low, tensor.element_type.high
    shape = (tensor.rows, tensor.cols)
    return rng.integers(low, high + 1, shape).astype(DTYPES[tensor.element_type])


def random_config(rng: np.random.Generator) -> Config:
    """Any array with the least or somewhat larger buffers, and any memory."""
    while True:
        try:
            return Config(
                name="random",
                rows=int(rng.choice([4, 8, 16, 32, 64])),
                cols=int(rng.choice([4, 8, 16, 32, 64])),
                activation_buffer_kib=int(rng.choice([1, 2, 3, 5, 8, 31])),
                weight_buffer_kib=int(rng.choice([1, 2, 3, 4, 8, 16])),
                parameter_buffer_kib=int(rng.choice([2, 3, 7])),
                accumulator_kib=int(rng.choice([1, 2, 3, 4, 8, 21])),
                queue_depth=int(rng.choice([2, 3, 8])),
                max_outstanding_reads=int(rng.choice([1, 2, 32])),
                read_window_beats=int(rng.choice([1, 7, 256])),
                axi_data_bits=int(rng.choice([32, 64, 128, 256, 512])),
                dram_latency_cycles=int(rng.choice([4, 33, 100, 500])),
                dram_bytes_per_cycle=int(rng.integers(1, 33)),
                dram_mib=16,
            )
        except ValueError:
            continue


def _random_linear(
    rng: np.random.Generator, index: int, source: Tensor, channels: int, last: bool
) -> Linear:
    output_type = _pick(rng, (*BYTE_TYPES, ElementType.INT16) if last else BYTE_TYPES)
    output = Tensor(f"y{index}", source.rows, channels, output_type)
    residual = _random_residual(rng, index, output)
    added = residual is not None and residual.kind is Addition.INT16
    byte_output = output_type is not ElementType.INT16
    table, interpolation = None, None
    if byte_output != added and rng.random() < 0.5:
        table = _random_table(rng, output_type)
    elif (residual is None or added) and rng.random() < 0.4:
        interpolation = rng.integers(-32768, 32768, 257).astype(np.int16)
    wide = added or interpolation is not None or not byte_output
    deviation = 5000.0 * source.cols**0.5 / (256 if wide and table is None else 1)
    value_type = ElementType.INT16 if wide else output_type
    return Linear(
        name=f"layer{index}",
        input=source,
        weight=rng.integers(-128, 128, (source.cols, channels), dtype=np.int8),
        bias=rng.integers(-100000, 100000, channels, dtype=np.int32),
        scale=(rng.uniform(20, 200, channels) / deviation).astype(np.float32),
        output=output,
        input_zero_point=_zero_point(rng, source.element_type),
        output_zero_point=_zero_point(rng, ElementType.INT8 if table is not None else value_type),
        table=table,
        residual=residual,
        interpolation=interpolation,
        narrow=_random_narrow(rng, output) if byte_output and wide else KEEP,
    )


def _random_residual(rng: np.random.Generator, index: int, output: Tensor) -> Residual | None:
    """Of int16 for every sum that is an int16 or narrowed from one."""
    if rng.random() < 0.4:
        return None
    name = f"residual{index}"
    if output.element_type is ElementType.INT16 or rng.random() < 0.3:
        tensor = Tensor(name, output.rows, output.cols, ElementType.INT16)
        return Residual(tensor, Addition.INT16)
    tensor = Tensor(name, output.rows, output.cols, _pick(rng, BYTE_TYPES))
    table = rng.normal(0, 60, 256).astype(np.float32)
    return Residual(tensor, Addition.TABLE, float(np.float32(rng.uniform(0.1, 2))), table)


def _random_narrow(rng: np.random.Generator, output: Tensor) -> Narrow:
    return Narrow(int(rng.integers(5, 10)), _zero_point(rng, output.element_type))


def _random_table(rng: np.random.Generator, output_type: ElementType) -> UnaryTable:
    dtype = np.uint8 if output_type is ElementType.UINT8 else np.int8
    return UnaryTable(rng.integers(0, 256, 256, dtype=np.uint8).view(dtype))


def _zero_point(rng: np.random.Generator, element_type: ElementType) -> int:
    return int(rng.integers(max(element_type.low, -128), min(element_type.high, 255) + 1))


def _extent(rng: np.random.Generator, largest: int) -> int:
    """1 to `largest`, small ones as likely as large ones."""
    return int(np.exp(rng.uniform(0, np.log(largest + 0.99))))


def _pick(rng: np.random.Generator, types: tuple[ElementType, ...]) -> ElementType:
    return types[rng.integers(len(types))]
