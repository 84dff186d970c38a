"""A linear layer to steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from arch.isa import ElementType, Matrix
from compiler.emitter import Emitter
from compiler.epilogue import Epilogue
from compiler.operand import cut
from compiler.packing import pack_weights, zero_points
from compiler.step import Region
from compiler.vector_fields import lanes
from model.tile_search import best_tilings
from model.tiling import Shape, Tiling, ceil_div
from workloads.linear import Linear


def lower_linear(emitter: Emitter, operator: Linear) -> None:
    """Emit all steps, under the best tiling."""
    _LinearLowering(emitter, operator, _tiling(emitter, operator)).run()


def _tiling(emitter: Emitter, operator: Linear) -> Tiling:
    shape = Shape(
        operator.input.rows,
        operator.input.cols,
        operator.output.cols,
        emitter.output_bytes(operator),
        emitter.residual_bytes(operator.residual),
        emitter.streamed_bytes(operator.input),
    )
    return best_tilings(shape, emitter.config, emitter.space, 1)[0]


class _LinearLowering:
    """One operator under one tiling.

    Parameters
    ----------
    emitter
        Takes the steps.
    operator, tiling
        The layer, and how it is cut (see :mod:`model.tiling`).
    """

    def __init__(self, emitter: Emitter, operator: Linear, tiling: Tiling) -> None:
        self._emitter = emitter
        self._operator = operator
        self._tiling = tiling
        self._rows, self._cols = emitter.config.rows, emitter.config.cols
        self._m, self._k = operator.input.rows, operator.input.cols
        self._n = operator.output.cols
        self._n_tiles = ceil_div(self._n, self._cols)
        self._k_tiles = ceil_div(self._k, self._rows)
        self._zero_point, self._zero_row = zero_points(operator.weight_zero_point, self._n)
        self._epilogue = Epilogue(emitter, operator, tiling.group_tiles * self._cols)

    def run(self) -> None:
        """Emit all steps."""
        for rows, group in self._blocks():
            self._compute(rows, group)
            self._epilogue.finish(rows, self._columns(group))
            self._emitter.half ^= 1

    def _blocks(self) -> Iterator[tuple[range, range]]:
        """Rows of M and n tiles of each accumulator block, in order."""
        row_blocks = cut(self._m, self._tiling.rows)
        groups = cut(self._n_tiles, self._tiling.group_tiles)
        if self._tiling.n_outer:
            return ((rows, group) for group in groups for rows in row_blocks)
        return ((rows, group) for rows in row_blocks for group in groups)

    def _compute(self, rows: range, group: range) -> None:
        parts = [
            range(group.start + tiles.start, group.start + tiles.stop)
            for tiles in cut(len(group), self._tiling.instruction_tiles)
        ]
        for chunk in cut(self._k_tiles, self._tiling.chunk_tiles):
            for n_tiles in parts:
                self._matrix(rows, group, n_tiles, chunk)
        # Behind every MATRIX of the block: the two never work in one half at a time (B-06).
        for n_tiles in parts:
            self._epilogue.emit(
                rows,
                self._columns(group),
                self._columns(n_tiles),
                (n_tiles.start - group.start) * len(rows),
            )

    def _matrix(self, rows: range, group: range, n_tiles: range, chunk: range) -> None:
        emitter, operator = self._emitter, self._operator
        weight_address, weights = self._load_weights(n_tiles, chunk)
        columns = range(chunk.start * self._rows, min(chunk.stop * self._rows, self._k))
        source = emitter.source(operator.input, rows, columns)
        emitter.append(
            Matrix(
                activation_address=source.address,
                activation_signed=int(operator.input.element_type is ElementType.INT8),
                activation_zero_point=operator.input_zero_point,
                y_limit=len(rows),
                row_stride=source.row_stride,
                x_limit=len(columns),
                output_rows=len(rows),
                k_tiles=len(chunk),
                last_k=len(columns) - (len(chunk) - 1) * self._rows,
                weight_address=weight_address,
                weight_signed=int(operator.weight.dtype == np.int8),
                weight_zero_point=self._zero_point,
                weight_zero_row=int(self._zero_row is not None),
                accumulator_address=(n_tiles.start - group.start) * len(rows),
                accumulator_half=emitter.half,
                accumulate=int(chunk.start > 0),
                **lanes(len(self._columns(n_tiles)), self._cols),
            ),
            reads=(weights, source.region),
            writes=(emitter.accumulators(emitter.half),),
        )

    def _load_weights(self, n_tiles: range, chunk: range) -> tuple[int, Region]:
        operator, chunk_tiles = self._operator, self._tiling.chunk_tiles
        base = self._emitter.layout.constant(
            f"weights.{operator.name}",
            lambda: pack_weights(
                operator.weight, self._rows, self._cols, chunk_tiles, self._zero_row
            ),
        )
        tile_bytes = self._rows * self._cols
        zero_row_bytes = 0 if self._zero_row is None else self._cols
        chunks = ceil_div(self._k_tiles, chunk_tiles)
        stride = self._k_tiles * tile_bytes + chunks * zero_row_bytes
        before = chunk.start * tile_bytes + chunk.start // chunk_tiles * zero_row_bytes
        return self._emitter.weight_tiles(
            (n_tiles, chunk),
            base + n_tiles.start * stride + before,
            len(chunk) * tile_bytes + zero_row_bytes,
            len(n_tiles),
            stride,
        )

    def _columns(self, n_tiles: range) -> range:
        return range(n_tiles.start * self._cols, min(n_tiles.stop * self._cols, self._n))
