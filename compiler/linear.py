"""A linear layer to steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from arch.isa import Addition, Buffer, ElementType, FillTable, Load, Matrix, Store, Table, Vector
from compiler.emitter import Emitter, buffer_region, merge_runs, tensor_region
from compiler.step import Region
from model.tiling import Tiling, ceil_div, round_up
from workloads.graph import Linear, Residual

_PARAMETER_LOAD_BYTES = 1024
"""Parameters of several small groups are loaded at once, but not so many that weights wait."""
_TABLE_SPACES = (Region("unary table", 0, 1), Region("addition table", 0, 1))


class LinearLowering:
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
        self._parameter_bytes = 8 * self._cols
        groups = _PARAMETER_LOAD_BYTES // (self._parameter_bytes * tiling.group_tiles)
        self._parameter_tiles = max(1, groups) * tiling.group_tiles

    def run(self) -> None:
        """Emit all steps."""
        self._fill_tables()
        for rows, group in self._blocks():
            self._compute(rows, group)
            self._store(rows, group)
            self._emitter.half ^= 1

    def _blocks(self) -> Iterator[tuple[range, range]]:
        """Rows of M and n tiles of each accumulator block, in order."""
        row_blocks = _cut(self._m, self._tiling.rows)
        groups = _cut(self._n_tiles, self._tiling.group_tiles)
        if self._tiling.n_outer:
            return ((rows, group) for group in groups for rows in row_blocks)
        return ((rows, group) for rows in row_blocks for group in groups)

    def _compute(self, rows: range, group: range) -> None:
        parts = [
            range(group.start + tiles.start, group.start + tiles.stop)
            for tiles in _cut(len(group), self._tiling.instruction_tiles)
        ]
        for chunk in _cut(self._k_tiles, self._tiling.chunk_tiles):
            for n_tiles in parts:
                self._matrix(rows, group, n_tiles, chunk)
        # Behind every MATRIX of the block: the two never work in one half at a time (B-06).
        for n_tiles in parts:
            self._vector(rows, group, n_tiles)

    def _matrix(self, rows: range, group: range, n_tiles: range, chunk: range) -> None:
        operator = self._operator
        weight_address, weights = self._load_weights(n_tiles, chunk)
        columns = range(chunk.start * self._rows, min(chunk.stop * self._rows, self._k))
        row_stride = round_up(len(columns), self._emitter.config.word_bytes)
        activation_address, activations = self._emitter.load_rows(
            self._emitter.activations, operator.input.name, rows, columns, row_stride
        )
        self._emitter.append(
            Matrix(
                activation_address=activation_address,
                activation_signed=int(operator.input.element_type is ElementType.INT8),
                activation_zero_point=operator.input_zero_point,
                y_limit=len(rows),
                row_stride=row_stride,
                x_limit=len(columns),
                output_rows=len(rows),
                k_tiles=len(chunk),
                last_k=len(columns) - (len(chunk) - 1) * self._rows,
                n_tiles=len(n_tiles),
                last_n=self._last_n(n_tiles),
                weight_address=weight_address,
                accumulator_address=(n_tiles.start - group.start) * len(rows),
                accumulator_half=self._emitter.half,
                accumulate=int(chunk.start > 0),
            ),
            reads=(weights, activations),
            writes=(self._accumulators(),),
        )

    def _vector(self, rows: range, group: range, n_tiles: range) -> None:
        operator, table = self._operator, self._operator.table
        parameter_address, parameters = self._load_parameters(n_tiles)
        residual_fields, residuals = self._load_residual(rows, group, n_tiles)
        output_address, output_stride, output = self._output(rows, group)
        value, result = operator.requantized_type, operator.output.element_type
        column = (n_tiles.start - group.start) * self._cols
        self._emitter.append(
            Vector(
                accumulator_address=(n_tiles.start - group.start) * len(rows),
                accumulator_half=self._emitter.half,
                rows=len(rows),
                n_tiles=len(n_tiles),
                last_n=self._last_n(n_tiles),
                parameter_address=parameter_address,
                zero_point=operator.output_zero_point,
                clamp_low=value.low,
                clamp_high=value.high,
                unary_table=int(table is not None),
                unary_signed=int(table is not None and table.element_type is ElementType.INT8),
                element_type=result,
                output_address=output_address + column * result.bytes,
                output_row_stride=output_stride,
                **residual_fields,
            ),
            reads=(
                self._accumulators(),
                parameters,
                *residuals,
                *_TABLE_SPACES,
            ),
            writes=(output,),
        )

    def _store(self, rows: range, group: range) -> None:
        address, stride, output = self._output(rows, group)
        tensor = self._operator.output
        place = self._emitter.layout.tensors[tensor.name]
        columns = self._columns(group, tensor.element_type)
        self._emitter.append(
            Store(
                buffer=Buffer.ACTIVATION,
                buffer_address=address,
                dram_address=place.address + rows.start * place.row_bytes + columns.start,
                **merge_runs(len(columns), len(rows), place.row_bytes, stride),
            ),
            reads=(output,),
            writes=(tensor_region(tensor.name, rows, columns),),
        )

    def _load_weights(self, n_tiles: range, chunk: range) -> tuple[int, Region]:
        emitter = self._emitter
        tile_bytes = self._rows * self._cols
        run_bytes = len(chunk) * tile_bytes
        size = len(n_tiles) * run_bytes
        address, is_new = emitter.weights.place((emitter.operator, n_tiles, chunk), size)
        region = buffer_region(Buffer.WEIGHT, address, size)
        if is_new:
            base = emitter.layout.weights[self._operator.name]
            stride = self._k_tiles * tile_bytes
            emitter.append(
                Load(
                    buffer=Buffer.WEIGHT,
                    buffer_address=address,
                    dram_address=base + n_tiles.start * stride + chunk.start * tile_bytes,
                    **merge_runs(run_bytes, len(n_tiles), stride, run_bytes),
                ),
                writes=(region,),
            )
        return address, region

    def _load_residual(
        self, rows: range, group: range, n_tiles: range
    ) -> tuple[dict[str, int], tuple[Region, ...]]:
        """Fields of VECTOR for the residual, and what it reads."""
        residual = self._operator.residual
        if residual is None:
            return {}, ()
        element_type, result = residual.tensor.element_type, self._operator.output.element_type
        stride = len(group) * self._cols * element_type.bytes
        columns = self._columns(group, element_type)
        address, region = self._emitter.load_rows(
            self._emitter.residuals, residual.tensor.name, rows, columns, stride
        )
        column = (n_tiles.start - group.start) * self._cols
        fields = {
            "addition": int(residual.kind),
            "addition_scale": _scale_bits(residual),
            "residual_address": address + column * element_type.bytes,
            "residual_row_stride": stride,
            "sum_low": result.low,
            "sum_high": result.high,
        }
        return fields, (region,)

    def _load_parameters(self, n_tiles: range) -> tuple[int, Region]:
        """Bias and scale; loaded for several groups at once."""
        first = n_tiles.start // self._parameter_tiles * self._parameter_tiles
        count = min(self._parameter_tiles, self._n_tiles - first)
        base = self._emitter.layout.parameters[self._operator.name]
        size = self._parameter_bytes
        address = self._emitter.load_constants(first, base + first * size, count * size)
        address += (n_tiles.start - first) * size
        return address, buffer_region(Buffer.PARAMETER, address, len(n_tiles) * size)

    def _fill_tables(self) -> None:
        layout, name = self._emitter.layout, self._operator.name
        for table, places, space in zip(
            Table, (layout.unary_tables, layout.addition_tables), _TABLE_SPACES, strict=True
        ):
            if name in places:
                size = 4 * table.words
                address = self._emitter.load_constants(table.name, places[name], size)
                self._emitter.append(
                    FillTable(table=table, parameter_address=address),
                    reads=(buffer_region(Buffer.PARAMETER, address, size),),
                    writes=(space,),
                )

    def _output(self, rows: range, group: range) -> tuple[int, int, Region]:
        """Address, row stride and region of a block's outputs in the activation buffer."""
        stride = len(group) * self._cols * self._operator.output.element_type.bytes
        size = len(rows) * stride
        address, _ = self._emitter.outputs.place((self._emitter.operator, rows, group), size)
        return address, stride, buffer_region(Buffer.ACTIVATION, address, size)

    def _accumulators(self) -> Region:
        """The half at work, as one: whoever works in it needs its ports alone (B-06)."""
        return Region(f"accumulator half {self._emitter.half}", 0, 1)

    def _columns(self, group: range, element_type: ElementType) -> range:
        """Bytes of a row that the n tiles of `group` cover."""
        first, last = group.start * self._cols, min(group.stop * self._cols, self._n)
        return range(first * element_type.bytes, last * element_type.bytes)

    def _last_n(self, n_tiles: range) -> int:
        """Valid columns of the last of `n_tiles`."""
        return min(self._cols, self._n - (n_tiles.stop - 1) * self._cols)


def _cut(total: int, size: int) -> list[range]:
    """Ranges of `size`, the last one shorter, that make up `total`."""
    return [range(start, min(start + size, total)) for start in range(0, total, size)]


def _scale_bits(residual: Residual) -> int:
    if residual.kind is Addition.INT16:
        return 0
    return int(np.float32(residual.scale).view(np.uint32))
