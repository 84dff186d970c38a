"""Legal programs at the limit of each rule of E-02, E-03 and E-04, on any configuration.

:func:`legal_limits` yields names and programs as :mod:`illegal_programs` does, one step inside of
what that refuses. They run to their END, and their last instruction overwrites the marker.
"""

from __future__ import annotations

from collections.abc import Iterator

from four_engines import DATA, INDICES, ROWS, FourEngines
from golden_support import with_fields
from illegal_fields import BEAT_BUFFERS, load_by_beats
from illegal_ranges import buffer_bytes
from legal_passes import legal_passes

from arch.config import INDEX_ENTRIES, Config
from arch.isa import Buffer, Engine, Instruction, encode_program
from arch.timing import SEMAPHORE_MAX

_Middles = Iterator[tuple[str, list[Instruction]]]

_MINUS = 1 << 24


def legal_limits(config: Config) -> Iterator[tuple[str, bytes]]:
    """Names and programs."""
    base = FourEngines(config)
    for cases in (
        _operands,
        _weights,
        legal_passes,
        _loads_by_beats,
        _dma,
        _gathers,
        _lanes,
        _ranges,
    ):
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
        (cols, "tiled", with_fields(base.matrix, weight_stride=1)),
        (rows, "transposed", base.transposed),
        (cols, "row-major", base.row_major),
    ):
        yield f"{kind} weights at {unit}", [with_fields(matrix, weight_address=unit)]
    for unit, kind, matrix in (
        (rows, "transposed", base.transposed),
        (cols, "row-major", base.row_major),
    ):
        yield f"{kind} weights apart", [with_fields(matrix, weight_stride=3 * unit)]
    kernel = with_fields(base.matrix, ky_count=2, kx_count=2)
    yield "a kernel of tiles", [kernel]
    diagonal = with_fields(base.diagonal, weight_address=cols, weight_stride=1)
    for name, matrix in {
        "one": diagonal,
        "a kernel": with_fields(diagonal, ky_count=2, kx_count=2, k_tiles=2),
        "compared": with_fields(diagonal, maximum=1, mac_k=127),
    }.items():
        yield f"diagonal weights: {name}", [matrix]


def _loads_by_beats(base: FourEngines) -> _Middles:
    for buffer in BEAT_BUFFERS:
        load = load_by_beats(base.config, buffer)
        for name, instruction in _whole_beats(load, base.config.axi_bytes).items():
            yield f"{buffer.name}: {name}", [instruction, base.load_parameters, base.load_indices]


def _whole_beats(load: Instruction, beat: int) -> dict[str, Instruction]:
    """``load`` has planes, runs and padding."""
    odd = {"run_dram_stride": 1, "plane_dram_stride": 1}
    return {
        "planes, runs and padding": load,
        "one run, whatever its strides": with_fields(load, runs=1, planes=1, **odd),
        "padding behind a run that begins in a beat": with_fields(
            load, buffer_address=1, dram_address=DATA + 1, run_bytes=beat - 1
        ),
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


def _gathers(base: FourEngines) -> _Middles:
    end = 4 * (INDEX_ENTRIES - INDICES)
    at_the_end = with_fields(base.load_indices, buffer_address=end)
    row = with_fields(base.gather, runs=1, index_address=INDEX_ENTRIES - 1)
    rows = with_fields(row, runs=INDICES, index_address=INDEX_ENTRIES - INDICES)
    rows = with_fields(rows, run_buffer_stride=0)
    for name, gather in {"the last index": row, "indices to the last": rows}.items():
        yield f"gather by {name}", [at_the_end, gather]
    unused = {"gather": 0, "planes": 2, "index_address": INDEX_ENTRIES - 1}
    yield "no gather, whatever its index", [with_fields(base.gather, **unused)]
    for buffer in (Buffer.ACTIVATION, Buffer.WEIGHT):
        size = buffer_bytes(base.config)[buffer]
        last = {"buffer": buffer, "buffer_address": size - 10, "run_bytes": 4, "pad_bytes": 1}
        gather = with_fields(base.gather, **last, run_buffer_stride=5)
        yield f"gather to the end of {buffer.name}", [gather]


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
        "n tiles from x_limit on": with_fields(last, n_tiles=2, n_stride=rows),
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
    two_rows = with_fields(base.row_major, last_k=2, last_n=1)
    two_columns = with_fields(base.transposed, last_k=1, last_n=2)
    matrices = {
        "the last tile": with_fields(base.matrix, weight_address=size - tile),
        "a zero row": with_fields(
            base.matrix, weight_address=size - tile - cols, weight_zero_row=1
        ),
        "columns": with_fields(base.transposed, weight_address=size - tile),
        "two columns": with_fields(two_columns, weight_address=size - 2 * rows),
        "rows": with_fields(base.row_major, weight_address=size - tile),
        "two rows": with_fields(two_rows, weight_address=size - 2 * cols),
        "a diagonal": with_fields(base.diagonal, weight_address=size - cols, k_tiles=2),
        "diagonals": with_fields(base.diagonal, weight_address=size - 2 * cols, n_tiles=2),
    }
    for name, matrix in matrices.items():
        yield f"weights to the end: {name}", [fill, matrix]
    for half in (0, 1):
        last = {"accumulator_half": half, "accumulator_address": depth - ROWS}
        both = [with_fields(base.matrix, **last), with_fields(base.vector, **last)]
        yield f"accumulators to the end of half {half}", both
    end = sizes[Buffer.PARAMETER]
    fill = with_fields(base.load_parameters, buffer_address=end - 1024, run_bytes=1024)
    for name, instruction, count in (
        ("parameters", base.vector, 2 * word),
        ("unary table", base.unary_table, 256),
        ("addition table", base.wide_table, 1024),
    ):
        last = with_fields(instruction, parameter_address=end - count)
        yield f"{name} to the end", [fill, last, base.load_parameters]
