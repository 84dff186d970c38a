"""What the accelerator reports of a program, as the golden machine tells it from the document."""

from __future__ import annotations

import re

import numpy as np
import pytest
from field_rules import AXI_BYTES, COLS, ROWS, RULES
from four_engines import DRAM_BYTES, MARKER, MARKER_CONTENT, FourEngines, image_of
from golden_support import chained, with_fields
from illegal_programs import illegal_programs
from legal_limits import legal_limits
from vector_field_rules import VECTOR_RULES

from arch.config import Config, config_names, load_config
from arch.isa import (
    INSTRUCTION_BYTES,
    End,
    Engine,
    ErrorCode,
    Instruction,
    Opcode,
    encode_program,
)
from arch.timing import SEMAPHORE_MAX
from golden.errors import GoldenError, ProgramError
from golden.legality import decode_legal
from golden.machine import run

TINY = load_config("tiny")


def odd(rows: int, cols: int, **sizes: int) -> Config:
    least = {"activation_buffer_kib": 3, "parameter_buffer_kib": 2, "dram_bytes_per_cycle": 4}
    name = f"{rows}x{cols}"
    return Config(name=name, rows=rows, cols=cols, dram_latency_cycles=9, **(least | sizes))


CONFIGS = [
    *(load_config(name) for name in config_names()),
    odd(64, 4, weight_buffer_kib=1, accumulator_kib=1, axi_data_bits=128),
    odd(4, 64, weight_buffer_kib=3, accumulator_kib=8, axi_data_bits=512),
    odd(64, 64, weight_buffer_kib=16, accumulator_kib=2048, axi_data_bits=32, dram_mib=2048),
]


def refused(program: bytes | list[Instruction], config: Config = TINY) -> GoldenError:
    with pytest.raises(GoldenError) as caught:
        run(image_of(program, config), config)
    return caught.value


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_every_fault_has_its_code_and_its_instruction(config):
    """E-02, E-03, E-04, E-05 and E-07: each rule, one step beyond its limit."""
    expected, told = {}, {}
    for case in illegal_programs(config):
        assert case.name not in expected, "names are unique"
        expected[case.name] = (case.code, case.instruction)
        error = refused(case.program, config)
        told[case.name] = (getattr(error, "code", None), getattr(error, "instruction", None))
    assert told == expected
    assert {code for code, _ in expected.values()} == {
        *(ErrorCode.ILLEGAL_OPCODE, ErrorCode.ILLEGAL_FIELD, ErrorCode.BUFFER_OVERRUN),
        *(ErrorCode.SEMAPHORE_OVERFLOW, ErrorCode.READ_DECERR, ErrorCode.WRITE_DECERR),
        ErrorCode.PROGRAM,
    }


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_every_limit_is_legal(config):
    """E-02, E-03, E-04: each rule, at its limit."""
    for name, program in legal_limits(config):
        state = run(image_of(program, config), config)
        marker = state.dram[MARKER : MARKER + len(MARKER_CONTENT)].tobytes()
        assert marker != MARKER_CONTENT, name


@pytest.mark.parametrize("name", [*RULES, *VECTOR_RULES])
def test_fields_are_judged_as_by_the_rules_of_the_hardware_s_decoder(name):
    """E-02, at the limit of each rule and one step beyond."""
    sizes = {"weight_buffer_kib": 1, "accumulator_kib": 1, "axi_data_bits": 8 * AXI_BYTES}
    config = odd(ROWS, COLS, **sizes)
    for instructions, legal in zip((RULES | VECTOR_RULES)[name], (True, False), strict=True):
        for instruction in instructions:
            word = instruction.encode()
            told = decoded_or_refused(word, config)
            assert told == (word if legal else (ErrorCode.ILLEGAL_FIELD, 0)), instruction


