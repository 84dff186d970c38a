"""Runs of equal tiles: all are full but the last."""

from __future__ import annotations


def spans(count: int, full: int, last: int) -> list[tuple[slice, int]]:
    """Tiles that have the same valid extent: (which tiles, valid extent of each).

    ``count`` tiles of extent ``full``, of which the last has ``last``.
    """
    if last == full:
        return [(slice(0, count), full)]
    tail = (slice(count - 1, count), last)
    return [(slice(0, count - 1), full), tail] if count > 1 else [tail]
