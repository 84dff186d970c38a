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

    def _evict(self, low: int, high: int) -> None:
        while self._resident:
            oldest = next(iter(self._resident))
            first, last = self._resident[oldest]
            if last <= low or first >= high:
                return
            del self._resident[oldest]
