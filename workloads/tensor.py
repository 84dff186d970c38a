"""Tensors: matrices of integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arch.errors import AssayError
from arch.isa import ElementType

DTYPES: dict[ElementType, np.dtype[np.integer]] = {
    ElementType.INT8: np.dtype(np.int8),
    ElementType.UINT8: np.dtype(np.uint8),
    ElementType.INT16: np.dtype(np.int16),
    ElementType.INT32: np.dtype(np.int32),
}

_NAME_CHARACTERS = 40


@dataclass(frozen=True)
class Tensor:
    """A matrix of ``rows`` x ``cols`` integers; a later layer finds it by ``name``."""

    name: str
    rows: int
    cols: int
    element_type: ElementType

    def __post_init__(self) -> None:
        check_name("tensor", self.name)
        for key, value in (("rows", self.rows), ("cols", self.cols)):
            if value < 1:
                raise AssayError(f"tensor '{self.name}': {key} = {value} must be at least 1")

    @property
    def bytes(self) -> int:
        """Bytes of its elements, without padding."""
        return self.rows * self.cols * self.element_type.bytes


def check_name(kind: str, name: str) -> None:
    """Raise an AssayError unless `name` fits the program image."""
    if not 1 <= len(name.encode()) <= _NAME_CHARACTERS:
        raise AssayError(f"{kind} name '{name}' must be 1 to {_NAME_CHARACTERS} bytes: shorten it")


def describe(array: NDArray[np.generic]) -> str:
    """Type and shape, for messages."""
    return f"{array.dtype} {list(array.shape)}"
