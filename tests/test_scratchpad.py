# amaranth: UnusedElaboratable=no
"""The scratchpad against rules B-01 to B-04, and the accumulator against B-06."""

import numpy as np
import pytest
from component_simulator import simulate_component

from hdl.accumulator import Accumulator
from hdl.scratchpad import Scratchpad

pytestmark = pytest.mark.usefixtures("each_simulator")

WORD_BYTES = 4
SIZE_BYTES = 96
BANKS = 4
BANK_BYTES = SIZE_BYTES // BANKS
"""Three pairs of words: no power of two."""


def simulate(component, bench):
    simulate_component(component, bench)


def with_contents(contents, bench, readers=3, writers=2):
    """Run ``bench(ctx, scratchpad)`` with the bytes ``contents`` in the buffer."""
    scratchpad = Scratchpad(
        word_bytes=WORD_BYTES, size_bytes=SIZE_BYTES, banks=BANKS, readers=readers, writers=writers
    )

    async def testbench(ctx):
        for address in range(0, len(contents), WORD_BYTES):
            offer_write(ctx, scratchpad.write[0], address, contents[address : address + WORD_BYTES])
            await ctx.tick()
        ctx.set(scratchpad.write[0].valid, 0)
        await bench(ctx, scratchpad)

    simulate(scratchpad, testbench)


def offer_write(ctx, client, address, data, enable=None):
    ctx.set(client.valid, 1)
    ctx.set(client.address, address % (1 << 24))
    ctx.set(client.data, int.from_bytes(bytes(data), "little"))
    ctx.set(client.enable, (1 << len(data)) - 1 if enable is None else enable)


def offer_read(ctx, client, address, count=1):
    ctx.set(client.valid, 1)
    ctx.set(client.address, address % (1 << 24))
    ctx.set(client.count, count)


def withdraw(ctx, scratchpad):
    for client in (*scratchpad.read, *scratchpad.write):
        ctx.set(client.valid, 0)


async def read(ctx, client, address, count):
    """``count`` bytes at ``address``, by one access."""
    offer_read(ctx, client, address, count)
    assert ctx.get(client.ready)
    await ctx.tick()
    ctx.set(client.valid, 0)
    return ctx.get(client.data).to_bytes(2 * WORD_BYTES, "little")[:count]


def contents_of(seed=1):
    return np.random.default_rng(seed).integers(0, 256, SIZE_BYTES, np.uint8).tobytes()


def test_window_at_every_address():
    """B-02: all bytes to the end of the next word, one cycle later, byte 0 that of the address."""
    contents = contents_of()

    async def bench(ctx, scratchpad):
        for address in range(SIZE_BYTES):
            count = min(2 * WORD_BYTES - address % WORD_BYTES, SIZE_BYTES - address)
            expected = contents[address : address + count]
            assert await read(ctx, scratchpad.read[1], address, count) == expected

    with_contents(contents, bench)


def test_window_before_address_zero_goes_on_at_zero():
    """B-02: addresses count modulo 2^24; the word outside the buffer is undefined."""
    contents = contents_of()

    async def bench(ctx, scratchpad):
        window = await read(ctx, scratchpad.read[0], -3, 3 + WORD_BYTES)
        assert window[3:] == contents[:WORD_BYTES]

    with_contents(contents, bench)


def test_write_at_every_address_with_every_kind_of_enable():
    """B-02: enabled bytes of two words move, all others stay."""
    expected = bytearray(contents_of())
    rng = np.random.default_rng(2)

    async def bench(ctx, scratchpad):
        for address in range(SIZE_BYTES - 2 * WORD_BYTES):
            length = 2 * WORD_BYTES - address % WORD_BYTES
            data = rng.integers(0, 256, length, np.uint8).tobytes()
            enable = int(rng.integers(0, 1 << length))
            offer_write(ctx, scratchpad.write[1], address, data, enable)
            assert ctx.get(scratchpad.write[1].ready)
            await ctx.tick()
            for i in range(length):
                if enable >> i & 1:
                    expected[address + i] = data[i]
        withdraw(ctx, scratchpad)
        for address in range(SIZE_BYTES):
            assert (
                await read(ctx, scratchpad.read[0], address, 1) == expected[address : address + 1]
            )

    with_contents(bytes(expected), bench)


def test_write_outside_the_buffer_is_lost():
    """B-01: no bank holds the address."""
    contents = contents_of()

    async def bench(ctx, scratchpad):
        for address in (SIZE_BYTES, SIZE_BYTES + BANK_BYTES, -WORD_BYTES):
            offer_write(ctx, scratchpad.write[0], address, bytes(WORD_BYTES))
            await ctx.tick()
        withdraw(ctx, scratchpad)
        for address in range(0, SIZE_BYTES, WORD_BYTES):
            word = await read(ctx, scratchpad.read[0], address, WORD_BYTES)
            assert word == contents[address : address + WORD_BYTES]

    with_contents(contents, bench)


def test_read_in_the_cycle_of_a_write_returns_the_old_word():
    """B-03: and the new one in the next cycle."""
    contents = contents_of()

    async def bench(ctx, scratchpad):
        offer_write(ctx, scratchpad.write[0], 8, b"new!")
        assert await read(ctx, scratchpad.read[0], 8, 4) == contents[8:12]
        ctx.set(scratchpad.write[0].valid, 0)
        assert await read(ctx, scratchpad.read[0], 8, 4) == b"new!"

    with_contents(contents, bench)


