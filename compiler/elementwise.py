"""What is made code by code of one or two tensors, to steps: one pass of VECTOR."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from arch.isa import Addition, ElementType, Operation, Table, Vector
from compiler.emitter import Emitter
from compiler.epilogue import residual_fields
from compiler.operand import Operand, cut
from compiler.step import Region
from compiler.vector_fields import (
    Fields,
    clamped,
    from_buffer,
    into,
    lanes,
    second,
    tensor_scale,
)
from workloads.operators import Add, Map, Multiply
from workloads.tensor import Tensor


def lower_add(emitter: Emitter, operator: Add) -> None:
    """Emit all steps: the left term is passed through (scale 1), the right one added to it."""
    wide = ElementType.INT16
    fields: Fields = {
        **tensor_scale(1.0),
        "addition": Addition.INT16,
        "sum_low": wide.low,
        "sum_high": wide.high,
        "output_shift": operator.narrow.bits,
        "output_zero_point": operator.narrow.zero_point,
    }
    for block in _blocks(emitter, operator.left, operator.right, operator.output):
        assert block.right is not None, "there are two terms"
        block.emit(from_buffer(block.left, wide), {**fields, **second(block.right)})


def lower_multiply(emitter: Emitter, operator: Multiply) -> None:
    """Emit all steps."""
    left_type, left_zero_point = operator.left.element_type, operator.left_zero_point
    fields: Fields = {
        **tensor_scale(operator.scale),
        "operation": Operation.MULTIPLY,
        "multiplier_type": operator.right.element_type,
        "multiplier_zero_point": operator.right_zero_point,
        "zero_point": operator.output_zero_point,
        **clamped(operator.output.element_type),
    }
    for block in _blocks(emitter, operator.left, operator.right, operator.output):
        assert block.right is not None, "there are two factors"
        source = from_buffer(block.left, left_type, left_zero_point)
        block.emit(source, {**fields, **second(block.right)})


def lower_map(emitter: Emitter, operator: Map) -> None:
    """Emit all steps: codes are passed through (scale 1) to the tables."""
    table, residual = operator.table, operator.residual
    fields: Fields = {**tensor_scale(1.0), **clamped(operator.input.element_type)}
    tables = []
    if table is not None:
        signed = table.element_type is ElementType.INT8
        fields |= {"unary_table": 1, "unary_signed": int(signed)}
        tables.append(emitter.table(Table.UNARY, f"unary.{operator.name}", table.values.tobytes))
    if residual is not None and residual.table is not None:
        terms = residual.table.astype("<f4")
        tables.append(emitter.table(Table.WIDE, f"wide.{operator.name}", terms.tobytes))
    right = None if residual is None else residual.tensor
    result = operator.output.element_type
    for block in _blocks(emitter, operator.input, right, operator.output):
        addition: Fields = {}
        if residual is not None and block.right is not None:
            addition = residual_fields(residual, result, block.right)
        source = from_buffer(block.left, operator.input.element_type)
        block.emit(source, {**fields, **addition}, tuple(tables))


class _Block:
    """Rows and columns that the rings hold.

    Attributes
    ----------
    left, right
        Operands; of a right one with fewer rows the one row that serves them all.
    """

    def __init__(
        self,
        emitter: Emitter,
        tensors: tuple[Tensor, Tensor | None, Tensor],
        rows: range,
        columns: range,
    ) -> None:
        left, right, self._output = tensors
        self._emitter = emitter
        self._rows, self._columns = rows, columns
        self.left = emitter.source(left, rows, columns)
        self.right: Operand | None = None
        if right is not None:
            share = left.rows // right.rows
            own = range(rows.start // share, (rows.stop - 1) // share + 1)
            self.right = emitter.source(right, own, columns)
            if share > 1:
                self.right = replace(self.right, row_stride=0)

    def emit(self, source: Fields, fields: Fields, tables: tuple[Region, ...] = ()) -> None:
        """One pass, and the store of its result."""
        target = self._emitter.target(self._output, self._rows, self._columns)
        operands = (
            [self.left.region]
            if self.right is None
            else [
                self.left.region,
                self.right.region,
            ]
        )
        self._emitter.append(
            Vector(
                rows=len(self._rows),
                **lanes(len(self._columns), self._emitter.config.cols),
                **source,
                **{**into(target, self._output.element_type), **fields},
            ),
            reads=(*operands, *tables),
            writes=(target.region,),
        )
        self._emitter.finish(self._output, self._rows, self._columns)


def _blocks(
    emitter: Emitter, left: Tensor, right: Tensor | None, output: Tensor
) -> Iterator[_Block]:
    """Blocks in order; all rows of one are served by one row of a right operand with fewer."""
    operands = () if right is None else (right,)
    share = left.rows // right.rows if right is not None else 1
    shared = operands if share > 1 else ()
    reads = (left,) if share > 1 else (left, *operands)
    for rows in _row_blocks(emitter, reads, output, share):
        for columns in emitter.column_blocks(reads, (output,), rows, shared):
            yield _Block(emitter, (left, right, output), rows, columns)


def _row_blocks(
    emitter: Emitter, reads: tuple[Tensor, ...], output: Tensor, share: int
) -> Iterator[range]:
    if share == 1:
        yield from emitter.row_blocks(reads, (output,))
        return
    size = len(emitter.row_blocks(reads, (output,))[0])
    for first in range(0, output.rows, share):
        for some in cut(share, size):
            yield range(first + some.start, first + some.stop)
