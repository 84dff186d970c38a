"""The R channel: bursts in order of acceptance, and receivers that may hold it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

Receive = Callable[[int, int], int | None]
"""Gets the cycle from which the memory has a burst's first beat, and the one from which the channel
is free for it; returns the cycle in which the last beat is taken, None while that is not known."""


class ReadChannel:
    """Hands bursts to their receivers, each when all beats of the one before are known.

    R is in order over all IDs, so a beat that waits for its receiver holds those behind it
    (T-DRAM-03).
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Receive]] = deque()
        self._free: int | None = 0

    def bring(self, ready: int, receive: Receive) -> bool:
        """Bring a burst whose first beat the memory has from ``ready`` on.

        Returns whether a receiver knows when it takes a last beat.
        """
        self._waiting.append((ready, receive))
        return self._deliver()

    def taken(self, last: int) -> bool:
        """Go on behind a last beat that its receiver takes in ``last`` and did not know before.

        Returns whether another one knows.
        """
        assert self._free is None, "its receiver holds the channel"
        self._free = last + 1
        return self._deliver()

    def _deliver(self) -> bool:
        known = False
        while self._waiting and self._free is not None:
            ready, receive = self._waiting.popleft()
            last = receive(ready, self._free)
            self._free = None if last is None else last + 1
            known |= last is not None
        return known
