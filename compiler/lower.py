"""Linear layers to steps, in the plain order: each load right before its first use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

import numpy as np

from arch.config import Config
from arch.isa import Addition, Buffer, ElementType, FillTable, Load, Matrix, Store, Table, Vector
from compiler.layout import Layout
from compiler.ring import Ring
from compiler.step import Region, Step
from model.tiling import Partition, Tiling, ceil_div, round_up
from workloads.graph import Linear, Residual

_RUN_BYTES_LIMIT = (1 << 20) - 1


class _Runs(TypedDict):
    run_bytes: int
    runs: int
    run_dram_stride: int
    run_buffer_stride: int


def _runs(run_bytes: int, runs: int, dram_stride: int, buffer_stride: int) -> _Runs:
    """Fields of a DMA instruction; runs that touch on both sides become one."""
    if dram_stride == buffer_stride == run_bytes and run_bytes * runs <= _RUN_BYTES_LIMIT:
        run_bytes, runs = run_bytes * runs, 1
    if runs == 1:
        dram_stride = buffer_stride = 0
    return {
        "run_bytes": run_bytes,
        "runs": runs,
        "run_dram_stride": dram_stride,
        "run_buffer_stride": buffer_stride,
    }


class Lowering:
    """Collects the steps of one operator after another; buffers go on where the last one left.

    Parameters
    ----------
    config, layout, space
        Sizes, DRAM addresses, and how the buffers are dealt out, for the whole graph.
    """

    def __init__(self, config: Config, layout: Layout, space: Partition) -> None:
        self.config = config
        self.layout = layout
        self.steps: list[Step] = []
        self.half = 0
        word = 2 * config.word_bytes
        self.activations = Ring(0, space.activation, word)
        self.residuals = Ring(space.activation, space.residual, word)
        self.outputs = Ring(space.activation + space.residual, space.output, word)
        self.weights = Ring(0, space.weight, config.word_bytes)
        self.parameters = Ring(0, space.parameter, config.parameter_word_bytes)
        self.parameter_bytes = space.parameter

    def add(self, operator: Linear, index: int, tiling: Tiling) -> None:
        """Append the steps of `operator`, the graph's `index`-th."""
        _LinearLowering(self, operator, index, tiling).run()


