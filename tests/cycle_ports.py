"""Rules B-01, B-02 and B-04 of docs/architecture.md: the sub-banks of reads and writes.

Every byte is looked up by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from arch.config import ACTIVATION_BANKS, WEIGHT_BANKS, Config
from arch.isa import Addition, Buffer, Destination, ElementType, Operation, Source

SubBanks = frozenset[tuple[int, int, int]]
"""Buffer, bank, and whether odd words."""


def sub_banks(
    config: Config, addresses: Iterable[int], buffer: int = Buffer.ACTIVATION
) -> SubBanks:
    """Where bytes lie; those beyond the buffer, or of one without sub-banks, lie nowhere."""
    size, banks = {
        Buffer.ACTIVATION: (config.activation_buffer_bytes, ACTIVATION_BANKS),
        Buffer.WEIGHT: (config.weight_buffer_bytes, WEIGHT_BANKS),
    }.get(Buffer(buffer), (0, 1))
    return frozenset(
        (int(buffer), address * banks // size, address // config.word_bytes % 2)
        for address in (address % 2**24 for address in addresses)
        if address < size
    )


def matrix_row(config: Config, ins: Any, place: tuple[int, int, int, int], row: int) -> SubBanks:
    """What MATRIX reads for a row of the tile at (n, ky, kx, t) (I-03)."""
    n, ky, kx, t = place
    oy, ox = divmod(row, ins.output_columns)
    y = ins.y_origin + oy * ins.y_row_step + ky * ins.y_ky_step
    x = ins.x_origin + ox * ins.column_stride + kx * ins.kx_stride
    x += n * ins.n_stride + t * config.rows
    base = ins.activation_address + oy * ins.row_stride + ky * ins.ky_stride
    valid = ins.last_k if t == ins.k_tiles - 1 else config.rows
    lanes = range(valid if 0 <= y < ins.y_limit else 0)
    return sub_banks(config, (base + x + j for j in lanes if 0 <= x + j < ins.x_limit))


def vector_row(config: Config, ins: Any, n: int, row: int) -> list[SubBanks]:
    """What VECTOR reads for a row of an n tile, one read after the other (I-04, T-VX-03)."""
    elements = []
    if ins.source != Source.ACCUMULATOR:
        size = {Source.INT8: 1, Source.UINT8: 1, Source.INT16: 2}[Source(ins.source)]
        elements.append((ins.source_address + row * ins.source_row_stride, size))
    y = ins.residual_address + row * ins.residual_row_stride
    if ins.operation == Operation.MULTIPLY:
        elements.append((y, 2 if ins.multiplier_type == ElementType.INT16 else 1))
    elif ins.addition != Addition.NONE:
        elements.append((y, 2 if ins.addition == Addition.INT16 else 1))
    first = n * config.cols
    last = first + (ins.last_n if n == ins.n_tiles - 1 else config.cols)
    return [
        sub_banks(config, (base + byte for byte in range(first * size, last * size)))
        for base, size in elements
    ]


def vector_write(config: Config, ins: Any, n: int, row: int) -> SubBanks:
    """What VECTOR writes of a row of an n tile (I-04)."""
    if ins.output_buffer == Destination.NONE:
        return frozenset()
    buffer = {Destination.ACTIVATION: Buffer.ACTIVATION, Destination.WEIGHT: Buffer.WEIGHT}
    size = 2 if ins.element_type == ElementType.INT16 else 1
    lanes = ins.last_n if n == ins.n_tiles - 1 else config.cols
    first = ins.output_address + row * ins.output_row_stride + n * config.cols * size
    written = range(first, first + lanes * size)
    return sub_banks(config, written, buffer[Destination(ins.output_buffer)])
