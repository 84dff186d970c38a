"""What LOAD and STORE do once the run is halted, by whatever engine (E-08)."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from dma_bench import Run, run_dma, small_config
from dma_reference import bursts, expected, gather, indices, load_of, random_program, store_of
from reference_memory import SLVERR, random_stall

from arch.config import Config
from arch.isa import Load, Store

pytestmark = pytest.mark.usefixtures("each_simulator")


def check_halt(
    config: Config, program: Sequence[Load | Store], run: Run, halt_at: int, seed: int = 0
) -> None:
    """Nothing is moved, retired or begun from ``halt_at`` on; what is begun on the bus is ended.

    That the engine becomes quiet, and that the bus is idle then, is checked by the bench.
    """
    assert all(cycle < halt_at for cycle, _ in run.accesses + run.pads)
    assert all(cycle < halt_at for cycle in run.issues + run.retires + run.waits)
    assert run.contents == expected(config, program, seed, run.moved)
    assert sum(beats for *_, beats in run.axi.ar) == len(run.axi.r)
    assert sum(beats for *_, beats in run.axi.aw) == len(run.axi.w)
    assert len(run.axi.aw) == len(run.axi.b)


def check_addresses_of_load(run: Run, halt_at: int) -> None:
    """After the halt only the address that was presented before it, which stays till accepted."""
    presented, late = set(run.presented), [cycle for cycle, *_ in run.axi.ar if cycle >= halt_at]
    accepted = {cycle for cycle, *_ in run.axi.ar}
    pending = halt_at - 1 in presented - accepted
    assert len(late) == pending
    assert {cycle for cycle in presented if cycle >= halt_at} == {
        cycle for at in late for cycle in range(halt_at, at + 1)
    }


def check_bursts_of_store(
    config: Config, program: Sequence[Load | Store], run: Run, halt_at: int
) -> None:
    """Each burst of which a beat was read is sent whole, with strobes for the beats read only."""
    begun, beats = [], 0
    for burst in [burst for store in program for burst in bursts(store, config)]:
        if beats < len(run.accesses):
            begun.append(burst)
        beats += burst[1]
    assert [(address, count) for _, address, count in run.axi.aw] == begun
    strobed = [strobes.bit_count() for _, strobes, _ in run.axi.w]
    read = [count for _, count in run.accesses]
    assert strobed == read + [0] * (len(run.axi.w) - len(read))


@pytest.mark.parametrize("seed", range(16))
def test_a_load_halted_anywhere_ends_what_is_on_the_bus(seed: int) -> None:
    """E-08, under back-pressure of bus and buffers, with addresses that wait for the window."""
    config = small_config(max_outstanding_reads=6, read_window_beats=40)
    noise = random.Random(seed)
    program = random_program(Load, noise)
    denied = {cycle for cycle in range(20_000) if noise.random() < 0.3}
    halt_at = noise.randrange(200)
    run = run_dma(
        config,
        program,
        seed=seed,
        halt_at=halt_at,
        denied=denied.__contains__,
        stall=random_stall(seed, *noise.choice([("ar", "r"), ("ar",), ("r",), ()])),
    )
    check_halt(config, program, run, halt_at, seed)
    check_addresses_of_load(run, halt_at)


@pytest.mark.parametrize("data_first", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_a_store_halted_anywhere_ends_what_is_on_the_bus(seed: int, data_first: bool) -> None:
    """E-08, under back-pressure of bus and buffer, and by a memory that takes data first."""
    config = small_config(max_outstanding_writes=2, dram_bytes_per_cycle=5)
    noise = random.Random(seed)
    program = random_program(Store, noise)
    denied = {cycle for cycle in range(20_000) if noise.random() < 0.3}
    halt_at = noise.randrange(200)
    run = run_dma(
        config,
        program,
        seed=seed,
        halt_at=halt_at,
        denied=denied.__contains__,
        stall=random_stall(seed, *noise.choice([("aw", "w", "b"), ("aw",), ("w",), ()])),
        data_first=data_first,
    )
    check_halt(config, program, run, halt_at, seed)
    check_bursts_of_store(config, program, run, halt_at)


@pytest.mark.parametrize("halt_at", range(28))
def test_a_load_halted_in_any_cycle_presents_no_further_burst(halt_at: int) -> None:
    """E-08: an address that the memory keeps waiting is accepted at last; no other one comes."""
    config = small_config()
    load = load_of(runs=4, run_dram_stride=64, run_buffer_stride=32, pad_bytes=20)
    run = run_dma(
        config,
        [load, load],
        halt_at=halt_at,
        stall=lambda channel, cycle: channel == "ar" and cycle % 7 > 1,
    )
    check_halt(config, [load, load], run, halt_at)
    check_addresses_of_load(run, halt_at)


@pytest.mark.parametrize("halt_at", range(26, 64, 2))
def test_a_gather_halted_in_any_cycle_presents_no_further_burst(halt_at: int) -> None:
    """E-08 with T-LD-07: whatever becomes of the index that is being looked up."""
    config = small_config()
    program = [indices(3, 4), gather(index_address=3, runs=4, pad_bytes=3), load_of()]
    run = run_dma(
        config,
        program,
        halt_at=halt_at,
        stall=lambda channel, cycle: channel == "ar" and cycle % 7 > 3,
    )
    check_halt(config, program, run, halt_at)
    check_addresses_of_load(run, halt_at)


def test_a_store_halted_with_full_queues_sends_the_rest_of_its_burst() -> None:
    """E-08: 32 beats are read when the memory stands still, 168 are sent without being read."""
    config = small_config()
    program = [store_of(run_bytes=1600), store_of(dram_address=4096)]
    run = run_dma(
        config, program, halt_at=50, stall=lambda channel, cycle: channel == "w" and cycle < 60
    )
    check_halt(config, program, run, 50)
    check_bursts_of_store(config, program, run, 50)
    assert [(address, beats) for _, address, beats in run.axi.aw] == [(0, 200)]
    assert [strobes for _, strobes, _ in run.axi.w] == [255] * 32 + [0] * 168


def test_halted_beats_of_a_store_are_not_work() -> None:
    """Section 7: `working` is a read or a beat sent, and what is not read is no read."""
    config = small_config()
    run = run_dma(
        config,
        [store_of(run_bytes=160)],
        halt_at=10,
        stall=lambda channel, cycle: channel == "w" and cycle < 40,
    )
    assert run.works == [*range(1, 10), *(cycle for cycle, *_ in run.axi.w)]


@pytest.mark.parametrize("program", [[load_of()], [store_of()]])
def test_an_engine_without_work_is_quiet(program: list[Load] | list[Store]) -> None:
    """E-08: halted before it issues anything, and before and behind a run that is not halted."""
    config = small_config()
    run = run_dma(config, program, halt_at=0)
    assert run.quiet == list(range(len(run.quiet)))
    assert run.presented == []
    run = run_dma(config, program)
    assert run.quiet[0] == 0
    assert set(run.quiet).isdisjoint(range(min(run.presented), run.retires[0]))


@pytest.mark.parametrize("program", [[load_of(run_bytes=99)], [store_of(run_bytes=99)]])
def test_a_halted_engine_raises_no_fault(program: list[Load] | list[Store]) -> None:
    """E-08: a soft reset halts without a code, whatever the memory still answers."""
    config = small_config()
    run = run_dma(config, program, halt_at=12, respond=lambda channel, address: SLVERR)
    assert run.fault is None
    assert run.axi.r or run.axi.b
