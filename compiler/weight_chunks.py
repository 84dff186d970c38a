"""Rows of a tensor that MATRIX reads as weights, in pieces that fit the weight buffer."""

from __future__ import annotations

from arch.errors import AssayError
from compiler.emitter import Emitter
from model.tiling import round_up
from workloads.tensor import Tensor


def weight_chunks(
    emitter: Emitter, tensor: Tensor, rows: range, columns: int, tile: int
) -> list[range]:
    """Cut `rows` of `columns` columns; all pieces but the last are multiples of `tile`.

    A piece takes a quarter of the ring, so that the next ones are loaded while it is in use, or
    where a tile takes more, a tile.

    Raises
    ------
    AssayError
        Not even one tile fits.
    """
    room = emitter.weight_rows(tensor, columns)
    if room >= len(rows):
        return [rows]
    config = emitter.config
    size = min(room // tile * tile or tile, len(rows))
    row_bytes = round_up(columns, max(config.rows, config.cols))
    if size * row_bytes > emitter.placement.weight_ring_bytes:
        raise AssayError(
            f"{size} rows of {columns} columns of '{tensor.name}' do not fit the weight buffer of "
            f"configuration '{config.name}': raise weight_buffer_kib"
        )
    return [rows[first : first + size] for first in range(0, len(rows), size)]
