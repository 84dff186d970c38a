"""Legal programs at the limit of each rule of E-02, E-03 and E-04, on any configuration.

:func:`legal_limits` yields names and programs as :mod:`illegal_programs` does, one step inside of
what that refuses. They run to their END, and their last instruction overwrites the marker.
"""

from __future__ import annotations

from collections.abc import Iterator

from four_engines import DATA, ROWS, FourEngines
from golden_support import with_fields
from illegal_fields import parameter_load
from illegal_ranges import buffer_bytes

from arch.config import Config
from arch.isa import Buffer, ElementType, Engine, Instruction, encode_program
from arch.timing import SEMAPHORE_MAX

_Middles = Iterator[tuple[str, list[Instruction]]]

_MINUS = 1 << 24


def legal_limits(config: Config) -> Iterator[tuple[str, bytes]]:
    """Names and programs."""
    base = FourEngines(config)
    for cases in (_operands, _weights, _vector_fields, _parameter_loads, _dma, _lanes, _ranges):
        for name, middle in cases(base):
            yield name, encode_program(base.around(*middle))
    gives = [with_fields(base.load_activations, signal=1 << Engine.STORE)] * SEMAPHORE_MAX
    yield "as many signals as a semaphore holds", encode_program(base.around(*gives))
    yield "nonsense behind END", encode_program(base.around()) + b"\xff" * 64


def _operands(base: FourEngines) -> _Middles:
    for signed, zero_points in ((1, (-128, 127)), (0, (0, 255))):
        for zero_point in zero_points:
            operands = {
                f"{operand}_{field}": value
                for operand in ("activation", "weight")
                for field, value in (("signed", signed), ("zero_point", zero_point))
            }
            yield f"zero points {zero_point}", [with_fields(base.matrix, **operands)]
    unused = with_fields(base.matrix, weight_zero_row=1, weight_zero_point=255)
    yield "zero point that the zero row replaces", [unused]
    yield "one lane", [with_fields(base.matrix, last_k=1, last_n=1)]


def _weights(base: FourEngines) -> _Middles:
    rows, cols = base.config.rows, base.config.cols
    for unit, kind, matrix in (
        (cols, "tiled", with_fields(base.matrix, weight_column_stride=1)),
        (rows, "transposed", base.transposed),
    ):
        yield f"{kind} weights at {unit}", [with_fields(matrix, weight_address=unit)]
    apart = with_fields(base.transposed, weight_column_stride=3 * rows)
    yield "transposed weights apart", [apart]
    kernel = with_fields(base.matrix, ky_count=2, kx_count=2)
    yield "a kernel of tiles", [kernel]


def _vector_fields(base: FourEngines) -> _Middles:
    cols = base.config.cols
    unused = {"residual_address": 1, "residual_row_stride": 1, "addition_scale": 1, "sum_low": 1}
    yield "no addition, whatever its fields", [with_fields(base.vector, **unused)]
    yield "one value", [with_fields(base.vector, clamp_low=-128, clamp_high=-128)]
    one_sum = with_fields(base.add_int16, sum_low=5, sum_high=5, addition_scale=0)
    yield "one sum", [one_sum]
    zero = with_fields(base.add_table, unary_table=0, clamp_low=0, clamp_high=0)
    for scale in (0x0080_0000, 0x7F7F_FFFF):
        yield f"addition_scale {scale:#010x}", [with_fields(zero, addition_scale=scale)]
    at = base.output_address
    for element in ElementType:
        unit = cols * element.bytes
        fields = {"output_address": at + unit, "output_row_stride": 3 * unit, "clamp_low": 0}
        output = with_fields(base.vector, element_type=element, **fields)
        yield f"{element.name} output at {unit}", [output]
    for kind, vector, unit in (
        ("TABLE", base.add_table, cols),
        ("INT16", base.add_int16, 2 * cols),
    ):
        wide = with_fields(base.load_activations, run_bytes=8 * base.config.word_bytes)
        residual = with_fields(vector, residual_address=unit, residual_row_stride=unit)
        yield f"{kind} residual at {unit}", [wide, residual]


def _parameter_loads(base: FourEngines) -> _Middles:
    beat = base.config.axi_bytes
    load = parameter_load(base.config)
    odd = {"run_dram_stride": 1, "plane_dram_stride": 1}
    short = with_fields(load, buffer_address=1, dram_address=DATA + 1, run_bytes=beat - 1)
    loads = {
        "planes, runs and padding": load,
        "one run, whatever its strides": with_fields(load, runs=1, planes=1, **odd),
        "padding behind a run that begins in a beat": short,
        "padding that ends in a beat": with_fields(load, pad_bytes=1),
        "runs that begin and end in beats": with_fields(
            load,
            buffer_address=beat - 1,
            dram_address=DATA + 2 * beat - 1,
            run_bytes=beat + 3,
            run_buffer_stride=4 * beat + 1,
            run_dram_stride=2 * beat + 1,
            pad_bytes=0,
        ),
    }
    for name, instruction in loads.items():
        yield f"PARAMETER: {name}", [instruction, base.load_parameters]


