"""STORE alone: what it copies (I-02), and every cycle of it (rules T-ST)."""

from __future__ import annotations

import random

import pytest
from dma_bench import Run, run_dma, small_config
from dma_reference import bursts, expected, random_program, store_of
from reference_memory import random_stall

from arch.isa import Store
from arch.timing import (
    DMA_INSTRUCTIONS_IN_FLIGHT,
    STORE_READ_TO_WRITE_CYCLES,
    WRITE_FIFO_BEATS,
)

pytestmark = pytest.mark.usefixtures("each_simulator")


def reads(run: Run) -> list[int]:
    return [cycle for cycle, _ in run.accesses]


def test_runs_and_planes_are_copied() -> None:
    config = small_config()
    store = store_of(
        buffer_address=21,
        dram_address=1003,
        run_bytes=45,
        runs=3,
        run_dram_stride=77,
        run_buffer_stride=64,
        planes=2,
        plane_dram_stride=4096,
        plane_buffer_stride=512,
    )
    run = run_dma(config, [store])
    assert run.contents == expected(config, [store])
    assert sum(bin(strobes).count("1") for _, strobes, _ in run.axi.w) == 6 * 45


@pytest.mark.parametrize("width", [32, 64, 128])
def test_every_alignment_of_both_sides_is_copied(width: int) -> None:
    config = small_config(axi_data_bits=width, dram_bytes_per_cycle=4)
    program = [
        store_of(
            buffer_address=index * 64 + random.Random(index).randrange(16),
            dram_address=100 * index + index % 17,
            run_bytes=1 + index % 35,
        )
        for index in range(60)
    ]
    assert run_dma(config, program).contents == expected(config, program)


@pytest.mark.parametrize("data_first", [False, True])
@pytest.mark.parametrize("channels", [(), ("aw",), ("w",), ("b",), ("aw", "w", "b")])
def test_random_programs_are_copied_under_back_pressure(
    channels: tuple[str, ...], data_first: bool
) -> None:
    """Of the channels named, and of the buffer; by a memory that takes data first as well."""
    config = small_config(max_outstanding_writes=2, dram_bytes_per_cycle=5)
    for seed in range(2):
        noise = random.Random(seed)
        program = random_program(Store, noise)
        denied = {cycle for cycle in range(20_000) if noise.random() < 0.4}
        run = run_dma(
            config,
            program,
            denied=denied.__contains__,
            seed=seed,
            stall=random_stall(seed, *channels),
            data_first=data_first,
        )
        assert run.contents == expected(config, program, seed)
        assert run.fault is None


def test_addresses_left_behind_hold_the_reads() -> None:
    """T-ST-04: a memory that takes data first may leave as many addresses as there is room for."""
    config = small_config()
    store = store_of(runs=50, run_dram_stride=64, run_buffer_stride=8)
    run = run_dma(
        config,
        [store],
        stall=lambda channel, cycle: channel == "aw" and cycle < 80,
        data_first=True,
    )
    assert sum(cycle < 80 for cycle in reads(run)) == WRITE_FIFO_BEATS
    assert run.contents == expected(config, [store])


@pytest.mark.parametrize("channel", ["aw", "w"])
def test_data_do_not_wait_for_their_address_nor_the_address_for_data(channel: str) -> None:
    """AXI4 forbids the first; a memory may demand either before it takes the other."""
    config = small_config()
    store = store_of(run_bytes=80)
    run = run_dma(
        config,
        [store],
        stall=lambda stalled, cycle: stalled == channel and cycle < 50,
        data_first=True,
    )
    assert run.contents == expected(config, [store])
    other = run.axi.aw if channel == "w" else run.axi.w
    assert other[-1][0] < 50


@pytest.mark.parametrize(
    ("reset_after", "halt_at"),
    [(0, None), (2, None), (3, None), (9, None), (30, None), (4, 3), (14, 12), (60, 14)],
)
def test_a_reset_in_the_middle_leaves_nothing_behind(reset_after: int, halt_at: int | None) -> None:
    """E-09: the run behind it is the run of every cycle that there is without it."""
    config = small_config()
    program = [store_of(buffer_address=5, run_bytes=50, runs=2), store_of(run_bytes=90)]
    clean = run_dma(config, program)
    assert run_dma(config, program, reset_after=reset_after, halt_at=halt_at) == clean


def test_bursts_are_cut_at_multiples_of_burst_bytes() -> None:
    """T-ST-01: a read for each beat, none crossing into the next one's lanes."""
    config = small_config()
    store = store_of(dram_address=2 * config.burst_bytes - 13, run_bytes=2100)
    run = run_dma(config, [store])
    assert [(address, beats) for _, address, beats in run.axi.aw] == bursts(store, config)
    assert [beats for *_, beats in run.axi.aw] == [2, 256, 5]
    assert [count for _, count in run.accesses] == [5] + [8] * 261 + [7]


