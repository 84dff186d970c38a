"""Semaphores order what engines share: the golden machine finds every access they do not."""

import numpy as np
import pytest
from golden_support import (
    ACTIVATION,
    DATA,
    INDEX,
    PARAMETER,
    TINY,
    WEIGHT,
    C,
    chained,
    execute,
    gemm,
    image_of,
    load,
    store,
    vector,
    with_fields,
)

from arch.errors import AssayError
from arch.happens_before import happens_before
from arch.isa import Addition, End, Engine, FillTable, Instruction, Source, Table
from arch.timing import SEMAPHORE_MAX
from golden.errors import GoldenError
from golden.machine import run

LOAD, MATRIX, VECTOR, STORE = (1 << engine for engine in Engine)
ONES = bytes.fromhex("0000803f") * 256  # float32 1.0, also as a bias, as bytes, as a table
OUT = 0x1000


def two_tiles() -> list[Instruction]:
    """Two rounds through every engine, in the same places, overlapping as far as they may."""
    layer = vector(
        4,
        4,
        unary_table=1,
        unary_signed=1,
        addition=Addition.TABLE,
        addition_scale=0x3F800000,
        residual_address=0x100,
        residual_row_stride=4,
        sum_low=-128,
        sum_high=127,
    )
    first = [
        load(PARAMETER, 0, DATA, 0x400),
        load(ACTIVATION, 0, DATA, 0x140),
        load(WEIGHT, 0, DATA, 0x40, signal=MATRIX | VECTOR),
        FillTable(table=Table.UNARY, parameter_address=0, wait_load=1),
        FillTable(table=Table.WIDE, parameter_address=0),
        gemm(4, 4, 4, wait_load=1, signal=LOAD | VECTOR),
        with_fields(layer, wait_matrix=1, signal=MATRIX | STORE),
        store(OUT, 0x8000, 16, wait_vector=1, signal=VECTOR),
    ]
    second = [
        load(WEIGHT, 0, DATA + 64, 0x40, wait_matrix=1),
        load(ACTIVATION, 0, DATA + 64, 16, signal=MATRIX),
        gemm(4, 4, 4, wait_load=1, wait_vector=1, signal=VECTOR),
        with_fields(layer, wait_matrix=1, wait_store=1, signal=STORE),
        store(OUT, 0x8000, 16, wait_vector=1, signal=LOAD),
        load(ACTIVATION, 0x800, 0x8000, 16, wait_store=1),
    ]
    return first + second


def test_a_correctly_synchronised_program_passes():
    state = execute(two_tiles(), ONES)
    assert state.dram_written[0x8000:0x8010].all()


def without_wait(program: list[Instruction], index: int, producer: Engine) -> list[Instruction]:
    """Forget one wait and, for the pairing of the others to stay, the signal it would take."""
    engine = program[index].engine
    wait = f"wait_{producer.name.lower()}"
    taken = sum(getattr(i, wait) for i in program[:index] if i.engine is engine)
    givers = [n for n, i in enumerate(program) if i.engine is producer and engine in i.signals]
    giver = givers[taken]
    result = list(program)
    result[index] = with_fields(program[index], **{wait: 0})
    result[giver] = with_fields(program[giver], signal=program[giver].signal & ~(1 << engine))
    return result


WAITS = [
    (index, producer)
    for index, instruction in enumerate(two_tiles())
    for producer in Engine
    if instruction.waits[producer]
]


@pytest.mark.parametrize(("index", "producer"), WAITS)
def test_a_forgotten_wait_is_always_caught(index, producer):
    with pytest.raises(GoldenError, match="no semaphore orders the two"):
        execute(without_wait(two_tiles(), index, producer), ONES)


@pytest.mark.parametrize("seed", range(3))
def test_a_race_does_not_depend_on_the_garbage(seed):
    program = without_wait(two_tiles(), 5, Engine.LOAD)
    with pytest.raises(GoldenError, match="no semaphore"):
        run(image_of(program, ONES), TINY, seed)