def _dma(base: FourEngines) -> _Middles:
    beat = base.config.axi_bytes
    for buffer, size in buffer_bytes(base.config).items():
        last = with_fields(
            base.load_activations, buffer=buffer, buffer_address=size - beat, run_bytes=beat
        )
        two = with_fields(last, buffer_address=size - 2 * beat, run_bytes=beat)
        down = {"buffer_address": size - beat, "run_buffer_stride": _MINUS - beat, "runs": 2}
        loads = {
            "run": last,
            "padding": with_fields(two, pad_bytes=beat),
            "second run": with_fields(two, runs=2, run_buffer_stride=beat),
            "second plane": with_fields(two, planes=2, plane_buffer_stride=beat),
            "first run, going down": with_fields(two, **down),
        }
        for name, instruction in loads.items():
            yield f"LOAD {buffer.name}: {name} to the end", [instruction]
    size = base.config.activation_buffer_bytes
    fill = with_fields(base.load_activations, buffer_address=size - 4, run_bytes=4)
    store = with_fields(base.store, buffer_address=size - 4, run_bytes=4, runs=1)
    yield "STORE of the end", [fill, store]
    down = {"runs": 4, "run_bytes": 1, "run_buffer_stride": _MINUS - 1, "run_dram_stride": 1}
    yield "STORE going down", [fill, with_fields(store, buffer_address=size - 1, **down)]


def _lanes(base: FourEngines) -> _Middles:
    """Only bytes of valid lanes count (I-03)."""
    rows, size = base.config.rows, base.config.activation_buffer_bytes
    fill = with_fields(base.load_activations, buffer_address=size - rows, run_bytes=rows)
    one = with_fields(base.matrix, output_rows=1)
    last = with_fields(one, activation_address=size - rows)
    byte = with_fields(one, activation_address=size - 1)
    below = {"activation_address": _MINUS - rows, "x_origin": rows, "x_limit": 2 * rows}
    first_row = {"activation_address": _MINUS - base.row_stride, "y_origin": -1}
    matrices = {
        "all lanes": last,
        "last_k = 1": with_fields(byte, last_k=1),
        "x_limit = 1": with_fields(byte, x_limit=1),
        "rows from y_limit on": with_fields(last, output_rows=3, y_limit=1),
        "columns from x_limit on": with_fields(last, output_columns=2, column_stride=rows),
        "ky from y_limit on": with_fields(last, ky_count=2, y_ky_step=ROWS, ky_stride=rows),
        "x = 0 below address 0": with_fields(one, **below),
        "y = 0 behind an address below 0": with_fields(base.matrix, **first_row),
    }
    for name, matrix in matrices.items():
        yield f"activations to the end: {name}", [fill, matrix]


def _ranges(base: FourEngines) -> _Middles:
    config, depth = base.config, base.config.accumulator_depth
    rows, cols, word = config.rows, config.cols, config.parameter_word_bytes
    sizes = buffer_bytes(config)
    size, tile = sizes[Buffer.WEIGHT], rows * cols
    fill = with_fields(base.load_weights, buffer_address=size - tile - cols, run_bytes=tile + cols)
    two_columns = with_fields(base.transposed, last_k=1, last_n=2)
    matrices = {
        "the last tile": with_fields(base.matrix, weight_address=size - tile),
        "a zero row": with_fields(
            base.matrix, weight_address=size - tile - cols, weight_zero_row=1
        ),
        "columns": with_fields(base.transposed, weight_address=size - tile),
        "two columns": with_fields(two_columns, weight_address=size - 2 * rows),
    }
    for name, matrix in matrices.items():
        yield f"weights to the end: {name}", [fill, matrix]
    for half in (0, 1):
        last = {"accumulator_half": half, "accumulator_address": depth - ROWS}
        both = [with_fields(base.matrix, **last), with_fields(base.vector, **last)]
        yield f"accumulators to the end of half {half}", both
    for output_buffer, buffer in enumerate((Buffer.ACTIVATION, Buffer.WEIGHT)):
        end = {"output_buffer": output_buffer, "output_address": sizes[buffer] - cols, "rows": 1}
        yield f"output to the end of {buffer.name}", [with_fields(base.vector, **end)]
    end = sizes[Buffer.ACTIVATION]
    for vector, row_bytes in ((base.add_table, cols), (base.add_int16, 2 * cols)):
        fill = with_fields(base.load_activations, buffer_address=end - row_bytes)
        fill = with_fields(fill, run_bytes=row_bytes)
        residual = with_fields(vector, residual_address=end - row_bytes, rows=1)
        yield f"residual of {row_bytes} bytes to the end", [fill, residual]
    end = sizes[Buffer.PARAMETER]
    fill = with_fields(base.load_parameters, buffer_address=end - 1024, run_bytes=1024)
    for name, instruction, count in (
        ("parameters", base.vector, 2 * word),
        ("unary table", base.unary_table, 256),
        ("addition table", base.addition_table, 1024),
    ):
        last = with_fields(instruction, parameter_address=end - count)
        yield f"{name} to the end", [fill, last, base.load_parameters]
