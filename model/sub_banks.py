"""Ports of the activation and the weight buffer: which an access needs, who asks for them when."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from arch.config import ACTIVATION_BANKS, WEIGHT_BANKS, Config
from arch.isa import Buffer

Integers = npt.NDArray[np.int64]
Masks = npt.NDArray[np.uint8]
"""Bit ``2 * bank + parity`` stands for a sub-bank: the even or the odd words of a bank (B-01)."""

_ADDRESSES = 1 << 24


class SubBanks:
    """Finds the sub-banks of accesses to the activation or the weight buffer."""

    def __init__(self, config: Config, buffer: Buffer = Buffer.ACTIVATION) -> None:
        self._word_bytes = config.word_bytes
        size_bytes, banks = {
            Buffer.ACTIVATION: (config.activation_buffer_bytes, ACTIVATION_BANKS),
            Buffer.WEIGHT: (config.weight_buffer_bytes, WEIGHT_BANKS),
        }[buffer]
        words = size_bytes // config.word_bytes
        word = np.arange(words)
        bank = word * banks // words
        # The word beyond the last one stands for all that belong to no bank (B-04).
        self._masks = np.append(1 << (2 * bank + word % 2), 0).astype(np.uint8)

    def of(self, addresses: Integers, sizes: Integers) -> Masks:
        """Sub-banks that hold one of ``sizes`` bytes from each address on (B-02).

        Addresses wrap at 2^24. An access spans two words at most; without bytes it needs none.
        """
        first = addresses % _ADDRESSES // self._word_bytes
        last = (addresses + sizes - 1) % _ADDRESSES // self._word_bytes
        outside = len(self._masks) - 1
        masks = self._masks[np.minimum(first, outside)] | self._masks[np.minimum(last, outside)]
        return np.where(np.asarray(sizes) > 0, masks, np.uint8(0))


class Requests:
    """The sub-banks that one engine asks for, cycle by cycle; none where nothing was said."""

    def __init__(self) -> None:
        self._masks = np.zeros(1 << 12, np.uint8)

    def put(self, first: int, masks: Masks) -> None:
        """Set the requests of the cycles from ``first`` on."""
        self.window(first, len(masks))[:] = masks

    def window(self, first: int, length: int) -> Masks:
        """Requests of ``length`` cycles from ``first`` on, a view."""
        end = first + length
        if end > len(self._masks):
            grown = np.zeros(max(end, 2 * len(self._masks)), np.uint8)
            grown[: len(self._masks)] = self._masks
            self._masks = grown
        return self._masks[first:end]