LOAD_A = load(ACTIVATION, 0, DATA, 0x40)
LOAD_W = load(WEIGHT, 0, DATA, 0x40)
LAYER = chained([LOAD_A, LOAD_W, load(PARAMETER, 0, DATA, 0x40), gemm(4, 4, 4), vector(4, 4)])
RACES = {
    "read after write, activation buffer": (
        [LOAD_A, store(0x20, 0x8000, 4)],
        r"instruction 1 \(STORE: STORE .*\): byte 0x20 of activation: "
        r"instruction 0 \(LOAD: LOAD .*\) writes it",
    ),
    "write after read, activation buffer": (
        [*chained([LOAD_A, store(0x20, 0x8000, 4)]), load(ACTIVATION, 0x23, DATA, 1)],
        r"instruction 2 \(LOAD: .*\): byte 0x23 of activation: "
        r"instruction 1 \(STORE: .*\) reads it",
    ),
    "write after write, activation buffer": (
        [
            *LAYER[:4],
            load(ACTIVATION, OUT + 5, DATA, 1),
            LAYER[4],
        ],
        r"instruction 5 \(VECTOR: .*\): byte 0x1005 of activation: "
        r"instruction 4 \(LOAD: .*\) writes it",
    ),
    "read after write, DRAM": (
        [*chained([LOAD_A, store(0, 0x8000, 4)]), load(ACTIVATION, 0x80, 0x8003, 1)],
        r"instruction 2 \(LOAD: .*\): byte 0x8003 of dram: instruction 1 \(STORE: .*\) writes it",
    ),
    "write after read, DRAM": (
        [with_fields(LOAD_A, signal=STORE), LOAD_W, store(0, DATA + 0x3F, 1, wait_load=1)],
        r"instruction 2 \(STORE: .*\): byte 0x403f of dram: instruction 1 \(LOAD: .*\) reads it",
    ),
    "write after read, weight buffer": (
        [*chained([LOAD_A, LOAD_W, gemm(4, 4, 4)]), LOAD_W],
        r"instruction 3 \(LOAD: .*\): byte 0x0 of weight: instruction 2 \(MATRIX: .*\) reads it",
    ),
    "write after read, parameter buffer": (
        [
            *chained([load(PARAMETER, 0, DATA, 0x100), FillTable(table=0, parameter_address=0)]),
            load(PARAMETER, 0x40, DATA, 4),
        ],
        r"byte 0x40 of parameter: instruction 1 \(VECTOR: TABLE .*\) reads it",
    ),
    "read after write, gathered from DRAM": (
        [
            *chained([LOAD_A, store(0, DATA + 0x204, 4)]),
            load(INDEX, 0, DATA, 4),
            load(ACTIVATION, 0x80, DATA + 0x206, 1, gather=1),
        ],
        r"instruction 3 \(LOAD: .*gather=1.*\): byte 0x4206 of dram: "
        r"instruction 1 \(STORE: .*\) writes it",
    ),
    "two engines in one half of the accumulator": (
        [
            *LAYER,
            gemm(4, 4, 4, accumulator_address=2),
        ],
        r"instruction 5 \(MATRIX: .*\): byte 0x0 of accumulator halves: "
        r"instruction 4 \(VECTOR: .*\) writes it",
    ),
}


def test_a_pass_over_a_buffer_leaves_the_halves_of_the_accumulator_alone():
    """B-06: only accumulators as the source occupy a half."""
    matrix = with_fields(LAYER[3], signal=0, wait_load=1)
    one = {"tensor_scale": 1, "scale": 0x3F800000, "wait_load": 1}
    buffered = vector(4, 4, **one, source=Source.INT8, source_address=0, source_row_stride=4)
    loads = [LOAD_A, with_fields(LOAD_W, signal=MATRIX | VECTOR)]
    execute([*loads, matrix, buffered], ONES)
    accumulators = with_fields(buffered, source=Source.ACCUMULATOR)
    with pytest.raises(GoldenError, match="byte 0x0 of accumulator halves"):
        execute([*loads, matrix, accumulators], ONES)


@pytest.mark.parametrize("name", RACES)
def test_an_unordered_access_names_both_instructions_and_the_byte(name):
    program, message = RACES[name]
    with pytest.raises(GoldenError, match=message):
        execute(program, ONES)


def test_the_last_reader_of_each_engine_is_remembered():
    # MATRIX and then STORE read byte 0; the LOAD waits for STORE only.
    program = [
        load(ACTIVATION, 0, DATA, 0x40),
        load(WEIGHT, 0, DATA, 0x40, signal=MATRIX | STORE),
        gemm(4, 4, 4, wait_load=1, signal=LOAD),
        store(0, 0x8000, 4, wait_load=1, signal=LOAD),
    ]
    execute([*program, load(ACTIVATION, 0, DATA, 4, wait_store=1, wait_matrix=1)], ONES)
    with pytest.raises(GoldenError, match=r"instruction 2 \(MATRIX: .*\) reads it"):
        execute([*program, load(ACTIVATION, 0, DATA, 4, wait_store=1)], ONES)


