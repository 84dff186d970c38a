"""LOAD by an index list: its buffer (B-09), the rows it names (I-01), the cycles (T-LD-07)."""

from __future__ import annotations

import itertools
import random

import pytest
from dma_bench import Run, run_dma, small_config
from dma_reference import (
    DRAM_BYTES,
    INDICES,
    bursts,
    expected,
    gather,
    indices,
    load_of,
    seeded_contents,
)
from reference_memory import random_stall

from arch.config import INDEX_ENTRIES, Config
from arch.isa import Buffer, Load
from arch.timing import DMA_INSTRUCTIONS_IN_FLIGHT, GATHER_CYCLES

pytestmark = pytest.mark.usefixtures("each_simulator")

FILL = indices(0, 16)


def check(config: Config, *program: Load, seed: int = 0) -> Run:
    run = run_dma(config, program, seed=seed)
    assert run.fault is None
    assert run.contents == expected(config, program, seed)
    return run


def asked(run: Run) -> list[int]:
    """Cycles of the address handshakes behind those of the first LOAD."""
    return [cycle for cycle, *_ in run.axi.ar if cycle > run.issues[1]]


@pytest.mark.parametrize("width", [32, 64, 512])
def test_rows_are_those_that_the_indices_name(width: int) -> None:
    """I-01, B-09: of any length and place, with padding, whatever the width of a beat."""
    config = small_config(cols=16, axi_data_bits=width, dram_bytes_per_cycle=4)
    rows = gather(index_address=3, runs=13, pad_bytes=5, pad_value=0x5A, run_buffer_stride=41)
    run = check(config, indices(0, 64), rows, gather(buffer=Buffer.ACTIVATION, index_address=63))
    assert sum(count for _, count in run.pads) == 13 * 5


def test_every_entry_is_kept_and_the_last_one_is_used() -> None:
    """B-09: as many as INDEX_ENTRIES, filled by several LOADs."""
    config = small_config()
    half = INDEX_ENTRIES // 2
    rows = gather(runs=INDEX_ENTRIES, run_bytes=5, run_buffer_stride=7)
    check(config, indices(half, half), indices(0, half), rows)


def test_indices_are_32_bits_and_addresses_wrap() -> None:
    """I-01: whatever the bytes of the list are; most rows are not in memory here."""
    config = small_config()
    rows = gather(runs=20, run_dram_stride=0xFFFF_FFF3, dram_address=0xFFFF_0001, run_bytes=1)
    list_of_noise = load_of(buffer=Buffer.INDEX, dram_address=4096, run_bytes=80)
    run = run_dma(config, [list_of_noise, rows])
    noise = bytes(seeded_contents(config, 0).dram[4096 : 4096 + 80])
    addresses = [address for _, _, address, _ in run.axi.ar[1:]]
    assert addresses == [address % 2**32 for address, _ in bursts(rows, config, noise)]
    assert max(addresses) >= 1 << 31 > min(addresses)


def test_single_bytes_of_the_index_buffer_are_written() -> None:
    """B-09, I-01: by runs that begin and end inside a beat, and by padding."""
    config = small_config()
    patches = load_of(
        buffer=Buffer.INDEX,
        buffer_address=4,
        dram_address=INDICES + 44,
        run_bytes=1,
        runs=3,
        run_dram_stride=8,
        run_buffer_stride=8,
    )
    zeros = load_of(buffer=Buffer.INDEX, buffer_address=40, dram_address=INDICES, pad_bytes=11)
    check(config, FILL, patches, zeros, gather(runs=16))


def test_the_first_burst_of_each_run_is_three_cycles_later() -> None:
    """T-LD-07: than T-LD-02 and T-LD-03 say; bursts of one run follow one another."""
    config = small_config()
    crossing = gather(runs=4, dram_address=2048 - 9, run_dram_stride=2048)
    run = check(config, FILL, crossing)
    first = run.issues[1] + 1 + GATHER_CYCLES
    starts = [first + (2 + GATHER_CYCLES) * index for index in range(4)]
    assert asked(run) == [cycle + burst for cycle in starts for burst in range(2)]


