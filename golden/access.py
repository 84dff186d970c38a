"""What a running instruction may do to the memories, with every check of an access."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arch.config import ACCUMULATOR_HALVES
from golden.block import Block, Scalar
from golden.errors import GoldenError
from golden.memory import ByteMemory, Memory
from golden.race import RaceDetector


class Access:
    """Reads and writes of one instruction after the other; ``index`` is the running one."""

    def __init__(self, memories: dict[Memory, ByteMemory], races: RaceDetector) -> None:
        self.index = 0
        self._memories = memories
        self._races = races

    def read(self, memory: Memory, block: Block) -> NDArray[np.uint8]:
        """The bytes of a block, as a view that must not be kept over a write.

        Raises
        ------
        GoldenError
            The block holds an unwritten byte, or races with another engine.
        """
        target = self._memories[memory]
        try:
            values = target.read(block)
        except GoldenError as error:
            raise GoldenError(f"{memory}: {error}") from None
        self._races.read(self.index, memory, target.data.size, block)
        return values

    def write(self, memory: Memory, block: Block, values: NDArray[np.uint8]) -> None:
        """Write bytes of the block's shape.

        Raises
        ------
        GoldenError
            The block is read-only, or races with another engine.
        """
        target = self._memories[memory]
        try:
            target.write(block, values)
        except GoldenError as error:
            raise GoldenError(f"{memory}: {error}") from None
        self._races.write(self.index, memory, target.data.size, block)

    def occupy_half(self, half: int) -> None:
        """Work in a half of the accumulator, which has ports for one engine (B-06).

        Raises
        ------
        GoldenError
            The other engine may work in it at the same time.
        """
        block = Block(half, (1,), (1,))
        self._races.write(self.index, Memory.ACCUMULATOR_HALVES, ACCUMULATOR_HALVES, block)


def to_bytes(words: NDArray[np.integer], word_bytes: int) -> NDArray[np.uint8]:
    """The low ``word_bytes`` bytes of each integer, little-endian, along the last axis."""
    little = np.ascontiguousarray(words.astype(np.dtype(f"<i{word_bytes}")))
    return little.view(np.uint8)


def to_words(data: NDArray[np.uint8], scalar: type[Scalar]) -> NDArray[Scalar]:
    """Bytes along the last axis as little-endian words of a scalar type."""
    words: NDArray[Scalar] = np.ascontiguousarray(data).view(np.dtype(scalar).newbyteorder("<"))
    return words
