"""The index buffer: the rows that a gathering LOAD brings decide where its bursts are cut."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from arch.config import INDEX_ENTRIES
from arch.image import Section, SectionKind
from arch.isa import Load


class IndexBuffer:
    """What LOADs put into the index buffer (B-09), from DRAM as it is before the run.

    Bytes of DRAM outside every section count as zero, and what the run itself stores is not seen.
    """

    def __init__(self, sections: Iterable[Section]) -> None:
        self._sections = [each for each in sections if each.kind is not SectionKind.DEBUG]
        self._bytes = bytearray(4 * INDEX_ENTRIES)

    def fill(self, load: Load) -> None:
        """Execute a LOAD into the index buffer (I-01)."""
        padding = bytes([load.pad_value]) * load.pad_bytes
        for plane in range(load.planes):
            for run in range(load.runs):
                source = plane * load.plane_dram_stride + run * load.run_dram_stride
                target = plane * load.plane_buffer_stride + run * load.run_buffer_stride
                content = self._dram(load.dram_address + source, load.run_bytes) + padding
                first = load.buffer_address + target
                self._bytes[first : first + len(content)] = content

    def rows(self, load: Load) -> tuple[int, ...]:
        """The number that each run of a gathering LOAD has in place of its own."""
        return struct.unpack_from(f"<{load.runs}I", self._bytes, 4 * load.index_address)

    def _dram(self, address: int, size: int) -> bytes:
        content = bytearray(size)
        for section in self._sections:
            low = max(address, section.address)
            high = min(address + size, section.address + len(section.data))
            if low < high:
                part = section.data[low - section.address : high - section.address]
                content[low - address : high - address] = part
        return bytes(content)
