# amaranth: UnusedElaboratable=no
"""The address generators alone: bursts of an instruction, beats of a burst."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from component_simulator import simulate_component
from dma_bench import small_config
from dma_reference import addresses, bursts, random_program, store_of

from arch.isa import Store
from hdl.dma_address import BeatWalker, BurstGenerator

pytestmark = pytest.mark.usefixtures("each_simulator")

SIZES = {"axi_bytes": 8, "burst_bytes": small_config().burst_bytes}


def simulate(component: Any, body: Callable[[Any], Any]) -> None:
    simulate_component(component, body)


def walk_bursts(
    program: Sequence[Store], ready: Callable[[int], bool] = lambda cycle: True, abandon: int = 0
) -> list[tuple[int, dict[str, int]]]:
    """(cycle, burst) of each handshake; ``abandon`` cycles of the first one precede a reset."""
    generator = BurstGenerator(**SIZES)
    taken: list[tuple[int, dict[str, int]]] = []

    async def load(ctx: Any, store: Store) -> None:
        ctx.set(generator.word.as_value(), int.from_bytes(store.encode(), "little"))
        ctx.set(generator.load, 1)
        await ctx.tick()
        ctx.set(generator.load, 0)

    async def body(ctx: Any) -> None:
        if abandon:
            await load(ctx, program[0])
            ctx.set(generator.o.ready, 1)
            await ctx.tick().repeat(abandon)
            ctx.set(ctx.reset, 1)
            await ctx.tick()
            ctx.set(ctx.reset, 0)
        cycle = 0
        for store in program:
            assert not ctx.get(generator.o.valid)
            await load(ctx, store)
            while ctx.get(generator.o.valid):
                ctx.set(generator.o.ready, ready(cycle))
                burst = _burst(ctx, generator.o.p)
                if ready(cycle):
                    taken.append((cycle, burst))
                await ctx.tick()
                if not ready(cycle):
                    assert ctx.get(generator.o.valid)
                    assert _burst(ctx, generator.o.p) == burst
                cycle += 1

    simulate(generator, body)
    return taken


def _burst(ctx: Any, payload: Any) -> dict[str, int]:
    request, piece = payload.request, payload.piece
    return {
        "address": ctx.get(request.address),
        "beats": ctx.get(request.beats),
        **{
            name: ctx.get(getattr(piece, name))
            for name in ("buffer_address", "lane", "bytes", "last_of_run", "last")
        },
    }


def expected_bursts(store: Store) -> list[dict[str, int]]:
    """Of T-LD-01 and I-01, with addresses that wrap."""
    config = small_config()
    requests = iter(bursts(store, config))
    found = []
    runs = addresses(store)
    for number, (dram, base) in enumerate(runs):
        done = 0
        while done < store.run_bytes:
            address, beats = next(requests)
            lane = (dram + done) % config.axi_bytes
            count = min(beats * config.axi_bytes - lane, store.run_bytes - done)
            found.append(
                {
                    "address": address % 2**32,
                    "beats": beats,
                    "buffer_address": (base + done) % 2**24,
                    "lane": lane,
                    "bytes": count,
                    "last_of_run": int(done + count == store.run_bytes),
                    "last": int(done + count == store.run_bytes and number == len(runs) - 1),
                }
            )
            done += count
    return found


@pytest.mark.parametrize("seed", range(3))
def test_bursts_of_random_instructions_come_without_a_gap(seed: int) -> None:
    """T-LD-01, T-LD-03, T-ST-01: one a cycle over runs and planes."""
    program = random_program(Store, random.Random(seed))
    taken = walk_bursts(program)
    assert [burst for _, burst in taken] == [
        burst for store in program for burst in expected_bursts(store)
    ]
    assert [cycle for cycle, _ in taken] == list(range(len(taken)))


def test_a_burst_waits_unchanged_until_it_is_taken() -> None:
    program = random_program(Store, random.Random(3))
    taken = walk_bursts(program, ready=lambda cycle: cycle % 3 == 2)
    assert [burst for _, burst in taken] == [
        burst for store in program for burst in expected_bursts(store)
    ]
    assert [cycle for cycle, _ in taken] == [3 * n + 2 for n in range(len(taken))]


@pytest.mark.parametrize(
    "store",
    [
        store_of(dram_address=2**32 - 2048 - 3, run_bytes=2048 + 3 + 5, buffer_address=2**24 - 1),
        store_of(dram_address=2047, run_bytes=2**20 - 1),
        store_of(dram_address=2048, run_bytes=2048, runs=2, run_dram_stride=2**32 - 2048),
        store_of(run_bytes=1, runs=2**9, planes=3, plane_dram_stride=7, run_dram_stride=3),
    ],
)
def test_corners_of_addresses_and_counts(store: Store) -> None:
    """I-01: addresses wrap at 2^32 and 2^24; the greatest run; whole bursts; single bytes."""
    assert [burst for _, burst in walk_bursts([store])] == expected_bursts(store)


@pytest.mark.parametrize("abandon", [1, 2, 5])
def test_a_reset_frees_the_generator(abandon: int) -> None:
    store = store_of(run_bytes=5000, runs=2, run_dram_stride=8192, run_buffer_stride=5000)
    assert walk_bursts([store], abandon=abandon) == walk_bursts([store])


def walk_beats(
    pieces: Sequence[dict[str, int]], ready: Callable[[int], bool], abandon: int = 0
) -> list[dict[str, int]]:
    """The beats of pieces, each offered in the cycle after the one before is taken."""
    walker = BeatWalker(**SIZES)
    beats: list[dict[str, int]] = []

    async def body(ctx: Any) -> None:
        if abandon:
            _offer(ctx, walker, pieces[0])
            ctx.set(walker.o.ready, 1)
            await ctx.tick().repeat(abandon)
            ctx.set(ctx.reset, 1)
            await ctx.tick()
            ctx.set(ctx.reset, 0)
        cycle = 0
        for piece in pieces:
            _offer(ctx, walker, piece)
            done = False
            while not done:
                ctx.set(walker.o.ready, ready(cycle))
                assert ctx.get(walker.o.valid)
                done = bool(ctx.get(walker.i.ready))
                if ready(cycle):
                    beats.append(
                        {name: ctx.get(walker.o.p[name]) for name, _ in walker.o.p.shape()}
                    )
                await ctx.tick()
                cycle += 1
        ctx.set(walker.i.valid, 0)
        assert not ctx.get(walker.o.valid)

    simulate(walker, body)
    return beats


def _offer(ctx: Any, walker: Any, piece: dict[str, int]) -> None:
    ctx.set(walker.i.valid, 1)
    for name, value in piece.items():
        ctx.set(walker.i.p[name], value)


def expected_beats(piece: dict[str, int]) -> list[dict[str, int]]:
    beats, done = [], 0
    while done < piece["bytes"]:
        lane = 0 if done else piece["lane"]
        count = min(8 - lane, piece["bytes"] - done)
        last = int(done + count == piece["bytes"])
        beats.append(
            {
                "buffer_address": (piece["buffer_address"] + done) % 2**24,
                "lane": lane,
                "bytes": count,
                "first_of_burst": int(done == 0),
                "last_of_burst": last,
                "last_of_run": last & piece["last_of_run"],
                "last": last & piece["last"],
            }
        )
        done += count
    return beats


@pytest.mark.parametrize("ready", [lambda cycle: True, lambda cycle: cycle % 3 != 1])
@pytest.mark.parametrize("abandon", [0, 1, 3])
def test_a_burst_is_cut_into_beats_without_a_gap(
    ready: Callable[[int], bool], abandon: int
) -> None:
    """T-ST-01, at every lane and length, though a reset came in the middle of another burst."""
    noise = random.Random(7)
    pieces = [
        {
            "buffer_address": noise.randrange(2**24),
            "lane": lane,
            "bytes": count,
            "last_of_run": noise.randrange(2),
            "last": noise.randrange(2),
        }
        for lane, count in [(3, 60), (0, 2048), (1, 2047), *((n % 8, n) for n in range(1, 40))]
    ]
    beats = walk_beats(pieces, ready, abandon)
    assert beats == [beat for piece in pieces for beat in expected_beats(piece)]


@pytest.mark.parametrize("component", [BurstGenerator, BeatWalker])
@pytest.mark.parametrize(("axi_bytes", "burst_bytes"), [(12, 4096), (8, 100), (8, 4), (0, 64)])
def test_sizes_that_are_no_powers_of_two_are_refused(
    component: Any, axi_bytes: int, burst_bytes: int
) -> None:
    with pytest.raises(ValueError, match=f"{axi_bytes}.*{burst_bytes}"):
        component(axi_bytes=axi_bytes, burst_bytes=burst_bytes)
