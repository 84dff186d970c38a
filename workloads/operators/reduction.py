"""Operators that sum over a row or over rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from workloads.checks import (
    BYTES,
    WRITABLE,
    check_array,
    check_output_zero_point,
    check_range,
    check_scale,
    check_shape,
    check_source_zero_point,
    check_type,
    fail,
)
from workloads.epilogue import KEEP, Narrow, check_narrow
from workloads.tensor import Tensor, check_name

_COLUMN_LIMIT = (1 << 15) - 1
"""Up to so many columns ``n * x - sum(x)`` is an int32."""
_ROW_LIMIT = (1 << 23) - 1
"""Up to so many rows the sum of differences of bytes is an int32."""


@dataclass(frozen=True, eq=False)
class Normalize:
    """Layer or root-mean-square normalisation of each row.

    With the ``n`` columns of a row ``x``: ``v = n * x - sum(x)`` and ``radicand = n * sum(x^2) -
    sum(x)^2 + epsilon`` where `centre`, else ``v = x`` and ``radicand = sum(x^2) + epsilon``; then
    ``wide = clamp16(requantize(v, f32(scale[c] * radicand^(-1/2))) + offset[c])`` (N-06, N-08) and
    ``output = narrow(wide)``.

    Attributes
    ----------
    input
        Tensor [m, n]; 8-bit ones less `input_zero_point`.
    scale, offset
        float32 [n], 2^-62 at least (N-08), and int32 [n] in the range of int16, in steps of `wide`.
    epsilon
        0 to 2^32 - 1.
    output
        Tensor [m, n], int8, uint8 or int16.
    wide
        Optional tensor [m, n], int16: the same before `narrow`.
    """

    name: str
    input: Tensor
    centre: bool
    scale: NDArray[np.float32]
    offset: NDArray[np.int32]
    epsilon: int
    output: Tensor
    narrow: Narrow = KEEP
    wide: Tensor | None = None
    input_zero_point: int = 0

    kind: ClassVar[str] = "normalize"
    macs: ClassVar[int] = 0

    def __post_init__(self) -> None:
        check_name("operator", self.name)
        rows, cols = self.input.rows, self.input.cols
        check_type(self.name, "input", self.input, WRITABLE)
        check_source_zero_point(self.name, "input_zero_point", self.input_zero_point, self.input)
        check_range(self.name, "columns of the input", cols, 1, _COLUMN_LIMIT)
        check_array(self.name, "scale", self.scale, np.float32, (cols,))
        check_scale(self.name, "scale", self.scale, row_scaled=True)
        check_array(self.name, "offset", self.offset, np.int32, (cols,))
        for end in (self.offset.min(), self.offset.max()):
            check_range(
                self.name, "offset", int(end), ElementType.INT16.low, ElementType.INT16.high
            )
        check_range(self.name, "epsilon", self.epsilon, 0, (1 << 32) - 1)
        check_shape(self.name, "output", self.output, rows, cols)
        check_narrow(self.name, self.narrow, self.output)
        if self.wide is not None:
            check_type(self.name, "wide", self.wide, (ElementType.INT16,))
            check_shape(self.name, "wide", self.wide, rows, cols)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.input,)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.output,) if self.wide is None else (self.output, self.wide)


@dataclass(frozen=True, eq=False)
class SumRows:
    """``output[s] = clamp(requantize(sum over segment s of (input - zero), scale[s]) + zero)``.

    Attributes
    ----------
    input
        Tensor [m, n], int8 or uint8.
    segments
        First row and number of rows of each.
    scale
        One float for each segment.
    output
        Tensor [len(segments), n].
    """

    name: str
    input: Tensor
    segments: tuple[tuple[int, int], ...]
    scale: tuple[float, ...]
    output: Tensor
    input_zero_point: int = 0
    output_zero_point: int = 0

    kind: ClassVar[str] = "sum_rows"

    def __post_init__(self) -> None:
        check_name("operator", self.name)
        check_type(self.name, "input", self.input, BYTES)
        check_type(self.name, "output", self.output, WRITABLE)
        check_shape(self.name, "output", self.output, len(self.segments), self.input.cols)
        check_output_zero_point(
            self.name, "output_zero_point", self.output_zero_point, self.output.element_type
        )
        for first, count in self.segments:
            if first < 0 or count < 1 or first + count > self.input.rows:
                fail(
                    self.name,
                    f"the segment of {count} rows from row {first} on is not within the "
                    f"{self.input.rows} rows of the input",
                )
            check_range(self.name, "rows of a segment", count, 1, _ROW_LIMIT)
        if len(self.scale) != len(self.segments):
            fail(self.name, f"{len(self.scale)} scales must be {len(self.segments)}, one a segment")
        check_scale(self.name, "scale", np.asarray(self.scale))
        zero_point = self.input_zero_point
        check_source_zero_point(self.name, "input_zero_point", zero_point, self.input)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.input,)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.output,)

    @property
    def macs(self) -> int:
        return self.input.cols * sum(count for _, count in self.segments)


@dataclass(frozen=True, eq=False, kw_only=True)
class Softmax:
    """``exp(x) / sum(exp(x))`` of each row, in three passes.

    ``e, f = exponent(max(x) - x, scale)`` with the peak 32767 (N-05), then ``output =
    clamp(requantize(e, f32(output_scale * reciprocal(sum(f)))) + output_zero_point)`` (N-06, N-08).

    Attributes
    ----------
    input, output
        Tensors of one shape; the input is 8-bit or int16.
    scale
        float32: input scale times log2(e) times 2^18.
    output_scale
        float32, 2^-62 at least: 2^26 / 32767 over the output scale.
    """

    name: str
    input: Tensor
    output: Tensor
    scale: float
    output_scale: float
    output_zero_point: int = 0

    kind: ClassVar[str] = "softmax"
    macs: ClassVar[int] = 0

    def __post_init__(self) -> None:
        check_name("operator", self.name)
        check_type(self.name, "input", self.input, WRITABLE)
        check_type(self.name, "output", self.output, WRITABLE)
        check_shape(self.name, "output", self.output, self.input.rows, self.input.cols)
        check_scale(self.name, "scale", self.scale)
        check_scale(self.name, "output_scale", self.output_scale, row_scaled=True)
        check_output_zero_point(
            self.name, "output_zero_point", self.output_zero_point, self.output.element_type
        )

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.input,)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.output,)
