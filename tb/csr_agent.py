"""Registers and counters by name, over AXI4-Lite."""

from __future__ import annotations

from cocotb.handle import HierarchyObject, LogicObject
from cocotb_bus.drivers.amba import AXI4LiteMaster

from arch.registers import Counter, register_map

_LOW_WORD = 0xFFFF_FFFF


class CsrAgent:
    """Reads and writes the accelerator's registers through the ``csr_`` signals of a top."""

    def __init__(self, top: HierarchyObject, clock: LogicObject) -> None:
        self._bus = AXI4LiteMaster(top, "csr", clock)
        self._map = register_map()

    async def read(self, register: str) -> int:
        """Value of a register."""
        return await self._read_word(self._map.registers[register].offset_bytes)

    async def write(self, register: str, value: int) -> None:
        await self._bus.write(self._map.registers[register].offset_bytes, value)

    async def set_field(self, register: str, field: str) -> None:
        """Write 1 to a field and 0 to the others."""
        await self.write(register, 1 << self._map.registers[register].fields[field].low)

    async def read_counters(self) -> dict[str, int]:
        """Latch every counter in one cycle and read them all."""
        await self.set_field("CONTROL", "SNAPSHOT")
        return {counter.name: await self._read_counter(counter) for counter in self._map.counters}

    async def _read_counter(self, counter: Counter) -> int:
        low = await self._read_word(counter.offset_bytes)
        high = await self._read_word(counter.offset_bytes + 4)
        return high << 32 | low

    async def _read_word(self, offset_bytes: int) -> int:
        return int(await self._bus.read(offset_bytes)) & _LOW_WORD
