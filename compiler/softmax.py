"""Softmax of rows to steps: maximum, exponential with its sum, and the quotient."""

from __future__ import annotations

from arch.errors import AssayError
from arch.isa import ElementType, Operation, RowFunction, ScaleRows, Statistic, Vector
from compiler.emitter import Emitter
from compiler.operand import Operand, even_cuts
from compiler.step import Region
from compiler.vector_fields import (
    NOWHERE,
    Fields,
    clamped,
    from_buffer,
    into,
    lanes,
    tensor_scale,
)
from model.tiling import ceil_div, round_up
from workloads.operators import Softmax


def lower_softmax(emitter: Emitter, operator: Softmax) -> None:
    """Emit all steps, block by block of rows whose exponentials scratch memory holds twice.

    Raises
    ------
    AssayError
        It does not hold one row.
    """
    config = emitter.config
    row_bytes = round_up(operator.input.cols, config.cols) * ElementType.INT16.bytes
    room = emitter.scratch_bytes // round_up(row_bytes, 2 * config.word_bytes)
    if room < 1:
        raise AssayError(
            f"operator '{operator.name}': {operator.input.cols} exponentials do not fit what is "
            f"left of the activation buffer of configuration '{config.name}': raise "
            "activation_buffer_kib"
        )
    most = min(config.accumulator_depth, max(1, room // 2))
    for some in emitter.row_blocks((operator.input,), (operator.output,), most):
        for part in even_cuts(len(some), ceil_div(len(some), most)):
            rows = range(some.start + part.start, some.start + part.stop)
            _Block(emitter, operator, rows, row_bytes).run()


class _Block:
    """Rows whose statistics are kept together."""

    def __init__(self, emitter: Emitter, operator: Softmax, rows: range, row_bytes: int) -> None:
        self._emitter = emitter
        self._operator = operator
        self._rows = rows
        self._columns = emitter.column_blocks((operator.input,), (operator.output,), rows)
        self._exponentials = emitter.scratch(("exponentials", rows), len(rows), row_bytes)
        # Not by its name alone: normalisations keep sums by the name of their input.
        key = ("softmax", operator.name, rows)
        self._entry, self._entries, _ = emitter.statistics(key, len(rows))

    def run(self) -> None:
        """Emit all steps."""
        for columns in self._columns:
            fields = {**tensor_scale(1.0), **self._statistic(Statistic.MAXIMUM, columns), **NOWHERE}
            self._read(columns, fields, ())
        for columns in self._columns:
            exponentials = self._part(columns)
            fields = {
                **tensor_scale(self._operator.scale),
                **self._statistic(Statistic.SUM, columns),
                "operation": Operation.EXPONENT,
                **into(exponentials, ElementType.INT16),
            }
            self._read(columns, fields, (exponentials.region,))
        self._emitter.append(
            ScaleRows(
                function=RowFunction.RECIPROCAL,
                statistic_address=self._entry,
                rows=len(self._rows),
            ),
            reads=(self._entries,),
            writes=(self._entries,),
        )
        for columns in self._columns:
            self._quotient(columns)

    def _part(self, columns: range) -> Operand:
        size = ElementType.INT16.bytes
        return self._exponentials.part(columns.start * size, len(columns) * size)

    def _statistic(self, statistic: Statistic, columns: range) -> Fields:
        return {
            "statistic": statistic,
            "statistic_accumulate": int(columns.start > 0),
            "statistic_address": self._entry,
        }

    def _read(self, columns: range, fields: Fields, writes: tuple[Region, ...]) -> None:
        operator = self._operator
        source = self._emitter.source(operator.input, self._rows, columns)
        self._emitter.append(
            Vector(
                rows=len(self._rows),
                **lanes(len(columns), self._emitter.config.cols),
                **from_buffer(source, operator.input.element_type),
                **fields,
            ),
            reads=(source.region, self._entries),
            writes=(self._entries, *writes),
        )

    def _quotient(self, columns: range) -> None:
        operator, kind = self._operator, self._operator.output.element_type
        source = self._part(columns)
        output = self._emitter.target(operator.output, self._rows, columns)
        self._emitter.append(
            Vector(
                rows=len(self._rows),
                row_scale=1,
                statistic_address=self._entry,
                zero_point=operator.output_zero_point,
                **lanes(len(columns), self._emitter.config.cols),
                **from_buffer(source, ElementType.INT16),
                **tensor_scale(operator.output_scale),
                **clamped(kind),
                **into(output, kind),
            ),
            reads=(source.region, self._entries),
            writes=(output.region,),
        )
        self._emitter.finish(operator.output, self._rows, columns)
