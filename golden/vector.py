"""Execution of VECTOR and TABLE (rules I-04, I-05)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arch.config import Config
from arch.isa import (
    Addition,
    Destination,
    ElementType,
    FillTable,
    Operation,
    Raw,
    Source,
    Statistic,
    Table,
    Vector,
)
from golden.access import Access, to_bytes, to_words
from golden.block import Block
from golden.errors import GoldenError
from golden.memory import Memory
from golden.ops.exponent import exponent
from golden.ops.interpolate import interpolate
from golden.ops.narrow import narrow
from golden.ops.qlinear_add import add_int16, add_table
from golden.ops.quantize import DTYPES
from golden.ops.requantize import add_zero_point, is_valid_scale, requantize, row_scale
from golden.ops.table import lookup
from golden.statistics import keep_maximum, keep_sum, read_integers, read_scales
from golden.tiles import spans
from golden.vector_blocks import (
    OUTPUT_MEMORY,
    counting,
    output_block,
    second_block,
    second_type,
    source_block,
)
from golden.vector_duties import check_duties

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]

_TABLE_MEMORY = {Table.UNARY: Memory.UNARY_TABLE, Table.WIDE: Memory.WIDE_TABLE}


def execute_table(instruction: FillTable, access: Access) -> None:
    """Copy a table from the parameter buffer into its lookup memory."""
    table = Table(instruction.table)
    size = 4 * table.words
    values = access.read(Memory.PARAMETER, _bytes(instruction.parameter_address, size))
    access.write(_TABLE_MEMORY[table], _bytes(0, size), values)


def execute_vector(instruction: Vector, config: Config, access: Access) -> None:
    """One pass over rows: make values, scale, map, add, reduce, write.

    Raises
    ------
    GoldenError
        An access is refused, or the program does not do what I-04, N-02 and N-08 leave to it.
    """
    check_duties(instruction, config)
    counts = counting(instruction, config)
    bias, scale = _parameters(instruction, config, access)
    x = _source(instruction, config, access)
    y = _second(instruction, config, access)
    if instruction.operation == Operation.EXPONENT:
        v = _distances(instruction, access, x, bias, counts)
        r, terms = exponent(v, scale, ElementType(instruction.element_type).high)
        terms = np.where(counts, terms, 0)
    else:
        v = _values(instruction, access, x, y, bias)
        r = terms = np.where(counts, _mapped(instruction, access, v, y, bias, scale), 0)
    match instruction.statistic:
        case Statistic.MAXIMUM:
            keep_maximum(instruction, access, v, counts)
        case Statistic.SUM:
            squares = instruction.operation != Operation.EXPONENT
            keep_sum(instruction, access, terms, squares)
    _write(instruction, config, access, np.where(counts, r, 0))


def _values(
    instruction: Vector, access: Access, x: Integers, y: Integers | None, bias: Integers
) -> Integers:
    """``v`` of DIRECT, MULTIPLY and CENTRE: int32, wrapping."""
    before = 0 if instruction.bias_after else bias
    if instruction.operation == Operation.MULTIPLY:
        assert y is not None
        return _wrapped(x * (y - instruction.multiplier_zero_point) + before)
    if instruction.operation == Operation.CENTRE:
        sums = _statistic(instruction, access, Memory.STATISTIC_SUM)
        return _wrapped(instruction.count * x - sums)
    return _wrapped(x + before)


def _distances(
    instruction: Vector, access: Access, x: Integers, bias: Integers, counts: NDArray[np.bool_]
) -> Integers:
    """``v`` of EXPONENT, 0 where an element does not count.

    Raises
    ------
    GoldenError
        An element exceeds the maximum of its row.
    """
    maximum = _statistic(instruction, access, Memory.STATISTIC_MAXIMUM)
    v = np.where(counts, np.minimum(maximum - _wrapped(x + bias), (1 << 31) - 1), 0)
    if (v < 0).any():
        row, column = (int(i) for i in np.argwhere(v < 0)[0])
        raise GoldenError(
            f"element [{row}, {column}] is {-v[row, column]} above the maximum of its row: let a "
            "pass with MAXIMUM over the same elements come first"
        )
    return v


def _mapped(
    instruction: Vector,
    access: Access,
    v: Integers,
    y: Integers | None,
    bias: Integers,
    scale: Floats,
) -> Integers:
    """``r`` of every operation but EXPONENT, as if all elements counted."""
    match instruction.raw:
        case Raw.LOW:
            return v.astype(np.int16).astype(np.int64)
        case Raw.HIGH:
            return v >> 16
    after = bias.astype(np.int16) if instruction.bias_after else 0
    q = add_zero_point(
        requantize(v, scale) + after,
        instruction.zero_point,
        instruction.clamp_low,
        instruction.clamp_high,
    )
    if instruction.unary_table:
        table = access.read(Memory.UNARY_TABLE, _bytes(0, 4 * Table.UNARY.words))
        q = lookup(q, table, bool(instruction.unary_signed))
    if instruction.interpolate:
        words = access.read(Memory.WIDE_TABLE, _bytes(0, 4 * Table.WIDE.words))
        q = interpolate(q, to_words(words, np.int16).reshape(-1, 2))
    if instruction.addition == Addition.NONE:
        return q
    assert y is not None
    return np.clip(_added(instruction, access, q, y), instruction.sum_low, instruction.sum_high)


def _added(instruction: Vector, access: Access, q: Integers, y: Integers) -> Integers:
    """The sum, not clamped."""
    if instruction.addition == Addition.INT16:
        return add_int16(q, y)
    words = access.read(Memory.WIDE_TABLE, _bytes(0, 4 * Table.WIDE.words))
    try:
        return add_table(q, y, instruction.addition_scale, to_words(words, np.float32))
    except ValueError as error:
        raise GoldenError(str(error)) from None


def _source(instruction: Vector, config: Config, access: Access) -> Integers:
    """``x``, (rows, channels)."""
    source = Source(instruction.source)
    if source != Source.ACCUMULATOR:
        data = access.read(Memory.ACTIVATION, source_block(instruction, config))
        elements = to_words(data, DTYPES[ElementType[source.name]])
        return elements.astype(np.int64) - instruction.source_zero_point
    access.occupy_half(instruction.accumulator_half)
    first = instruction.accumulator_half * config.accumulator_depth
    start = (first + instruction.accumulator_address) * config.parameter_word_bytes
    return _lanes(instruction, config, access, Memory.ACCUMULATOR, start, instruction.rows).astype(
        np.int64
    )


def _second(instruction: Vector, config: Config, access: Access) -> Integers | None:
    """``y``, (rows, channels), where it is read."""
    element = second_type(instruction)
    if element is None:
        return None
    data = access.read(Memory.ACTIVATION, second_block(instruction, config, element))
    return to_words(data, DTYPES[element]).astype(np.int64)


def _parameters(instruction: Vector, config: Config, access: Access) -> tuple[Integers, Floats]:
    """Bias (channels,), and scale that broadcasts against (rows, channels).

    Without a use (``raw``) a scale is read like any other, but may be anything.
    """
    if instruction.tensor_scale:
        bias = np.zeros(1, np.int64)
        scale = np.array([instruction.scale], np.uint32).view(np.float32)
    else:
        # Biases and scales of an n tile lie like the two rows of a tile of accumulators.
        address = instruction.parameter_address
        words = _lanes(instruction, config, access, Memory.PARAMETER, address, 2)
        bias, scale = words[0].astype(np.int64), words[1].view(np.float32)
        if instruction.raw == Raw.NONE and not is_valid_scale(scale).all():
            channel = int(np.flatnonzero(~is_valid_scale(scale))[0])
            raise GoldenError(
                f"the scale of channel {channel} is {scale[channel]}: it must be positive and "
                "normal"
            )
    if instruction.row_scale:
        of_row = read_scales(access, instruction.statistic_address, instruction.rows)
        if instruction.raw == Raw.NONE:
            try:
                scale = row_scale(scale, of_row[:, None])
            except ValueError as error:
                raise GoldenError(str(error)) from None
    return bias, scale


def _statistic(instruction: Vector, access: Access, memory: Memory) -> Integers:
    """One value for each row, (rows, 1)."""
    first, rows = instruction.statistic_address, instruction.rows
    return read_integers(access, memory, first, rows)[:, None]


def _write(instruction: Vector, config: Config, access: Access, r: Integers) -> None:
    destination = Destination(instruction.output_buffer)
    if destination == Destination.NONE:
        return
    element = ElementType(instruction.element_type)
    output = narrow(r, instruction.output_shift, instruction.output_zero_point, element)
    block = output_block(instruction, config)
    access.write(OUTPUT_MEMORY[destination], block, to_bytes(output, element.bytes))


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


def _wrapped(exact: Integers) -> Integers:
    """Modulo 2^32, as int32."""
    return exact.astype(np.int32).astype(np.int64)


def _bytes(start: int, count: int) -> Block:
    return Block(start, (count,), (1,))
