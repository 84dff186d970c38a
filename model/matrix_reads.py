"""What MATRIX reads from the activation buffer, and when."""

from __future__ import annotations

import numpy as np

from arch.config import Config
from arch.isa import Matrix
from model.sub_banks import Integers, Masks, Requests, SubBanks


class MatrixReads:
    """Requests of MATRIX, which nothing holds (B-04).

    They are worked out when somebody looks: a program in which no other engine reads needs none.
    """

    def __init__(self, config: Config) -> None:
        self._rows = config.rows
        self._sub_banks = SubBanks(config)
        self._requests = Requests()
        self._issued: list[tuple[Matrix, Integers]] = []

    def add(self, instruction: Matrix, first_rows: Integers) -> None:
        """Add an instruction whose tiles, in order, have their first rows in these cycles.

        The other rows of a tile follow in consecutive cycles (T-MX-03).
        """
        self._issued.append((instruction, first_rows))

    def window(self, first: int, length: int) -> Masks:
        """Sub-banks asked for in ``length`` cycles from ``first`` on."""
        for instruction, first_rows in self._issued:
            masks = self._row_masks(instruction)
            begin, rows = int(first_rows[0]), masks.shape[1]
            requests = self._requests.window(begin, int(first_rows[-1]) - begin + rows)
            cycles = first_rows[:, None] - begin + np.arange(rows)
            requests[cycles] = np.tile(masks, (len(first_rows) // len(masks), 1))
        self._issued.clear()
        return self._requests.window(first, length)

    def _row_masks(self, instruction: Matrix) -> Masks:
        """Sub-banks of each row (second axis) of the tiles (first axis).

        A row is the bytes of its valid lanes, which are neighbours (I-03, B-04). Where n tiles read
        the same channels, these are the tiles of one of them.
        """
        m = instruction
        n_tiles = m.n_tiles if m.n_stride else 1
        n, ky, kx, tile, oy, ox = np.ogrid[
            :n_tiles, : m.ky_count, : m.kx_count, : m.k_tiles, : m.output_rows, : m.output_columns
        ]
        y = m.y_origin + oy * m.y_row_step + ky * m.y_ky_step
        x = m.x_origin + ox * m.column_stride + kx * m.kx_stride
        x = x + n * m.n_stride + tile * self._rows
        lanes = np.where(tile == m.k_tiles - 1, m.last_k, self._rows)
        low = np.maximum(0, -x)
        high = np.minimum(lanes, m.x_limit - x)
        sizes = np.where((y >= 0) & (y < m.y_limit), high - low, 0)
        addresses = m.activation_address + oy * m.row_stride + ky * m.ky_stride + x + low
        masks = self._sub_banks.of(addresses, sizes)
        return masks.reshape(-1, m.output_rows * m.output_columns)
