"""Strided blocks of bytes: how every instruction addresses a memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)

BUFFER_ADDRESS_BITS = 24
DRAM_ADDRESS_BITS = 32


@dataclass(frozen=True)
class Block:
    """The byte addresses ``start + sum(index[d] * strides[d])`` for every index below ``shape``.

    Every count is at least 1.
    """

    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @classmethod
    def wrapping(cls, start: int, dims: Sequence[tuple[int, int]], address_bits: int) -> Block:
        """A block from (count, stride) pairs whose addresses wrap at ``2 ** address_bits``.

        Strides are read as signed. That is exact for every block that lies in a memory of at most
        half the address space: two neighbours are then less than half of it apart.
        """
        space = 1 << address_bits
        strides = (
            (stride + space // 2) % space - space // 2 if count > 1 else 0 for count, stride in dims
        )
        return cls(start % space, tuple(count for count, _ in dims), tuple(strides))

    @property
    def low(self) -> int:
        """The least address."""
        return self.start + sum(
            min(0, (n - 1) * s) for n, s in zip(self.shape, self.strides, strict=True)
        )

    @property
    def high(self) -> int:
        """One above the greatest address."""
        steps = zip(self.shape, self.strides, strict=True)
        return self.start + sum(max(0, (n - 1) * s) for n, s in steps) + 1

    def view(self, array: NDArray[Scalar]) -> NDArray[Scalar]:
        """The elements of a one-dimensional array, one for each byte address, without a copy."""
        size = array.itemsize
        strides = tuple(stride * size for stride in self.strides)
        view: NDArray[Any] = np.ndarray(self.shape, array.dtype, array, self.start * size, strides)
        return view

    def addresses(self) -> NDArray[np.int64]:
        """The addresses, of the block's shape."""
        result = np.array(self.start, np.int64)
        for count, stride in zip(self.shape, self.strides, strict=True):
            result = result[..., None] + stride * np.arange(count)
        return result

    def repeats(self) -> bool:
        """Whether an address may come twice; never False when one does."""
        extent = 1
        for stride, count in self._ascending():
            if stride < extent:
                return True
            extent += (count - 1) * stride
        return False

    @cached_property
    def footprint(self) -> Block:
        """The same set of addresses with fewer, longer runs: overlapping neighbours are joined."""
        run = 1
        dims: list[tuple[int, int]] = []
        for stride, count in self._ascending():
            if stride <= run and not dims:
                run += (count - 1) * stride
            else:
                dims.append((count, stride))
        dims = [*reversed(dims), (run, 1)]
        return Block(self.low, tuple(n for n, _ in dims), tuple(s for _, s in dims))

    def _ascending(self) -> list[tuple[int, int]]:
        """(absolute stride, count) of every dimension of more than one element, least first."""
        dims = zip(self.shape, self.strides, strict=True)
        return sorted((abs(stride), count) for count, stride in dims if count > 1)
