"""Address ranges for things that live for a while: first fit in space and time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Lifetime:
    """From the operator that makes something to the last one that reads it, both included."""

    first: int
    last: int

    def joined(self, other: Lifetime) -> Lifetime:
        """From the first of both to the last."""
        return Lifetime(min(self.first, other.first), max(self.last, other.last))

    def meets(self, other: Lifetime) -> bool:
        return self.first <= other.last and other.first <= self.last


class Packer:
    """Ranges of one memory, each taken for a lifetime.

    Parameters
    ----------
    size, alignment
        Of the memory and of every address, in bytes; size None: without end.
    """

    def __init__(self, size: int | None, alignment: int) -> None:
        self._size = size
        self._alignment = alignment
        self._taken: list[tuple[int, int, Lifetime]] = []

    @property
    def peak(self) -> int:
        """The end of the highest range."""
        return max((end for _, end, _ in self._taken), default=0)

    def find(
        self, size: int, lifetime: Lifetime, avoid: Iterable[tuple[int, int]] = ()
    ) -> int | None:
        """The lowest address of `size` bytes that are free for `lifetime`; None if there are none.

        They are outside of the ranges (start, end) to `avoid`, and stay free: :meth:`take` takes
        them.
        """
        for start, end in self.gaps(lifetime, avoid):
            if end is None or size <= end - start:
                return start
        return None

    def take(self, address: int, size: int, lifetime: Lifetime) -> None:
        """Take `size` bytes from `address` on."""
        end = -(-(address + size) // self._alignment) * self._alignment
        self._taken.append((address, end, lifetime))

    def drop(self, address: int, lifetime: Lifetime) -> None:
        """Give back what was taken there."""
        self._taken = [
            entry for entry in self._taken if (entry[0], entry[2]) != (address, lifetime)
        ]

    def gaps(
        self, lifetime: Lifetime, avoid: Iterable[tuple[int, int]] = ()
    ) -> list[tuple[int, int | None]]:
        """Start and end of what is free all through `lifetime`, by address."""
        taken = [(start, end) for start, end, when in self._taken if when.meets(lifetime)]
        result: list[tuple[int, int | None]] = []
        free = 0
        for start, end in sorted([*taken, *avoid]):
            if start > free:
                result.append((free, start))
            free = max(free, end)
        if self._size is None or free < self._size:
            result.append((free, self._size))
        return result
