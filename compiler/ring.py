"""Where things lie in a buffer: one after the other, round and round."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable


class Ring:
    """A region of a buffer that is filled in a circle; what is new covers what is oldest.

    In the order in which a layer needs its chunks the oldest is the one not needed for longest, so
    the same circle serves chunks that stay and chunks that stream through.

    Parameters
    ----------
    base, size, alignment_bytes
        Of the region, and of every address given; all in bytes, `base` and `size` multiples.
    """

    def __init__(self, base: int, size: int, alignment_bytes: int) -> None:
        self._base = base
        self._end = base + size
        self._alignment_bytes = alignment_bytes
        self._head = base
        self._resident: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()

    def place(self, key: Hashable, size: int) -> tuple[int, bool]:
        """The address of `key`, and whether it is new there and has to be filled."""
        if key in self._resident:
            return self._resident[key][0], False
        size = -(-size // self._alignment_bytes) * self._alignment_bytes
        assert size <= self._end - self._base, "tilings fit their buffers"
        if self._head + size > self._end:
            self._evict(self._head, self._end)
            self._head = self._base
        address = self._head
        self._evict(address, address + size)
        self._resident[key] = (address, address + size)
        self._head += size
        return address, True

    def extend(self, last: Hashable, key: Hashable, skip: int, size: int) -> int | None:
        """The address of `key` where it begins `skip` bytes into `last` and goes on behind it.

        None where `last` is not what was placed last, or there is no room behind it.
        """
        if last not in self._resident or next(reversed(self._resident)) != last:
            return None
        address = self._resident[last][0] + skip
        end = -(-(address + size) // self._alignment_bytes) * self._alignment_bytes
        if end > self._end:
            return None
        self._evict(self._head, end)
        if last not in self._resident:
            return None
        self._resident[key] = (address, end)
        self._head = max(self._head, end)
        return address

    def _evict(self, low: int, high: int) -> None:
        while self._resident:
            oldest = next(iter(self._resident))
            first, last = self._resident[oldest]
            if last <= low or first >= high:
                return
            del self._resident[oldest]
