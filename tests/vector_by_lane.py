"""Rule I-04 as it is written, one lane at a time, on plain bytes and integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arch.config import Config
from arch.isa import (
    Addition,
    Destination,
    ElementType,
    Operation,
    Raw,
    RowFunction,
    ScaleRows,
    Source,
    Statistic,
    Vector,
)
from golden.ops.exponent import exponent
from golden.ops.inverse_root import inverse_square_root, reciprocal
from golden.ops.qlinear_add import add_table
from golden.ops.requantize import requantize


@dataclass
class Machine:
    """Memories of the vector unit.

    ``accumulator`` is int32 [half, vector, lane]; ``parameter`` bytes; tables as B-07 has them;
    statistics hold what was written, by entry.
    """

    config: Config
    activation: np.ndarray
    weight: np.ndarray
    parameter: np.ndarray
    accumulator: np.ndarray
    unary_table: np.ndarray
    wide_table: np.ndarray
    maximum: dict[int, int]
    sum: dict[int, int]
    squares: dict[int, int]
    scale: dict[int, np.float32]

    def execute(self, i: Vector | ScaleRows) -> None:
        if isinstance(i, ScaleRows):
            self._scale(i)
            return
        C = self.config.cols
        for n in range(i.n_tiles):
            for m in range(i.rows):
                first = n == 0 and not i.statistic_accumulate
                e = i.statistic_address + m
                if i.statistic == Statistic.MAXIMUM and first:
                    self.maximum[e] = -(1 << 31)
                if i.statistic == Statistic.SUM and first:
                    self.sum[e] = 0
                    if i.operation != Operation.EXPONENT:
                        self.squares[e] = 0
                results = [
                    self._lane(i, n, m, c) for c in range(i.last_n if n == i.n_tiles - 1 else C)
                ]
                for c, r in enumerate(results):
                    self._write(i, m, n * C + c, r)

    def _lane(self, i: Vector, n: int, m: int, c: int) -> int:
        """``r``, the statistics being updated on the way."""
        config, e = self.config, i.statistic_address + m
        col = n * config.cols + c
        counts = not i.masked or col < i.mask_origin + m
        b, s = 0, np.uint32(i.scale).view(np.float32)
        if not i.tensor_scale:
            at = i.parameter_address + 8 * config.cols * n + 4 * c
            b = int(self.parameter[at : at + 4].view("<i4")[0])
            at += 4 * config.cols
            s = self.parameter[at : at + 4].view("<f4")[0]
        if i.row_scale:
            s = np.float32(s * self.scale[e])
        after = 0
        if i.bias_after:
            after, b = wrap(b, 16), 0
        x, y = self._x(i, n, m, c, col), self._y(i, m, col)
        if i.operation == Operation.EXPONENT:
            v = min(self.maximum[e] - wrap(x + b), (1 << 31) - 1)
            if not counts:
                return 0
            r, f = (int(a) for a in exponent(v, s, ElementType(i.element_type).high))
            if i.statistic == Statistic.SUM:
                self.sum[e] = wrap(self.sum[e] + f, 48)
            return r
        v = {
            Operation.DIRECT: lambda: wrap(x + b),
            Operation.MULTIPLY: lambda: wrap(x * (y - i.multiplier_zero_point) + b),
            Operation.CENTRE: lambda: wrap(i.count * x - wrap(self.sum[e])),
        }[Operation(i.operation)]()
        if i.statistic == Statistic.MAXIMUM and counts:
            self.maximum[e] = max(self.maximum[e], v)
        r = self._mapped(i, v, s, after, y) if counts else 0
        if i.statistic == Statistic.SUM:
            self.sum[e] = wrap(self.sum[e] + r, 48)
            self.squares[e] = wrap(self.squares[e] + r * r, 48)
        return r

    def _mapped(self, i: Vector, v: int, s: np.float32, after: int, y: int) -> int:
        if i.raw != Raw.NONE:
            return wrap(v if i.raw == Raw.LOW else v >> 16, 16)
        q = int(requantize(v, s)) + i.zero_point + after
        q = max(i.clamp_low, min(i.clamp_high, q))
        if i.unary_table:
            q = int(self.unary_table[q & 255])
            q = wrap(q, 8) if i.unary_signed else q
        if i.interpolate:
            word = self.wide_table[4 * (q >> 8 & 255) :][:4].view("<i2").astype(int)
            h = q & 255
            q = int(word[0] * (256 - h) + word[1] * h + 128) >> 8
        if i.addition == Addition.NONE:
            return q
        if i.addition == Addition.INT16:
            q += y
        else:
            q = int(add_table(q, y, i.addition_scale, self.wide_table.view("<f4")))
        return max(i.sum_low, min(i.sum_high, q))

    def _x(self, i: Vector, n: int, m: int, c: int, col: int) -> int:
        if i.source == Source.ACCUMULATOR:
            vector = i.accumulator_address + n * i.rows + m
            return int(self.accumulator[i.accumulator_half, vector, c])
        at = i.source_address + m * i.source_row_stride + col * Source(i.source).bytes
        return self._element(ElementType[Source(i.source).name], at) - i.source_zero_point

    def _y(self, i: Vector, m: int, col: int) -> int:
        element = ElementType.UINT8
        if i.operation == Operation.MULTIPLY:
            element = ElementType(i.multiplier_type)
        elif i.addition == Addition.INT16:
            element = ElementType.INT16
        elif i.addition == Addition.NONE:
            return 0
        return self._element(
            element, i.residual_address + m * i.residual_row_stride + col * element.bytes
        )

    def _element(self, element: ElementType, address: int) -> int:
        address %= 1 << 24
        raw = int.from_bytes(self.activation[address : address + element.bytes], "little")
        return raw - (1 << 8 * element.bytes) if raw > element.high else raw

    def _write(self, i: Vector, m: int, col: int, r: int) -> None:
        if i.output_buffer == Destination.NONE:
            return
        element = ElementType(i.element_type)
        floor, rest = divmod(r, 1 << i.output_shift)
        half = rest * 2 - (1 << i.output_shift)
        value = floor + (half > 0 or (half == 0 and floor % 2 == 1)) + i.output_zero_point
        value = max(element.low, min(element.high, value))
        memory = self.weight if i.output_buffer == Destination.WEIGHT else self.activation
        at = (i.output_address + m * i.output_row_stride + col * element.bytes) % (1 << 24)
        memory[at : at + element.bytes] = list(
            (value % (1 << 8 * element.bytes)).to_bytes(element.bytes, "little")
        )

    def _scale(self, i: ScaleRows) -> None:
        """Rule I-07."""
        for e in range(i.statistic_address, i.statistic_address + i.rows):
            if i.function == RowFunction.RECIPROCAL:
                self.scale[e] = reciprocal(np.uint64(self.sum[e]))[()]
                continue
            radicand = i.count * self.squares[e] + i.epsilon
            radicand -= self.sum[e] ** 2 if i.centre else 0
            self.scale[e] = inverse_square_root(np.uint64(radicand))[()]


def wrap(value: int, bits: int = 32) -> int:
    """The low bits, as a signed integer."""
    half = 1 << bits - 1
    return (value + half) % (1 << bits) - half