def test_every_message_is_one_line_that_begins_with_the_instruction():
    for case in illegal_programs(TINY):
        message = str(refused(case.program))
        assert "\n" not in message
        if case.code is ErrorCode.PROGRAM:
            assert message == "the program has no END: append one"
        else:
            assert re.match(rf"instruction {case.instruction}(: | \()", message), message


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_bits_an_instruction_is_decoded_or_refused_with_a_code(seed):
    rng = np.random.default_rng(seed)
    base = FourEngines(TINY)
    seeds = [*base.prologue, base.transposed, base.add_int16, End()]
    refusals = 0
    for _ in range(200):
        word = bytearray(seeds[rng.integers(len(seeds))].encode())
        for bit in rng.integers(0, 8 * INSTRUCTION_BYTES, rng.integers(0, 3)):
            word[bit // 8] ^= 1 << bit % 8
        undefined = word[0] not in list(Opcode)
        code = ErrorCode.ILLEGAL_OPCODE if undefined else ErrorCode.ILLEGAL_FIELD
        told = decoded_or_refused(bytes(word))
        assert told in (bytes(word), (code, 0))
        refusals += told == (code, 0)
    assert 20 < refusals < 180


def decoded_or_refused(word: bytes, config: Config = TINY) -> bytes | tuple[ErrorCode, int]:
    """One instruction, encoded again, or why not and who is to blame."""
    try:
        return decode_legal(word + End().encode(), config)[0].encode()
    except ProgramError as error:
        return error.code, error.instruction


def test_the_first_illegal_instruction_is_to_blame():
    base = FourEngines(TINY)
    bad = with_fields(base.matrix, last_k=0).encode()
    error = refused(base.load_weights.encode() + bad + bytes(64) + End().encode())
    assert (error.code, error.instruction) == (ErrorCode.ILLEGAL_FIELD, 1)


def test_dram_ends_where_that_of_the_image_does():
    """E-05, for what the image does not bring."""
    base = FourEngines(TINY)
    store = with_fields(base.store, runs=1, run_bytes=4, buffer_address=0)
    last = with_fields(store, dram_address=DRAM_BYTES - 4)
    load = with_fields(base.load_activations, dram_address=DRAM_BYTES - 4, run_bytes=4)
    assert run(image_of(base.around(last, load), TINY), TINY).dram_written[-4:].all()
    beyond = [with_fields(last, run_bytes=5), with_fields(load, run_bytes=5)]
    codes = [ErrorCode.WRITE_DECERR, ErrorCode.READ_DECERR]
    assert [refused(base.around(last, one)).code for one in beyond] == codes


@pytest.mark.parametrize("field", ["activation_address", "weight_address"])
def test_an_overrun_counts_though_unwritten_bytes_are_read_before(field):
    """Hardware does not see which bytes are written (E-02), so the overrun is what it reports."""
    base = FourEngines(TINY)
    size = getattr(TINY, f"{field.removesuffix('_address')}_buffer_bytes")
    matrix = with_fields(base.matrix, **{field: size - 4}, n_tiles=2, row_stride=4)
    assert refused(base.around(matrix)).code is ErrorCode.BUFFER_OVERRUN


def test_an_overflow_that_timing_decides_has_no_code():
    """E-04: with a take in the program, another signal than the 256th may be one too many."""
    base = FourEngines(TINY)
    give = with_fields(base.load_activations, signal=1 << Engine.STORE)
    take = with_fields(base.store, wait_load=1)
    error = refused([*[give] * (SEMAPHORE_MAX + 1), take, End()])
    assert type(error) is GoldenError
    assert f"semaphore LOAD to STORE exceeds {SEMAPHORE_MAX}" in str(error)


def test_what_hardware_does_not_see_has_no_code():
    base = FourEngines(TINY)
    programs = {
        "unwritten": [base.load_activations, with_fields(base.store, buffer_address=0x800)],
        "unordered": [base.load_activations, with_fields(base.store, buffer_address=0)],
        "unsatisfiable": [with_fields(base.store, wait_load=1), base.load_activations],
        "overlapping": [with_fields(base.vector, output_row_stride=0)],
        "clamped": [with_fields(base.vector, clamp_high=128)],
        "far": [with_fields(base.matrix, x_origin=(1 << 23) - 1, kx_stride=1 << 23, kx_count=2)],
    }
    for name, program in programs.items():
        ordered = program if name in ("unordered", "unsatisfiable") else chained(program)
        assert type(refused(encode_program([*ordered, End()]))) is GoldenError, name
