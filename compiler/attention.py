"""Attention to steps (N-05, N-08); :mod:`compiler.attention_blocks` says in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

from arch.isa import ElementType, Matrix, Operation, RowFunction, ScaleRows, Statistic, Vector
from compiler.attention_blocks import REACH, Block, plan
from compiler.emitter import Emitter
from compiler.operand import Operand
from compiler.step import Region
from compiler.vector_fields import NOWHERE, Fields, clamped, into, lanes, tensor_scale
from compiler.weight_chunks import weight_chunks
from model.tiling import ceil_div
from workloads.operators import Attention
from workloads.tensor import Tensor


class _Chunk(NamedTuple):
    """Keys that lie in the weight buffer together.

    ``first`` counts from the block's first key; of ``rows`` the first ``visible`` are seen.
    """

    first: int
    rows: range
    visible: int


def lower_attention(emitter: Emitter, operator: Attention) -> None:
    """Emit all steps.

    Raises
    ------
    AssayError
        It cannot be cut into blocks that fit (see :func:`compiler.attention_blocks.plan`), or a
        tile of keys or values does not fit the weight buffer.
    """
    _AttentionLowering(emitter, operator).run()


class _AttentionLowering:
    def __init__(self, emitter: Emitter, operator: Attention) -> None:
        self._emitter = emitter
        self._operator = operator
        config = emitter.config
        self._rows, self._cols = config.rows, config.cols
        self._depth = config.accumulator_depth
        self._plan = plan(operator, config, emitter.scratch_bytes)
        self._first_half = emitter.half
        self._first_entry, self._entries, _ = emitter.statistics(
            operator.name, 2 * self._plan.most_rows
        )

    def run(self) -> None:
        """Emit all steps."""
        actions: dict[str, Callable[[Block], None]] = {
            "scores": self._scores,
            "maximum": self._maximum,
            "exponent": self._exponent,
            "scale": self._scale,
            "values": self._values,
            "requantize": self._requantize,
        }
        blocks = self._plan.blocks
        for first in range(0, len(blocks) + REACH, 2):
            for action, offset in chain.from_iterable(self._plan.turns):
                if 0 <= first + offset < len(blocks):
                    actions[action](blocks[first + offset])
        self._emitter.half = self._first_half ^ (len(blocks) & 1)

    def _scores(self, block: Block) -> None:
        operator = self._operator
        query = self._emitter.source(operator.query, block.rows, self._columns(block))
        for chunk in self._chunks(operator.key, block, self._cols):
            key = self._emitter.weights(operator.key, chunk.rows, self._shared_columns(block))
            self._emitter.append(
                Matrix(
                    activation_address=query.address,
                    activation_signed=_is_signed(operator.query),
                    activation_zero_point=operator.query_zero_point,
                    y_limit=block.count,
                    row_stride=self._row_stride(block, query),
                    x_limit=operator.head_size,
                    output_rows=block.count,
                    k_tiles=operator.head_size // self._rows,
                    last_k=self._rows,
                    weight_address=key.address,
                    weight_signed=_is_signed(operator.key),
                    weight_zero_point=operator.key_zero_point,
                    weight_transposed=1,
                    weight_stride=key.row_stride,
                    accumulator_address=chunk.first // self._cols * block.count,
                    accumulator_half=self._half(block),
                    **lanes(chunk.visible, self._cols),
                ),
                reads=(query.region, key.region),
                writes=(self._accumulators(block),),
            )

    def _maximum(self, block: Block) -> None:
        self._softmax_pass(block, Statistic.MAXIMUM, {**tensor_scale(1.0), **NOWHERE}, ())

    def _exponent(self, block: Block) -> None:
        probabilities = self._probabilities(block)
        fields = {
            "operation": Operation.EXPONENT,
            **tensor_scale(self._operator.score_scale),
            **into(probabilities, ElementType.UINT8),
        }
        self._softmax_pass(block, Statistic.SUM, fields, (probabilities.region,))

    def _softmax_pass(
        self, block: Block, statistic: Statistic, fields: Fields, writes: tuple[Region, ...]
    ) -> None:
        """A pass over the scores of a block."""
        self._emitter.append(
            Vector(
                accumulator_half=self._half(block),
                rows=block.count,
                statistic=statistic,
                statistic_address=self._entry(block),
                masked=int(block.mask_origin is not None),
                mask_origin=block.mask_origin or 0,
                **lanes(block.visible, self._cols),
                **fields,
            ),
            reads=(self._accumulators(block),),
            writes=(self._entries, *writes),
        )

    def _scale(self, block: Block) -> None:
        self._emitter.append(
            ScaleRows(
                function=RowFunction.RECIPROCAL,
                statistic_address=self._entry(block),
                rows=block.count,
            ),
            reads=(self._entries,),
            writes=(self._entries,),
        )

    def _values(self, block: Block) -> None:
        operator = self._operator
        probabilities = self._probabilities(block)
        for chunk in self._chunks(operator.value, block, self._rows):
            value = self._emitter.weights(operator.value, chunk.rows, self._shared_columns(block))
            k_tiles = ceil_div(chunk.visible, self._rows)
            self._emitter.append(
                Matrix(
                    activation_address=probabilities.address + chunk.first,
                    activation_signed=0,
                    y_limit=block.count,
                    row_stride=probabilities.row_stride,
                    x_limit=chunk.visible,
                    output_rows=block.count,
                    k_tiles=k_tiles,
                    last_k=chunk.visible - (k_tiles - 1) * self._rows,
                    weight_address=value.address,
                    weight_signed=_is_signed(operator.value),
                    weight_zero_point=operator.value_zero_point,
                    weight_row_major=1,
                    weight_stride=value.row_stride,
                    accumulator_address=self._values_address(block),
                    accumulator_half=self._half(block),
                    accumulate=int(chunk.first > 0),
                    **lanes(operator.head_size, self._cols),
                ),
                reads=(probabilities.region, value.region),
                writes=(self._accumulators(block),),
            )

    def _requantize(self, block: Block) -> None:
        operator = self._operator
        columns = self._columns(block)
        output = self._emitter.target(operator.output, block.rows, columns)
        fields = into(output, operator.output.element_type)
        fields["output_row_stride"] = self._row_stride(block, output)
        self._emitter.append(
            Vector(
                accumulator_address=self._values_address(block),
                accumulator_half=self._half(block),
                rows=block.count,
                row_scale=1,
                statistic_address=self._entry(block),
                zero_point=operator.output_zero_point,
                **lanes(operator.head_size, self._cols),
                **tensor_scale(operator.output_scale),
                **clamped(operator.output.element_type),
                **fields,
            ),
            reads=(self._accumulators(block), self._entries),
            writes=(output.region,),
        )
        self._emitter.finish(operator.output, block.rows, columns)

    def _chunks(self, tensor: Tensor, block: Block, tile: int) -> Iterator[_Chunk]:
        """The keys that the block sees; all chunks but the last are multiples of `tile`."""
        first, width = 0, self._operator.head_size
        for rows in weight_chunks(self._emitter, tensor, block.keys, width, tile):
            if first < block.visible:
                yield _Chunk(first, rows, min(len(rows), block.visible - first))
            first += len(rows)

    def _columns(self, block: Block) -> range:
        """Of query and output."""
        size = self._operator.head_size
        return range(block.heads.start * size, block.heads.stop * size)

    def _shared_columns(self, block: Block) -> range:
        """Of key and value."""
        operator = self._operator
        head = block.heads.start // (operator.heads // operator.kv_heads)
        return range(head * operator.head_size, (head + 1) * operator.head_size)

    def _row_stride(self, block: Block, operand: Operand) -> int:
        """Heads of one row lie one behind the other."""
        return self._operator.head_size if len(block.heads) > 1 else operand.row_stride

    def _probabilities(self, block: Block) -> Operand:
        """Those of the blocks of both halves lie side by side."""
        both = self._emitter.scratch(
            "probabilities", self._plan.most_rows, 2 * self._plan.row_bytes
        )
        return both.part((block.index & 1) * self._plan.row_bytes, block.visible)

    def _values_address(self, block: Block) -> int:
        """At the end of the half, behind the scores of any block."""
        return self._depth - block.count * (self._operator.head_size // self._cols)

    def _entry(self, block: Block) -> int:
        """First entry of the statistics."""
        return self._first_entry + (block.index & 1) * self._plan.most_rows

    def _half(self, block: Block) -> int:
        return self._first_half ^ (block.index & 1)

    def _accumulators(self, block: Block) -> Region:
        return self._emitter.accumulators(self._half(block))


def _is_signed(tensor: Tensor) -> int:
    return int(tensor.element_type is ElementType.INT8)
