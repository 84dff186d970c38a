"""What the golden machine refuses: the message names the instruction, the rule and the value."""

import pytest
from golden_support import (
    ACTIVATION,
    DATA,
    DRAM_BYTES,
    INDEX,
    PARAMETER,
    WEIGHT,
    chained,
    execute,
    gemm,
    load,
    store,
    vector,
    with_fields,
)

from arch.isa import (
    Addition,
    Buffer,
    ElementType,
    FillTable,
    Operation,
    RowFunction,
    ScaleRows,
    Source,
    Statistic,
    Vector,
)
from golden.errors import GoldenError

FAR = {"x_origin": (1 << 23) - 1, "kx_stride": 1 << 23, "kx_count": 2}
LOADED = [load(ACTIVATION, 0, DATA, 0x100), load(WEIGHT, 0, DATA, 0x100)]
PARAMETERS = load(PARAMETER, 0, DATA, 0x100)
ONES = bytes.fromhex("0000803f") * 64  # float32 1.0, also as a bias


def passing(**more: int) -> Vector:
    """A pass over rows of four int8 at 0, scaled by 1."""
    fields = {"source": Source.INT8, "source_row_stride": 4, "tensor_scale": 1, "scale": 0x3F800000}
    return vector(4, 4, **{**fields, **more})


