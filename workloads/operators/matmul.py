"""Products of two tensors that are both computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from workloads.checks import BYTES, check_range, check_shape, check_source_zero_point, check_type
from workloads.epilogue import Accumulated
from workloads.tensor import Tensor

_TERM_LIMIT = (1 << 15) - 1
"""Up to so many terms a sum of products of two differences of bytes is an int32."""


@dataclass(frozen=True, eq=False, kw_only=True)
class MatMul(Accumulated):
    """``batch`` products ``(left - zero) @ (right - zero)``, rows of each one behind the other.

    Attributes
    ----------
    input, output
        Left operand [batch * M, K] and result [batch * M, N].
    right
        [batch * K, N], or where `transposed` [batch * N, K]; int8 or uint8.
    """

    right: Tensor
    batch: int = 1
    transposed: bool = False
    right_zero_point: int = 0

    kind: ClassVar[str] = "matmul"

    def __post_init__(self) -> None:
        check_range(self.name, "batch", self.batch, 1, self.input.rows)
        check_type(self.name, "right", self.right, BYTES)
        check_source_zero_point(self.name, "right_zero_point", self.right_zero_point, self.right)
        k, n = self.input.cols, self.output.cols
        check_range(self.name, "K", k, 1, _TERM_LIMIT)
        rows, cols = (n, k) if self.transposed else (k, n)
        check_shape(self.name, "right", self.right, self.batch * rows, cols)
        m = self.input.rows // self.batch
        check_shape(self.name, "input", self.input, self.batch * m, k)
        check_shape(self.name, "output", self.output, self.input.rows * (1 + self.raw), n)
        super().__post_init__()

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        left, *residual = super().inputs
        return (left, self.right, *residual)

    @property
    def macs(self) -> int:
        return self.input.rows * self.input.cols * self.output.cols
