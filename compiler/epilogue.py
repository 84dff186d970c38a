"""Passes of VECTOR that turn a block of accumulators into the output of an operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from arch.isa import Addition, ElementType, Raw, Table, Vector
from compiler.emitter import Emitter
from compiler.operand import Operand
from compiler.packing import pack_interpolation
from compiler.step import Region
from compiler.vector_fields import Fields, float_bits, into, lanes, second
from workloads.epilogue import Accumulated, Residual
from workloads.tensor import Tensor

_Get = Callable[[Tensor, range, range], Operand]

_PARAMETER_LOAD_BYTES = 1024
"""Parameters of several small groups are loaded at once, but not so many that weights wait."""


class Epilogue:
    """Scales and stores what an operator has accumulated, block by block.

    Parameters
    ----------
    emitter, operator
        Takes the steps; has bias, scales, tables and residual.
    group_columns
        Columns of a block, a multiple of ``cols``: operands and results are got by blocks.
    """

    def __init__(self, emitter: Emitter, operator: Accumulated, group_columns: int) -> None:
        self._emitter = emitter
        self._operator = operator
        groups = _PARAMETER_LOAD_BYTES // (8 * group_columns)
        self._batch_columns = max(1, groups) * group_columns
        self._tables = _fill_tables(emitter, operator)

    def emit_group(self, rows: range, group: range) -> None:
        """A pass over `rows` of a whole group that begins with its half."""
        self.emit(rows, group, group, 0)

    def emit(self, rows: range, group: range, columns: range, accumulator_address: int) -> None:
        """A pass over `rows` of some columns of a group that lie at an address of the half."""
        if not self._operator.raw:
            self._pass(rows, group, columns, accumulator_address, self._fields())
            return
        for half, raw in enumerate((Raw.LOW, Raw.HIGH)):
            first = half * self._operator.sum_rows
            shifted = range(rows.start + first, rows.stop + first)
            self._pass(shifted, group, columns, accumulator_address, {"raw": int(raw)})

    def finish(self, rows: range, group: range) -> None:
        """Behind the passes over all columns of a group."""
        self._emitter.finish(self._operator.output, rows, group)
        if self._operator.raw:
            first = self._operator.sum_rows
            shifted = range(rows.start + first, rows.stop + first)
            self._emitter.finish(self._operator.output, shifted, group)

    def _fields(self) -> Fields:
        """What becomes of the scaled value."""
        operator = self._operator
        low, high = operator.requantized_range
        table = operator.table
        return {
            "zero_point": operator.output_zero_point,
            "clamp_low": low,
            "clamp_high": high,
            "unary_table": int(table is not None),
            "unary_signed": int(table is not None and table.element_type is ElementType.INT8),
            "interpolate": int(operator.interpolation is not None),
        }

    def _pass(
        self, rows: range, group: range, columns: range, accumulator_address: int, fields: Fields
    ) -> None:
        emitter, operator = self._emitter, self._operator
        parameters = emitter.parameters(operator.name, columns, self._batch(columns))
        reads = [emitter.accumulators(emitter.half), parameters.region, *self._tables]
        if operator.residual is not None:
            residual = operator.residual
            operand = self._residual(residual.tensor, rows, group, columns)
            fields = fields | residual_fields(residual, operator.output.element_type, operand)
            reads.append(operand.region)
        output = _part(emitter.target, operator.output, rows, group, columns)
        emitter.append(
            Vector(
                accumulator_address=accumulator_address,
                accumulator_half=emitter.half,
                rows=len(rows),
                parameter_address=parameters.address,
                **lanes(len(columns), emitter.config.cols),
                **fields,
                **into(output, operator.output.element_type, operator.narrow),
            ),
            reads=tuple(reads),
            writes=(output.region,),
        )

    def _residual(self, tensor: Tensor, rows: range, group: range, columns: range) -> Operand:
        """Its rows, or the one that serves all."""
        if tensor.rows > 1 or self._operator.sum_rows == 1:
            return _part(self._emitter.source, tensor, rows, group, columns)
        operand = _part(self._emitter.source, tensor, range(1), group, columns)
        return replace(operand, row_stride=0)

    def _batch(self, columns: range) -> range:
        """Columns of several groups, whose parameters are loaded at once."""
        size = self._batch_columns
        start = columns.start // size * size
        return range(start, min(start + size, self._operator.output.cols))


def residual_fields(residual: Residual, result: ElementType, operand: Operand) -> Fields:
    """The addition of a residual that lies in the activation buffer."""
    is_wide = residual.kind is Addition.INT16
    total = ElementType.INT16 if is_wide else result
    low, high = residual.clamp or (total.low, total.high)
    return {
        "addition": int(residual.kind),
        "addition_scale": 0 if is_wide else float_bits(residual.scale),
        "sum_low": low,
        "sum_high": high,
        **second(operand),
    }


def _part(get: _Get, tensor: Tensor, rows: range, group: range, columns: range) -> Operand:
    """Some columns of an operand or result that is got by groups."""
    size = tensor.element_type.bytes
    offset = (columns.start - group.start) * size
    return get(tensor, rows, group).part(offset, len(columns) * size)


def _fill_tables(emitter: Emitter, operator: Accumulated) -> tuple[Region, ...]:
    """What the passes read of the lookup memories."""
    regions = []
    residual = operator.residual
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