BAD = {
    "buffer overrun": (
        [load(ACTIVATION, 0x1FF0, DATA, 17)],
        r"instruction 0 \(LOAD: LOAD .*\): activation: touches bytes 0x1ff0 to 0x2000 of 0x2000",
    ),
    "out of DRAM": (
        [load(ACTIVATION, 0, DRAM_BYTES - 8, 9)],
        r"dram: touches bytes 0xfff8 to 0x10000 of 0x10000",
    ),
    "DRAM never written": (
        [load(ACTIVATION, 0, DATA + 0xFF, 2)],
        r"dram: reads byte 0x4100, which was never written",
    ),
    "misaligned parameters": (
        [load(PARAMETER, 2, DATA, 8)],
        r"instruction 0: LOAD: dram_address = 0x4000 and buffer_address = 0x2 .* differ modulo 4",
    ),
    "misaligned parameter runs": (
        [load(PARAMETER, 0, DATA, 8, runs=2, run_dram_stride=8, run_buffer_stride=10)],
        r"run_dram_stride = 0x8 and run_buffer_stride = 0xa of .* differ modulo 4: align them",
    ),
    "misaligned parameter planes": (
        [load(PARAMETER, 0, DATA, 8, planes=2, plane_dram_stride=9, plane_buffer_stride=8)],
        r"plane_dram_stride = 0x9 and plane_buffer_stride = 0x8 of .* differ modulo 4: align them",
    ),
    "padding of parameters inside a beat": (
        [load(PARAMETER, 0, DATA, 6, pad_bytes=2)],
        r"buffer_address \+ run_bytes = 0x6 of .* with pad_bytes = 2 must be a multiple of 4",
    ),
    "a masked raw value": (
        [*LOADED, vector(4, 4, raw=1, element_type=2, output_row_stride=8, masked=1)],
        r"raw excludes masked: clear one of them",
    ),
    "a raw byte": (
        [*LOADED, vector(4, 4, raw=1)],
        r"element_type = 0 with raw: use INT16",
    ),
    "a raw exponent": (
        [*LOADED, vector(4, 4, raw=1, operation=3, output_row_stride=8, element_type=2)],
        r"raw excludes operation EXPONENT: use another",
    ),
    "STORE from the weight buffer": (
        [with_fields(store(0, 0x8000, 4), buffer=Buffer.WEIGHT)],
        r"instruction 0: STORE: buffer = 1: STORE reads ACTIVATION only: make it 0",
    ),
    "STORE of unwritten bytes": (
        [LOADED[0], store(0xFF, 0x8000, 2)],
        r"instruction 1 \(STORE: .*\): activation: reads byte 0x100, which was never written",
    ),
    "STORE over the program": (
        [LOADED[0], store(0, 0x42, 4)],
        r"dram: writes byte 0x42, which holds the program",
    ),
    "unwritten weights": (
        [LOADED[0], gemm(4, 4, 4)],
        r"instruction 1 \(MATRIX: .*\): weight: reads byte 0x0, which was never written",
    ),
    "unwritten activations": (
        [LOADED[1], gemm(4, 4, 4, activation_address=8)],
        r"activation: reads byte 0x8, which was never written",
    ),
    "unwritten accumulators": (
        [*LOADED, gemm(4, 4, 4, accumulate=1)],
        r"accumulator: reads byte 0x0, which was never written",
    ),
    "accumulator overrun": (
        [*LOADED, gemm(4, 4, 4, accumulator_address=125)],
        r"accumulator: touches vectors of a half 0x7d to 0x80 of 0x80: stay inside",
    ),
    "last_k beyond the rows": ([*LOADED, gemm(4, 4, 4, last_k=5)], r"last_k = 5 is more than"),
    "last_n beyond the columns": ([*LOADED, gemm(4, 4, 4, last_n=5)], r"last_n = 5 is more than"),
    "zero point outside uint8": (
        [*LOADED, gemm(4, 4, 4, activation_signed=0, activation_zero_point=-1)],
        r"activation_zero_point = -1 is outside the type of its operand: bring it into 0..255",
    ),
    "zero point outside int8": (
        [*LOADED, gemm(4, 4, 4, weight_zero_point=128)],
        r"weight_zero_point = 128 is outside the type of its operand: bring it into -128..127",
    ),
    "misaligned weights": (
        [*LOADED, gemm(4, 4, 4, weight_address=2)],
        r"weight_address = 0x2 must be a multiple of 4: align it",
    ),
    "transposed with zero row": (
        [*LOADED, gemm(4, 4, 4, weight_transposed=1, weight_zero_row=1)],
        r"weight_transposed excludes weight_zero_row",
    ),
    "diagonal and row-major": (
        [*LOADED, gemm(4, 4, 4, weight_diagonal=1, weight_row_major=1)],
        r"weight_row_major excludes weight_diagonal: clear one of them",
    ),
    "transposed with kernel": (
        [*LOADED, gemm(4, 4, 4, weight_transposed=1, kx_count=2)],
        r"kx_count = 2 with weight_transposed: make it 1",
    ),
    "transposed with a crooked stride": (
        [*LOADED, gemm(4, 4, 4, weight_transposed=1, weight_stride=6)],
        r"weight_stride = 0x6 must be a multiple of 4: align it",
    ),
    "y beyond 17 bits": (
        [*LOADED, gemm(4, 4, 4, y_origin=32767, y_ky_step=255, ky_count=255)],
        r"the last y = 97540 .*does not fit",
    ),
    "x beyond 25 bits": (
        [*LOADED, gemm(4, 4, 4, **FAR)],
        r"x = 16777218 does not fit",
    ),
    "x beyond 25 bits by its n tiles": (
        [*LOADED, gemm(4, 4, 8, **{**FAR, "kx_stride": (1 << 23) - 0x8000}, n_stride=0x8000)],
        r"x = 16777218 does not fit",
    ),
    "VECTOR of unwritten accumulators": (
        [PARAMETERS, vector(4, 4)],
        r"instruction 1 \(VECTOR: VECTOR .*\): accumulator: reads byte 0x0",
    ),
    "VECTOR beyond its half": (
        [vector(125, 4, accumulator_address=4)],
        r"accumulator: touches vectors of a half 0x4 to 0x80 of 0x80: stay inside",
    ),
    "VECTOR with last_n beyond the columns": ([vector(4, 4, last_n=5)], r"last_n = 5 is more than"),
    "parameters between words": (
        [vector(4, 4, parameter_address=8)],
        r"parameter_address = 0x8 must be a multiple of 16",
    ),
    "crooked output": (
        [vector(4, 4, output_row_stride=6)],
        r"output_row_stride = 0x6 must be a multiple of 4: align it",
    ),
    "crooked int16 residual": (
        [vector(4, 4, addition=Addition.INT16, residual_address=4, sum_high=1)],
        r"residual_address = 0x4 must be a multiple of 8: align it",
    ),
    "overlapping output rows": (
        [vector(4, 8, output_row_stride=4)],
        r"output rows overlap: raise output_row_stride",
    ),
    "clamp outside the table": (
        [vector(4, 4, clamp_high=128, unary_table=1)],
        r"clamp_high = 128 in front of a table must lie inside -128..127 or 0..255",
    ),
    "clamp in disorder": (
        [vector(4, 4, clamp_low=3, clamp_high=2)],
        r"clamp_low = 3 is above clamp_high = 2",
    ),
    "addition scale of zero": (
        [vector(4, 4, addition=Addition.TABLE)],
        r"addition_scale = 0x00000000 must be the bits of a positive normal float32",
    ),
    "TABLE between words": (
        [FillTable(table=0, parameter_address=8)],
        r"instruction 0: TABLE: parameter_address = 0x8 must be a multiple of 16: align it",
    ),
    "unary table never filled": (
        [*LOADED, PARAMETERS, gemm(4, 4, 4), vector(4, 4, unary_table=1)],
        r"unary_table: reads byte 0x0, which was never written",
    ),
    "addition table never filled": (
        [
            *LOADED,
            PARAMETERS,
            gemm(4, 4, 4),
            vector(4, 4, addition=Addition.TABLE, addition_scale=0x3F800000),
        ],
        r"wide_table: reads byte 0x0, which was never written",
    ),
    "term of the addition too large": (
        [
            *LOADED,
            load(PARAMETER, 0, DATA, 0x100),
            *[load(PARAMETER, 0x400 + i * 0x100, DATA, 0x100) for i in range(4)],
            FillTable(table=1, parameter_address=0x400),
            gemm(4, 4, 4),
            vector(4, 4, addition=Addition.TABLE, addition_scale=0x4E000000),
        ],
        r"a term of the addition is 2\^26 or more",
    ),
    "gather by an index that was never written": (
        [load(INDEX, 0, DATA, 4), load(ACTIVATION, 0, DATA, 4, gather=1, runs=2)],
        r"instruction 1 \(LOAD: .*\): index: reads byte 0x4, which was never written",
    ),
    "gather beyond DRAM": (
        [load(INDEX, 0, DATA, 4), load(ACTIVATION, 0, DATA, 4, gather=1, run_dram_stride=1)],
        r"dram: touches bytes 0x3f804000 to 0x3f804003 of 0x10000: stay inside",
    ),
    "maximum never made": (
        [*LOADED, passing(operation=Operation.EXPONENT, element_type=ElementType.UINT8)],
        r"statistic_maximum: reads byte 0x0, which was never written",
    ),
    "sum never made": (
        [*LOADED, passing(operation=Operation.CENTRE, statistic_address=2)],
        r"statistic_sum: reads byte 0xc, which was never written",
    ),
    "scale of a row never made": (
        [*LOADED, passing(row_scale=1, statistic_address=3)],
        r"statistic_scale: reads byte 0xc, which was never written",
    ),
    "accumulated upon nothing": (
        [*LOADED, passing(statistic=Statistic.SUM, statistic_accumulate=1)],
        r"statistic_sum: reads byte 0x0, which was never written",
    ),
    "SCALE of sums of exponents as if of squares": (
        [
            *LOADED,
            passing(statistic=Statistic.MAXIMUM),
            passing(
                operation=Operation.EXPONENT,
                statistic=Statistic.SUM,
                element_type=ElementType.UINT8,
            ),
            ScaleRows(function=RowFunction.INVERSE_SQUARE_ROOT, rows=4),
        ],
        r"statistic_squares: reads byte 0x0, which was never written",
    ),
    "element above the maximum": (
        [
            *LOADED,
            passing(statistic=Statistic.MAXIMUM, masked=1, mask_origin=3),
            passing(operation=Operation.EXPONENT, element_type=ElementType.UINT8),
        ],
        r"element \[0, 3\] is 63 above the maximum of its row: let a pass with MAXIMUM",
    ),
    "negative radicand": (
        [
            *LOADED,
            passing(statistic=Statistic.SUM, zero_point=100),
            ScaleRows(function=RowFunction.INVERSE_SQUARE_ROOT, rows=4, centre=1, count=1),
        ],
        r"INVERSE_SQUARE_ROOT of row 0 is asked of -52488, which is outside 0..2\^64 - 1",
    ),
    "reciprocal of a negative sum": (
        [
            *LOADED,
            passing(statistic=Statistic.SUM),
            ScaleRows(function=RowFunction.RECIPROCAL, rows=1),
        ],
        r"RECIPROCAL of row 0 is asked of -65, which is outside",
    ),
    "product of scales that is not normal": (
        [
            *LOADED,
            passing(statistic=Statistic.SUM, zero_point=100),
            ScaleRows(function=RowFunction.RECIPROCAL, rows=4),
            passing(row_scale=1, scale=0x00800001),
        ],
        r"the product .* of a scale and that of its row is not normal: choose scales nearer to 1",
    ),
    "statistics beyond the file": (
        [*LOADED, passing(statistic=Statistic.MAXIMUM, statistic_address=125)],
        r"statistic_maximum: touches entries 0x7d to 0x80 of 0x80: stay inside",
    ),
    "source overwritten by an earlier row": (
        [*LOADED, passing(output_address=4, output_row_stride=4)],
        r"a row overwrites the source of a later row of the same instruction: move the output",
    ),
    "multiplier overwritten by an earlier row": (
        [
            *LOADED,
            passing(
                operation=Operation.MULTIPLY,
                residual_address=0x80,
                residual_row_stride=4,
                output_address=0x84,
                output_row_stride=4,
            ),
        ],
        r"a row overwrites the multiplier of a later row of the same instruction",
    ),
    "residual overwritten by an earlier row": (
        [
            *LOADED,
            PARAMETERS,
            gemm(4, 4, 4),
            vector(
                4,
                4,
                addition=Addition.INT16,
                residual_address=0,
                residual_row_stride=8,
                output_address=8,
                output_row_stride=4,
            ),
        ],
        r"a row overwrites the residual of a later row of the same instruction",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_an_instruction_without_meaning_is_refused_by_name(name):
    program, message = BAD[name]
    with pytest.raises(GoldenError, match=message):
        execute(chained(program), ONES)


def test_a_scale_that_is_not_normal_is_refused():
    program = [*LOADED, PARAMETERS, gemm(4, 4, 4), vector(4, 4)]
    with pytest.raises(GoldenError, match=r"the scale of channel 0 is 0.0: it must be positive"):
        execute(chained(program), bytes(256))


def test_an_output_may_overtake_the_residual_it_has_read():
    program = [
        *LOADED,
        PARAMETERS,
        gemm(4, 4, 4),
        vector(
            4,
            4,
            addition=Addition.INT16,
            residual_address=0,
            residual_row_stride=8,
            output_address=0,
            output_row_stride=4,
        ),
    ]
    state = execute(chained(program), ONES)
    assert state.buffers["activation"].written[:16].all()
