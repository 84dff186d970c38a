"""LOAD alone: what it copies (I-01), and every cycle of it (rules T-LD); see test_dma_gather."""

from __future__ import annotations

import random

import pytest
from dma_bench import Run, run_dma, small_config
from dma_reference import bursts, expected, load_of, random_program
from reference_memory import random_stall

from arch.isa import Buffer, Load
from arch.timing import DMA_INSTRUCTIONS_IN_FLIGHT

pytestmark = pytest.mark.usefixtures("each_simulator")

LOAD_ID = 1


def data_cycles(run: Run) -> list[int]:
    return [cycle for cycle, _ in run.accesses]


def test_runs_and_planes_are_copied_with_their_padding() -> None:
    config = small_config()
    load = load_of(
        buffer=Buffer.WEIGHT,
        buffer_address=21,
        dram_address=1003,
        run_bytes=45,
        runs=3,
        run_dram_stride=77,
        run_buffer_stride=64,
        planes=2,
        plane_dram_stride=4096,
        plane_buffer_stride=512,
        pad_bytes=19,
        pad_value=0x5A,
    )
    run = run_dma(config, [load])
    assert run.contents == expected(config, [load])
    assert sum(count for _, count in run.accesses) == 6 * 45
    assert sum(count for _, count in run.pads) == 6 * 19


@pytest.mark.parametrize("width", [32, 64, 128])
def test_every_alignment_of_both_sides_is_copied(width: int) -> None:
    config = small_config(axi_data_bits=width, dram_bytes_per_cycle=4)
    program = [
        load_of(
            buffer_address=index * 64 + random.Random(index).randrange(16),
            dram_address=100 * index + index % 17,
            run_bytes=1 + index % 35,
        )
        for index in range(60)
    ]
    run = run_dma(config, program)
    assert run.contents == expected(config, program)


def test_strides_wrap_and_may_be_negative() -> None:
    config = small_config()
    load = load_of(
        buffer_address=512,
        dram_address=2048,
        run_bytes=24,
        runs=4,
        run_dram_stride=2**32 - 30,
        run_buffer_stride=2**24 - 24,
    )
    assert run_dma(config, [load]).contents == expected(config, [load])


def test_parameter_words_are_filled_by_aligned_beats() -> None:
    """B-05: addresses on both sides are equal modulo a beat."""
    config = small_config()
    load = load_of(buffer=Buffer.PARAMETER, buffer_address=68, dram_address=1028, run_bytes=200)
    assert run_dma(config, [load]).contents == expected(config, [load])


@pytest.mark.parametrize("channels", [(), ("ar",), ("r",), ("ar", "r")])
def test_random_programs_are_copied_under_back_pressure(channels: tuple[str, ...]) -> None:
    """Of the channels named, and of the buffers; T-LD-03 holds back the addresses as well."""
    config = small_config(max_outstanding_reads=3, read_window_beats=20)
    for seed in range(3):
        noise = random.Random(seed)
        program = random_program(Load, noise)
        denied = {cycle for cycle in range(20_000) if noise.random() < 0.4}
        run = run_dma(
            config,
            program,
            denied=denied.__contains__,
            seed=seed,
            stall=random_stall(seed, *channels),
        )
        assert run.contents == expected(config, program, seed)
        assert run.fault is None


@pytest.mark.parametrize(
    ("reset_after", "halt_at"),
    [(0, None), (2, None), (21, None), (23, None), (28, None), (2, 2), (22, 12), (60, 23)],
)
def test_a_reset_in_the_middle_leaves_nothing_behind(reset_after: int, halt_at: int | None) -> None:
    """E-09: the run behind it is the run of every cycle that there is without it."""
    config = small_config()
    program = [load_of(buffer_address=5, run_bytes=50, runs=2, pad_bytes=20), load_of(run_bytes=90)]
    clean = run_dma(config, program)
    assert run_dma(config, program, reset_after=reset_after, halt_at=halt_at) == clean


def test_bursts_are_cut_at_multiples_of_burst_bytes() -> None:
    """T-LD-01: and cover the aligned beats that hold their bytes."""
    config = small_config()
    load = load_of(
        buffer_address=3,
        dram_address=3 * config.burst_bytes - 13,
        run_bytes=2 * config.burst_bytes + 20,
    )
    run = run_dma(config, [load])
    assert [(address, beats) for _, _, address, beats in run.axi.ar] == bursts(load, config)
    assert [beats for *_, beats in run.axi.ar] == [2, 256, 256, 1]
    assert config.burst_bytes == 2048


def test_first_burst_follows_the_issue_and_the_rest_follow_without_gap() -> None:
    """T-LD-02, T-LD-03: bursts of all runs in consecutive cycles from t + 1 on."""
    config = small_config()
    load = load_of(
        runs=5,
        run_dram_stride=64,
        run_buffer_stride=8,
        planes=2,
        plane_dram_stride=1024,
        plane_buffer_stride=64,
    )
    run = run_dma(config, [load])
    assert run.issues == [0]
    assert [cycle for cycle, *_ in run.axi.ar] == list(range(1, 11))
    assert {read_id for _, read_id, *_ in run.axi.ar} == {LOAD_ID}


def test_next_load_issues_in_the_cycle_after_the_last_address() -> None:
    """T-LD-02: the generator is free in h + 1."""
    config = small_config()
    load = load_of(
        runs=3,
        run_dram_stride=64,
        run_buffer_stride=8,
    )
    run = run_dma(config, [load, load, load])
    assert run.issues == [0, 4, 8]
    assert [cycle for cycle, *_ in run.axi.ar] == [1, 2, 3, 5, 6, 7, 9, 10, 11]


