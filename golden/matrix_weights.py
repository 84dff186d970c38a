"""Which weights MATRIX reads, in each of their layouts (rules I-03, D-02)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arch.config import Config
from arch.isa import Matrix
from golden.access import Access
from golden.block import Block
from golden.memory import Memory
from golden.tiles import spans


def read_weights(instruction: Matrix, config: Config, access: Access) -> NDArray[np.float32]:
    """Operands (ky * kx * k tiles * R, n tiles, C) of all layouts but the diagonal one."""
    if instruction.weight_transposed or instruction.weight_row_major:
        return _strided(instruction, config, access)
    return _tiled(instruction, config, access)


def read_diagonals(instruction: Matrix, config: Config, access: Access) -> NDArray[np.float32]:
    """Operands (n tiles, ky * kx, C) of ``weight_diagonal``; 0 in a column that has none."""
    cols = config.cols
    runs = instruction.ky_count * instruction.kx_count
    k = (instruction.k_tiles - 1) * config.rows + instruction.last_k
    operands = np.zeros((instruction.n_tiles, runs, cols), np.float32)
    for n, valid_n in spans(instruction.n_tiles, cols, instruction.last_n):
        valid = min(valid_n, k)
        block = Block(
            instruction.weight_address + n.start * runs * cols,
            (n.stop - n.start, runs, valid),
            (runs * cols, cols, 1),
        )
        values = access.read(Memory.WEIGHT, block).view(_dtype(instruction))
        zero_point = instruction.weight_zero_point
        np.subtract(values, zero_point, out=operands[n, :, :valid], dtype=np.float32)
    return operands


def weight_block(instruction: Matrix, config: Config) -> Block:
    """The weight bytes that count in E-03, or as many of them as reach as far."""
    if instruction.weight_transposed or instruction.weight_row_major:
        return _strided_block(instruction, config)
    runs = instruction.ky_count * instruction.kx_count
    rows = runs * instruction.k_tiles * config.rows + instruction.weight_zero_row
    if instruction.weight_diagonal:
        rows = runs
    return Block(instruction.weight_address, (instruction.n_tiles * rows * config.cols,), (1,))


def _tiled(instruction: Matrix, config: Config, access: Access) -> NDArray[np.float32]:
    """Of a weight image (rule D-02)."""
    rows, cols = config.rows, config.cols
    runs = instruction.ky_count * instruction.kx_count
    zero_row_bytes = cols * instruction.weight_zero_row
    n_tile_bytes = zero_row_bytes + runs * instruction.k_tiles * rows * cols
    dtype = _dtype(instruction)
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
    return operands.reshape(-1, instruction.n_tiles, cols)


def _strided(instruction: Matrix, config: Config, access: Access) -> NDArray[np.float32]:
    """Of weights that lie as rows of n, or of k."""
    values = access.read(Memory.WEIGHT, _strided_block(instruction, config))
    by_k = values.T if instruction.weight_transposed else values
    k, columns = by_k.shape
    shape = instruction.k_tiles * config.rows, instruction.n_tiles * config.cols
    operands = np.zeros(shape, np.float32)
    codes, zero_point = by_k.view(_dtype(instruction)), instruction.weight_zero_point
    np.subtract(codes, zero_point, out=operands[:k, :columns], dtype=np.float32)
    return operands.reshape(-1, instruction.n_tiles, config.cols)


def _strided_block(instruction: Matrix, config: Config) -> Block:
    """The weights that mean something, where they lie in rows: (columns, k), or (k, columns).

    Whole pieces of R or C bytes count in E-03. Addresses and strides are multiples of those, and so
    is the size of the buffer: a piece lies inside where its first byte does.
    """
    columns = (instruction.n_tiles - 1) * config.cols + instruction.last_n
    k = (instruction.k_tiles - 1) * config.rows + instruction.last_k
    shape = (columns, k) if instruction.weight_transposed else (k, columns)
    return Block(instruction.weight_address, shape, (instruction.weight_stride, 1))


def _dtype(instruction: Matrix) -> type[np.int8 | np.uint8]:
    return np.int8 if instruction.weight_signed else np.uint8
