"""A linear layer to steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from arch.isa import Addition, ElementType, Matrix, Table, Vector
from compiler.emitter import Emitter, Operand, cut
from compiler.packing import pack_interpolation, pack_weights
from compiler.step import Region
from compiler.vector_fields import Fields, clamped, float_bits, into, lanes, second
from model.tile_search import best_tilings
from model.tiling import Shape, Tiling, ceil_div
from workloads.linear import Linear
from workloads.tensor import Tensor

_Get = Callable[[Tensor, range, range], Operand]

_PARAMETER_LOAD_BYTES = 1024
"""Parameters of several small groups are loaded at once, but not so many that weights wait."""


def lower_linear(emitter: Emitter, operator: Linear) -> None:
    """Emit all steps, under the best tiling."""
    _LinearLowering(emitter, operator, _tiling(emitter, operator)).run()


def _tiling(emitter: Emitter, operator: Linear) -> Tiling:
    residual = operator.residual
    shape = Shape(
        operator.input.rows,
        operator.input.cols,
        operator.output.cols,
        emitter.streamed_bytes(operator.output),
        0 if residual is None else emitter.streamed_bytes(residual.tensor),
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
        groups = _PARAMETER_LOAD_BYTES // (8 * self._cols * tiling.group_tiles)
        self._parameter_columns = max(1, groups) * tiling.group_tiles * self._cols

    def run(self) -> None:
        """Emit all steps."""
        tables = self._fill_tables()
        for rows, group in self._blocks():
            self._compute(rows, group, tables)
            columns = self._columns(group)
            self._emitter.finish(self._operator.output, rows, columns)
            self._emitter.half ^= 1

    def _blocks(self) -> Iterator[tuple[range, range]]:
        """Rows of M and n tiles of each accumulator block, in order."""
        row_blocks = cut(self._m, self._tiling.rows)
        groups = cut(self._n_tiles, self._tiling.group_tiles)
        if self._tiling.n_outer:
            return ((rows, group) for group in groups for rows in row_blocks)
        return ((rows, group) for rows in row_blocks for group in groups)

    def _compute(self, rows: range, group: range, tables: tuple[Region, ...]) -> None:
        parts = [
            range(group.start + tiles.start, group.start + tiles.stop)
            for tiles in cut(len(group), self._tiling.instruction_tiles)
        ]
        for chunk in cut(self._k_tiles, self._tiling.chunk_tiles):
            for n_tiles in parts:
                self._matrix(rows, group, n_tiles, chunk)
        # Behind every MATRIX of the block: the two never work in one half at a time (B-06).
        for n_tiles in parts:
            self._vector(rows, group, n_tiles, tables)

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
                accumulator_address=(n_tiles.start - group.start) * len(rows),
                accumulator_half=emitter.half,
                accumulate=int(chunk.start > 0),
                **lanes(len(self._columns(n_tiles)), self._cols),
            ),
            reads=(weights, source.region),
            writes=(emitter.accumulators(emitter.half),),
        )

    def _vector(
        self, rows: range, group: range, n_tiles: range, tables: tuple[Region, ...]
    ) -> None:
        emitter, operator = self._emitter, self._operator
        columns = self._columns(n_tiles)
        parameters = emitter.parameters(operator.name, columns, self._parameter_batch(n_tiles))
        residual_fields, residuals = self._residual(rows, group, n_tiles)
        output = self._part(operator.output, emitter.target, rows, group, n_tiles)
        table, value = operator.table, operator.requantized_type
        emitter.append(
            Vector(
                accumulator_address=(n_tiles.start - group.start) * len(rows),
                accumulator_half=emitter.half,
                rows=len(rows),
                parameter_address=parameters.address,
                zero_point=operator.output_zero_point,
                unary_table=int(table is not None),
                unary_signed=int(table is not None and table.element_type is ElementType.INT8),
                interpolate=int(operator.interpolation is not None),
                **lanes(len(columns), self._cols),
                **clamped(value),
                **residual_fields,
                **into(output, operator.output.element_type, operator.narrow),
            ),
            reads=(
                emitter.accumulators(emitter.half),
                parameters.region,
                *residuals,
                *tables,
            ),
            writes=(output.region,),
        )

    def _load_weights(self, n_tiles: range, chunk: range) -> tuple[int, Region]:
        operator, tile_bytes = self._operator, self._rows * self._cols
        base = self._emitter.layout.constant(
            f"weights.{operator.name}",
            lambda: pack_weights(operator.weight, self._rows, self._cols),
        )
        stride = self._k_tiles * tile_bytes
        return self._emitter.weight_tiles(
            (n_tiles, chunk),
            base + n_tiles.start * stride + chunk.start * tile_bytes,
            len(chunk) * tile_bytes,
            len(n_tiles),
            stride,
        )

    def _residual(
        self, rows: range, group: range, n_tiles: range
    ) -> tuple[Fields, tuple[Region, ...]]:
        """Fields of VECTOR for the residual, and what it reads."""
        residual, result = self._operator.residual, self._operator.output.element_type
        if residual is None:
            return {}, ()
        operand = self._part(residual.tensor, self._emitter.source, rows, group, n_tiles)
        is_wide = residual.kind is Addition.INT16
        total = ElementType.INT16 if is_wide else result
        fields = {
            "addition": int(residual.kind),
            "addition_scale": 0 if is_wide else float_bits(residual.scale),
            "sum_low": total.low,
            "sum_high": total.high,
            **second(operand),
        }
        return fields, (operand.region,)

    def _part(
        self, tensor: Tensor, get: _Get, rows: range, group: range, n_tiles: range
    ) -> Operand:
        """The n tiles of an operand or result that is got by groups."""
        size = tensor.element_type.bytes
        offset = (n_tiles.start - group.start) * self._cols * size
        return get(tensor, rows, self._columns(group)).part(
            offset, len(self._columns(n_tiles)) * size
        )

    def _fill_tables(self) -> tuple[Region, ...]:
        """What the passes read of the lookup memories."""
        emitter, operator, residual = self._emitter, self._operator, self._operator.residual
        regions = []
        if operator.table is not None:
            values = operator.table.values
            regions.append(emitter.table(Table.UNARY, f"unary.{operator.name}", values.tobytes))
        if operator.interpolation is not None:
            points = operator.interpolation
            name = f"wide.{operator.name}"
            regions.append(emitter.table(Table.WIDE, name, lambda: pack_interpolation(points)))
        if residual is not None and residual.table is not None:
            terms = residual.table.astype("<f4")
            regions.append(emitter.table(Table.WIDE, f"wide.{operator.name}", terms.tobytes))
        return tuple(regions)

    def _parameter_batch(self, n_tiles: range) -> range:
        """Columns of several groups, whose parameters are loaded at once."""
        size = self._parameter_columns
        start = n_tiles.start * self._cols // size * size
        return range(start, min(start + size, self._n))

    def _columns(self, n_tiles: range) -> range:
        return range(n_tiles.start * self._cols, min(n_tiles.stop * self._cols, self._n))
