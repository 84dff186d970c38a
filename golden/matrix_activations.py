"""Which activations MATRIX reads (rule I-03)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from arch.config import Config
from arch.isa import Matrix
from golden.access import Access
from golden.block import BUFFER_ADDRESS_BITS, Block
from golden.errors import GoldenError
from golden.memory import Memory

_Place = tuple[slice, slice, slice, int, int, slice]


def read_activations(instruction: Matrix, config: Config, access: Access) -> NDArray[np.float32]:
    """Operands (n tiles, rows, ky * kx * k tiles * R); 0 where a lane is not valid.

    All n tiles have the same ones, and the first extent is 1, where ``n_stride`` is 0.
    """
    operands = np.zeros(
        (
            _channel_groups(instruction),
            instruction.output_rows,
            instruction.output_columns,
            instruction.ky_count,
            instruction.kx_count,
            instruction.k_tiles * config.rows,
        ),
        np.float32,
    )
    dtype = np.int8 if instruction.activation_signed else np.uint8
    for block, place in activation_blocks(instruction, config):
        values = access.read(Memory.ACTIVATION, block).view(dtype)
        zero_point = instruction.activation_zero_point
        np.subtract(values, zero_point, out=operands[place], dtype=np.float32)
    rows = instruction.output_rows * instruction.output_columns
    return operands.reshape(len(operands), rows, -1)


def activation_blocks(instruction: Matrix, config: Config) -> Iterator[tuple[Block, _Place]]:
    """The activation bytes of valid lanes, and the (n, row, column, ky, kx, k) they belong to.

    Raises
    ------
    GoldenError
        A coordinate would wrap.
    """
    _check_coordinates(instruction, config)
    run_bytes = (instruction.k_tiles - 1) * config.rows + instruction.last_k
    columns = [
        (kx, *group)
        for kx in range(instruction.kx_count)
        for group in _column_groups(instruction, kx, run_bytes)
    ]
    for ky in range(instruction.ky_count):
        rows = _valid_rows(instruction, ky)
        if not len(rows):
            continue
        address = instruction.activation_address + ky * instruction.ky_stride
        for kx, tiles, group, valid, x in columns:
            block = Block.wrapping(
                address + rows[0] * instruction.row_stride + x + valid.start,
                [
                    (len(tiles), instruction.n_stride),
                    (len(rows), instruction.row_stride),
                    (len(group), instruction.column_stride),
                    (len(valid), 1),
                ],
                BUFFER_ADDRESS_BITS,
            )
            n, oy, ox, k = (slice(span.start, span.stop) for span in (tiles, rows, group, valid))
            yield block, (n, oy, ox, ky, kx, k)


def _channel_groups(instruction: Matrix) -> int:
    return instruction.n_tiles if instruction.n_stride else 1


def _valid_rows(instruction: Matrix, ky: int) -> range:
    """Output rows whose ``0 <= y < y_limit`` at kernel row ``ky``; y never falls with the row."""
    y = (
        instruction.y_origin
        + ky * instruction.y_ky_step
        + np.arange(instruction.output_rows) * instruction.y_row_step
    )
    return range(int((y < 0).sum()), int((y < instruction.y_limit).sum()))


def _column_groups(
    instruction: Matrix, kx: int, run_bytes: int
) -> Iterator[tuple[range, range, range, int]]:
    """Neighbouring n tiles and output columns that have the same valid k.

    k counts within a run, over all its tiles; what has no valid k is left out.

    Yields
    ------
    n tiles, columns, valid k, and x of the first of them.
    """
    columns = np.arange(instruction.output_columns, dtype=np.int64) * instruction.column_stride
    tiles = np.arange(_channel_groups(instruction), dtype=np.int64) * instruction.n_stride
    x = instruction.x_origin + kx * instruction.kx_stride + tiles[:, None] + columns
    ends = np.clip(np.stack([-x, instruction.x_limit - x], axis=2), 0, run_bytes)
    for group in _equal_neighbours(ends):
        for span in _equal_neighbours(ends[group.start]):
            first = group.start, span.start
            valid = range(*ends[first].tolist())
            if len(valid):
                yield group, span, valid, int(x[first])


def _equal_neighbours(array: NDArray[np.int64]) -> Iterator[range]:
    """Runs of equal entries along the first axis."""
    differ = (array[1:] != array[:-1]).any(axis=tuple(range(1, array.ndim)))
    edges = [0, *(np.flatnonzero(differ) + 1).tolist(), len(array)]
    return (range(start, stop) for start, stop in pairwise(edges))


def _check_coordinates(instruction: Matrix, config: Config) -> None:
    """Row y fits 17 bits and byte x 25, signed; both only grow from their origins."""
    y = (
        instruction.y_origin
        + (instruction.output_rows - 1) * instruction.y_row_step
        + (instruction.ky_count - 1) * instruction.y_ky_step
    )
    x = (
        instruction.x_origin
        + (instruction.output_columns - 1) * instruction.column_stride
        + (instruction.kx_count - 1) * instruction.kx_stride
        + (instruction.n_tiles - 1) * instruction.n_stride
        + instruction.k_tiles * config.rows
        - 1
    )
    if y >= 1 << 16 or x >= 1 << 24:
        raise GoldenError(
            f"the last y = {y} or x = {x} does not fit 17 or 25 bits: use fewer rows or columns"
        )
