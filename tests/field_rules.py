"""Instructions at the limit of each rule of E-02 and one step beyond: all but those of VECTOR.

For ``ROWS`` x ``COLS`` multipliers and ``AXI_BYTES``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from arch.config import INDEX_ENTRIES
from arch.isa import (
    Buffer,
    End,
    Engine,
    FillTable,
    Instruction,
    Load,
    Matrix,
    RowFunction,
    ScaleRows,
    Store,
)

ROWS, COLS, AXI_BYTES = 16, 8, 4
END = End()
LOAD = Load(
    buffer=Buffer.WEIGHT, buffer_address=3, dram_address=5, run_bytes=7, pad_bytes=5, signal=2
)
PARAMETERS = replace(LOAD, buffer=Buffer.PARAMETER, buffer_address=5, pad_bytes=0)
INDICES = replace(PARAMETERS, buffer=Buffer.INDEX)
GATHER = replace(LOAD, gather=1, runs=3, run_dram_stride=77, run_buffer_stride=33, index_address=9)
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
TRANSPOSED = replace(MATRIX, weight_transposed=1, weight_address=ROWS, weight_stride=ROWS)
ROW_MAJOR = replace(MATRIX, weight_row_major=1, weight_address=COLS, weight_stride=COLS)
DIAGONAL = replace(MATRIX, weight_diagonal=1)
TABLE = FillTable(table=1, parameter_address=4 * COLS)
SCALE = ScaleRows(function=RowFunction.INVERSE_SQUARE_ROOT, rows=1)


Cases = tuple[list[Instruction], list[Instruction]]
"""Accepted, and refused."""


def each(instruction: Instruction, **values: Sequence[int]) -> list[Instruction]:
    """The instruction with each value of each field, one at a time."""
    return [
        replace(instruction, **{name: value})
        for name, choices in values.items()
        for value in choices
    ]


def counts(instruction: Instruction, *names: str) -> Cases:
    return each(instruction, **{n: [1] for n in names}), each(
        instruction, **{n: [0] for n in names}
    )


def own(instruction: Instruction, engine: Engine) -> Cases:
    """Waits of and signals to the other engines, and to the own one."""
    waits = {other: {f"wait_{other.name.lower()}": [255]} for other in Engine}
    accepted = [replace(instruction, signal=0b1111 & ~(1 << engine))]
    for other in Engine:
        if other is not engine:
            accepted += each(instruction, **waits[other])
    return accepted, each(instruction, **waits[engine], signal=[1 << engine])


def multiples(instruction: Instruction, name: str, of: int) -> Cases:
    """Addresses from one multiple to the next: none in between is accepted."""
    return each(instruction, **{name: [0, of, 3 * of]}), each(instruction, **{name: range(1, of)})


RULES: dict[str, Cases] = {
    "buffer of LOAD": ([LOAD, PARAMETERS, INDICES, replace(LOAD, buffer=Buffer.ACTIVATION)], []),
    "buffer of STORE": (each(STORE, buffer=[0]), each(STORE, buffer=[1, 2, 3])),
    "counts of LOAD": counts(LOAD, "run_bytes", "runs", "planes"),
    "counts of STORE": counts(STORE, "run_bytes", "runs", "planes"),
    "counts of MATRIX": counts(
        MATRIX,
        *("output_rows", "output_columns", "ky_count", "kx_count"),
        *("k_tiles", "last_k", "n_tiles", "last_n"),
    ),
    "counts of SCALE": counts(SCALE, "rows"),
    "last_k": (each(MATRIX, last_k=[ROWS]), each(MATRIX, last_k=[ROWS + 1, 127])),
    "last_n of MATRIX": (each(MATRIX, last_n=[COLS]), each(MATRIX, last_n=[COLS + 1, 127])),
    "own engine of LOAD": own(LOAD, Engine.LOAD),
    "own engine of STORE": own(STORE, Engine.STORE),
    "own engine of MATRIX": own(MATRIX, Engine.MATRIX),
    "own engine of TABLE": own(TABLE, Engine.VECTOR),
    "own engine of SCALE": own(SCALE, Engine.VECTOR),
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
    "weight_row_major": (
        [ROW_MAJOR],
        each(ROW_MAJOR, weight_zero_row=[1], ky_count=[2], kx_count=[2, 255]),
    ),
    "weight_row_major and weight_transposed": (
        [],
        [replace(i, weight_row_major=1, weight_transposed=1) for i in (TRANSPOSED, ROW_MAJOR)],
    ),
    "weight_diagonal": (
        each(DIAGONAL, weight_diagonal=[1], ky_count=[255], kx_count=[255], weight_stride=[1]),
        [
            *each(DIAGONAL, weight_zero_row=[1]),
            *(replace(i, weight_diagonal=1) for i in (TRANSPOSED, ROW_MAJOR)),
        ],
    ),
    "ky_count, kx_count and zero row of others": (
        each(MATRIX, weight_zero_row=[1], ky_count=[255], kx_count=[255]),
        [],
    ),
    "weight_address": multiples(MATRIX, "weight_address", COLS),
    "weight_address where transposed": multiples(TRANSPOSED, "weight_address", ROWS),
    "weight_address where row-major": multiples(ROW_MAJOR, "weight_address", COLS),
    "weight_address where diagonal": multiples(DIAGONAL, "weight_address", COLS),
    "weight_stride where transposed": multiples(TRANSPOSED, "weight_stride", ROWS),
    "weight_stride where row-major": multiples(ROW_MAJOR, "weight_stride", COLS),
    "weight_stride of others": (each(MATRIX, weight_stride=[1]), []),
    "parameter_address of TABLE": multiples(TABLE, "parameter_address", 4 * COLS),
    "function": (each(SCALE, function=[0, 1]), each(SCALE, function=[2, 3])),
    "planes with gather": (each(LOAD, planes=[2]), each(GATHER, planes=[2, 65535])),
    "buffer with gather": (
        each(GATHER, buffer=[Buffer.ACTIVATION]),
        [replace(i, gather=1) for i in (PARAMETERS, INDICES)],
    ),
    "indices": (
        [
            replace(GATHER, runs=INDEX_ENTRIES, index_address=0),
            replace(GATHER, runs=1, index_address=INDEX_ENTRIES - 1),
            replace(LOAD, runs=65535, index_address=1),
        ],
        [
            replace(GATHER, runs=INDEX_ENTRIES, index_address=1),
            replace(GATHER, runs=2, index_address=INDEX_ENTRIES - 1),
            replace(GATHER, runs=65535, index_address=INDEX_ENTRIES - 1),
            replace(GATHER, runs=INDEX_ENTRIES + 1, index_address=0),
        ],
    ),
}


def whole_beats(kind: str, load: Load) -> dict[str, Cases]:
    """B-05: of a LOAD from 5 to 5 of 7 bytes, into a memory that takes no part of a beat."""
    padded = replace(load, pad_bytes=1)
    rules: dict[str, Cases] = {
        "addresses": (
            each(load, dram_address=[1, 5, 9]),
            each(load, dram_address=[0, 2, 3, 4, 6]),
        ),
        "padding": (each(padded, run_bytes=[3, 7]), each(padded, run_bytes=[4, 5, 6])),
    }
    for level in ("run", "plane"):
        dram, buffer = f"{level}_dram_stride", f"{level}_buffer_stride"
        two = {f"{level}s": 2}
        rules[f"strides of {level}s"] = (
            [replace(load, **{dram: 6}), replace(load, **two, **{dram: 6, buffer: 2})],
            each(replace(load, **two, **{buffer: 2}), **{dram: [3, 4, 5]}),
        )
        rules[f"padding behind {level}s"] = (
            [
                replace(padded, **{dram: 2, buffer: 2}),
                replace(padded, **two, **{dram: 4, buffer: 8}),
            ],
            [replace(padded, **two, **{dram: step, buffer: step}) for step in (9, 10, 11)],
        )
    return {f"{name} of LOAD into {kind}": cases for name, cases in rules.items()}


RULES |= whole_beats("PARAMETER", PARAMETERS) | whole_beats("INDEX", INDICES)
