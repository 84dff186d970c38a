"""Cycles of one operator on its own, in closed form: what its tilings are compared by."""

from __future__ import annotations

from abc import ABC, abstractmethod

from arch.config import Config

_DISTURBANCE = 1 / 64
"""How much the work of one engine delays the others while they overlap."""


class EngineEstimate(ABC):
    """The slowest engine, start and tail.

    Each engine is taken to be busy throughout or to wait for a busier one.

    Attributes
    ----------
    matrix_cycles, vector_cycles, load_cycles, store_cycles
        What each engine works.
    dram_cycles, fetch_cycles
        In which DRAM moves data and instructions, and the front end gets all instructions.
    edge_cycles
        What nothing overlaps: start, tail and bubbles.
    """

    config: Config

    @property
    @abstractmethod
    def matrix_cycles(self) -> float: ...

    @property
    @abstractmethod
    def vector_cycles(self) -> float: ...

    @property
    @abstractmethod
    def load_cycles(self) -> float: ...

    @property
    @abstractmethod
    def store_cycles(self) -> float: ...

    @property
    @abstractmethod
    def dram_cycles(self) -> float: ...

    @property
    @abstractmethod
    def fetch_cycles(self) -> float: ...

    @property
    @abstractmethod
    def edge_cycles(self) -> float: ...

    @property
    def cycles(self) -> float:
        """All of it."""
        parts = (
            self.matrix_cycles,
            self.vector_cycles,
            self.load_cycles,
            self.store_cycles,
            self.dram_cycles,
            self.fetch_cycles,
        )
        return max(parts) + _DISTURBANCE * (sum(parts) - max(parts)) + self.edge_cycles

    def _cycles_of(self, size: float) -> float:
        """Cycles of DRAM for `size` bytes."""
        return size / self.config.dram_bytes_per_cycle

    def _load_cycles_of(self, size: float) -> float:
        """Cycles of LOAD for `size` bytes in long runs (rule T-LD-03)."""
        window = self.config.read_window_beats * self.config.axi_bytes
        return max(self._cycles_of(size), size * self.config.dram_latency_cycles / window)
