"""What operators check of their numbers: each failure is one line that names the operator."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike, NDArray

from arch.errors import AssayError
from arch.isa import ElementType
from workloads.tensor import Tensor, describe

BYTES = (ElementType.INT8, ElementType.UINT8)
WRITABLE = (*BYTES, ElementType.INT16)
"""What VECTOR writes."""

LEAST_NORMAL = float(np.finfo(np.float32).tiny)
_GREATEST = float(np.finfo(np.float32).max)
_LEAST_ROW_SCALED = 2.0**-62
"""Rule N-08: times the scale of any row, which is 2^-64 at least, it is normal."""


def fail(operator: str, message: str) -> NoReturn:
    """Raise an AssayError about an operator."""
    raise AssayError(f"operator '{operator}': {message}")


def check_type(operator: str, key: str, tensor: Tensor, allowed: tuple[ElementType, ...]) -> None:
    """Require one of some element types."""
    if tensor.element_type not in allowed:
        names = " or ".join(each.name.lower() for each in allowed)
        fail(operator, f"{key} must be {names}, not {tensor.element_type.name.lower()}")


def check_shape(operator: str, key: str, tensor: Tensor, rows: int, cols: int) -> None:
    """Require a shape."""
    if (tensor.rows, tensor.cols) != (rows, cols):
        fail(operator, f"{key} is {tensor.rows} x {tensor.cols}, must be {rows} x {cols}")


def check_repeated(operator: str, key: str, tensor: Tensor, whole: Tensor) -> None:
    """Require the columns of `whole`, and rows that each serve as many of its rows."""
    if tensor.cols != whole.cols or whole.rows % tensor.rows:
        fail(
            operator,
            f"{key} is {tensor.rows} x {tensor.cols}, must have {whole.cols} columns and a divisor "
            f"of {whole.rows} rows",
        )


def check_array(
    operator: str, key: str, array: NDArray[Any], dtype: DTypeLike, shape: tuple[int, ...]
) -> None:
    """Require a type and a shape of an array."""
    if array.dtype != dtype or array.shape != shape:
        expected = f"{np.dtype(dtype).name} {list(shape)}"
        fail(operator, f"{key} is {describe(array)}, must be {expected}")


def check_range(operator: str, key: str, value: int, low: int, high: int) -> None:
    """Require an integer within bounds."""
    if not low <= value <= high:
        fail(operator, f"{key} = {value} must be {low} to {high}")


def check_source_zero_point(operator: str, key: str, value: int, tensor: Tensor) -> None:
    """Require a code of what is read, or 0 where that is int16."""
    kind = tensor.element_type
    low, high = (kind.low, kind.high) if kind in BYTES else (0, 0)
    check_range(operator, key, value, low, high)


def check_output_zero_point(operator: str, key: str, value: int, kind: ElementType) -> None:
    """Require a code of what is written."""
    check_range(operator, key, value, kind.low, kind.high)


def check_scale(
    operator: str, key: str, scale: float | NDArray[np.float32], row_scaled: bool = False
) -> None:
    """Require positive normal numbers, so large that `row_scaled` they still are."""
    least = _LEAST_ROW_SCALED if row_scaled else LEAST_NORMAL
    numbers = np.asarray(scale, np.float64)
    if not np.all((numbers >= least) & (numbers <= _GREATEST)):
        wrong = numbers[~((numbers >= least) & (numbers <= _GREATEST))][0]
        what = "2^-62 at least and finite" if row_scaled else "positive and normal"
        fail(operator, f"{key} {wrong:g} must be {what}")
