"""What LOAD and STORE have in common: cutting runs into bursts, and the limit in flight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from arch.config import Config
from arch.isa import Load, Store
from arch.timing import DMA_INSTRUCTIONS_IN_FLIGHT


def cut(
    instruction: Load | Store, config: Config, rows: Sequence[int] | None = None
) -> Iterator[tuple[int, bool]]:
    """Yield (beats, whether it ends a run) of each burst, in order (T-LD-01, T-ST-01).

    ``rows`` are what a gathering LOAD takes in place of the numbers of its runs (I-01).
    """
    axi_bytes, burst_bytes = config.axi_bytes, config.burst_bytes
    rows = range(instruction.runs) if rows is None else rows
    for plane in range(instruction.planes):
        base = instruction.dram_address + plane * instruction.plane_dram_stride
        for row in rows:
            address = (base + row * instruction.run_dram_stride) % 2**32
            end = address + instruction.run_bytes
            while address < end:
                stop = min(end, address - address % burst_bytes + burst_bytes)
                yield (stop - 1) // axi_bytes - address // axi_bytes + 1, stop == end
                address = stop


def slot_free_from(issued: int, ends: Sequence[int]) -> int | None:
    """First cycle in which one more may be in flight; None if not known (T-LD-02, T-ST-02)."""
    oldest = issued - DMA_INSTRUCTIONS_IN_FLIGHT
    if oldest < 0:
        return 0
    return ends[oldest] + 1 if oldest < len(ends) else None
