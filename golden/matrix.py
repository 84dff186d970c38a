"""Execution of MATRIX (rule I-03)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from arch.config import Config
from arch.isa import Matrix
from golden.access import Access, to_bytes, to_words
from golden.block import BUFFER_ADDRESS_BITS, Block
from golden.errors import GoldenError
from golden.memory import Memory
from golden.tiles import spans

_BLOCK_K = 256
"""Products of two 9-bit operands that sum to less than 2^24, so exactly in float32."""

_BLOCK_MACS = 1 << 18
"""BLAS makes products up to this size on one thread; with more threads than idle cores the larger
ones wait for each other many times longer than they compute."""


def execute_matrix(instruction: Matrix, config: Config, access: Access) -> None:
    """Multiply activations by weight tiles into the accumulator."""
    access.occupy_half(instruction.accumulator_half)
    if instruction.weight_transposed or instruction.weight_row_major:
        weights = _strided_weights(instruction, config, access)
    else:
        weights = _tiled_weights(instruction, config, access)
    activations = _activations(instruction, config, access)
    product = _product(activations, weights)

    rows, cols = len(product), config.cols
    vectors = product.reshape(rows, instruction.n_tiles, cols).transpose(1, 0, 2)
    vector_bytes = 4 * cols
    first = instruction.accumulator_half * config.accumulator_depth
    block = Block(
        (first + instruction.accumulator_address) * vector_bytes,
        (instruction.n_tiles, rows, vector_bytes),
        (rows * vector_bytes, vector_bytes, 1),
    )
    if instruction.accumulate:
        vectors = vectors + to_words(access.read(Memory.ACCUMULATOR, block), np.int32)
    access.write(Memory.ACCUMULATOR, block, to_bytes(vectors, 4))


def _product(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.int32]:
    """(rows, k) times (k, columns) of 9-bit operands, wrapped to int32, in exact float32 blocks."""
    rows, columns = len(left), right.shape[1]
    result = np.zeros((rows, columns), np.int32)
    block_rows = max(1, _BLOCK_MACS // (_BLOCK_K * columns))
    for row in range(0, rows, block_rows):
        part = slice(row, row + block_rows)
        for k in range(0, len(right), _BLOCK_K):
            block = left[part, k : k + _BLOCK_K] @ right[k : k + _BLOCK_K]
            result[part] += block.astype(np.int32)
    return result


def _activations(instruction: Matrix, config: Config, access: Access) -> NDArray[np.float32]:
    """Operands (output rows * output columns, ky * kx * tiles * R); 0 where a lane is not valid."""
    operands = np.zeros(
        (
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
    return operands.reshape(instruction.output_rows * instruction.output_columns, -1)


def activation_blocks(
    instruction: Matrix, config: Config
) -> Iterator[tuple[Block, tuple[slice | int, ...]]]:
    """The activation bytes of valid lanes, and the (row, column, ky, kx, k) that they belong to.

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
        for kx, group, valid, x in columns:
            block = Block.wrapping(
                address + rows[0] * instruction.row_stride + x + valid.start,
                [
                    (len(rows), instruction.row_stride),
                    (len(group), instruction.column_stride),
                    (len(valid), 1),
                ],
                BUFFER_ADDRESS_BITS,
            )
            place = tuple(slice(span.start, span.stop) for span in (rows, group, valid))
            yield block, (*place[:2], ky, kx, place[2])


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
) -> Iterator[tuple[range, range, int]]:
    """Neighbouring output columns that have the same valid k: (columns, valid k, x of the first).

    k counts within a run, over all its tiles; columns without a valid k are left out.
    """
    x = (
        instruction.x_origin
        + kx * instruction.kx_stride
        + np.arange(instruction.output_columns, dtype=np.int64) * instruction.column_stride
    )
    low = np.clip(-x, 0, run_bytes)
    high = np.clip(instruction.x_limit - x, 0, run_bytes)
    changes = np.flatnonzero(np.diff(low) | np.diff(high)) + 1
    edges = [0, *changes.tolist(), len(x)]
    for start, stop in pairwise(edges):
        valid = range(int(low[start]), int(high[start]))
        if len(valid):
            yield range(start, stop), valid, int(x[start])


def _tiled_weights(instruction: Matrix, config: Config, access: Access) -> NDArray[np.float32]:
    """Operands (ky * kx * tiles * R, n tiles * C) of a weight image (rule D-02)."""
    rows, cols = config.rows, config.cols
    runs = instruction.ky_count * instruction.kx_count
    zero_row_bytes = cols * instruction.weight_zero_row
    n_tile_bytes = zero_row_bytes + runs * instruction.k_tiles * rows * cols
    dtype = np.int8 if instruction.weight_signed else np.uint8
    operands = np.zeros((runs, instruction.k_tiles, rows, instruction.n_tiles, cols), np.float32)
    by_tile = operands.transpose(3, 0, 1, 2, 4)
    for n, valid_n in spans(instruction.n_tiles, cols, instruction.last_n):
        n_address = instruction.weight_address + n.start * n_tile_bytes
        n_count = n.stop - n.start
        zero_point: NDArray[np.int8 | np.uint8] | int = instruction.weight_zero_point
        if instruction.weight_zero_row:
            block = Block(n_address, (n_count, 1, 1, 1, valid_n), (n_tile_bytes, 0, 0, 0, 1))
            zero_point = access.read(Memory.WEIGHT, block).view(dtype)
        for t, valid_k in spans(instruction.k_tiles, rows, instruction.last_k):
            block = Block(
                n_address + zero_row_bytes + t.start * rows * cols,
                (n_count, runs, t.stop - t.start, valid_k, valid_n),
                (n_tile_bytes, instruction.k_tiles * rows * cols, rows * cols, cols, 1),
            )
            values = access.read(Memory.WEIGHT, block).view(dtype)
            np.subtract(
                values, zero_point, out=by_tile[n, :, t, :valid_k, :valid_n], dtype=np.float32
            )
    return operands.reshape(runs * instruction.k_tiles * rows, instruction.n_tiles * cols)


def _strided_weights(instruction: Matrix, config: Config, access: Access) -> NDArray[np.float32]:
    """Operands (tiles * R, n tiles * C) of weights that lie as rows of n, or of k."""
    dtype = np.int8 if instruction.weight_signed else np.uint8
    values = access.read(Memory.WEIGHT, strided_block(instruction, config)).view(dtype)
    by_k = values.T if instruction.weight_transposed else values
    k, columns = by_k.shape
    shape = instruction.k_tiles * config.rows, instruction.n_tiles * config.cols
    operands = np.zeros(shape, np.float32)
    zero_point = instruction.weight_zero_point
    np.subtract(by_k, zero_point, out=operands[:k, :columns], dtype=np.float32)
    return operands


def strided_block(instruction: Matrix, config: Config) -> Block:
    """The weights that mean something, where they lie in rows: (columns, k), or (k, columns).

    Whole pieces of R or C bytes count in E-03. Addresses and strides are multiples of those, and so
    is the size of the buffer: a piece lies inside where its first byte does.
    """
    columns = (instruction.n_tiles - 1) * config.cols + instruction.last_n
    k = (instruction.k_tiles - 1) * config.rows + instruction.last_k
    shape = (columns, k) if instruction.weight_transposed else (k, columns)
    return Block(instruction.weight_address, shape, (instruction.weight_stride, 1))


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
        + instruction.k_tiles * config.rows
        - 1
    )
    if y >= 1 << 16 or x >= 1 << 24:
        raise GoldenError(
            f"the last y = {y} or x = {x} does not fit 17 or 25 bits: use fewer rows or columns"
        )
