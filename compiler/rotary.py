"""Rotary position embedding to steps: the two products of each head, and their sum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from arch.errors import AssayError
from arch.isa import Addition, ElementType, Operation, Vector
from compiler.emitter import Emitter
from compiler.operand import Operand
from compiler.vector_fields import from_buffer, into, lanes, second, tensor_scale
from model.tiling import round_up
from workloads.operators import Rotary
from workloads.tensor import Tensor

_WIDE = ElementType.INT16


@dataclass(frozen=True)
class _Line:
    """What one instruction covers: a head in many rows, or many heads of one row.

    Attributes
    ----------
    rows, columns
        Of input and output.
    heads
        In `columns`; 1, or `rows` is one.
    """

    rows: range
    columns: range
    heads: int

    @property
    def count(self) -> int:
        """Rows as VECTOR counts them."""
        return len(self.rows) * self.heads


def lower_rotary(emitter: Emitter, operator: Rotary) -> None:
    """Emit all steps.

    Raises
    ------
    AssayError
        Halves of heads do not begin at whole tiles, or their products do not fit.
    """
    cols = emitter.config.cols
    if operator.head_size % (2 * cols):
        raise AssayError(
            f"operator '{operator.name}': half a head of {operator.head_size} columns is no "
            f"multiple of the {cols} of a tile (configuration '{emitter.config.name}'): choose "
            "another head size or a narrower array"
        )
    for line in _lines(emitter, operator):
        _LineLowering(emitter, operator, line).run()


def _lines(emitter: Emitter, operator: Rotary) -> Iterator[_Line]:
    """By heads, or where that takes fewer instructions and rows fit, by rows."""
    size, total = operator.head_size, operator.input.cols
    heads = total // size
    most = _most_lines(emitter, operator)
    for rows in emitter.row_blocks(operator.inputs, operator.outputs, most):
        whole = len(emitter.column_blocks((operator.input,), operator.outputs, rows)) == 1
        if len(rows) < heads <= most and whole:
            yield from (_Line(range(row, row + 1), range(total), heads) for row in rows)
        else:
            yield from (_Line(rows, range(left, left + size), 1) for left in range(0, total, size))


def _most_lines(emitter: Emitter, operator: Rotary) -> int:
    """Heads whose two products scratch memory holds."""
    pair_bytes = 2 * operator.head_size * _WIDE.bytes
    most = emitter.scratch_bytes // round_up(pair_bytes, 2 * emitter.config.word_bytes)
    if not most:
        raise AssayError(
            f"operator '{operator.name}': what is left of the activation buffer of configuration "
            f"'{emitter.config.name}' does not hold the {pair_bytes} bytes of a head's products: "
            "raise activation_buffer_kib"
        )
    return most


class _LineLowering:
    def __init__(self, emitter: Emitter, operator: Rotary, line: _Line) -> None:
        self._emitter = emitter
        self._operator = operator
        self._line = line
        self._size = operator.head_size
        size_bytes = operator.head_size * _WIDE.bytes
        products = emitter.scratch("products", _most_lines(emitter, operator), 2 * size_bytes)
        self._straight = products.part(0, size_bytes)
        self._swapped = products.part(size_bytes, size_bytes)

    def run(self) -> None:
        """Emit all steps."""
        cosine, sine = self._operator.cosine, self._operator.sine
        half = self._size // 2
        low, high = range(half), range(half, self._size)
        every = range(self._size)
        self._multiply(every, cosine, self._straight, every)
        self._multiply(high, sine, self._swapped, low)
        self._multiply(low, sine, self._swapped, high)
        self._add()

    def _multiply(self, taken: range, table: Tensor, product: Operand, columns: range) -> None:
        """Columns `taken` of the heads times `columns` of the table."""
        emitter, line = self._emitter, self._line
        source = self._by_head(emitter.source(self._operator.input, line.rows, line.columns), _WIDE)
        factor = emitter.source(table, line.rows, range(table.cols))
        if line.heads > 1:
            factor = replace(factor, row_stride=0)
        emitter.append(
            Vector(
                rows=line.count,
                operation=Operation.MULTIPLY,
                multiplier_type=_WIDE,
                **lanes(len(columns), emitter.config.cols),
                **tensor_scale(self._operator.scale),
                **from_buffer(_from(source, taken.start), _WIDE),
                **second(_from(factor, columns.start)),
                **into(_from(product, columns.start), _WIDE),
            ),
            reads=(source.region, factor.region),
            writes=(product.region,),
        )

    def _add(self) -> None:
        emitter, line, tensor = self._emitter, self._line, self._operator.output
        output = self._by_head(emitter.target(tensor, line.rows, line.columns), tensor.element_type)
        emitter.append(
            Vector(
                rows=line.count,
                addition=Addition.INT16,
                sum_low=_WIDE.low,
                sum_high=_WIDE.high,
                **lanes(self._size, emitter.config.cols),
                **tensor_scale(1.0),
                **from_buffer(self._straight, _WIDE),
                **second(self._swapped),
                **into(output, tensor.element_type, self._operator.narrow),
            ),
            reads=(self._straight.region, self._swapped.region),
            writes=(output.region,),
        )
        emitter.finish(tensor, line.rows, line.columns)

    def _by_head(self, operand: Operand, element_type: ElementType) -> Operand:
        """The heads of a row as rows."""
        if self._line.heads == 1:
            return operand
        return replace(operand, row_stride=self._size * element_type.bytes)


def _from(operand: Operand, column: int) -> Operand:
    """An int16 operand from `column` on."""
    return replace(operand, address=operand.address + column * _WIDE.bytes)
