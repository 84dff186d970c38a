"""Registers and counters by name, over AXI4-Lite."""

from __future__ import annotations

from collections.abc import Sequence

from cocotb.handle import HierarchyObject, LogicObject
from cocotb.triggers import ReadOnly, RisingEdge
from cocotb_bus.drivers.amba import AXI4LiteMaster, AXIBurst

from arch.registers import Counter, register_map
from tb.exchange import Trace

_EVERY_BYTE = 0b1111


class _Master(AXI4LiteMaster):
    """AXI4LiteMaster that samples WREADY before the edge, as it does with every other signal.

    Its own reads WREADY after the edge, which under Verilator with a clock in HDL is the value of
    the next cycle: a slave that takes the data and lowers WREADY would never be seen to take it.
    """

    async def _send_write_data(
        self,
        address: int,
        data: Sequence[int],
        burst: AXIBurst,
        size: int,
        delay: int,
        byte_enable: Sequence[int | None],
        sync: bool,
    ) -> None:
        async with self.write_data_busy:
            if sync:
                await RisingEdge(self.clock)
            self.bus.WDATA.value = data[0]
            self.bus.WSTRB.value = _EVERY_BYTE
            self.bus.WVALID.value = 1
            await ReadOnly()
            while not self.bus.WREADY.value:
                await RisingEdge(self.clock)
                await ReadOnly()
            await RisingEdge(self.clock)
            self.bus.WVALID.value = 0


class CsrAgent:
    """Reads and writes the accelerator's registers through the ``csr_`` signals of a top."""

    def __init__(self, top: HierarchyObject, clock: LogicObject) -> None:
        self._bus = _Master(top, "csr", clock)
        self._map = register_map()

    async def read(self, register: str) -> int:
        """Value of a register."""
        return await self._read_word(self._map.registers[register].offset_bytes)

    async def write(self, register: str, value: int) -> None:
        await self._bus.write(self._map.registers[register].offset_bytes, value)

    async def read_fields(self, register: str) -> dict[str, bool]:
        """The fields of a register whose fields are single bits, by name."""
        value = await self.read(register)
        fields = self._map.registers[register].fields
        return {name: bool(value >> field.low & 1) for name, field in fields.items()}

    async def set_fields(self, register: str, *names: str) -> None:
        """Write 1 to these fields and 0 to the others."""
        fields = self._map.registers[register].fields
        await self.write(register, sum(1 << fields[name].low for name in names))

    async def read_counters(self) -> dict[str, int]:
        """Latch every counter in one cycle and read them all."""
        await self.set_fields("CONTROL", "SNAPSHOT")
        return {counter.name: await self._read_counter(counter) for counter in self._map.counters}

    async def read_trace(self) -> Trace:
        """Every record of the trace memory, and how many it dropped."""
        records = []
        for number in range(await self.read("TRACE_RECORDS")):
            await self.write("TRACE_SELECT", number)
            start, end = [
                await self.read(f"TRACE_{edge}_LOW") | await self.read(f"TRACE_{edge}_HIGH") << 32
                for edge in ("START", "END")
            ]
            engine, instruction = (
                await self.read("TRACE_ENGINE"),
                await self.read("TRACE_INSTRUCTION"),
            )
            records.append((engine, instruction, start, end))
        return Trace(records=tuple(records), dropped=await self.read("TRACE_DROPPED"))

    async def _read_counter(self, counter: Counter) -> int:
        low = await self._read_word(counter.offset_bytes)
        high = await self._read_word(counter.offset_bytes + 4)
        return high << 32 | low

    async def _read_word(self, offset_bytes: int) -> int:
        return int(await self._bus.read(offset_bytes))
