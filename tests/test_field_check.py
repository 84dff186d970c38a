"""The front end's judgement of an instruction: every rule of E-02, at its limit and beyond."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from component_simulator import simulate_component
from field_rules import (
    AXI_BYTES,
    COLS,
    END,
    GATHER,
    INDICES,
    LOAD,
    MATRIX,
    PARAMETERS,
    ROW_MAJOR,
    ROWS,
    RULES,
    SCALE,
    STORE,
    TABLE,
    TRANSPOSED,
    each,
)
from vector_field_rules import BUFFERED, INT16, VECTOR, VECTOR_RULES

from arch.isa import (
    INSTRUCTION_BYTES,
    LAYOUTS,
    Instruction,
    Opcode,
    Source,
    layout_bits,
)
from hdl.field_check import FieldCheck

pytestmark = pytest.mark.usefixtures("each_simulator")

LEGAL, OPCODE, FIELD = "legal", "opcode", "field"
OF_EACH_OPCODE = [END, LOAD, STORE, MATRIX, VECTOR, TABLE, SCALE]
EVERY_RULE = RULES | VECTOR_RULES


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


def test_each_rule_is_accepted_at_its_limit_and_refused_beyond() -> None:
    """E-02"""
    cases = [
        (rule, verdict, instruction)
        for rule, instructions in EVERY_RULE.items()
        for verdict, of_verdict in zip((LEGAL, FIELD), instructions, strict=True)
        for instruction in of_verdict
    ]
    told = judge([word_of(instruction) for *_, instruction in cases])
    wrong = [
        f"{rule}: {instruction.disassemble()} is {found}"
        for (rule, verdict, instruction), found in zip(cases, told, strict=True)
        if found != verdict
    ]
    assert wrong == []


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
        *("ky_stride", "x_origin", "column_stride", "kx_stride", "n_stride", "x_limit"),
        *("accumulator_address", "accumulator_half", "accumulate", "maximum", "mac_k"),
    ],
    GATHER: ["buffer_address", "dram_address", "run_dram_stride", "run_buffer_stride"],
    VECTOR: [
        *("accumulator_address", "accumulator_half", "zero_point", "unary_table", "unary_signed"),
        *("row_scale", "bias_after", "count", "interpolate"),
        *("statistic_accumulate", "statistic_address", "masked", "mask_origin", "output_shift"),
    ],
    TABLE: ["table"],
    SCALE: ["statistic_address", "count", "centre", "epsilon"],
}


@pytest.mark.parametrize("instruction", UNRULED, ids=lambda i: i.disassemble())
def test_a_field_without_a_rule_takes_any_value(instruction: Instruction) -> None:
    fields = [f for f in LAYOUTS[instruction.OPCODE] if f.name in UNRULED[instruction]]
    assert len(fields) == len(UNRULED[instruction])
    extremes = each(instruction, **{field.name: [field.low, field.high] for field in fields})
    assert set(judge([word_of(i) for i in extremes])) == {LEGAL}


@pytest.mark.parametrize(("rows", "cols", "axi_bytes"), [(4, 64, 64), (64, 4, 16), (8, 8, 8)])
def test_alignments_follow_the_sizes(rows: int, cols: int, axi_bytes: int) -> None:
    """E-02: R, C and A are those of the instance."""
    nowhere = {"parameter_address": 0, "output_address": 0, "output_row_stride": 0}
    sources = [replace(i, **nowhere, source_row_stride=0) for i in BUFFERED.values()]
    limits = [
        (MATRIX, "weight_address", cols),
        (replace(TRANSPOSED, weight_stride=0), "weight_address", rows),
        (replace(VECTOR, parameter_address=0, output_row_stride=0), "output_address", cols),
        (replace(ROW_MAJOR, weight_stride=0), "weight_address", cols),
        (replace(ROW_MAJOR, weight_address=0), "weight_stride", cols),
        (replace(INT16, parameter_address=0, output_row_stride=0), "output_address", 2 * cols),
        *((i, "source_address", Source(i.source).bytes * cols) for i in sources),
        (TABLE, "parameter_address", 4 * cols),
        (replace(PARAMETERS, buffer_address=0), "dram_address", axi_bytes),
        (replace(INDICES, buffer_address=0), "dram_address", axi_bytes),
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
