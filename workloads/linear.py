"""The linear operator, with what may follow it in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from workloads.checks import check_shape
from workloads.epilogue import Accumulated, check_weight, check_weight_zero_point


@dataclass(frozen=True, eq=False, kw_only=True)
class Linear(Accumulated):
    """``sum = (input - zero) @ (weight - zero)`` and what :class:`Accumulated` makes of it.

    Attributes
    ----------
    input
        Tensor [M, K], int8 or uint8.
    weight
        int8 or uint8 [K, N].
    weight_zero_point
        One for all, or int32 [N].
    output
        Tensor [M, N].
    """

    weight: NDArray[np.int8] | NDArray[np.uint8]
    weight_zero_point: int | NDArray[np.int32] = 0

    kind: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        check_weight(self.name, self.weight, (self.input.cols, self.output.cols))
        check_weight_zero_point(self.name, self.weight_zero_point, self.weight)
        rows = 2 * self.input.rows if self.raw else self.input.rows
        check_shape(self.name, "output", self.output, rows, self.output.cols)
        super().__post_init__()

    @property
    def macs(self) -> int:
        return self.input.rows * self.weight.size
