"""Execution of VECTOR and TABLE (rules I-04, I-05)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arch.config import Config
from arch.isa import Addition, ElementType, FillTable, Table, Vector
from golden.access import Access, to_bytes, to_words
from golden.block import BUFFER_ADDRESS_BITS, Block
from golden.errors import GoldenError
from golden.memory import Memory
from golden.ops.linear import add_bias
from golden.ops.qlinear_add import add_int16, add_table
from golden.ops.requantize import add_zero_point, is_valid_scale, requantize
from golden.ops.table import lookup
from golden.tiles import spans

_TABLE_MEMORY = {Table.UNARY: Memory.UNARY_TABLE, Table.ADDITION: Memory.ADDITION_TABLE}


def execute_table(instruction: FillTable, access: Access) -> None:
    """Copy a table from the parameter buffer into its lookup memory."""
    table = Table(instruction.table)
    size = 4 * table.words
    values = access.read(Memory.PARAMETER, _bytes(instruction.parameter_address, size))
    access.write(_TABLE_MEMORY[table], _bytes(0, size), values)


def execute_vector(instruction: Vector, config: Config, access: Access) -> None:
    """Bias, requantise, map, add and write accumulators to a buffer."""
    _check_clamps(instruction)
    access.occupy_half(instruction.accumulator_half)
    output = output_block(instruction, config)
    if output.repeats():
        raise GoldenError("output rows overlap: raise output_row_stride")
    q = _requantized(instruction, config, access)
    if instruction.unary_table:
        table = access.read(Memory.UNARY_TABLE, _bytes(0, 256))
        q = lookup(q, table, bool(instruction.unary_signed))
    if instruction.addition != Addition.NONE:
        q = np.clip(
            _added(instruction, config, access, q, output),
            instruction.sum_low,
            instruction.sum_high,
        )
    memory = Memory.WEIGHT if instruction.output_buffer else Memory.ACTIVATION
    access.write(memory, output, to_bytes(q, ElementType(instruction.element_type).bytes))


def _requantized(instruction: Vector, config: Config, access: Access) -> NDArray[np.int64]:
    """Codes (rows, channels) before table and addition."""
    vector_bytes = config.parameter_word_bytes
    first = instruction.accumulator_half * config.accumulator_depth
    acc = _lanes(
        instruction,
        config,
        access,
        Memory.ACCUMULATOR,
        (first + instruction.accumulator_address) * vector_bytes,
        instruction.rows,
    )
    # Biases and scales of an n tile lie like the two rows of a tile of accumulators.
    parameters = _lanes(
        instruction, config, access, Memory.PARAMETER, instruction.parameter_address, 2
    )
    bias, scale = parameters[0], parameters[1].view(np.float32)
    if not is_valid_scale(scale).all():
        channel = int(np.flatnonzero(~is_valid_scale(scale))[0])
        raise GoldenError(
            f"the scale of channel {channel} is {scale[channel]}: it must be positive and normal"
        )
    return add_zero_point(
        requantize(add_bias(acc, bias), scale),
        instruction.zero_point,
        instruction.clamp_low,
        instruction.clamp_high,
    )


def _added(
    instruction: Vector,
    config: Config,
    access: Access,
    q: NDArray[np.int64],
    output: Block,
) -> NDArray[np.int64]:
    """The sum of ``q`` and the residual, not clamped."""
    residual = residual_block(instruction, config)
    if not instruction.output_buffer:
        _check_in_place(instruction, config, output, residual)
    data = access.read(Memory.ACTIVATION, residual)
    if instruction.addition == Addition.INT16:
        return add_int16(q, to_words(data, np.int16))
    table = to_words(access.read(Memory.ADDITION_TABLE, _bytes(0, 1024)), np.float32)
    try:
        return add_table(q, data, instruction.addition_scale, table)
    except ValueError as error:
        raise GoldenError(str(error)) from None


def _lanes(
    instruction: Vector, config: Config, access: Access, memory: Memory, start: int, rows: int
) -> NDArray[np.int32]:
    """int32 (rows, channels) that lie as ``[n tile][row][lane]``; only valid lanes are read."""
    row_bytes = config.parameter_word_bytes
    tile_bytes = rows * row_bytes
    pieces = []
    for n, valid in spans(instruction.n_tiles, config.cols, instruction.last_n):
        block = Block(
            start + n.start * tile_bytes,
            (n.stop - n.start, rows, 4 * valid),
            (tile_bytes, row_bytes, 1),
        )
        words = to_words(access.read(memory, block), np.int32)
        pieces.append(words.transpose(1, 0, 2).reshape(rows, -1))
    return np.concatenate(pieces, axis=1, dtype=np.int32)


def _channels(instruction: Vector, config: Config) -> int:
    return (instruction.n_tiles - 1) * config.cols + instruction.last_n


def output_block(instruction: Vector, config: Config) -> Block:
    """(rows, bytes) that VECTOR writes."""
    return _rows_block(
        instruction,
        config,
        instruction.output_address,
        instruction.output_row_stride,
        ElementType(instruction.element_type).bytes,
    )


def residual_block(instruction: Vector, config: Config) -> Block:
    """(rows, bytes) that VECTOR adds, where it adds any."""
    return _rows_block(
        instruction,
        config,
        instruction.residual_address,
        instruction.residual_row_stride,
        2 if instruction.addition == Addition.INT16 else 1,
    )


def _rows_block(
    instruction: Vector, config: Config, address: int, row_stride: int, element_bytes: int
) -> Block:
    """(rows, channels * element bytes) of an output or a residual."""
    row_bytes = _channels(instruction, config) * element_bytes
    return Block.wrapping(
        address, [(instruction.rows, row_stride), (row_bytes, 1)], BUFFER_ADDRESS_BITS
    )


def _bytes(start: int, count: int) -> Block:
    return Block(start, (count,), (1,))


def _check_in_place(instruction: Vector, config: Config, output: Block, residual: Block) -> None:
    """Refuse a residual that an earlier row of the same instruction overwrites.

    Rows are read while those before them are still in the pipeline, so the hardware's timing would
    decide. Overwriting what this row or an earlier one has read is fine.
    """
    low, high = min(output.low, residual.low), max(output.high, residual.high)
    if high - low >= (output.high - output.low) + (residual.high - residual.low):
        return
    channels = np.arange(_channels(instruction, config))
    rows = np.arange(instruction.rows)[:, None]
    order = channels // config.cols * instruction.rows + rows
    written = np.full(high - low, order.size, np.int64)
    _shifted(output, low).view(written)[...] = order.repeat(output.shape[1] // len(channels), 1)
    read = order.repeat(residual.shape[1] // len(channels), 1)
    if (_shifted(residual, low).view(written) < read).any():
        raise GoldenError(
            "a row overwrites the residual of a later row of the same instruction: move the output"
        )


def _shifted(block: Block, base: int) -> Block:
    return Block(block.start - base, block.shape, block.strides)


def _check_clamps(instruction: Vector) -> None:
    """Clamp ranges lie inside the range of what follows."""
    element = ElementType(instruction.element_type)
    eight_bits = ((-128, 127), (0, 255))
    output_range = ((element.low, element.high),)
    if instruction.addition == Addition.NONE:
        _check_clamp(instruction, "clamp", eight_bits if instruction.unary_table else output_range)
        return
    if instruction.addition == Addition.TABLE or instruction.unary_table:
        _check_clamp(instruction, "clamp", eight_bits)
    _check_clamp(instruction, "sum", output_range)


def _check_clamp(instruction: Vector, name: str, ranges: tuple[tuple[int, int], ...]) -> None:
    low, high = getattr(instruction, f"{name}_low"), getattr(instruction, f"{name}_high")
    if not any(least <= low and high <= most for least, most in ranges):
        raise GoldenError(
            f"{name}_low = {low}, {name}_high = {high} must lie inside "
            + " or ".join(f"{least}..{most}" for least, most in ranges)
        )
