"""Errors that LOAD and STORE notice: ends of buffers (E-03) and responses of the memory (E-05)."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from dma_bench import Run, run_dma, small_config
from dma_reference import (
    buffer_sizes,
    expected,
    first_move,
    first_overrun,
    gather,
    indices,
    load_of,
    random_program,
    store_of,
)
from reference_memory import DECERR, EXOKAY, OKAY, SLVERR, Respond, random_stall

from arch.config import Config
from arch.isa import Buffer, ErrorCode, Load, Store

pytestmark = pytest.mark.usefixtures("each_simulator")

READ_ERRORS = {SLVERR: ErrorCode.READ_SLVERR, DECERR: ErrorCode.READ_DECERR}
WRITE_ERRORS = {SLVERR: ErrorCode.WRITE_SLVERR, DECERR: ErrorCode.WRITE_DECERR}


def refuse(channel: str, address: int, code: int) -> Respond:
    """The memory answers ``code`` at an address, on R or on B."""
    return lambda asked, at: code if (asked, at) == (channel, address) else OKAY


def check_blame(
    config: Config,
    program: Sequence[Load | Store],
    run: Run,
    code: ErrorCode,
    first: tuple[int, int],
    seed: int = 0,
) -> None:
    """The fault is the ``first`` one; the bytes before it are moved, and of its access none is."""
    position, preceding = first
    assert run.fault is not None
    assert run.fault[1:] == (code, position)
    assert preceding - config.axi_bytes < run.moved <= preceding
    assert run.contents == expected(config, program, seed, run.moved)
    assert len(run.retires) <= position


@pytest.mark.parametrize("buffer", list(Buffer))
@pytest.mark.parametrize("pad_bytes", [0, 24])
def test_a_load_beyond_its_buffer_is_to_blame(buffer: Buffer, pad_bytes: int) -> None:
    """E-03: by a byte of data or of padding, though LOADs before and behind it are in flight."""
    config = small_config()
    size = buffer_sizes(config)[buffer]
    bad = load_of(
        buffer=buffer, buffer_address=size - 32, run_bytes=40 - pad_bytes, pad_bytes=pad_bytes
    )
    program = [load_of(buffer=Buffer.WEIGHT), load_of(), bad, load_of(buffer_address=64)]
    run = run_dma(config, program)
    assert first_overrun(config, program) == (2, 48)
    check_blame(config, program, run, ErrorCode.BUFFER_OVERRUN, (2, 48))
    assert run.moved == 48
    assert len(run.retires) == 2


@pytest.mark.parametrize("kind", [Load, Store])
def test_the_last_byte_of_a_buffer_is_inside_and_the_next_is_not(
    kind: type[Load] | type[Store],
) -> None:
    """E-03, at every alignment; the access that holds the byte beyond is not made at all."""
    config = small_config()
    size = config.activation_buffer_bytes
    make = load_of if kind is Load else store_of
    for lane in range(8):
        values = {"buffer_address": size - 21, "dram_address": 96 + lane}
        inside, beyond = make(**values, run_bytes=21), make(**values, run_bytes=22)
        run = run_dma(config, [inside])
        assert run.fault is None
        assert run.contents == expected(config, [inside])
        run = run_dma(config, [beyond])
        check_blame(config, [beyond], run, ErrorCode.BUFFER_OVERRUN, (0, 21))
        assert run.moved == 21 - (21 + lane) % 8


@pytest.mark.parametrize("kind", [Load, Store])
def test_an_address_that_wraps_is_beyond_the_buffer_first(
    kind: type[Load] | type[Store],
) -> None:
    """E-03 with I-01: a run over 2^24 leaves the buffer, a stride over it need not."""
    config = small_config()
    make = load_of if kind is Load else store_of
    over = make(buffer_address=2**24 - 4)
    check_blame(config, [over], run_dma(config, [over]), ErrorCode.BUFFER_OVERRUN, (0, 0))
    back = make(buffer_address=64, runs=2, run_buffer_stride=2**24 - 64, run_dram_stride=64)
    run = run_dma(config, [back])
    assert run.fault is None
    assert run.contents == expected(config, [back])


def test_a_gathered_run_beyond_its_buffer_is_to_blame() -> None:
    """E-03, E-01: the third run; those before it are there, a LOAD behind it is not issued."""
    config = small_config()
    program = [indices(0, 8), gather(runs=5, buffer_address=config.weight_buffer_bytes - 40)]
    program += [load_of()]
    run = run_dma(config, program)
    assert first_overrun(config, program) == (1, 32 + 40)
    check_blame(config, program, run, ErrorCode.BUFFER_OVERRUN, (1, 32 + 40))


@pytest.mark.parametrize("code", [SLVERR, DECERR])
def test_a_row_that_no_memory_answers_is_blamed_on_the_load_that_gathers(code: int) -> None:
    """E-05"""
    config = small_config()
    program = [indices(0, 8), gather(runs=5)]
    third = run_dma(config, program).axi.ar[3][2]
    run = run_dma(config, program, respond=refuse("r", third, code))
    check_blame(config, program, run, READ_ERRORS[code], (1, 32 + 36))


def test_a_fault_is_noticed_in_the_cycle_of_the_access() -> None:
    """E-03: LOAD's in the cycle of the write (T-LD-04), STORE's in that of the read (T-ST-03)."""
    config = small_config()
    size = config.activation_buffer_bytes
    run = run_dma(config, [load_of(buffer_address=size - 16, run_bytes=24)])
    assert run.fault == (run.axi.r[2][0] + 1, ErrorCode.BUFFER_OVERRUN, 0)
    run = run_dma(config, [store_of(buffer_address=size - 16, run_bytes=24)])
    assert run.fault == (3, ErrorCode.BUFFER_OVERRUN, 0)
    assert run.waits == []


def test_a_store_cut_short_sends_its_burst_whole() -> None:
    """E-03, E-08: strobes 0 for the beats it must not read, none of a burst it had not begun."""
    config = small_config()
    store = store_of(
        buffer_address=config.activation_buffer_bytes - 20,
        dram_address=1003,
        run_bytes=45,
        runs=2,
        run_dram_stride=64,
    )
    program = [store_of(run_bytes=16), store]
    run = run_dma(config, program)
    check_blame(config, program, run, ErrorCode.BUFFER_OVERRUN, (1, 36))
    assert [(address, beats) for _, address, beats in run.axi.aw] == [(0, 2), (1000, 6)]
    assert [strobes for _, strobes, _ in run.axi.w] == [255, 255, 0xF8, 255, 0, 0, 0, 0]
    assert len(run.axi.b) == 2


def test_the_store_that_is_read_is_to_blame_not_the_one_that_is_sent() -> None:
    """E-03: several are in flight when the read of the third would leave the buffer."""
    config = small_config(dram_latency_cycles=30)
    program = [store_of(run_bytes=16), store_of(), store_of(buffer_address=2**23), store_of()]
    run = run_dma(config, program)
    check_blame(config, program, run, ErrorCode.BUFFER_OVERRUN, (2, 24))
    assert run.fault is not None
    assert run.fault[0] < min(cycle for cycle in run.axi.b)


@pytest.mark.parametrize("code", [SLVERR, DECERR])
def test_a_beat_with_an_error_is_not_written(code: int) -> None:
    """E-05: to blame is the LOAD it is of, though the ones behind it are in flight."""
    config = small_config()
    program = [load_of(dram_address=512 * n, run_bytes=32, buffer_address=64 * n) for n in range(4)]
    run = run_dma(config, program, respond=refuse("r", 512 + 16, code))
    check_blame(config, program, run, READ_ERRORS[code], (1, 48))
    assert run.moved == 48
    assert run.fault is not None
    assert run.fault[0] == run.axi.r[6][0] + 1
    assert len(run.retires) == 1


def test_the_response_of_the_first_beat_is_not_blamed_on_the_load_before() -> None:
    """E-05: the beat is taken in the cycle in which the LOAD before it writes its last one."""
    config = small_config()
    program = [load_of(dram_address=0), load_of(dram_address=512, buffer_address=8)]
    run = run_dma(
        config, program, respond=refuse("r", 512, SLVERR), denied=lambda cycle: cycle < 30
    )
    check_blame(config, program, run, ErrorCode.READ_SLVERR, (1, 8))
    assert run.retires == [run.axi.r[1][0]]


def test_a_response_counts_before_the_end_of_the_buffer() -> None:
    """E-05, E-03: of one beat of LOAD, and of two STOREs in one cycle."""
    config = small_config(dram_latency_cycles=6)
    beyond = load_of(buffer_address=2**23, dram_address=64)
    run = run_dma(config, [beyond], respond=refuse("r", 64, DECERR))
    assert run.fault is not None
    assert run.fault[1:] == (ErrorCode.READ_DECERR, 0)

    program = [store_of(dram_address=512), store_of(run_bytes=48), store_of(buffer_address=2**23)]
    run = run_dma(config, program)
    assert run.fault == (run.axi.b[0], ErrorCode.BUFFER_OVERRUN, 2)
    run = run_dma(config, program, respond=refuse("b", 512, DECERR))
    assert run.fault == (run.axi.b[0], ErrorCode.WRITE_DECERR, 0)


@pytest.mark.parametrize("code", [SLVERR, DECERR])
def test_the_store_whose_burst_is_refused_is_to_blame(code: int) -> None:
    """E-05: by its first burst or its last one; it does not retire."""
    config = small_config()
    program = [
        store_of(dram_address=1024 * n, runs=2, run_dram_stride=512, run_buffer_stride=64)
        for n in range(4)
    ]
    for address, answers in ((2048, 5), (2048 + 512, 6)):
        run = run_dma(config, program, respond=refuse("b", address, code))
        assert run.fault == (run.axi.b[answers - 1], WRITE_ERRORS[code], 2)
        assert len(run.retires) == 2
        assert run.contents == expected(config, program, moved=run.moved)


@pytest.mark.parametrize("program", [[load_of(run_bytes=40)], [store_of(run_bytes=40)]])
def test_exokay_is_okay(program: list[Load] | list[Store]) -> None:
    """E-05"""
    config = small_config()
    run = run_dma(config, program, respond=lambda channel, address: EXOKAY)
    assert run.fault is None
    assert run == run_dma(config, program)


@pytest.mark.parametrize("kind", [Load, Store])
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 6])
def test_random_programs_stop_at_their_first_overrun(
    kind: type[Load] | type[Store], seed: int
) -> None:
    """E-03, under back-pressure."""
    config = small_config(
        activation_buffer_kib=2, weight_buffer_kib=2, parameter_buffer_kib=2, dram_bytes_per_cycle=5
    )
    noise = random.Random(seed)
    program = random_program(kind, noise)
    first = first_overrun(config, program, seed)
    assert first is not None, "a program without an overrun shows nothing"
    run = run_dma(config, program, seed=seed, stall=random_stall(seed, "ar", "r", "aw", "w", "b"))
    check_blame(config, program, run, ErrorCode.BUFFER_OVERRUN, first, seed)


@pytest.mark.parametrize("seed", range(6))
def test_random_loads_stop_at_the_first_beat_refused(seed: int) -> None:
    """E-05, under back-pressure."""
    config = small_config()
    noise = random.Random(seed)
    program = random_program(Load, noise)
    refused = noise.choice([load for load in program if not load.gather]).dram_address // 8 * 8
    first = first_move(
        config,
        program,
        lambda load, dram, base: dram is not None and dram // 8 * 8 == refused,
        seed,
    )
    assert first is not None
    run = run_dma(
        config,
        program,
        seed=seed,
        stall=random_stall(seed, "ar", "r"),
        respond=refuse("r", refused, SLVERR),
    )
    check_blame(config, program, run, ErrorCode.READ_SLVERR, first, seed)
