"""What may follow accumulators on their way to an output, in one pass of VECTOR."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arch.errors import AssayError
from arch.isa import Addition, ElementType
from workloads.checks import (
    BYTES,
    LEAST_NORMAL,
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
from workloads.tensor import Tensor, check_name, describe

_ADDITION_TERM_LIMIT = 1 << 26
"""Rule N-02: the bound on both terms of an addition by table."""
_SHIFT_LIMIT = 15
"""Bits that a result can lose (N-09)."""

Range = tuple[int, int]
"""Least and greatest value."""


@dataclass(frozen=True)
class Narrow:
    """``clamp(shift(r, bits) + zero_point)``: the last step in front of an output (N-09)."""

    bits: int = 0
    zero_point: int = 0


KEEP = Narrow()
"""Nothing but the clamp."""


def check_narrow(operator: str, narrow: Narrow, output: Tensor) -> None:
    """Raise an AssayError unless an operator can narrow an int16 to its output so."""
    check_type(operator, "output", output, WRITABLE)
    check_range(operator, "bits of narrow", narrow.bits, 0, _SHIFT_LIMIT)
    check_source_zero_point(operator, "zero_point of narrow", narrow.zero_point, output)


def check_clamp(operator: str, key: str, clamp: Range | None, kind: ElementType) -> None:
    """Raise an AssayError unless a range lies within a type."""
    if clamp is not None and not kind.low <= clamp[0] <= clamp[1] <= kind.high:
        fail(
            operator,
            f"{key} {clamp[0]} to {clamp[1]} must ascend within {kind.low} to {kind.high}",
        )


@dataclass(frozen=True, eq=False)
class UnaryTable:
    """An element-wise function of a code of type `source`: ``values[q & 255]``, int8 or uint8."""

    values: NDArray[np.int8] | NDArray[np.uint8]
    source: ElementType = ElementType.INT8

    def __post_init__(self) -> None:
        if self.values.shape != (256,) or self.values.dtype not in (np.int8, np.uint8):
            raise AssayError(
                f"a unary table is 256 int8 or uint8, not {describe(self.values)}: pad or cast it"
            )
        if self.source not in BYTES:
            raise AssayError(f"a unary table is of int8 or uint8, not of {self.source.name}")

    @property
    def element_type(self) -> ElementType:
        return ElementType.INT8 if self.values.dtype == np.int8 else ElementType.UINT8


@dataclass(frozen=True, eq=False)
class Residual:
    """A tensor added after requantisation and table.

    Attributes
    ----------
    tensor
        Of the shape of the operator's output, or of kind TABLE one row for all of its rows; int16
        for INT16, 8-bit for TABLE.
    kind
        INT16: ``q + b``. TABLE: ``rint(f32(q * scale + table[b & 255]))`` (rule N-02).
    scale, table
        float32 and 256 float32, for TABLE only.
    clamp
        Range of the sum, for TABLE only; by default that of the output's type.
    """

    tensor: Tensor
    kind: Addition
    scale: float = 0.0
    table: NDArray[np.float32] | None = None
    clamp: Range | None = None

    def __post_init__(self) -> None:
        name = self.tensor.name
        wide = self.tensor.element_type is ElementType.INT16
        if self.kind is Addition.NONE or wide != (self.kind is Addition.INT16):
            raise AssayError(
                f"residual '{name}': {self.kind.name} addition does not take "
                f"{self.tensor.element_type.name}: INT16 takes int16, TABLE takes int8 or uint8"
            )
        if self.kind is Addition.INT16:
            return
        if self.table is None or self.table.shape != (256,) or self.table.dtype != np.float32:
            raise AssayError(f"residual '{name}': TABLE addition needs a table of 256 float32")
        limit = _ADDITION_TERM_LIMIT
        if not (LEAST_NORMAL <= self.scale < limit / 256 and np.all(np.abs(self.table) < limit)):
            raise AssayError(
                f"residual '{name}': scale {self.scale:g} must be positive and normal, and "
                "neither 256 x scale nor the table may reach 2^26: raise the output scale"
            )


@dataclass(frozen=True, eq=False, kw_only=True)
class Accumulated:
    """An operator that makes int32 sums, and of them ``narrow(add(table(clamp(scaled))))``.

    ``scaled = requantize(sum + bias, scale) + output_zero_point``, channel by channel.

    Attributes
    ----------
    input
        What the sums are of, int8 or uint8.
    bias, scale
        int32 [N] in accumulator units, and float32 [N], positive normal: input scale times weight
        scale over the scale of the requantised value.
    output
        N columns. With `raw` the sums themselves: int16, first rows with the low halves of all
        sums plus bias, then as many with the high ones.
    input_zero_point, output_zero_point
        Subtracted from the input; added to the requantised value.
    clamp
        Range of the requantised value; by default that of its type.
    table, interpolation, residual
        Optional; applied in this order. `interpolation` holds 257 int16 (N-07: at ``i`` the value
        of ``-32768 + 256 i``).
    narrow
        Applied last, to an int16: where bits are dropped, and with `interpolation`, the requantised
        value is one. Neither goes with `table` or a residual of TABLE.
    """

    name: str
    input: Tensor
    bias: NDArray[np.int32]
    scale: NDArray[np.float32]
    output: Tensor
    input_zero_point: int = 0
    output_zero_point: int = 0
    clamp: Range | None = None
    table: UnaryTable | None = None
    residual: Residual | None = None
    interpolation: NDArray[np.int16] | None = None
    narrow: Narrow = KEEP
    raw: bool = False

    def __post_init__(self) -> None:
        check_name("operator", self.name)
        check_type(self.name, "input", self.input, BYTES)
        check_source_zero_point(self.name, "input_zero_point", self.input_zero_point, self.input)
        self._check_arrays()
        self._check_types()
        check_output_zero_point(
            self.name, "output_zero_point", self.output_zero_point, self.requantized_type
        )
        check_clamp(self.name, "clamp", self.clamp, self.requantized_type)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.output,)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Tensors it reads."""
        return (self.input,) if self.residual is None else (self.input, self.residual.tensor)

    @property
    def requantized_type(self) -> ElementType:
        """Type of the value that requantisation yields, before table and residual."""
        if self.table is not None:
            return self.table.source
        return ElementType.INT16 if self._wide else self.output.element_type

    @property
    def requantized_range(self) -> Range:
        """That of the requantised value."""
        kind = self.requantized_type
        return (kind.low, kind.high) if self.clamp is None else self.clamp

    @property
    def sum_rows(self) -> int:
        """Rows of sums."""
        return self.output.rows // 2 if self.raw else self.output.rows

    @property
    def _wide(self) -> bool:
        """Whether what is narrowed is an int16."""
        added = self.residual is not None and self.residual.kind is Addition.INT16
        return added or self.interpolation is not None or self.narrow.bits > 0

    def _check_arrays(self) -> None:
        cols = self.output.cols
        check_array(self.name, "bias", self.bias, np.int32, (cols,))
        check_array(self.name, "scale", self.scale, np.float32, (cols,))
        check_scale(self.name, "scale", self.scale)
        if self.interpolation is not None:
            check_array(self.name, "interpolation", self.interpolation, np.int16, (257,))

    def _check_types(self) -> None:
        check_narrow(self.name, self.narrow, self.output)
        if self.table is not None and (self.interpolation is not None or self.narrow.bits):
            fail(self.name, "a table yields bytes: it goes with neither interpolation nor narrow")
        if self.raw:
            self._check_raw()
        elif self.residual is not None:
            self._check_residual(self.residual)
        elif self.table is not None:
            check_type(self.name, "output", self.output, (self.table.element_type,))

    def _check_raw(self) -> None:
        check_type(self.name, "output", self.output, (ElementType.INT16,))
        options = (self.clamp, self.table, self.residual, self.interpolation)
        if any(option is not None for option in options) or self.narrow != KEEP:
            fail(self.name, "nothing follows raw sums: leave out what does")

    def _check_residual(self, residual: Residual) -> None:
        one_row = residual.kind is Addition.TABLE and residual.tensor.rows == 1
        rows = 1 if one_row else self.output.rows
        check_shape(self.name, "residual", residual.tensor, rows, self.output.cols)
        if residual.kind is Addition.TABLE:
            if self._wide:
                fail(self.name, "a TABLE residual goes with neither interpolation nor narrow")
            check_type(self.name, "output", self.output, BYTES)
            check_clamp(
                self.name, "clamp of the residual", residual.clamp, self.output.element_type
            )
        elif self.narrow == KEEP:
            check_type(self.name, "output", self.output, (ElementType.INT16,))


def check_weight_zero_point(
    operator: str,
    zero_point: int | NDArray[np.int32],
    weight: NDArray[np.int8] | NDArray[np.uint8],
) -> None:
    """Raise an AssayError unless it is one code of the weight, or one for each output channel."""
    kind = ElementType.INT8 if weight.dtype == np.int8 else ElementType.UINT8
    codes = np.asarray(zero_point)
    if codes.ndim:
        check_array(operator, "weight_zero_point", codes, np.int32, weight.shape[-1:])
    for code in (codes.min(), codes.max()):
        check_range(operator, "weight_zero_point", int(code), kind.low, kind.high)


def check_weight(
    operator: str, weight: NDArray[np.int8] | NDArray[np.uint8], shape: tuple[int, ...]
) -> None:
    """Raise an AssayError unless it is int8 or uint8 and of a shape."""
    dtype = np.uint8 if weight.dtype == np.uint8 else np.int8
    check_array(operator, "weight", weight, dtype, shape)