def test_reads_follow_the_issue_without_gaps_between_runs() -> None:
    """T-ST-02, T-ST-03: one a cycle from t + 1 on; the generator is free after the last."""
    config = small_config()
    store = store_of(run_bytes=10, dram_address=7, runs=4, run_dram_stride=32, run_buffer_stride=32)
    run = run_dma(config, [store, store])
    assert run.issues == [0, 13]
    assert reads(run) == [*range(1, 13), *range(14, 26)]


def test_no_more_stores_are_in_flight_than_the_rule_allows() -> None:
    """T-ST-02: the ninth issues in the cycle after the first retires."""
    config = small_config(dram_latency_cycles=100)
    run = run_dma(config, [store_of()] * (DMA_INSTRUCTIONS_IN_FLIGHT + 1))
    assert run.issues[:DMA_INSTRUCTIONS_IN_FLIGHT] == list(range(0, 16, 2))
    assert run.issues[-1] == run.retires[0] + 1


@pytest.mark.parametrize(("bytes_per_cycle", "run_bytes"), [(3, 700), (2, 8)])
def test_reads_go_on_exactly_while_the_write_fifo_has_room(
    bytes_per_cycle: int, run_bytes: int
) -> None:
    """T-ST-03: fewer than WRITE_FIFO_BEATS read and not sent, at the start of the cycle."""
    config = small_config(dram_bytes_per_cycle=bytes_per_cycle, max_outstanding_writes=64)
    store = store_of(run_bytes=run_bytes, runs=720 // run_bytes, run_dram_stride=1024)
    run = run_dma(config, [store])
    read = set(reads(run))
    for cycle in range(1, max(read) + 1):
        unsent = sum(at < cycle for at in read) - sum(at < cycle for at, *_ in run.axi.w)
        assert (cycle in read) == (unsent < WRITE_FIFO_BEATS), cycle
    assert max(read) > 64


def test_a_conflict_holds_the_read() -> None:
    """T-ST-03, B-04: and the ledger says wait_port."""
    config = small_config()
    run = run_dma(config, [store_of(run_bytes=32)], denied=lambda cycle: cycle in {2, 3, 5})
    assert reads(run) == [1, 4, 6, 7]
    assert run.waits == [2, 3, 5]


def test_data_and_address_are_out_two_cycles_after_the_read() -> None:
    """T-ST-04: W beats as early as the memory takes them, AW with the first beat."""
    config = small_config()
    store = store_of(run_bytes=24, runs=2, run_dram_stride=64, run_buffer_stride=32)
    run = run_dma(config, [store], denied=lambda cycle: cycle == 3)
    assert reads(run) == [1, 2, 4, 5, 6, 7]
    expected = [reads(run)[0], reads(run)[3]]
    assert [cycle for cycle, *_ in run.axi.aw] == [
        cycle + STORE_READ_TO_WRITE_CYCLES for cycle in expected
    ]
    assert [cycle for cycle, *_ in run.axi.w] == [4, 5, 6, 8, 9, 10]
    assert run.axi.w[2][0] == reads(run)[2] + STORE_READ_TO_WRITE_CYCLES


def test_addresses_wait_while_the_allowed_bursts_are_outstanding() -> None:
    """T-ST-04: from AW handshake to B handshake, registered."""
    config = small_config(max_outstanding_writes=3)
    store = store_of(runs=9, run_dram_stride=64, run_buffer_stride=8)
    run = run_dma(config, [store])
    announced = [cycle for cycle, *_ in run.axi.aw]
    ready = [cycle + STORE_READ_TO_WRITE_CYCLES for cycle in reads(run)]
    for index, cycle in enumerate(announced):
        free = run.axi.b[index - 3] + 1 if index >= 3 else 0
        follows = announced[index - 1] + 1 if index else 0
        assert cycle == max(ready[index], free, follows)


def test_a_store_retires_with_the_response_of_its_last_burst() -> None:
    """T-ST-05: and is in flight from the cycle after its issue to that one."""
    config = small_config()
    program = [store_of(runs=3, run_dram_stride=64), store_of(), store_of(run_bytes=40)]
    run = run_dma(config, program)
    assert run.retires == [run.axi.b[2], run.axi.b[3], run.axi.b[4]]
    assert run.in_flight == list(range(1, run.retires[-1] + 1))


def test_working_is_a_read_or_a_beat_sent() -> None:
    """Section 7."""
    config = small_config()
    run = run_dma(config, [store_of(run_bytes=50)])
    assert run.works == sorted(set(reads(run)) | {cycle for cycle, *_ in run.axi.w})
