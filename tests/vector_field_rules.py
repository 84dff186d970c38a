"""Instructions at the limit of each rule of E-02 for VECTOR, and one step beyond."""

from __future__ import annotations

from dataclasses import replace

from field_rules import COLS, Cases, counts, each, multiples, own

from arch.isa import (
    Addition,
    Destination,
    ElementType,
    Engine,
    Instruction,
    Operation,
    Raw,
    Source,
    Statistic,
    Vector,
)

ONE = 0x3F80_0000
POSITIVE_NORMAL = [0x0080_0000, 0x7F7F_FFFF]
NOT_POSITIVE_NORMAL = [0, 0x007F_FFFF, 0x7F80_0000, 0x7FC0_0000, 0x8000_0000, 0x8000_0000 | ONE]

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
INT16 = replace(
    VECTOR,
    element_type=ElementType.INT16,
    output_address=2 * COLS,
    output_row_stride=2 * COLS,
)
SILENT = replace(VECTOR, output_buffer=Destination.NONE)
TENSOR_SCALE = replace(VECTOR, tensor_scale=1, scale=ONE)
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
BUFFERED = {
    source: replace(
        VECTOR,
        source=source,
        source_address=source.bytes * COLS,
        source_row_stride=source.bytes * COLS,
    )
    for source in (Source.INT8, Source.UINT8, Source.INT16)
}
MULTIPLY = {
    element: replace(
        BUFFERED[Source.INT16],
        operation=Operation.MULTIPLY,
        multiplier_type=element,
        residual_address=element.bytes * COLS,
        residual_row_stride=element.bytes * COLS,
    )
    for element in (ElementType.INT8, ElementType.UINT8, ElementType.INT16)
}
CENTRE = replace(BUFFERED[Source.INT16], operation=Operation.CENTRE, tensor_scale=1, scale=ONE)
EXPONENT = replace(VECTOR, operation=Operation.EXPONENT, element_type=ElementType.UINT8)
EXPONENTS = [EXPONENT, replace(INT16, operation=Operation.EXPONENT)]
INTERPOLATE = replace(VECTOR, interpolate=1)
RAW = replace(INT16, raw=Raw.LOW)


def _pairs(instruction: Instruction, low: str, high: str) -> Cases:
    """A range holds a value, or is refused."""
    holds, empty = ((-5, -5), (-32768, 32767)), ((-4, -5), (0, -1))
    return (
        [replace(instruction, **{low: a, high: b}) for a, b in holds],
        [replace(instruction, **{low: a, high: b}) for a, b in empty],
    )


def _zero_points(
    name: str, int8: Instruction, uint8: Instruction, others: list[Instruction]
) -> Cases:
    """Zero points that the type of an element has, and others."""
    accepted = each(int8, **{name: [-128, 127]}) + each(uint8, **{name: [0, 255]})
    refused = each(int8, **{name: [-129, 128]}) + each(uint8, **{name: [-1, -256]})
    for other in others:
        accepted += each(other, **{name: [0]})
        refused += each(other, **{name: [1, -1, -256]})
    return accepted, refused


def _places(kind: str, of: int, **instructions: Instruction) -> dict[str, Cases]:
    """Address and stride of source, residual or output, each with the other one at 0."""
    fields = (f"{kind}_address", f"{kind}_row_stride")
    return {
        f"{field} of {name}": multiples(replace(instruction, **{other: 0}), field, of)
        for name, instruction in instructions.items()
        for field, other in (fields, fields[::-1])
    }


def _without(kind: str, *instructions: Instruction) -> Cases:
    """Neither address nor stride is looked at."""
    fields = {f"{kind}_address": [1], f"{kind}_row_stride": [1]}
    return [i for instruction in instructions for i in each(instruction, **fields)], []


_RAW_INT16 = {
    "raw": Raw.HIGH,
    "element_type": ElementType.INT16,
    "output_address": 2 * COLS,
    "output_row_stride": 2 * COLS,
}

