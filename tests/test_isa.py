"""The instruction set: words pinned by hand, since everything else shares the encoder."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arch.errors import AssayError
from arch.isa import (
    INSTRUCTION_BYTES,
    LAYOUTS,
    Buffer,
    End,
    Engine,
    Load,
    Matrix,
    Opcode,
    Store,
    Vector,
    decode,
    decode_program,
    encode_program,
    layout_bits,
)

LOAD = Load(
    signal=1 << Engine.MATRIX,
    wait_matrix=3,
    buffer=Buffer.WEIGHT,
    buffer_address=0x123,
    dram_address=0x8000_0010,
    run_bytes=256,
)
STORE = Store(buffer=0, buffer_address=64, dram_address=4096, run_bytes=16, runs=8)
MATRIX = Matrix(
    activation_address=0,
    activation_zero_point=-128,
    y_limit=4,
    row_stride=16,
    x_origin=-48,
    x_limit=16,
    output_rows=4,
    k_tiles=1,
    last_k=16,
    n_tiles=1,
    last_n=16,
    weight_address=0,
)
VECTOR = Vector(
    rows=4,
    n_tiles=1,
    last_n=16,
    parameter_address=0,
    clamp_low=-128,
    clamp_high=127,
    element_type=0,
    output_address=0,
    output_row_stride=16,
)


def test_end_is_one_byte_of_opcode():
    assert End().encode() == b"\x01" + bytes(63)


def test_load_is_pinned_bit_by_bit():
    word = int.from_bytes(LOAD.encode(), "little")
    assert word & 0xFF == 0x10
    assert word >> 8 & 0xF == 0b0010
    assert word >> 12 & 0xFF == 0
    assert word >> 20 & 0xFF == 3
    assert word >> 44 & 0b11 == 1
    assert word >> 46 & 0xFFFFFF == 0x123
    assert word >> 70 & 0xFFFFFFFF == 0x8000_0010
    assert word >> 102 & 0xFFFFF == 256
    assert word >> 122 & 0xFFFF == 1
    assert word >> 194 & 0xFFFF == 1
    assert word >> 266 == 0


def test_negative_fields_are_twos_complement():
    word = int.from_bytes(MATRIX.encode(), "little")
    assert word >> 44 & 0xFFFFFF == 0
    assert word >> 68 & 1 == 1
    assert word >> 69 & 0x1FF == 0x180


@pytest.mark.parametrize("instruction", [End(), LOAD, STORE, MATRIX, VECTOR])
def test_decode_inverts_encode(instruction):
    assert decode(instruction.encode()) == instruction


@given(st.data())
def test_decode_inverts_encode_over_the_whole_range_of_every_field(data):
    fields = {f.name: f for f in LAYOUTS[Opcode.MATRIX] if f.name != "opcode"}
    counts = {"output_rows", "output_columns", "ky_count", "kx_count"}
    counts |= {"k_tiles", "last_k", "n_tiles", "last_n"}
    values = {
        name: data.draw(st.integers(max(f.low, int(name in counts)), f.high), label=name)
        for name, f in fields.items()
    }
    instruction = Matrix(**values)
    assert decode(instruction.encode()) == instruction


def test_layouts_fit_and_cover_the_dataclasses():
    for instruction in (End(), LOAD, STORE, MATRIX, VECTOR):
        opcode = instruction.OPCODE
        assert layout_bits(opcode) <= 8 * INSTRUCTION_BYTES
        named = {f.name for f in LAYOUTS[opcode]} - {"opcode"}
        assert named == {f.name for f in dataclasses.fields(instruction)}


def test_opcodes_name_their_engine():
    assert [op.engine for op in (Opcode.LOAD, Opcode.MATRIX, Opcode.VECTOR, Opcode.STORE)] == list(
        Engine
    )
    assert Opcode.END.engine is None
    assert Opcode.TABLE.engine is Engine.VECTOR


def test_out_of_range_field_is_named():
    with pytest.raises(AssayError, match=r"^LOAD: run_bytes = 1048576 is outside 0\.\.1048575$"):
        dataclasses.replace(LOAD, run_bytes=1 << 20).encode()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x7f" + bytes(63), "undefined opcode 0x7f"),
        (b"\x01" + bytes(62) + b"\x80", "END: bits outside every field are set"),
        (bytes(12), "an instruction is 64 bytes, not 12"),
        (dataclasses.replace(LOAD, runs=0).encode(), "LOAD: runs = 0 must be at least 1"),
        (dataclasses.replace(VECTOR, statistic=3).encode(), "VECTOR: statistic = 3 is undefined"),
    ],
)
def test_decode_rejects_what_is_undefined(data, expected):
    with pytest.raises(AssayError) as error:
        decode(data)
    assert str(error.value) == expected


def test_program_errors_name_the_instruction():
    program = encode_program([LOAD, End()])
    with pytest.raises(AssayError, match="instruction 1: undefined opcode"):
        decode_program(program[:64] + bytes(64))
    with pytest.raises(AssayError, match="it is cut off"):
        decode_program(program[:-1])


def test_disassembly_shows_what_is_not_zero():
    assert LOAD.disassemble() == (
        "LOAD signal=2 wait_matrix=3 buffer=1 buffer_address=291 dram_address=2147483664 "
        "run_bytes=256 runs=1 planes=1"
    )
