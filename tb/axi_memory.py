"""The AXI4 memory in Python: contents, timing, and a bus that dies when it is told to."""

from __future__ import annotations

from tb.axi_behaviour import AxiBehaviour
from tb.axi_channels import Channel, Cycle, Driven
from tb.axi_random import RandomTiming
from tb.axi_reference import ReferenceTiming
from tb.axi_store import AxiStore
from tb.run_files import MemoryFaults


class AxiMemory:
    """An AXI4 slave. Call :meth:`step` in every cycle; it returns what it says in the next one.

    Parameters
    ----------
    contents
        Bytes of DRAM, whole words; changed in place.
    axi_bytes
        Bytes of a beat.
    behaviour, faults
        Its timing, and what it does wrong.
    """

    def __init__(
        self, contents: bytearray, axi_bytes: int, behaviour: AxiBehaviour, faults: MemoryFaults
    ) -> None:
        self.store = AxiStore(contents, axi_bytes, faults)
        self._timing = _timing(self.store, axi_bytes, behaviour)
        self._answered_bursts = faults.answered_bursts
        self._bursts = 0
        self._driven = Driven(False, False, False, None, None)

    @property
    def silent(self) -> bool:
        """Whether it has accepted all the bursts that it was allowed."""
        return self._answered_bursts is not None and self._bursts >= self._answered_bursts

    def step(self, cycle: Cycle) -> Driven:
        self._bursts += cycle.transfers(Channel.AR) + cycle.transfers(Channel.AW)
        driven = self._timing.step(cycle)
        if self.silent:
            # What is presented stays until it is taken, even so.
            r = None if cycle.transfers(Channel.R) else self._driven.r
            b = None if cycle.transfers(Channel.B) else self._driven.b
            driven = Driven(False, False, False, r, b)
        self._driven = driven
        return driven


def _timing(
    store: AxiStore, axi_bytes: int, behaviour: AxiBehaviour
) -> ReferenceTiming | RandomTiming:
    if behaviour.seed is not None:
        return RandomTiming(store, seed=behaviour.seed, write_order=behaviour.write_order)
    return ReferenceTiming(
        store,
        axi_bytes,
        latency_cycles=behaviour.latency_cycles,
        bytes_per_cycle=behaviour.bytes_per_cycle,
    )
