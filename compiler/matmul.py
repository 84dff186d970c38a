"""Products of two computed tensors to steps: the right one goes through the weight buffer."""

from __future__ import annotations

from arch.isa import ElementType, Matrix
from compiler.emitter import Emitter
from compiler.epilogue import Epilogue
from compiler.operand import Operand, cut, even_cuts
from compiler.vector_fields import lanes
from model.tiling import ceil_div, round_up
from workloads.operators import MatMul


def lower_matmul(emitter: Emitter, operator: MatMul) -> None:
    """Emit all steps."""
    _MatMulLowering(emitter, operator).run()


class _MatMulLowering:
    """One operator: blocks of rows, groups of n tiles, chunks of k."""

    def __init__(self, emitter: Emitter, operator: MatMul) -> None:
        self._emitter = emitter
        self._operator = operator
        self._m = operator.input.rows // operator.batch
        self._k, self._n = operator.input.cols, operator.output.cols
        config = emitter.config
        self._tile = max(config.rows, config.cols)
        self._rows = self._most_rows()
        self._group = self._group_columns()
        self._epilogue = Epilogue(emitter, operator, self._group)

    def run(self) -> None:
        """Emit all steps."""
        for batch in range(self._operator.batch):
            for rows in even_cuts(self._m, ceil_div(self._m, self._rows)):
                for columns in cut(self._n, self._group):
                    self._compute(batch, rows, columns)

    def _most_rows(self) -> int:
        """Of a block of the fewest columns: an accumulator half holds it, and the rings two."""
        emitter, operator, space = self._emitter, self._operator, self._emitter.space
        least = self._tile // emitter.config.cols
        limits = [emitter.config.accumulator_depth // least, self._m]
        if emitter.streams(operator.input):
            width = round_up(min(self._k, self._chunk), emitter.config.word_bytes)
            limits.append(max(1, space.activation // (4 * width)))
        for size, room in self._streams:
            limits.append(max(1, room // (4 * self._tile * size)))
        return min(limits)

    @property
    def _streams(self) -> list[tuple[int, int]]:
        """Bytes of a column of what VECTOR streams besides the sums, and of the ring for it."""
        emitter, operator, space = self._emitter, self._operator, self._emitter.space
        streams = [
            (emitter.output_bytes(operator), space.output),
            (emitter.residual_bytes(operator.residual), space.residual),
        ]
        return [(size, room) for size, room in streams if size]

    @property
    def _chunk(self) -> int:
        """K of a chunk: a tile of n of it takes a sixteenth of the weight buffer at most."""
        emitter = self._emitter
        most = min(emitter.space.weight // 16 // emitter.config.cols, emitter.most_k)
        return max(self._tile, most // self._tile * self._tile)

    def _group_columns(self) -> int:
        """Of a block: as many tiles as accumulators, parameters and rings hold."""
        emitter, space = self._emitter, self._emitter.space
        config = emitter.config
        k = round_up(min(self._k, self._chunk), self._tile)
        tiles = [
            config.accumulator_depth // self._rows,
            space.parameter // (16 * config.cols),
            space.weight // (4 * k * config.cols),
        ]
        for size, room in self._streams:
            tiles.append(room // (2 * self._rows * config.cols * size))
        most = min(max(1, min(tiles)) * config.cols, emitter.most_n)
        # The rows of the right operand begin at multiples of a tile.
        return max(self._tile, most // self._tile * self._tile)

    def _compute(self, batch: int, rows: range, columns: range) -> None:
        emitter = self._emitter
        made = range(batch * self._m + rows.start, batch * self._m + rows.stop)
        for k in cut(self._k, self._chunk):
            self._matrix(batch, made, columns, k)
        self._epilogue.emit_group(made, columns)
        self._epilogue.finish(made, columns)
        emitter.half ^= 1

    def _right(self, batch: int, columns: range, k: range) -> Operand:
        right, transposed = self._operator.right, self._operator.transposed
        rows, cols = (columns, k) if transposed else (k, columns)
        first = batch * (self._n if transposed else self._k)
        own = range(first + rows.start, first + rows.stop)
        return self._emitter.weights(right, own, cols)

    def _matrix(self, batch: int, rows: range, columns: range, k: range) -> None:
        emitter, operator = self._emitter, self._operator
        right = self._right(batch, columns, k)
        left = emitter.source(operator.input, rows, k)
        k_tiles = ceil_div(len(k), emitter.config.rows)
        emitter.append(
            Matrix(
                activation_address=left.address,
                activation_signed=int(operator.input.element_type is ElementType.INT8),
                activation_zero_point=operator.input_zero_point,
                y_limit=len(rows),
                row_stride=left.row_stride,
                x_limit=len(k),
                output_rows=len(rows),
                k_tiles=k_tiles,
                last_k=len(k) - (k_tiles - 1) * emitter.config.rows,
                weight_address=right.address,
                weight_signed=int(operator.right.element_type is ElementType.INT8),
                weight_zero_point=operator.right_zero_point,
                weight_transposed=int(operator.transposed),
                weight_row_major=int(not operator.transposed),
                weight_stride=right.row_stride,
                accumulator_half=emitter.half,
                accumulate=int(k.start > 0),
                **lanes(len(columns), emitter.config.cols),
            ),
            reads=(left.region, right.region),
            writes=(emitter.accumulators(emitter.half),),
        )
