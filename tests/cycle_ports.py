"""Rules B-01, B-02 and B-04 of docs/architecture.md for reads of the activation buffer.

Every byte is looked up by itself. Conflicts between writes are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from arch.config import ACTIVATION_BANKS, Config
from arch.isa import Addition, ElementType, Operation, Source

SubBanks = frozenset[tuple[int, int]]
"""Bank, and whether odd words."""


def sub_banks(config: Config, addresses: Iterable[int]) -> SubBanks:
    """Where bytes lie; those beyond the buffer lie nowhere."""
    bank_bytes = config.activation_buffer_bytes // ACTIVATION_BANKS
    return frozenset(
        (address // bank_bytes, address // config.word_bytes % 2)
        for address in (address % 2**24 for address in addresses)
        if address < config.activation_buffer_bytes
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
