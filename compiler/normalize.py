"""Normalisation to steps: sums of the rows, their scale (I-07), a pass for each output (N-08)."""

from __future__ import annotations

from arch.isa import Operation, RowFunction, ScaleRows, Statistic, Vector
from compiler.emitter import Emitter
from compiler.operand import Operand
from compiler.step import Region
from compiler.vector_fields import NOWHERE, Fields, from_buffer, into, lanes, tensor_scale
from workloads.epilogue import KEEP, Narrow
from workloads.operators import Normalize
from workloads.tensor import Tensor


def lower_normalize(emitter: Emitter, operator: Normalize) -> None:
    """Emit all steps."""
    depth = emitter.config.accumulator_depth
    blocks = emitter.row_blocks(operator.inputs, operator.outputs, depth)
    if operator.input.rows <= depth:
        _lower(emitter, operator, range(operator.input.rows), blocks)
    else:
        for rows in blocks:
            _lower(emitter, operator, rows, [rows])


def _lower(emitter: Emitter, operator: Normalize, rows: range, blocks: list[range]) -> None:
    """Emit steps for `rows`, whose statistics are kept together, block by block."""
    first, _, is_new = emitter.statistics((operator.input.name, rows), len(rows))
    for block in blocks:
        _Block(emitter, operator, block, first + block.start - rows.start).run(is_new)


class _Block:
    """Rows that the rings hold.

    Parameters
    ----------
    entry
        Of the first row in the statistics file.
    """

    def __init__(self, emitter: Emitter, operator: Normalize, rows: range, entry: int) -> None:
        self._emitter = emitter
        self._operator = operator
        self._rows = rows
        self._columns = emitter.column_blocks(operator.inputs, operator.outputs, rows)
        self._entry = entry
        self._entries = Region("statistics", entry, len(rows))

    def run(self, is_new: bool) -> None:
        """Emit all steps; the sums only if they are not known from an operator before.

        `wide` comes last: what waits for `output` may begin meanwhile.
        """
        operator = self._operator
        if is_new:
            self._sum()
        self._scale()
        self._pass(operator.output, operator.narrow)
        if operator.wide is not None:
            self._pass(operator.wide, KEEP)

    def _sum(self) -> None:
        for columns in self._columns:
            source = self._emitter.source(self._operator.input, self._rows, columns)
            self._emitter.append(
                Vector(
                    rows=len(self._rows),
                    statistic=Statistic.SUM,
                    statistic_accumulate=int(columns.start > 0),
                    statistic_address=self._entry,
                    **lanes(len(columns), self._emitter.config.cols),
                    **self._from(source),
                    **tensor_scale(1.0),
                    **NOWHERE,
                ),
                reads=(source.region,),
                writes=(self._entries,),
            )

    def _from(self, source: Operand) -> Fields:
        operator = self._operator
        return from_buffer(source, operator.input.element_type, operator.input_zero_point)

    def _scale(self) -> None:
        operator = self._operator
        self._emitter.append(
            ScaleRows(
                function=RowFunction.INVERSE_SQUARE_ROOT,
                statistic_address=self._entry,
                rows=len(self._rows),
                count=operator.input.cols if operator.centre else 1,
                centre=int(operator.centre),
                epsilon=operator.epsilon,
            ),
            reads=(self._entries,),
            writes=(self._entries,),
        )

    def _pass(self, tensor: Tensor, narrow: Narrow) -> None:
        operator = self._operator
        operation = Operation.CENTRE if operator.centre else Operation.DIRECT
        for columns in self._columns:
            source = self._emitter.source(operator.input, self._rows, columns)
            parameters = self._emitter.parameters(operator.name, columns)
            output = self._emitter.target(tensor, self._rows, columns)
            self._emitter.append(
                Vector(
                    rows=len(self._rows),
                    operation=operation,
                    count=operator.input.cols if operator.centre else 0,
                    parameter_address=parameters.address,
                    row_scale=1,
                    bias_after=1,
                    statistic_address=self._entry,
                    **lanes(len(columns), self._emitter.config.cols),
                    **self._from(source),
                    **into(output, tensor.element_type, narrow),
                ),
                reads=(source.region, parameters.region, self._entries),
                writes=(output.region,),
            )
            self._emitter.finish(tensor, self._rows, columns)
