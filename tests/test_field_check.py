"""The front end's judgement of an instruction: every rule of E-02, at its limit and beyond."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from component_simulator import simulate_component

from arch.isa import (
    INSTRUCTION_BYTES,
    LAYOUTS,
    Addition,
    Buffer,
    ElementType,
    End,
    Engine,
    FillTable,
    Instruction,
    Load,
    Matrix,
    Opcode,
    Store,
    Vector,
    layout_bits,
)
from hdl.field_check import FieldCheck

pytestmark = pytest.mark.usefixtures("each_simulator")

ROWS, COLS, AXI_BYTES = 16, 8, 4
LEGAL, OPCODE, FIELD = "legal", "opcode", "field"

END = End()
LOAD = Load(
    buffer=Buffer.WEIGHT, buffer_address=3, dram_address=5, run_bytes=7, pad_bytes=5, signal=2
)
PARAMETERS = replace(LOAD, buffer=Buffer.PARAMETER, buffer_address=5, pad_bytes=0)
STORE = Store(
    buffer=Buffer.ACTIVATION, buffer_address=3, dram_address=5, run_bytes=7, wait_vector=1
)
MATRIX = Matrix(
    activation_address=3,
    y_limit=0,
    row_stride=0,
    x_limit=0,
    output_rows=1,
    k_tiles=1,
    last_k=1,
    n_tiles=1,
    last_n=1,
    weight_address=COLS,
)
TRANSPOSED = replace(MATRIX, weight_transposed=1, weight_address=ROWS, weight_column_stride=ROWS)
VECTOR = Vector(
    rows=1,
    n_tiles=1,
    last_n=1,
    parameter_address=4 * COLS,
    clamp_low=0,
    clamp_high=0,
    element_type=ElementType.INT8,
    output_address=COLS,
    output_row_stride=COLS,
)
ONE = 0x3F80_0000
ADDING = replace(
    VECTOR,
    addition=Addition.TABLE,
    addition_scale=ONE,
    residual_address=COLS,
    residual_row_stride=COLS,
)
WIDE = replace(
    ADDING, addition=Addition.INT16, residual_address=2 * COLS, residual_row_stride=2 * COLS
)
TABLE = FillTable(table=1, parameter_address=4 * COLS)
OF_EACH_OPCODE = [END, LOAD, STORE, MATRIX, VECTOR, TABLE]


def word_of(instruction: Instruction) -> int:
    return int.from_bytes(instruction.encode(), "little")


def judge(words: Sequence[int], **sizes: int) -> list[str]:
    check = FieldCheck(**{"rows": ROWS, "cols": COLS, "axi_bytes": AXI_BYTES, **sizes})
    found = []

    async def bench(ctx: Any) -> None:
        for word in words:
            ctx.set(check.word, word)
            opcode, field = ctx.get(check.illegal_opcode), ctx.get(check.illegal_field)
            assert not (opcode and field)
            found.append(OPCODE if opcode else FIELD if field else LEGAL)

    simulate_component(check, bench)
    return found


def each(instruction: Instruction, **values: Sequence[int]) -> list[Instruction]:
    """The instruction with each value of each field, one at a time."""
    return [
        replace(instruction, **{name: value})
        for name, choices in values.items()
        for value in choices
    ]


def counts(instruction: Instruction, *names: str) -> tuple[list[Instruction], list[Instruction]]:
    return each(instruction, **{n: [1] for n in names}), each(
        instruction, **{n: [0] for n in names}
    )


def own(instruction: Instruction, engine: Engine) -> tuple[list[Instruction], list[Instruction]]:
    """Waits of and signals to the other engines, and to the own one."""
    waits = {other: {f"wait_{other.name.lower()}": [255]} for other in Engine}
    accepted = [replace(instruction, signal=0b1111 & ~(1 << engine))]
    for other in Engine:
        if other is not engine:
            accepted += each(instruction, **waits[other])
    return accepted, each(instruction, **waits[engine], signal=[1 << engine])


def multiples(
    instruction: Instruction, name: str, of: int
) -> tuple[list[Instruction], list[Instruction]]:
    """Addresses from one multiple to the next: none in between is accepted."""
    return each(instruction, **{name: [0, of, 3 * of]}), each(instruction, **{name: range(1, of)})


RULES: dict[str, tuple[list[Instruction], list[Instruction]]] = {
    "buffer of LOAD": (each(LOAD, buffer=[0, 1]), each(LOAD, buffer=[3])),
    "buffer of STORE": (each(STORE, buffer=[0]), each(STORE, buffer=[1, 2, 3])),
    "addition": ([VECTOR, ADDING, WIDE], each(WIDE, addition=[3])),
    "element_type": (
        each(VECTOR, element_type=[0, 1]),
        each(VECTOR, element_type=[3]),
    ),
    "counts of LOAD": counts(LOAD, "run_bytes", "runs", "planes"),
    "counts of STORE": counts(STORE, "run_bytes", "runs", "planes"),
    "counts of MATRIX": counts(
        MATRIX,
        *("output_rows", "output_columns", "ky_count", "kx_count"),
        *("k_tiles", "last_k", "n_tiles", "last_n"),
    ),
    "counts of VECTOR": counts(VECTOR, "rows", "n_tiles", "last_n"),
    "last_k": (each(MATRIX, last_k=[ROWS]), each(MATRIX, last_k=[ROWS + 1, 127])),
    "last_n of MATRIX": (each(MATRIX, last_n=[COLS]), each(MATRIX, last_n=[COLS + 1, 127])),
    "last_n of VECTOR": (each(VECTOR, last_n=[COLS]), each(VECTOR, last_n=[COLS + 1, 127])),
    "own engine of LOAD": own(LOAD, Engine.LOAD),
    "own engine of STORE": own(STORE, Engine.STORE),
    "own engine of MATRIX": own(MATRIX, Engine.MATRIX),
    "own engine of VECTOR": own(VECTOR, Engine.VECTOR),
    "own engine of TABLE": own(TABLE, Engine.VECTOR),
    "END neither waits nor signals": (
        [END],
        each(
            END,
            signal=[1, 2, 4, 8],
            **{f"wait_{engine.name.lower()}": [1, 128] for engine in Engine},
        ),
    ),
    "zero point of int8 activations": (
        each(MATRIX, activation_zero_point=[-128, 127]),
        each(MATRIX, activation_zero_point=[-129, 128]),
    ),
    "zero point of uint8 activations": (
        each(replace(MATRIX, activation_signed=0), activation_zero_point=[0, 255]),
        each(replace(MATRIX, activation_signed=0), activation_zero_point=[-1, -256]),
    ),
    "zero point of int8 weights": (
        each(MATRIX, weight_zero_point=[-128, 127]),
        each(MATRIX, weight_zero_point=[-129, 128]),
    ),
    "zero point of uint8 weights": (
        each(replace(MATRIX, weight_signed=0), weight_zero_point=[0, 255]),
        each(replace(MATRIX, weight_signed=0), weight_zero_point=[-1, -256]),
    ),
    "zero point that a zero row replaces": (
        each(replace(MATRIX, weight_zero_row=1), weight_zero_point=[-129, 255]),
        each(replace(MATRIX, weight_zero_row=1), activation_zero_point=[-129]),
    ),
    "weight_transposed": (
        [TRANSPOSED],
        each(TRANSPOSED, weight_zero_row=[1], ky_count=[2], kx_count=[2, 255]),
    ),
    "ky_count, kx_count and zero row of others": (
        each(MATRIX, weight_zero_row=[1], ky_count=[255], kx_count=[255]),
        [],
    ),
    "weight_address": multiples(MATRIX, "weight_address", COLS),
    "weight_address where transposed": multiples(TRANSPOSED, "weight_address", ROWS),
    "weight_column_stride": multiples(TRANSPOSED, "weight_column_stride", ROWS),
    "weight_column_stride of others": (each(MATRIX, weight_column_stride=[1]), []),
    "output_address": multiples(VECTOR, "output_address", COLS),
    "output_row_stride": multiples(VECTOR, "output_row_stride", COLS),
    "output_address of int16": multiples(
        replace(VECTOR, element_type=ElementType.INT16, output_row_stride=0),
        "output_address",
        2 * COLS,
    ),
    "output_row_stride of int16": multiples(
        replace(VECTOR, element_type=ElementType.INT16, output_address=0),
        "output_row_stride",
        2 * COLS,
    ),
    "residual_address": multiples(ADDING, "residual_address", COLS),
    "residual_row_stride": multiples(ADDING, "residual_row_stride", COLS),
    "residual_address of int16": multiples(WIDE, "residual_address", 2 * COLS),
    "residual_row_stride of int16": multiples(WIDE, "residual_row_stride", 2 * COLS),
    "residual without addition": (
        each(VECTOR, residual_address=[1], residual_row_stride=[1]),
        [],
    ),
    "clamp": (
        [
            replace(VECTOR, clamp_low=low, clamp_high=high)
            for low, high in ((-5, -5), (-32768, 32767))
        ],
        [replace(VECTOR, clamp_low=low, clamp_high=high) for low, high in ((-4, -5), (0, -1))],
    ),
    "clamp of the sum": (
        [replace(ADDING, sum_low=low, sum_high=high) for low, high in ((-5, -5), (-32768, 32767))]
        + each(VECTOR, sum_low=[1]),
        [replace(i, sum_low=low, sum_high=-5) for i, low in ((ADDING, -4), (WIDE, 1))],
    ),
    "addition_scale": (
        each(ADDING, addition_scale=[0x0080_0000, 0x7F7F_FFFF])
        + each(VECTOR, addition_scale=[0])
        + each(WIDE, addition_scale=[0x7F80_0000]),
        each(
            ADDING,
            addition_scale=[
                0,
                0x007F_FFFF,
                0x7F80_0000,
                0x7FC0_0000,
                0x8000_0000,
                0x8000_0000 | ONE,
            ],
        ),
    ),
    "parameter_address of VECTOR": multiples(VECTOR, "parameter_address", 4 * COLS),
    "parameter_address of TABLE": multiples(TABLE, "parameter_address", 4 * COLS),
    "addresses of LOAD into PARAMETER": (
        each(PARAMETERS, dram_address=[1, 5, 9]),
        each(PARAMETERS, dram_address=[0, 2, 3, 4, 6]),
    ),
    "run strides of LOAD into PARAMETER": (
        [
            replace(PARAMETERS, run_dram_stride=6),
            replace(PARAMETERS, runs=2, run_dram_stride=6, run_buffer_stride=2),
        ],
        each(replace(PARAMETERS, runs=2, run_buffer_stride=2), run_dram_stride=[3, 4, 5]),
    ),
    "plane strides of LOAD into PARAMETER": (
        [
            replace(PARAMETERS, plane_dram_stride=6),
            replace(PARAMETERS, planes=2, plane_dram_stride=6, plane_buffer_stride=2),
        ],
        each(replace(PARAMETERS, planes=2, plane_buffer_stride=2), plane_dram_stride=[3, 4, 5]),
    ),
    "padding of LOAD into PARAMETER": (
        each(replace(PARAMETERS, pad_bytes=1), run_bytes=[3, 7]),
        each(replace(PARAMETERS, pad_bytes=1), run_bytes=[4, 5, 6]),
    ),
    "padding behind runs of LOAD into PARAMETER": (
        [
            replace(PARAMETERS, pad_bytes=1, run_buffer_stride=2, run_dram_stride=2),
            replace(PARAMETERS, pad_bytes=1, runs=2, run_buffer_stride=8, run_dram_stride=4),
        ],
        [
            replace(PARAMETERS, pad_bytes=1, runs=2, run_buffer_stride=step, run_dram_stride=step)
            for step in (9, 10, 11)
        ],
    ),
    "padding behind planes of LOAD into PARAMETER": (
        [
            replace(PARAMETERS, pad_bytes=1, plane_buffer_stride=2, plane_dram_stride=2),
            replace(PARAMETERS, pad_bytes=1, planes=2, plane_buffer_stride=8, plane_dram_stride=4),
        ],
        [
            replace(
                PARAMETERS, pad_bytes=1, planes=2, plane_buffer_stride=step, plane_dram_stride=step
            )
            for step in (9, 10, 11)
        ],
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_is_accepted_at_its_limit_and_refused_beyond(rule: str) -> None:
    """E-02"""
    accepted, refused = RULES[rule]
    for instruction, verdict in zip(
        accepted + refused, judge([word_of(i) for i in accepted + refused]), strict=True
    ):
        expected = LEGAL if instruction in accepted else FIELD
        assert verdict == expected, instruction.disassemble()


def test_no_other_opcode_is_defined() -> None:
    """E-02: and then no field is looked at."""
    words = [opcode | fill << 8 for opcode in range(256) for fill in (0, (1 << 504) - 1)]
    for word, verdict in zip(words, judge(words), strict=True):
        assert (verdict == OPCODE) == (word & 0xFF not in list(Opcode)), hex(word)


@pytest.mark.parametrize("instruction", OF_EACH_OPCODE, ids=lambda i: i.OPCODE.name)
def test_no_bit_outside_the_fields_may_be_set(instruction: Instruction) -> None:
    """E-02"""
    free = range(layout_bits(instruction.OPCODE), 8 * INSTRUCTION_BYTES)
    words = [word_of(instruction) | 1 << bit for bit in free]
    assert judge([word_of(instruction)]) == [LEGAL]
    assert set(judge(words)) == {FIELD}


UNRULED = {
    LOAD: ["buffer_address", "dram_address", "run_dram_stride", "run_buffer_stride", "pad_value"],
    STORE: ["buffer_address", "dram_address", "plane_dram_stride", "plane_buffer_stride"],
    MATRIX: [
        *("activation_address", "y_origin", "y_row_step", "y_ky_step", "y_limit", "row_stride"),
        *("ky_stride", "x_origin", "column_stride", "kx_stride", "x_limit"),
        *("accumulator_address", "accumulator_half", "accumulate"),
    ],
    VECTOR: [
        *("accumulator_address", "accumulator_half", "zero_point", "unary_table", "unary_signed"),
        "output_buffer",
    ],
    TABLE: ["table"],
}


@pytest.mark.parametrize("instruction", UNRULED, ids=lambda i: i.OPCODE.name)
def test_a_field_without_a_rule_takes_any_value(instruction: Instruction) -> None:
    fields = [f for f in LAYOUTS[instruction.OPCODE] if f.name in UNRULED[instruction]]
    assert len(fields) == len(UNRULED[instruction])
    extremes = each(instruction, **{field.name: [field.low, field.high] for field in fields})
    assert set(judge([word_of(i) for i in extremes])) == {LEGAL}


@pytest.mark.parametrize(("rows", "cols", "axi_bytes"), [(4, 64, 64), (64, 4, 16), (8, 8, 8)])
def test_alignments_follow_the_sizes(rows: int, cols: int, axi_bytes: int) -> None:
    """E-02: R, C and A are those of the instance."""
    limits = [
        (MATRIX, "weight_address", cols),
        (replace(TRANSPOSED, weight_column_stride=0), "weight_address", rows),
        (replace(VECTOR, parameter_address=0, output_row_stride=0), "output_address", cols),
        (TABLE, "parameter_address", 4 * cols),
        (replace(PARAMETERS, buffer_address=0), "dram_address", axi_bytes),
    ]
    instructions = [
        replace(base, **{name: address})
        for base, name, size in limits
        for address in (size, size // 2)
    ]
    instructions += [replace(MATRIX, last_k=rows + over, weight_address=0) for over in (0, 1)]
    instructions += [replace(MATRIX, last_n=cols + over, weight_address=0) for over in (0, 1)]
    verdicts = judge([word_of(i) for i in instructions], rows=rows, cols=cols, axi_bytes=axi_bytes)
    assert verdicts == [LEGAL, FIELD] * (len(limits) + 2)
