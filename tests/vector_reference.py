"""What the document says VECTOR must do: what I-04, I-05 and I-07 write, cycles of T-VX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import vector_arithmetic as arithmetic
from vector_bench import Memories

from arch.config import Config
from arch.isa import (
    Addition,
    Destination,
    ElementType,
    FillTable,
    Operation,
    Raw,
    RowFunction,
    ScaleRows,
    Source,
    Statistic,
    Table,
    Vector,
)
from arch.timing import VECTOR_PARAMETER_CYCLES, VECTOR_SETUP_CYCLES

ADDRESSES = 1 << 24
Instruction = Vector | FillTable | ScaleRows
Written = list[tuple[tuple[Destination, int], int]]

_SOURCES = {
    Source.INT8: ElementType.INT8,
    Source.UINT8: ElementType.UINT8,
    Source.INT16: ElementType.INT16,
}
_RESIDUALS = {Addition.TABLE: ElementType.UINT8, Addition.INT16: ElementType.INT16}


def source_type(vector: Vector) -> ElementType | None:
    """Of the elements that ``x`` is read from; None where these are accumulators."""
    return _SOURCES.get(Source(vector.source))


def operand_type(vector: Vector) -> ElementType | None:
    """Of the elements that ``y`` is read from, if it is read."""
    if vector.operation == Operation.MULTIPLY:
        return ElementType(vector.multiplier_type)
    return _RESIDUALS.get(Addition(vector.addition))


def valid_lanes(vector: Vector, cols: int) -> list[tuple[int, int, int]]:
    """N tile, row and number of valid lanes of each row, in order."""
    return [
        (tile, row, vector.last_n if tile == vector.n_tiles - 1 else cols)
        for tile in range(vector.n_tiles)
        for row in range(vector.rows)
    ]


@dataclass
class Machine:
    """The memories of the vector unit, and what its instructions do with them.

    What lies beyond the end of a memory is anything. The statistics are int64 of each entry.
    """

    config: Config
    memories: Memories
    tables: dict[Table, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        depth = self.config.accumulator_depth
        self.maximum = np.zeros(depth, np.int64)
        self.sum = np.zeros(depth, np.int64)
        self.squares = np.zeros(depth, np.int64)
        self.scale = np.zeros(depth, np.uint32)

    def execute(self, *program: Instruction) -> Written:
        """Every byte written, in order."""
        written = []
        for instruction in program:
            if isinstance(instruction, FillTable):
                words = self.memories.parameters[instruction.parameter_address :]
                table = Table(instruction.table)
                self.tables[table] = words[: 4 * table.words]
            elif isinstance(instruction, ScaleRows):
                self._scale_rows(instruction)
            else:
                written += self._bytes(instruction, self._pass(instruction))
        return written

    def _scale_rows(self, scale: ScaleRows) -> None:
        """I-07."""
        square_root = scale.function == RowFunction.INVERSE_SQUARE_ROOT
        for entry in range(scale.statistic_address, scale.statistic_address + scale.rows):
            total = int(self.sum[entry])
            if square_root:
                low = int(arithmetic.wrap(self.sum[entry : entry + 1], 32)[0])
                centred = low**2 if scale.centre else 0
                total = scale.count * int(self.squares[entry]) - centred + scale.epsilon
            self.scale[entry] = arithmetic.inverse(total % 2**64, square_root=square_root)

    def _pass(self, vector: Vector) -> np.ndarray:
        """I-04: ``r`` of every lane, [rows, columns]; the statistics change."""
        entries = vector.statistic_address + np.arange(vector.rows)
        columns = np.arange(vector.n_tiles * self.config.cols)
        valid = columns < columns.size - self.config.cols + vector.last_n
        counts = np.broadcast_to(valid, (vector.rows, columns.size))
        if vector.masked:
            counts = counts & (columns < vector.mask_origin + np.arange(vector.rows)[:, None])
        bias, scale = self._channels(vector, columns.size)
        if vector.row_scale:
            scale = arithmetic.row_scaled(scale, self.scale.take(entries, mode="clip")[:, None])
        after = arithmetic.wrap(bias, 16) if vector.bias_after else 0 * bias
        y = self._operand(vector, columns)
        v = self._value(vector, entries, columns, y, 0 * bias if vector.bias_after else bias)

        if vector.operation == Operation.EXPONENT:
            greatest = ElementType(vector.element_type).high
            r, summed = arithmetic.exponent(np.where(counts, v, 0), scale, greatest)
        elif vector.raw != Raw.NONE:
            r = summed = arithmetic.wrap(v, 16) if vector.raw == Raw.LOW else v >> 16
        else:
            r = summed = self._map(vector, arithmetic.requantize(v, scale) + after, y)
        self._keep_statistics(vector, entries, counts, v, summed)
        return np.where(counts, r, 0)

    def _channels(self, vector: Vector, columns: int) -> tuple[np.ndarray, np.ndarray]:
        """Biases and bits of scales, [columns]."""
        if vector.tensor_scale:
            return np.zeros(columns, np.int64), np.full(columns, vector.scale, np.uint32)
        words = self.memories.parameters.view(np.uint32)
        indices = vector.parameter_address // 4 + np.arange(2 * columns)
        channels = words.take(indices, mode="clip").reshape(-1, 2, self.config.cols)
        return channels[:, 0].view(np.int32).astype(np.int64).ravel(), channels[:, 1].ravel()

    def _elements(
        self, kind: ElementType, address: int, row_stride: int, rows: int, columns: np.ndarray
    ) -> np.ndarray:
        """[rows, columns] of a tensor in the activation buffer."""
        places = address + np.arange(rows)[:, None] * row_stride + columns * kind.bytes
        places = places[..., None] + np.arange(kind.bytes)
        data = self.memories.activations.take(places % ADDRESSES, mode="clip")
        view = data.view({1: np.uint8, 2: np.uint16}[kind.bytes])[..., 0].astype(np.int64)
        return view if kind == ElementType.UINT8 else arithmetic.wrap(view, 8 * kind.bytes)

    def _operand(self, vector: Vector, columns: np.ndarray) -> np.ndarray:
        kind = operand_type(vector) or ElementType.INT8
        place = vector.residual_address, vector.residual_row_stride
        return self._elements(kind, *place, vector.rows, columns)

    def _value(
        self,
        vector: Vector,
        entries: np.ndarray,
        columns: np.ndarray,
        y: np.ndarray,
        bias: np.ndarray,
    ) -> np.ndarray:
        """``v``, [rows, columns]."""
        kind = source_type(vector)
        if kind is None:
            tiles, rows = columns // self.config.cols, np.arange(vector.rows)[:, None]
            vectors = vector.accumulator_address + tiles * vector.rows + rows
            half = self.memories.accumulators[vector.accumulator_half]
            lanes = columns % self.config.cols
            x = half[np.minimum(vectors, len(half) - 1), lanes].astype(np.int64)
        else:
            place = vector.source_address, vector.source_row_stride
            x = self._elements(kind, *place, vector.rows, columns) - vector.source_zero_point
        if vector.operation == Operation.MULTIPLY:
            x = x * (y - vector.multiplier_zero_point)
        elif vector.operation == Operation.CENTRE:
            total = self.sum.take(entries, mode="clip")[:, None]
            return arithmetic.wrap(vector.count * x - total, 32)
        v = arithmetic.wrap(x + bias, 32)
        if vector.operation == Operation.EXPONENT:
            maximum = self.maximum.take(entries, mode="clip")[:, None]
            v = np.minimum(maximum - v, 2**31 - 1)
        return v

    def _map(self, vector: Vector, requantized: np.ndarray, y: np.ndarray) -> np.ndarray:
        """From the requantised value to ``r``."""
        # Far beyond every clamp a float32 has no integer type that holds it; what is no number
        # comes of parameters that are beyond their buffer.
        places = np.nan_to_num(requantized).clip(-(2.0**40), 2.0**40).astype(np.int64)
        q = np.clip(places + vector.zero_point, vector.clamp_low, vector.clamp_high)
        if vector.unary_table:
            q = self.tables[Table.UNARY][q & 255].astype(np.int64)
            q = arithmetic.wrap(q, 8) if vector.unary_signed else q
        if vector.interpolate:
            q = arithmetic.interpolate(q, self.tables[Table.WIDE].view("<u4"))
        if vector.addition == Addition.TABLE:
            words = self.tables[Table.WIDE].view("<u4")
            q = arithmetic.add_table(q, y, vector.addition_scale, words)
        elif vector.addition == Addition.INT16:
            q = q + y
        if vector.addition != Addition.NONE:
            q = np.clip(q, vector.sum_low, vector.sum_high)
        return q

    def _keep_statistics(
        self,
        vector: Vector,
        entries: np.ndarray,
        counts: np.ndarray,
        v: np.ndarray,
        summed: np.ndarray,
    ) -> None:
        kept = entries < self.config.accumulator_depth
        entries, counts, v, summed = entries[kept], counts[kept], v[kept], summed[kept]
        lowest = -(1 << 31)
        if vector.statistic == Statistic.MAXIMUM:
            old = self.maximum[entries] if vector.statistic_accumulate else lowest
            greatest = np.where(counts, v, lowest).max(axis=1)
            self.maximum[entries] = np.maximum(old, greatest)
        elif vector.statistic == Statistic.SUM:
            values = np.where(counts, summed, 0)
            updates = [(self.sum, values)]
            if vector.operation != Operation.EXPONENT:
                updates.append((self.squares, values**2))
            for memory, terms in updates:
                old = memory[entries] if vector.statistic_accumulate else 0
                memory[entries] = arithmetic.wrap(old + terms.sum(axis=1), 48)

    def _bytes(self, vector: Vector, r: np.ndarray) -> Written:
        kind = ElementType(vector.element_type)
        output = arithmetic.shift(r, vector.output_shift) + vector.output_zero_point
        codes = np.clip(output, kind.low, kind.high).astype("<i2")
        data = codes[..., None].view(np.uint8)[..., : kind.bytes]
        written = []
        if vector.output_buffer == Destination.NONE:
            return []
        for tile, row, lanes in valid_lanes(vector, self.config.cols):
            first = tile * self.config.cols
            address = vector.output_address + row * vector.output_row_stride + first * kind.bytes
            row_bytes = data[row, first : first + lanes].ravel().tolist()
            for byte, value in enumerate(row_bytes):
                place = Destination(vector.output_buffer), (address + byte) % ADDRESSES
                written.append((place, value))
        return written


@dataclass
class Schedule:
    """Cycles in which rows are issued, reads are denied, and the ledger says ``working``."""

    rows: list[int]
    denied: list[int]
    working: list[int]


def schedule(
    vector: Vector, start: int, granted: Callable[[int], bool] = lambda cycle: True
) -> Schedule:
    """T-VX-02, T-VX-03, B-04; ``granted`` tells in which cycles the activation buffer reads."""
    reads = (source_type(vector) is not None) + (operand_type(vector) is not None)
    before_tile = 0 if vector.tensor_scale else VECTOR_PARAMETER_CYCLES
    cycle = start + 1 + (VECTOR_SETUP_CYCLES if vector.tensor_scale else 0)
    result = Schedule([], [], [])
    for row in range(vector.n_tiles * vector.rows):
        cycle += before_tile if row % vector.rows == 0 else 0
        for last in (False, True) if reads == 2 else (True,):
            while reads and not granted(cycle):
                result.denied.append(cycle)
                cycle += 1
            result.working.append(cycle)
            if last:
                result.rows.append(cycle)
            cycle += 1
    return result