@pytest.mark.parametrize("held", [0, 1, 2, 3, 4, 9])
def test_a_run_is_counted_from_the_handshake_of_the_run_before(held: int) -> None:
    """T-LD-07: and not from when that one was presented."""
    config = small_config()
    free = asked(check(config, FILL, gather(runs=3)))
    stalled = range(free[0], free[0] + held)
    run = run_dma(
        config,
        [FILL, gather(runs=3)],
        stall=lambda channel, cycle: channel == "ar" and cycle in stalled,
    )
    assert asked(run) == [cycle + held for cycle in free]


def test_a_run_whose_index_is_there_waits_for_the_window() -> None:
    """T-LD-07, T-LD-03: the look-up goes on meanwhile, and is not begun anew."""
    config = small_config(max_outstanding_reads=1, read_window_beats=1)
    run = check(config, FILL, gather(runs=4))
    received = [cycle for cycle, _ in run.axi.r][8:]
    ends = [cycle for cycle, behind in itertools.pairwise([*received, 0]) if behind != cycle + 1]
    assert asked(run)[1:] == [cycle + 1 for cycle in ends[:-1]]


def test_a_gather_is_issued_when_no_load_is_in_flight() -> None:
    """T-LD-07: in the cycle after the last retirement, so that every index is there."""
    config = small_config(dram_latency_cycles=50)
    run = check(config, FILL, load_of(), gather(runs=2), gather(runs=1), load_of())
    assert run.issues[2] == run.retires[1] + 1
    assert run.issues[3] == run.retires[2] + 1


def test_loads_behind_a_gather_do_not_wait_for_its_end() -> None:
    """T-LD-02: the generator is free in the cycle after its last address."""
    config = small_config(dram_latency_cycles=50)
    others = [load_of(buffer_address=64 * n) for n in range(DMA_INSTRUCTIONS_IN_FLIGHT)]
    run = check(config, FILL, gather(runs=3), *others)
    last = asked(run)[2]
    assert run.issues[2:9] == [last + 1 + 2 * n for n in range(7)]
    assert run.issues[9] == run.retires[1] + 1


def test_the_look_up_is_neither_work_nor_the_end_of_a_load() -> None:
    """Section 7, T-LD-06."""
    config = small_config()
    run = check(config, FILL, gather(runs=3))
    behind = run.issues[1] + 1
    assert set(range(behind, behind + GATHER_CYCLES)).isdisjoint(run.works)
    assert len(run.retires) == 2
    assert run.retires[1] == max(cycle for cycle, _ in run.accesses)


@pytest.mark.parametrize("reset_after", [30, 31, 32, 33, 34, 35, 60])
def test_a_reset_in_the_middle_leaves_nothing_behind(reset_after: int) -> None:
    """E-09"""
    config = small_config()
    program = [FILL, gather(runs=4, pad_bytes=3), load_of()]
    clean = run_dma(config, program)
    assert clean.issues[1] == 30
    assert run_dma(config, program, reset_after=reset_after) == clean


@pytest.mark.parametrize("seed", range(4))
def test_random_gathers_under_back_pressure(seed: int) -> None:
    """I-01, whatever waits; several into the same indices, with LOADs between."""
    config = small_config(max_outstanding_reads=3, read_window_beats=20)
    noise = random.Random(seed)
    program = [indices(0, 200)]
    for place in range(8):
        runs = noise.randrange(1, 9)
        fields = {"index_address": noise.randrange(200 - runs), "runs": runs}
        limit = (DRAM_BYTES // 2 - 331) // 64
        program += [
            gather(run_dram_stride=noise.randrange(limit), buffer_address=400 * place, **fields),
            load_of(buffer_address=300 * place, run_bytes=noise.randrange(1, 200)),
        ]
    denied = {cycle for cycle in range(20_000) if noise.random() < 0.4}
    run = run_dma(
        config,
        program,
        denied=denied.__contains__,
        seed=seed,
        stall=random_stall(seed, "ar", "r"),
    )
    assert run.contents == expected(config, program, seed)
    assert run.fault is None
