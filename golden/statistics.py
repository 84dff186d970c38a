"""The statistics file (rule B-08) and execution of SCALE (rule I-07)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arch.isa import Operation, RowFunction, ScaleRows, Statistic, Vector
from golden.access import Access, to_bytes
from golden.block import Block
from golden.errors import GoldenError
from golden.memory import Memory
from golden.ops.inverse_root import inverse_square_root, reciprocal

ENTRY_BYTES = {
    Memory.STATISTIC_MAXIMUM: 4,
    Memory.STATISTIC_SUM: 6,
    Memory.STATISTIC_SQUARES: 6,
    Memory.STATISTIC_SCALE: 4,
}


def entries(memory: Memory, first: int, rows: int) -> Block:
    """(rows, bytes of an entry) of a statistic."""
    size = ENTRY_BYTES[memory]
    return Block(first * size, (rows, size), (size, 1))


def read_integers(access: Access, memory: Memory, first: int, rows: int) -> NDArray[np.int64]:
    """Maxima, sums or sums of squares of rows from entry ``first`` on."""
    data = access.read(memory, entries(memory, first, rows))
    # The bytes come to lie at the upper end of 64 bits, so that the shift extends the sign.
    words = np.zeros((rows, 8), np.uint8)
    words[:, 8 - data.shape[1] :] = data
    return np.asarray(words.view("<i8")[:, 0] >> 8 * (8 - data.shape[1]))


def write_integers(access: Access, memory: Memory, first: int, values: NDArray[np.int64]) -> None:
    """The same back, modulo the width of an entry."""
    size = ENTRY_BYTES[memory]
    access.write(
        memory, entries(memory, first, len(values)), to_bytes(values[:, None], 8)[:, :size]
    )


def read_scales(access: Access, first: int, rows: int) -> NDArray[np.float32]:
    """Scales of rows."""
    data = access.read(Memory.STATISTIC_SCALE, entries(Memory.STATISTIC_SCALE, first, rows))
    return np.ascontiguousarray(data).view("<f4")[:, 0].astype(np.float32)


def statistics_of(instruction: Vector) -> tuple[Memory, ...]:
    """The statistics whose entries a VECTOR uses; squares go with a sum."""
    operation, statistic = instruction.operation, instruction.statistic
    used = []
    if operation == Operation.EXPONENT or statistic == Statistic.MAXIMUM:
        used.append(Memory.STATISTIC_MAXIMUM)
    if operation == Operation.CENTRE or statistic == Statistic.SUM:
        used.append(Memory.STATISTIC_SUM)
    if instruction.row_scale:
        used.append(Memory.STATISTIC_SCALE)
    return tuple(used)


def keep_maximum(
    instruction: Vector, access: Access, v: NDArray[np.int64], counts: NDArray[np.bool_]
) -> None:
    """Statistic MAXIMUM of I-04, over the elements (rows, channels) that count."""
    first, rows = instruction.statistic_address, instruction.rows
    greatest = np.where(counts, v, -(1 << 31)).max(axis=1)
    if instruction.statistic_accumulate:
        before = read_integers(access, Memory.STATISTIC_MAXIMUM, first, rows)
        greatest = np.maximum(greatest, before)
    write_integers(access, Memory.STATISTIC_MAXIMUM, first, greatest)


def keep_sum(instruction: Vector, access: Access, terms: NDArray[np.int64], squares: bool) -> None:
    """Statistic SUM of I-04, of terms (rows, channels) that are 0 where they do not count."""
    kept = [(Memory.STATISTIC_SUM, terms)]
    if squares:
        kept.append((Memory.STATISTIC_SQUARES, np.square(terms)))
    for memory, summands in kept:
        total = summands.sum(axis=1)
        if instruction.statistic_accumulate:
            total += read_integers(access, memory, instruction.statistic_address, instruction.rows)
        write_integers(access, memory, instruction.statistic_address, total)


def execute_scale(instruction: ScaleRows, access: Access) -> None:
    """Make the scale of rows of their statistics."""
    if instruction.function == RowFunction.RECIPROCAL:
        scale = reciprocal(_positive(instruction, _sums(instruction, access)))
    else:
        scale = inverse_square_root(_positive(instruction, _radicands(instruction, access)))
    block = entries(Memory.STATISTIC_SCALE, instruction.statistic_address, instruction.rows)
    access.write(Memory.STATISTIC_SCALE, block, to_bytes(scale.view(np.int32)[:, None], 4))


def _sums(instruction: ScaleRows, access: Access) -> NDArray[np.object_]:
    first, rows = instruction.statistic_address, instruction.rows
    return read_integers(access, Memory.STATISTIC_SUM, first, rows).astype(object)


def _radicands(instruction: ScaleRows, access: Access) -> NDArray[np.object_]:
    """Exact integers, whatever their size: what hardware takes modulo 2^64 must fit."""
    first, rows = instruction.statistic_address, instruction.rows
    squares = read_integers(access, Memory.STATISTIC_SQUARES, first, rows).astype(object)
    radicand = instruction.count * squares + instruction.epsilon
    if instruction.centre:
        sums = _sums(instruction, access)
        wide = [row for row, total in enumerate(sums) if not -(1 << 31) <= total < 1 << 31]
        if wide:
            raise GoldenError(
                f"the sum {sums[wide[0]]} of row {wide[0]} does not fit 32 bits: use fewer columns"
            )
        radicand = radicand - sums * sums
    return np.asarray(radicand)


def _positive(instruction: ScaleRows, values: NDArray[np.object_]) -> NDArray[np.uint64]:
    """Refuse what would wrap in 64 bits."""
    for row, value in enumerate(values):
        if not 0 <= value < 1 << 64:
            name = RowFunction(instruction.function).name
            raise GoldenError(
                f"{name} of row {row} is asked of {value}, which is outside 0..2^64 - 1: scale "
                "rows whose statistics are those of one pass, with their own count"
            )
    return values.astype(np.uint64)
