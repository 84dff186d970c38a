"""Which bytes and lanes VECTOR touches (rule I-04)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arch.config import Config
from arch.isa import Addition, Destination, ElementType, Operation, Source, Vector
from golden.block import BUFFER_ADDRESS_BITS, Block
from golden.memory import Memory

OUTPUT_MEMORY = {
    Destination.ACTIVATION: Memory.ACTIVATION,
    Destination.WEIGHT: Memory.WEIGHT,
}
"""Where an output goes, if there is one."""


def channels_of(instruction: Vector, config: Config) -> int:
    """Columns of a row that are valid."""
    return (instruction.n_tiles - 1) * config.cols + instruction.last_n


def counting(instruction: Vector, config: Config) -> NDArray[np.bool_]:
    """Which elements (rows, channels) count."""
    shape = instruction.rows, channels_of(instruction, config)
    if not instruction.masked:
        return np.ones(shape, np.bool_)
    limit = instruction.mask_origin + np.arange(instruction.rows)
    return np.arange(shape[1]) < limit[:, None]


def second_type(instruction: Vector) -> ElementType | None:
    """Element type of ``y``; None where it is not read. A TABLE addition looks at bits only."""
    if instruction.operation == Operation.MULTIPLY:
        return ElementType(instruction.multiplier_type)
    if instruction.addition == Addition.INT16:
        return ElementType.INT16
    return ElementType.UINT8 if instruction.addition == Addition.TABLE else None


def source_block(instruction: Vector, config: Config) -> Block:
    """(rows, bytes) of ``x``, where it is no accumulator."""
    return _rows_block(
        instruction,
        config,
        instruction.source_address,
        instruction.source_row_stride,
        Source(instruction.source).bytes,
    )


def second_block(instruction: Vector, config: Config, element: ElementType) -> Block:
    """(rows, bytes) of ``y``."""
    return _rows_block(
        instruction,
        config,
        instruction.residual_address,
        instruction.residual_row_stride,
        element.bytes,
    )


def output_block(instruction: Vector, config: Config) -> Block:
    """(rows, bytes) of the output, where there is one."""
    return _rows_block(
        instruction,
        config,
        instruction.output_address,
        instruction.output_row_stride,
        ElementType(instruction.element_type).bytes,
    )


def _rows_block(
    instruction: Vector, config: Config, address: int, row_stride: int, element_bytes: int
) -> Block:
    row_bytes = channels_of(instruction, config) * element_bytes
    return Block.wrapping(
        address, [(instruction.rows, row_stride), (row_bytes, 1)], BUFFER_ADDRESS_BITS
    )
