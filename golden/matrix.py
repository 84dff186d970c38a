"""Execution of MATRIX (rule I-03)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from arch.config import Config
from arch.isa import Matrix
from golden.access import Access, to_bytes, to_words
from golden.block import Block
from golden.matrix_activations import read_activations
from golden.matrix_weights import read_diagonals, read_weights
from golden.memory import Memory

Floats = NDArray[np.float32]
Vectors = NDArray[np.int32]
"""(rows, n tiles, C)."""

_BLOCK_K = 256
"""Products of two 9-bit operands that sum to less than 2^24, so exactly in float32."""

_BLOCK_MACS = 1 << 18
"""BLAS makes products up to this size on one thread; with more threads than idle cores the larger
ones wait for each other many times longer than they compute."""


def execute_matrix(instruction: Matrix, config: Config, access: Access) -> None:
    """Multiply activations by weight tiles into the accumulator."""
    access.occupy_half(instruction.accumulator_half)
    if instruction.weight_diagonal:
        diagonals = read_diagonals(instruction, config, access)
        activations = read_activations(instruction, config, access)
        tiles = _diagonal_sums(instruction, config, activations, diagonals)
    else:
        weights = read_weights(instruction, config, access)
        activations = read_activations(instruction, config, access)
        tiles = _dense_sums(instruction, config, activations, weights)
    result = next(tiles)
    for sums in tiles:
        (np.maximum if instruction.maximum else np.add)(result, sums, out=result)
    _write(instruction, config, access, result)


def _write(instruction: Matrix, config: Config, access: Access, result: Vectors) -> None:
    """Overwrite the accumulators, or bring the result together with what they hold."""
    rows, vector_bytes = len(result), 4 * config.cols
    first = instruction.accumulator_half * config.accumulator_depth
    block = Block(
        (first + instruction.accumulator_address) * vector_bytes,
        (instruction.n_tiles, rows, vector_bytes),
        (rows * vector_bytes, vector_bytes, 1),
    )
    vectors = result.transpose(1, 0, 2)
    if instruction.accumulate:
        before = to_words(access.read(Memory.ACCUMULATOR, block), np.int32)
        vectors = (np.maximum if instruction.maximum else np.add)(vectors, before)
    access.write(Memory.ACCUMULATOR, block, to_bytes(vectors, 4))


def _dense_sums(
    instruction: Matrix, config: Config, activations: Floats, weights: Floats
) -> Iterator[Vectors]:
    """Sums over all tiles at once, or where ``maximum`` compares them over each by itself.

    ``activations`` are (n tiles or 1, rows, k of all tiles), ``weights`` (k of all tiles, n tiles,
    C).
    """
    k, n_tiles, cols = weights.shape
    step = config.rows if instruction.maximum else k
    for start in range(0, k, step):
        right = weights[start : start + step]
        left = activations[:, :, start : start + step]
        if len(left) == 1:
            yield _product(left[0], right.reshape(step, -1)).reshape(-1, n_tiles, cols)
        else:
            yield np.stack([_product(left[n], right[:, n]) for n in range(n_tiles)], axis=1)


def _diagonal_sums(
    instruction: Matrix, config: Config, activations: Floats, diagonals: Floats
) -> Iterator[Vectors]:
    """Sums over all k tiles of each (ky, kx): column ``c`` has one product, with lane ``c``.

    Where ``maximum`` compares the k tiles, the others of them bring a sum of 0 to every column.

    ``activations`` are (n tiles or 1, rows, k of all tiles), ``diagonals`` (n tiles, ky * kx, C).
    """
    n_tiles, runs, cols = diagonals.shape
    rows = activations.shape[1]
    by_run = activations.reshape(len(activations), rows, runs, -1)
    on_diagonal = min(by_run.shape[3], cols)
    for run in range(runs):
        sums = np.zeros((rows, n_tiles, cols), np.int32)
        np.multiply(
            by_run[:, :, run, :on_diagonal].transpose(1, 0, 2),
            diagonals[:, run, :on_diagonal],
            out=sums[:, :, :on_diagonal],
            casting="unsafe",
        )
        if instruction.maximum and instruction.k_tiles > 1:
            sums = np.maximum(sums, 0)
        yield sums


def _product(left: Floats, right: Floats) -> NDArray[np.int32]:
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