def test_disjoint_bytes_of_one_word_do_not_race():
    program = [
        load(ACTIVATION, 0, DATA, 2, signal=STORE),
        load(ACTIVATION, 2, DATA, 2),
        store(0, 0x8000, 2, wait_load=1),
    ]
    execute(program, ONES)
    with pytest.raises(GoldenError, match="byte 0x2 of activation"):
        execute([*program, store(0, 0x8000, 3)], ONES)


def test_the_gaps_between_runs_do_not_race():
    strided = load(ACTIVATION, 0, DATA, 2, runs=3, run_dram_stride=2, run_buffer_stride=8)
    program = [
        load(ACTIVATION, 2, DATA, 6, signal=STORE),
        strided,
        store(2, 0x8000, 6, wait_load=1),
    ]
    execute(program, ONES)
    with pytest.raises(GoldenError, match="byte 0x8 of activation"):
        execute([load(ACTIVATION, 0, DATA, 16), *program, store(8, 0x8000, 1)], ONES)


def test_orders_carry_over_a_third_engine():
    program = [
        load(ACTIVATION, 0, DATA, 0x40),
        load(WEIGHT, 0, DATA, 0x40),
        load(PARAMETER, 0, DATA, 0x40, signal=MATRIX),
        gemm(4, 4, 4, wait_load=1, signal=VECTOR),
        vector(4, 4, wait_matrix=1, signal=STORE),
        store(OUT, 0x8000, 16, wait_vector=1),
        store(0, 0x8010, 16),
    ]
    execute(program, ONES)
    clocks = happens_before([*program, End()])
    assert clocks.start[6].tolist() == [3, 4, 5, 0]
    assert clocks.completion[6].tolist() == [3, 4, 5, 7]


def test_the_nth_wait_takes_the_nth_signal():
    program = [
        load(ACTIVATION, 0, DATA, 4, signal=STORE),
        load(ACTIVATION, 4, DATA, 4, signal=STORE),
        load(ACTIVATION, 8, DATA, 4, signal=STORE),
        store(0, 0x8000, 4, wait_load=2),
        store(0, 0x8000, 4, wait_load=1),
        End(),
    ]
    clocks = happens_before(program)
    assert clocks.start[:, Engine.LOAD].tolist() == [0, 0, 0, 2, 3, 0]


def header_error(program: list[Instruction]) -> str:
    with pytest.raises(AssayError) as caught:
        happens_before(program)
    return str(caught.value)


def test_a_wait_that_only_a_later_instruction_satisfies_is_rejected():
    program = [store(0, 0x8000, 4, wait_load=1), load(ACTIVATION, 0, DATA, 4, signal=STORE), End()]
    message = header_error(program)
    assert message.startswith("instruction 0 (STORE: STORE wait_load=1")
    assert "waits for signal 1 of LOAD, which has given 0 to STORE so far" in message
    with pytest.raises(AssayError, match="only a later instruction could satisfy it"):
        execute(program[:2], ONES)


def test_waits_and_signals_of_the_own_engine_are_rejected():
    own_wait = load(ACTIVATION, 0, DATA, 4, wait_load=1)
    own_signal = gemm(4, 4, 4, signal=MATRIX)
    assert "waits for its own engine: clear wait_load" in header_error([own_wait, End()])
    assert "signals its own engine: clear bit 1 of signal" in header_error([own_signal, End()])


def test_end_neither_waits_nor_signals():
    assert "END neither waits nor signals" in header_error([End(signal=LOAD)])
    assert "END neither waits nor signals" in header_error([End(wait_store=1)])


def test_a_program_without_end_is_rejected():
    assert "the program has no END" in header_error([load(ACTIVATION, 0, DATA, 4)])


def test_a_semaphore_beyond_its_maximum_is_rejected():
    give = load(ACTIVATION, 0, DATA, 4, signal=STORE)
    happens_before([give] * SEMAPHORE_MAX + [End()])
    message = header_error([give] * (SEMAPHORE_MAX + 1) + [End()])
    assert message.startswith(f"instruction {SEMAPHORE_MAX} ")
    assert f"semaphore LOAD to STORE exceeds {SEMAPHORE_MAX}" in message
    take = store(0, 0x8000, 4, wait_load=1)
    happens_before([give] * SEMAPHORE_MAX + [take, give, End()])


def test_every_vector_of_both_halves_is_tracked():
    depth = TINY.accumulator_depth
    program = chained(
        [LOAD_A, LOAD_W, gemm(4, 4, 4, accumulator_half=1, accumulator_address=depth - 4)]
    )
    written = execute(program, ONES).buffers["accumulator"].written
    assert np.flatnonzero(written).tolist() == list(range((2 * depth - 4) * 4 * C, 8 * depth * C))
