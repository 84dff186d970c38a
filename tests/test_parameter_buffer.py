"""The parameter buffer: words for VECTOR, bytes for LOAD (B-05)."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from component_simulator import simulate_component

from hdl.parameter_buffer import ParameterBuffer

pytestmark = pytest.mark.usefixtures("each_simulator")

DEPTH = 16
LANES = 4


def simulate(testbench: Callable[[Any, ParameterBuffer], Awaitable[None]]) -> None:
    dut = ParameterBuffer(depth=DEPTH, lanes=LANES)

    async def run(ctx: Any) -> None:
        await testbench(ctx, dut)

    simulate_component(dut, run)


async def write(ctx: Any, dut: ParameterBuffer, address: int, data: int, enable: int) -> None:
    ctx.set(dut.write.address, address)
    ctx.set(dut.write.data, data)
    ctx.set(dut.write.enable, enable)
    await ctx.tick()
    ctx.set(dut.write.enable, 0)


async def read(ctx: Any, dut: ParameterBuffer, address: int) -> int:
    ctx.set(dut.read.address, address)
    ctx.set(dut.read.enable, 1)
    await ctx.tick()
    ctx.set(dut.read.enable, 0)
    value: int = ctx.get(dut.read.data)
    return value


def test_only_enabled_bytes_are_written() -> None:
    """B-05: in every word, any bytes."""

    async def testbench(ctx: Any, dut: ParameterBuffer) -> None:
        everything = (1 << 4 * LANES) - 1
        for address in range(DEPTH):
            old = int.from_bytes(bytes(range(address, address + 4 * LANES)), "little")
            await write(ctx, dut, address, old, everything)
        for address in range(DEPTH):
            await write(ctx, dut, address, (1 << 32 * LANES) - 1, 1 << address)
        for address in range(DEPTH):
            expected = bytearray(range(address, address + 4 * LANES))
            expected[address] = 0xFF
            assert await read(ctx, dut, address) == int.from_bytes(expected, "little")

    simulate(testbench)


def test_a_read_in_the_cycle_of_a_write_returns_the_old_word() -> None:
    """B-05."""

    async def testbench(ctx: Any, dut: ParameterBuffer) -> None:
        await write(ctx, dut, 3, 1, (1 << 4 * LANES) - 1)
        ctx.set(dut.write.address, 3)
        ctx.set(dut.write.data, 2)
        ctx.set(dut.write.enable, 1)
        assert await read(ctx, dut, 3) == 1
        ctx.set(dut.write.enable, 0)
        assert await read(ctx, dut, 3) == 2

    simulate(testbench)
