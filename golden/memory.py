"""Byte memories that know which of their bytes were written."""

from __future__ import annotations

import enum

import numpy as np
from numpy.typing import NDArray

from golden.block import Block
from golden.errors import GoldenError


class Memory(enum.StrEnum):
    """The memories that instructions touch."""

    DRAM = "dram"
    ACTIVATION = "activation"
    WEIGHT = "weight"
    PARAMETER = "parameter"
    ACCUMULATOR = "accumulator"
    ACCUMULATOR_HALVES = "accumulator halves"
    """The ports of each half, a byte each: who works in a half needs them alone (B-06)."""
    UNARY_TABLE = "unary_table"
    WIDE_TABLE = "wide_table"
    STATISTIC_MAXIMUM = "statistic_maximum"
    STATISTIC_SUM = "statistic_sum"
    STATISTIC_SQUARES = "statistic_squares"
    STATISTIC_SCALE = "statistic_scale"
    INDEX = "index"


class ByteMemory:
    """``data`` (uint8), and ``written`` (bool): which bytes hold something a program may read.

    Unwritten bytes hold the garbage that was given, as those of hardware do. ``read_only`` is a
    range of addresses that no instruction may write.
    """

    def __init__(self, data: NDArray[np.uint8]) -> None:
        self.data = data
        self.written = np.zeros(data.size, np.bool_)
        self.read_only = range(0)

    def read(self, block: Block) -> NDArray[np.uint8]:
        """The bytes of a block, as a view that must not be kept over a write.

        Raises
        ------
        GoldenError
            The block holds a byte that was never written.
        """
        self._assert_inside(block)
        if not block.footprint.view(self.written).all():
            address = int(block.addresses()[~block.view(self.written)].min())
            raise GoldenError(f"reads byte {address:#x}, which was never written: write it first")
        return block.view(self.data)

    def write(self, block: Block, values: NDArray[np.uint8]) -> None:
        """Write bytes of the block's shape; where an address comes twice the later one stays.

        Raises
        ------
        GoldenError
            The block touches what is read-only.
        """
        self._assert_inside(block)
        self._check_read_only(block)
        if block.repeats():
            # NumPy promises the order of assignments for index lists only.
            self.data[block.addresses().ravel()] = values.ravel()
        else:
            block.view(self.data)[...] = values
        block.footprint.view(self.written)[...] = True

    def _check_read_only(self, block: Block) -> None:
        low, high = self.read_only.start, self.read_only.stop
        if block.low >= high or block.high <= low:
            return
        addresses = block.addresses()
        hit = (addresses >= low) & (addresses < high)
        if hit.any():
            raise GoldenError(
                f"writes byte {int(addresses[hit].min()):#x}, which holds the program: "
                "instructions may have been fetched before"
            )

    def _assert_inside(self, block: Block) -> None:
        """Every range was checked before the instruction began (golden.bounds)."""
        assert 0 <= block.low < block.high <= self.data.size, block