VECTOR_RULES: dict[str, Cases] = {
    "counts of VECTOR": counts(VECTOR, "rows", "n_tiles", "last_n"),
    "last_n of VECTOR": (each(VECTOR, last_n=[COLS]), each(VECTOR, last_n=[COLS + 1, 127])),
    "own engine of VECTOR": own(VECTOR, Engine.VECTOR),
    "addition": ([VECTOR, ADDING, WIDE], each(WIDE, addition=[3])),
    "element_type": (
        [*each(VECTOR, element_type=[0, 1]), INT16],
        [replace(i, element_type=ElementType.INT32) for i in (INT16, SILENT)],
    ),
    "output_buffer": (each(VECTOR, output_buffer=[0, 1, 2]), each(VECTOR, output_buffer=[3])),
    "statistic": (each(VECTOR, statistic=[0, 1, 2]), each(VECTOR, statistic=[3])),
    "source": ([VECTOR, *BUFFERED.values()], []),
    "operation": ([VECTOR, MULTIPLY[ElementType.INT8], CENTRE, EXPONENT], []),
    **_places("output", COLS, int8=VECTOR),
    **_places("output", 2 * COLS, int16=INT16),
    "place of no output": _without("output", SILENT),
    "output_zero_point": _zero_points(
        "output_zero_point", VECTOR, replace(VECTOR, element_type=ElementType.UINT8), [INT16]
    ),
    "output_zero_point of no output": (each(SILENT, output_zero_point=[-256, 255]), []),
    **_places("source", COLS, int8=BUFFERED[Source.INT8], uint8=BUFFERED[Source.UINT8]),
    **_places("source", 2 * COLS, int16=BUFFERED[Source.INT16]),
    "place of accumulators": _without("source", VECTOR),
    "source_zero_point": _zero_points(
        "source_zero_point",
        BUFFERED[Source.INT8],
        BUFFERED[Source.UINT8],
        [VECTOR, BUFFERED[Source.INT16]],
    ),
    **_places(
        "residual",
        COLS,
        table=ADDING,
        int8=MULTIPLY[ElementType.INT8],
        uint8=MULTIPLY[ElementType.UINT8],
    ),
    **_places("residual", 2 * COLS, sum=WIDE, int16=MULTIPLY[ElementType.INT16]),
    "place of no residual": _without("residual", VECTOR, CENTRE, EXPONENT),
    "clamp": _pairs(VECTOR, "clamp_low", "clamp_high"),
    "clamp of the sum in a table": _pairs(ADDING, "sum_low", "sum_high"),
    "clamp of the sum of int16": _pairs(WIDE, "sum_low", "sum_high"),
    "clamp of no sum": (each(VECTOR, sum_low=[1]), []),
    "addition_scale": (
        each(ADDING, addition_scale=POSITIVE_NORMAL),
        each(ADDING, addition_scale=NOT_POSITIVE_NORMAL),
    ),
    "addition_scale of others": (
        [*each(VECTOR, addition_scale=[0]), *each(WIDE, addition_scale=[0x7F80_0000])],
        [],
    ),
    "scale": (
        each(TENSOR_SCALE, scale=POSITIVE_NORMAL),
        each(TENSOR_SCALE, scale=NOT_POSITIVE_NORMAL),
    ),
    "scale of channels": (each(VECTOR, scale=NOT_POSITIVE_NORMAL), []),
    "parameter_address of VECTOR": multiples(VECTOR, "parameter_address", 4 * COLS),
    "parameter_address with tensor_scale": (each(TENSOR_SCALE, parameter_address=[1]), []),
    "interpolate": (
        [INTERPOLATE, replace(WIDE, interpolate=1)],
        [replace(INTERPOLATE, unary_table=1), replace(ADDING, interpolate=1)],
    ),
    "MULTIPLY goes with no addition and no accumulators": (
        list(MULTIPLY.values()),
        [
            replace(MULTIPLY[ElementType.INT16], addition=Addition.INT16),
            replace(MULTIPLY[ElementType.INT8], addition=Addition.TABLE, addition_scale=ONE),
            replace(MULTIPLY[ElementType.INT16], source=Source.ACCUMULATOR),
        ],
    ),
    "multiplier_type": (
        each(VECTOR, multiplier_type=[ElementType.INT32]),
        each(MULTIPLY[ElementType.INT16], multiplier_type=[ElementType.INT32]),
    ),
    "multiplier_zero_point": _zero_points(
        "multiplier_zero_point",
        MULTIPLY[ElementType.INT8],
        MULTIPLY[ElementType.UINT8],
        [MULTIPLY[ElementType.INT16]],
    ),
    "multiplier_zero_point of others": (each(VECTOR, multiplier_zero_point=[-256, 255]), []),
    "CENTRE": (
        [CENTRE, replace(CENTRE, bias_after=1), replace(CENTRE, bias_after=1, tensor_scale=0)],
        each(
            CENTRE,
            source=[Source.ACCUMULATOR],
            statistic=[Statistic.MAXIMUM, Statistic.SUM],
            tensor_scale=[0],
        ),
    ),
    "EXPONENT": (
        [*EXPONENTS, *each(EXPONENT, statistic=[Statistic.SUM], masked=[1], tensor_scale=[0])],
        [
            refused
            for exponent in EXPONENTS
            for refused in each(
                exponent,
                addition=[Addition.INT16],
                unary_table=[1],
                interpolate=[1],
                row_scale=[1],
                bias_after=[1],
                output_shift=[1, 15],
                statistic=[Statistic.MAXIMUM],
                element_type=[ElementType.INT8],
            )
        ]
        + [replace(EXPONENT, addition=Addition.TABLE, addition_scale=ONE)]
        + [replace(EXPONENT, element_type=ElementType.INT8, output_buffer=Destination.NONE)],
    ),
    "raw": (
        [
            *each(RAW, raw=[Raw.HIGH], zero_point=[9], row_scale=[1], output_buffer=[1, 2]),
            *each(INT16, raw=[Raw.NONE]),
            replace(RAW, tensor_scale=1, scale=ONE),
            *(replace(i, **_RAW_INT16) for i in MULTIPLY.values()),
            replace(CENTRE, **_RAW_INT16),
        ],
        each(INT16, raw=[3]),
    ),
    "what raw excludes": (
        [],
        [
            refused
            for raw in (Raw.LOW, Raw.HIGH)
            for refused in each(
                replace(RAW, raw=raw),
                operation=[Operation.EXPONENT],
                addition=[Addition.INT16],
                unary_table=[1],
                interpolate=[1],
                bias_after=[1],
                statistic=[Statistic.MAXIMUM, Statistic.SUM],
                masked=[1],
                output_shift=[1, 15],
                element_type=[ElementType.INT8, ElementType.UINT8],
            )
        ]
        + [replace(RAW, addition=Addition.TABLE, addition_scale=ONE)]
        + [replace(RAW, element_type=ElementType.INT8, output_buffer=Destination.NONE)],
    ),
    "what EXPONENT excludes goes with others": (
        [
            accepted
            for other in (VECTOR, MULTIPLY[ElementType.INT8])
            for accepted in each(
                other,
                unary_table=[1],
                interpolate=[1],
                row_scale=[1],
                bias_after=[1],
                output_shift=[15],
                statistic=[Statistic.MAXIMUM, Statistic.SUM],
            )
        ],
        [],
    ),
}