class _LinearLowering:
    """One operator under one tiling."""

    def __init__(self, parent: Lowering, operator: Linear, index: int, tiling: Tiling) -> None:
        self._parent = parent
        self._config = parent.config
        self._operator = operator
        self._index = index
        self._tiling = tiling
        self._m, self._k = operator.input.rows, operator.input.cols
        self._n = operator.output.cols
        self._n_tiles = ceil_div(self._n, self._config.cols)
        self._k_tiles = ceil_div(self._k, self._config.rows)
        self._tile_bytes = self._config.rows * self._config.cols
        tile_parameter_bytes = 8 * self._config.cols
        held = parent.parameter_bytes // 2 // tile_parameter_bytes
        self._parameter_tiles = held // tiling.group_tiles * tiling.group_tiles
        self._tile_parameter_bytes = tile_parameter_bytes

    def run(self) -> None:
        self._fill_tables()
        for rows, group in self._blocks():
            self._compute(rows, group)
            self._store(rows, group)
            self._parent.half ^= 1

    def _blocks(self) -> Iterator[tuple[range, range]]:
        """Rows of M and n tiles of each accumulator block, in order."""
        row_blocks = _cut(self._m, self._tiling.rows)
        groups = _cut(self._n_tiles, self._tiling.group_tiles)
        if self._tiling.n_outer:
            return ((rows, group) for group in groups for rows in row_blocks)
        return ((rows, group) for rows in row_blocks for group in groups)

    def _compute(self, rows: range, group: range) -> None:
        chunks = _cut(self._k_tiles, self._tiling.chunk_tiles)
        for chunk in chunks:
            for tiles in _cut(len(group), self._tiling.instruction_tiles):
                n_tiles = range(group.start + tiles.start, group.start + tiles.stop)
                self._matrix(rows, group, n_tiles, chunk)
                if chunk.stop == self._k_tiles:
                    self._vector(rows, group, n_tiles)

    def _matrix(self, rows: range, group: range, n_tiles: range, chunk: range) -> None:
        weight_address, weights = self._load_weights(n_tiles, chunk)
        activation_address, activations = self._load_activations(rows, chunk)
        operator, width = self._operator, self._chunk_bytes(chunk)
        last_k = self._k - (self._k_tiles - 1) * self._config.rows
        last = chunk.stop == self._k_tiles
        self._append(
            Matrix(
                activation_address=activation_address,
                activation_signed=int(operator.input.element_type is ElementType.INT8),
                activation_zero_point=operator.input_zero_point,
                y_limit=len(rows),
                row_stride=round_up(width, self._config.word_bytes),
                x_limit=width,
                output_rows=len(rows),
                k_tiles=len(chunk),
                last_k=last_k if last else self._config.rows,
                n_tiles=len(n_tiles),
                last_n=self._last_n(n_tiles),
                weight_address=weight_address,
                accumulator_address=(n_tiles.start - group.start) * len(rows),
                accumulator_half=self._parent.half,
                accumulate=int(chunk.start > 0),
            ),
            reads=(weights, activations),
            writes=(self._accumulators(rows, group, n_tiles),),
        )

    def _vector(self, rows: range, group: range, n_tiles: range) -> None:
        parameter_address, parameters = self._load_parameters(n_tiles)
        operator = self._operator
        offset = (n_tiles.start - group.start) * self._config.cols
        output_address, stride, output = self._output(rows, group)
        residual_address, residual_stride, residuals = self._load_residual(rows, group)
        value, result = operator.requantized_type, operator.output.element_type
        residual, table = operator.residual, operator.table
        self._append(
            Vector(
                accumulator_address=(n_tiles.start - group.start) * len(rows),
                accumulator_half=self._parent.half,
                rows=len(rows),
                n_tiles=len(n_tiles),
                last_n=self._last_n(n_tiles),
                parameter_address=parameter_address,
                zero_point=operator.output_zero_point,
                clamp_low=value.low,
                clamp_high=value.high,
                unary_table=int(table is not None),
                unary_signed=int(table is not None and table.element_type is ElementType.INT8),
                addition=Addition.NONE if residual is None else residual.kind,
                addition_scale=_scale_bits(residual),
                residual_address=residual_address
                + (0 if residual is None else offset * residual.tensor.element_type.bytes),
                residual_row_stride=residual_stride,
                sum_low=0 if residual is None else result.low,
                sum_high=0 if residual is None else result.high,
                element_type=result,
                output_address=output_address + offset * result.bytes,
                output_row_stride=stride,
            ),
            reads=(
                self._accumulators(rows, group, n_tiles),
                parameters,
                *residuals,
                Region("unary table", 0, 1),
                Region("addition table", 0, 1),
            ),
            writes=(output,),
        )

    def _store(self, rows: range, group: range) -> None:
        address, stride, output = self._output(rows, group)
        place = self._parent.layout.tensors[self._operator.output.name]
        low, high = self._columns(group, self._operator.output.element_type.bytes)
        self._append(
            Store(
                buffer=Buffer.ACTIVATION,
                buffer_address=address,
                dram_address=place.address + rows.start * place.row_bytes + low,
                **_runs(high - low, len(rows), place.row_bytes, stride),
            ),
            reads=(output,),
            writes=(Region(f"dram {place.name}", low, high, rows.start, rows.stop),),
        )

    def _load_weights(self, n_tiles: range, chunk: range) -> tuple[int, Region]:
        run_bytes = len(chunk) * self._tile_bytes
        size = len(n_tiles) * run_bytes
        key = (self._index, n_tiles, chunk)
        address, is_new = self._parent.weights.place(key, size)
        region = Region("weight buffer", address, address + size)
        if is_new:
            first = n_tiles.start * self._k_tiles + chunk.start
            stride = self._k_tiles * self._tile_bytes
            self._append(
                Load(
                    buffer=Buffer.WEIGHT,
                    buffer_address=address,
                    dram_address=self._parent.layout.weights[self._operator.name]
                    + first * self._tile_bytes,
                    **_runs(run_bytes, len(n_tiles), stride, run_bytes),
                ),
                writes=(region,),
            )
        return address, region

    def _load_activations(self, rows: range, chunk: range) -> tuple[int, Region]:
        tensor = self._operator.input
        width = self._chunk_bytes(chunk)
        stride = round_up(width, self._config.word_bytes)
        size = len(rows) * stride
        address, is_new = self._parent.activations.place((self._index, rows, chunk), size)
        region = Region("activation buffer", address, address + size)
        if is_new:
            low = chunk.start * self._config.rows
            self._load_rows(tensor.name, rows, (low, low + width), address, stride, region)
        return address, region

    def _load_residual(self, rows: range, group: range) -> tuple[int, int, tuple[Region, ...]]:
        if self._operator.residual is None:
            return 0, 0, ()
        tensor = self._operator.residual.tensor
        stride = len(group) * self._config.cols * tensor.element_type.bytes
        size = len(rows) * stride
        address, is_new = self._parent.residuals.place((self._index, rows, group), size)
        region = Region("activation buffer", address, address + size)
        if is_new:
            columns = self._columns(group, tensor.element_type.bytes)
            self._load_rows(tensor.name, rows, columns, address, stride, region)
        return address, stride, (region,)

    def _load_rows(
        self,
        tensor: str,
        rows: range,
        columns: tuple[int, int],
        address: int,
        stride: int,
        region: Region,
    ) -> None:
        """Load bytes `columns` of `rows` of a tensor, `stride` apart in the activation buffer."""
        place = self._parent.layout.tensors[tensor]
        low, high = columns
        self._append(
            Load(
                buffer=Buffer.ACTIVATION,
                buffer_address=address,
                dram_address=place.address + rows.start * place.row_bytes + low,
                **_runs(high - low, len(rows), place.row_bytes, stride),
            ),
            reads=(Region(f"dram {tensor}", low, high, rows.start, rows.stop),),
            writes=(region,),
        )

    def _load_parameters(self, n_tiles: range) -> tuple[int, Region]:
        """Bias and scale; loaded for several groups at once."""
        first = n_tiles.start // self._parameter_tiles * self._parameter_tiles
        count = min(self._parameter_tiles, self._n_tiles - first)
        base = self._parent.layout.parameters[self._operator.name]
        start = base + first * self._tile_parameter_bytes
        address = self._load_constants((self._index, first), start, count * self._tile_parameter_bytes)
        offset = (n_tiles.start - first) * self._tile_parameter_bytes
        low = address + offset
        high = low + len(n_tiles) * self._tile_parameter_bytes
        return low, Region("parameter buffer", low, high)

    def _load_constants(self, key: object, dram_address: int, size: int) -> int:
        address, is_new = self._parent.parameters.place(key, size)
        if is_new:
            self._append(
                Load(
                    buffer=Buffer.PARAMETER,
                    buffer_address=address,
                    dram_address=dram_address,
                    run_bytes=size,
                ),
                writes=(Region("parameter buffer", address, address + size),),
            )
        return address

    def _fill_tables(self) -> None:
        layout, name = self._parent.layout, self._operator.name
        for table, places, space in (
            (Table.UNARY, layout.unary_tables, "unary table"),
            (Table.ADDITION, layout.addition_tables, "addition table"),
        ):
            if name in places:
                size = 4 * table.words
                address = self._load_constants((self._index, table.name), places[name], size)
                self._append(
                    FillTable(table=table, parameter_address=address),
                    reads=(Region("parameter buffer", address, address + size),),
                    writes=(Region(space, 0, 1),),
                )

    def _output(self, rows: range, group: range) -> tuple[int, int, Region]:
        """Address, row stride and region of the block's outputs in the activation buffer."""
        stride = len(group) * self._config.cols * self._operator.output.element_type.bytes
        size = len(rows) * stride
        address, _ = self._parent.outputs.place((self._index, rows, group), size)
        return address, stride, Region("activation buffer", address, address + size)

    def _accumulators(self, rows: range, group: range, n_tiles: range) -> Region:
        low = (n_tiles.start - group.start) * len(rows)
        space = f"accumulator half {self._parent.half}"
        return Region(space, low, low + len(n_tiles) * len(rows))

    def _columns(self, group: range, element_bytes: int) -> tuple[int, int]:
        """Bytes of a row that the n tiles of `group` cover."""
        low = group.start * self._config.cols
        high = min(group.stop * self._config.cols, self._n)
        return low * element_bytes, high * element_bytes

    def _chunk_bytes(self, chunk: range) -> int:
        return min(chunk.stop * self._config.rows, self._k) - chunk.start * self._config.rows

    def _last_n(self, n_tiles: range) -> int:
        return min(n_tiles.stop * self._config.cols, self._n) - (n_tiles.stop - 1) * self._config.cols

    def _append(
        self,
        instruction: Load | Matrix | Vector | FillTable | Store,
        reads: tuple[Region, ...] = (),
        writes: tuple[Region, ...] = (),
    ) -> None:
        self._parent.steps.append(Step(instruction, reads, writes, self._index))


def _cut(total: int, size: int) -> list[range]:
    """Ranges of `size`, the last one shorter, that make up `total`."""
    return [range(start, min(start + size, total)) for start in range(0, total, size)]


def _scale_bits(residual: Residual | None) -> int:
    if residual is None:
        return 0
    return int(np.float32(residual.scale).view(np.uint32))
