"""Operators that make each element of the few in the same place, or in the same head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from arch.isa import Addition, ElementType
from workloads.checks import (
    BYTES,
    WRITABLE,
    check_output_zero_point,
    check_repeated,
    check_scale,
    check_shape,
    check_source_zero_point,
    check_type,
    fail,
)
from workloads.epilogue import (
    KEEP,
    Narrow,
    Residual,
    UnaryTable,
    check_clamp,
    check_narrow,
)
from workloads.tensor import Tensor, check_name


@dataclass(frozen=True, eq=False)
class Add:
    """``output = narrow(clamp16(left + right))``; all of one shape, the terms int16."""

    name: str
    left: Tensor
    right: Tensor
    output: Tensor
    narrow: Narrow = KEEP

    kind: ClassVar[str] = "add"
    macs: ClassVar[int] = 0

    def __post_init__(self) -> None:
        check_name("operator", self.name)
        for key, term in (("left", self.left), ("right", self.right)):
            check_type(self.name, key, term, (ElementType.INT16,))
            check_shape(self.name, key, term, self.output.rows, self.output.cols)
        check_narrow(self.name, self.narrow, self.output)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.left, self.right)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.output,)


@dataclass(frozen=True, eq=False)
class Multiply:
    """``output = clamp(requantize((left - zero) * (right - zero), scale) + zero)``.

    The zero point of an int16 factor is 0. The right factor may have fewer rows, of which each
    serves as many rows of the left one, one behind the other.
    """

    name: str
    left: Tensor
    right: Tensor
    scale: float
    output: Tensor
    left_zero_point: int = 0
    right_zero_point: int = 0
    output_zero_point: int = 0

    kind: ClassVar[str] = "multiply"
    macs: ClassVar[int] = 0

    def __post_init__(self) -> None:
        check_name("operator", self.name)
        for key, factor, zero_point in (
            ("left", self.left, self.left_zero_point),
            ("right", self.right, self.right_zero_point),
        ):
            check_type(self.name, key, factor, WRITABLE)
            check_source_zero_point(self.name, f"{key}_zero_point", zero_point, factor)
        check_shape(self.name, "left", self.left, self.output.rows, self.output.cols)
        check_repeated(self.name, "right", self.right, self.output)
        check_type(self.name, "output", self.output, WRITABLE)
        check_output_zero_point(
            self.name, "output_zero_point", self.output_zero_point, self.output.element_type
        )
        check_scale(self.name, "scale", self.scale)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.left, self.right)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.output,)


@dataclass(frozen=True, eq=False, kw_only=True)
class Map:
    """``output = add(table(input))``, code by code; 8-bit throughout.

    Attributes
    ----------
    table
        Optional, of codes of the input's type.
    residual
        Optional, of kind TABLE (N-02). Its tensor may have fewer rows, of which each serves as many
        rows of the input, one behind the other.
    """

    name: str
    input: Tensor
    output: Tensor
    table: UnaryTable | None = None
    residual: Residual | None = None

    kind: ClassVar[str] = "map"
    macs: ClassVar[int] = 0

    def __post_init__(self) -> None:
        check_name("operator", self.name)
        check_type(self.name, "input", self.input, BYTES)
        check_type(self.name, "output", self.output, BYTES)
        check_shape(self.name, "input", self.input, self.output.rows, self.output.cols)
        if self.table is not None:
            check_type(self.name, "input", self.input, (self.table.source,))
        if self.residual is not None:
            if self.residual.kind is not Addition.TABLE:
                fail(self.name, "the residual must be of kind TABLE")
            check_repeated(self.name, "residual", self.residual.tensor, self.output)
            check_clamp(
                self.name, "clamp of the residual", self.residual.clamp, self.output.element_type
            )
        else:
            mapped = self.input.element_type if self.table is None else self.table.element_type
            check_type(self.name, "output", self.output, (mapped,))

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.input,) if self.residual is None else (self.input, self.residual.tensor)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.output,)


@dataclass(frozen=True, eq=False)
class Rotary:
    """Rotary position embedding of each head of ``head_size`` columns.

    ``output = narrow(clamp16(t + u))`` with ``t = clamp16(requantize(x * cosine, scale))`` and
    ``u = clamp16(requantize(swap(x) * sine, scale))``; ``swap`` exchanges the halves of a head, and
    the sine's first half holds the sign.

    Attributes
    ----------
    input
        Tensor [m, heads * head_size], int16.
    cosine, sine
        Constant int16 tensors [m, head_size].
    """

    name: str
    input: Tensor
    cosine: Tensor
    sine: Tensor
    head_size: int
    scale: float
    output: Tensor
    narrow: Narrow = KEEP

    kind: ClassVar[str] = "rotary"
    macs: ClassVar[int] = 0

    def __post_init__(self) -> None:
        check_name("operator", self.name)
        if self.head_size < 2 or self.head_size % 2 or self.input.cols % self.head_size:
            fail(
                self.name,
                f"head_size = {self.head_size} must be even and divide the {self.input.cols} "
                "columns of the input",
            )
        for key, tensor, cols in (
            ("input", self.input, self.output.cols),
            ("cosine", self.cosine, self.head_size),
            ("sine", self.sine, self.head_size),
        ):
            check_type(self.name, key, tensor, (ElementType.INT16,))
            check_shape(self.name, key, tensor, self.output.rows, cols)
        check_scale(self.name, "scale", self.scale)
        check_narrow(self.name, self.narrow, self.output)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.input, self.cosine, self.sine)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.output,)