def test_no_more_loads_are_in_flight_than_the_rule_allows() -> None:
    """T-LD-02: the ninth issues in the cycle after the first retires."""
    config = small_config(dram_latency_cycles=100)
    load = load_of()
    run = run_dma(config, [load] * (DMA_INSTRUCTIONS_IN_FLIGHT + 1))
    assert run.issues[:DMA_INSTRUCTIONS_IN_FLIGHT] == list(range(0, 16, 2))
    assert run.issues[-1] == run.retires[0] + 1


def outstanding(run: Run, cycle: int) -> tuple[int, int]:
    """(bursts, beats) of LOAD outstanding at the start of a cycle."""
    asked = [beats for at, _, _, beats in run.axi.ar if at < cycle]
    received = sum(at < cycle for at, _ in run.axi.r)
    bursts_done, rest = 0, received
    while bursts_done < len(asked) and rest >= asked[bursts_done]:
        rest -= asked[bursts_done]
        bursts_done += 1
    return len(asked) - bursts_done, sum(asked) - received


@pytest.mark.parametrize(("reads", "window"), [(3, 256), (32, 10), (1, 1)])
def test_a_burst_is_presented_exactly_while_the_window_allows(reads: int, window: int) -> None:
    """T-LD-03: both bounds by the state at the start of the cycle."""
    config = small_config(max_outstanding_reads=reads, read_window_beats=window)
    load = load_of(
        dram_address=4,
        run_bytes=30,
        runs=12,
        run_dram_stride=100,
        run_buffer_stride=32,
    )
    run = run_dma(config, [load])
    presented = {cycle for cycle, *_ in run.axi.ar}
    for cycle in range(1, max(presented) + 1):
        bursts_out, beats_out = outstanding(run, cycle)
        assert (cycle in presented) == (bursts_out < reads and beats_out < window), cycle


def test_beats_are_taken_as_they_come_and_written_one_cycle_later() -> None:
    """T-LD-04"""
    config = small_config()
    load = load_of(buffer_address=5, dram_address=2, run_bytes=40)
    run = run_dma(config, [load])
    first = 1 + 1 - 1 + config.dram_latency_cycles
    assert [cycle for cycle, _ in run.axi.r] == list(range(first, first + 6))
    assert data_cycles(run) == list(range(first + 1, first + 7))
    assert [count for _, count in run.accesses] == [6, 8, 8, 8, 8, 2]


def test_a_conflict_holds_the_stage_and_the_beat_behind_it() -> None:
    """T-LD-04, B-04: the write waits, R waits, and the ledger says wait_port."""
    config = small_config()
    load = load_of(buffer=Buffer.WEIGHT, run_bytes=32)
    held = {22, 23, 25}
    run = run_dma(config, [load], denied=lambda cycle: cycle in held)
    assert [cycle for cycle, _ in run.axi.r] == [21, 24, 26, 27]
    assert data_cycles(run) == [24, 26, 27, 28]
    assert run.waits == [22, 23, 25]


@pytest.mark.parametrize("pad_bytes", [1, 8, 20])
def test_padding_follows_the_run_and_holds_the_next_beat(pad_bytes: int) -> None:
    """T-LD-05: A bytes a cycle; the next beat is taken in the cycle of the last padding write."""
    config = small_config()
    load = load_of(
        buffer_address=1,
        run_bytes=16,
        runs=2,
        run_dram_stride=16,
        run_buffer_stride=64,
        pad_bytes=pad_bytes,
    )
    run = run_dma(config, [load])
    pads = -(-pad_bytes // 8)
    assert [cycle for cycle, _ in run.axi.r] == [21, 22, 23 + pads, 24 + pads]
    assert data_cycles(run) == [22, 23, 24 + pads, 25 + pads]
    expected = [*range(24, 24 + pads), *range(26 + pads, 26 + 2 * pads)]
    assert [cycle for cycle, _ in run.pads] == expected
    assert run.pads[pads - 1][1] == pad_bytes - 8 * (pads - 1)


@pytest.mark.parametrize("pad_bytes", [0, 12])
def test_a_load_retires_with_its_last_write(pad_bytes: int) -> None:
    """T-LD-06: and is in flight from the cycle after its issue to that one."""
    config = small_config()
    load = load_of(
        buffer=Buffer.PARAMETER,
        run_bytes=24,
        pad_bytes=pad_bytes,
    )
    run = run_dma(config, [load])
    assert run.retires == [max(cycle for cycle, _ in run.accesses + run.pads)]
    assert run.in_flight == list(range(1, run.retires[0] + 1))


def test_loads_follow_one_another_without_losing_a_beat() -> None:
    """T-LD-04, T-LD-06: the first beat of a LOAD is taken with the last write of the one before."""
    config = small_config()
    loads = [
        load_of(buffer=buffer, dram_address=512, run_bytes=64)
        for buffer in (Buffer.ACTIVATION, Buffer.WEIGHT, Buffer.PARAMETER)
    ]
    run = run_dma(config, loads)
    assert [cycle for cycle, _ in run.axi.r] == list(range(21, 45))
    assert run.retires == [29, 37, 45]


def test_working_is_an_address_handshake_or_a_write() -> None:
    """Section 7."""
    config = small_config()
    load = load_of(run_bytes=20, pad_bytes=9)
    run = run_dma(config, [load])
    events = {cycle for cycle, *_ in run.axi.ar}
    events |= {cycle for cycle, _ in run.accesses + run.pads}
    assert run.works == sorted(events)