def sub_banks(address, count):
    """B-01: bank and parity of every word touched."""
    words = range(address // WORD_BYTES, (address + count - 1) // WORD_BYTES + 1)
    return {(word * WORD_BYTES // BANK_BYTES, word % 2) for word in words}


@pytest.mark.parametrize("kind", ["read", "write"])
def test_clients_wait_for_those_before_them(kind):
    """B-04: a client is ready unless one before it wants one of its sub-banks; reads and writes
    do not meet."""
    rng = np.random.default_rng(3)
    offer = {
        "read": offer_read,
        "write": lambda ctx, client, address, count: offer_write(
            ctx, client, address, bytes(count)
        ),
    }[kind]
    outcomes = set()

    async def bench(ctx, scratchpad):
        clients = getattr(scratchpad, kind)
        other = scratchpad.write[0] if kind == "read" else scratchpad.read[0]
        ctx.set(other.valid, 1)
        ctx.set(other.address, 0)
        for _ in range(300):
            taken = set()
            for client in clients:
                address = int(rng.integers(0, SIZE_BYTES - 2 * WORD_BYTES))
                count = int(rng.integers(1, 2 * WORD_BYTES - address % WORD_BYTES + 1))
                offer(ctx, client, address, count)
                wanted = sub_banks(address, count)
                assert ctx.get(client.ready) == (not wanted & taken)
                outcomes.add((len(wanted), bool(wanted & taken)))
                taken |= wanted
        assert outcomes == {(1, False), (1, True), (2, False), (2, True)}

    with_contents(b"", bench)


def test_denied_access_waits_whole():
    """B-04: of two words neither is written while one of them is denied, then both are."""
    contents = contents_of()

    async def bench(ctx, scratchpad):
        offer_write(ctx, scratchpad.write[0], 4, b"odd.")
        offer_write(ctx, scratchpad.write[1], 8, b"even", 0b1111)
        assert ctx.get(scratchpad.write[1].ready)
        offer_write(ctx, scratchpad.write[1], 0, b"evenodd!")
        assert not ctx.get(scratchpad.write[1].ready)
        await ctx.tick()
        ctx.set(scratchpad.write[0].valid, 0)
        offered = (await read(ctx, scratchpad.read[2], 0, 8))[:8]
        assert offered == contents[:4] + b"odd."
        withdraw(ctx, scratchpad)
        assert await read(ctx, scratchpad.read[2], 0, 8) == b"evenodd!"

    with_contents(contents, bench)


def test_denied_reader_is_answered_when_granted():
    """B-04: the answer comes in the cycle after ready, and only the winner's window before."""
    contents = contents_of()

    async def bench(ctx, scratchpad):
        first, second = scratchpad.read[0], scratchpad.read[1]
        offer_read(ctx, first, 0, 8)
        offer_read(ctx, second, 5, 3)
        assert not ctx.get(second.ready)
        await ctx.tick()
        assert ctx.get(first.data).to_bytes(8, "little") == contents[:8]
        ctx.set(first.valid, 0)
        assert await read(ctx, second, 5, 3) == contents[5:8]

    with_contents(contents, bench)


def test_size_must_divide_into_banks_of_pairs():
    """B-01: equal banks of even and odd words."""
    with pytest.raises(ValueError, match=r"size_bytes = 100 must be a multiple of .* = 32"):
        Scratchpad(word_bytes=4, size_bytes=100, banks=4, readers=1, writers=1)


def test_word_must_be_a_power_of_two():
    """B-02: the offset in a word is some bits of the address."""
    with pytest.raises(ValueError, match="3 is not a power of 2"):
        Scratchpad(word_bytes=3, size_bytes=96, banks=4, readers=1, writers=1)


def test_accumulator_halves_are_apart():
    """B-06: MATRIX and VECTOR in different halves do not see one another."""
    accumulator = Accumulator(depth=4, lanes=2)

    async def bench(ctx):
        write, matrix, vector = (
            accumulator.matrix_write,
            accumulator.matrix_read,
            accumulator.vector_read,
        )
        ctx.set(write.enable, 1)
        for half in (0, 1):
            ctx.set(write.half, half)
            ctx.set(write.address, 2)
            ctx.set(write.data, 100 + half)
            await ctx.tick()
        ctx.set(write.enable, 0)
        for half in (0, 1):
            for client, its in ((matrix, half), (vector, 1 - half)):
                ctx.set(client.enable, 1)
                ctx.set(client.half, its)
                ctx.set(client.address, 2)
            await ctx.tick()
            assert ctx.get(matrix.data) == 100 + half
            assert ctx.get(vector.data) == 101 - half

    simulate(accumulator, bench)


def test_accumulator_read_in_the_cycle_of_a_write_returns_the_new_vector():
    """T-MX-05: a vector may be revisited at once."""
    accumulator = Accumulator(depth=4, lanes=2)

    async def bench(ctx):
        write, matrix = accumulator.matrix_write, accumulator.matrix_read
        ctx.set(write.enable, 1)
        ctx.set(write.address, 3)
        ctx.set(write.data, 77)
        ctx.set(matrix.enable, 1)
        ctx.set(matrix.address, 3)
        await ctx.tick()
        assert ctx.get(matrix.data) == 77

    simulate(accumulator, bench)
