"""Instructions that leave a buffer (E-03) or DRAM (E-05) in one way each, on any configuration."""

from __future__ import annotations

import passes
from four_engines import FourEngines
from golden_support import with_fields
from illegal_cases import Cases, each

from arch.config import INDEX_ENTRIES, Config
from arch.isa import Buffer, Destination, ElementType, Instruction, Table

_MINUS = 1 << 24
"""Added to a negative 24-bit address or stride."""


def overruns(base: FourEngines) -> Cases:
    """Instructions that end in BUFFER_OVERRUN."""
    yield from _load(base)
    yield from _gather(base)
    yield from _store(base)
    yield from _matrix_activations(base)
    yield from _matrix_weights(base)
    yield from _accumulators(base)
    yield from _vector(base)
    yield from _statistics(base)
    yield from _parameters(base)


def reads_beyond_dram(base: FourEngines) -> Cases:
    """LOADs that end in READ_DECERR."""
    yield from _beyond_dram(base.config, with_fields(base.load_activations, run_bytes=64))
    # The indices are FLOAT_ONE: the least strides lead to 0x7F000000 and beyond.
    yield from each(" gather", base.gather, run_dram_stride=(2, 3))


def writes_beyond_dram(base: FourEngines) -> Cases:
    """STOREs that end in WRITE_DECERR."""
    return _beyond_dram(base.config, with_fields(base.store, buffer_address=0, runs=1))


def buffer_bytes(config: Config) -> dict[Buffer, int]:
    return {
        Buffer.ACTIVATION: config.activation_buffer_bytes,
        Buffer.WEIGHT: config.weight_buffer_bytes,
        Buffer.PARAMETER: config.parameter_buffer_bytes,
        Buffer.INDEX: 4 * INDEX_ENTRIES,
    }


def _beyond_dram(config: Config, inside: Instruction) -> Cases:
    """The reference memory has no byte from ``config.dram_bytes`` on, nor has any image."""
    end = config.dram_bytes
    yield from each("", inside, dram_address=(end, (1 << 32) - 64))
    yield from each(
        " at the end of DRAM", with_fields(inside, dram_address=end - 4), run_bytes=(8,)
    )
    yield from each(" 2 runs", with_fields(inside, runs=2), run_dram_stride=(end,))
    yield from each(" 2 planes", with_fields(inside, planes=2), plane_dram_stride=(end,))


def _load(base: FourEngines) -> Cases:
    beat = base.config.axi_bytes
    for buffer, size in buffer_bytes(base.config).items():
        kind = f" {buffer.name}"
        last = with_fields(
            base.load_activations, buffer=buffer, buffer_address=size - beat, run_bytes=beat
        )
        yield from each(kind, last, buffer_address=(size, _MINUS - beat))
        yield from each(f"{kind} at the end", last, run_bytes=(beat + 1, 4 * beat))
        yield from each(f"{kind} at the end", last, pad_bytes=(1, beat, 4095))
        for level in ("run", "plane"):
            two = with_fields(last, **{f"{level}s": 2})
            stride = f"{level}_buffer_stride"
            yield from each(f"{kind} at the end, 2 {level}s", two, **{stride: (beat, size)})
            low = with_fields(two, buffer_address=0)
            yield from each(f"{kind} at 0, 2 {level}s", low, **{stride: (_MINUS - beat,)})


def _gather(base: FourEngines) -> Cases:
    for buffer in (Buffer.ACTIVATION, Buffer.WEIGHT):
        size = buffer_bytes(base.config)[buffer]
        last = with_fields(base.gather, buffer=buffer, buffer_address=size - 4, run_bytes=4, runs=1)
        yield from each(f" gather {buffer.name}", last, run_bytes=(5,), pad_bytes=(1,))
        two = with_fields(last, runs=2)
        yield from each(f" gather {buffer.name}, 2 runs", two, run_buffer_stride=(4, size))


def _store(base: FourEngines) -> Cases:
    size = base.config.activation_buffer_bytes
    last = with_fields(base.store, buffer_address=size - 1, run_bytes=1, runs=1)
    yield from each("", last, buffer_address=(size, _MINUS - 1))
    yield from each(" at the end", last, run_bytes=(2, 64))
    for level in ("run", "plane"):
        two = with_fields(last, **{f"{level}s": 2})
        stride = f"{level}_buffer_stride"
        yield from each(f" at the end, 2 {level}s", two, **{stride: (1, size)})
        low = with_fields(two, buffer_address=0)
        yield from each(f" at 0, 2 {level}s", low, **{stride: (_MINUS - 1,)})


def _matrix_activations(base: FourEngines) -> Cases:
    rows, size = base.config.rows, base.config.activation_buffer_bytes
    one = with_fields(base.matrix, output_rows=1)
    yield from each("", one, activation_address=(size - rows + 1, size, _MINUS - rows, _MINUS - 1))
    yield from each(" of one lane", with_fields(one, last_k=1), activation_address=(size,))
    last = with_fields(one, activation_address=size - rows, x_limit=4 * rows)
    yield from each(" at the end", last, output_rows=(2,), k_tiles=(2,), x_origin=(1, rows))
    for count, stride in (
        ("output_rows", "row_stride"),
        ("output_columns", "column_stride"),
        ("ky_count", "ky_stride"),
        ("kx_count", "kx_stride"),
    ):
        two = with_fields(last, **{count: 2})
        yield from each(f" at the end, {count} = 2", two, **{stride: (1, rows)})
    tiles = with_fields(last, n_tiles=2)
    yield from each(" at the end, n_tiles = 2", tiles, n_stride=(1, rows))


def _matrix_weights(base: FourEngines) -> Cases:
    rows, cols, size = base.config.rows, base.config.cols, base.config.weight_buffer_bytes
    tile = rows * cols
    # Whole tiles are read, however few of their operands are valid.
    one = with_fields(base.matrix, last_k=1, last_n=1)
    beyond = (size - tile + cols, size - cols, size, _MINUS - cols)
    yield from each(" of one weight", one, weight_address=beyond)
    last = with_fields(base.matrix, weight_address=size - tile)
    yield from each(" at the last tile", last, weight_zero_row=(1,))
    yield from each(" at the last tile", last, k_tiles=(2,), n_tiles=(2,), ky_count=(2,))
    yield from each(" at the last tile", last, kx_count=(2,))
    columns = base.transposed
    beyond = (size - tile + rows, size - rows, size, _MINUS - rows)
    yield from each(" transposed", columns, weight_address=beyond)
    last = with_fields(columns, weight_address=size - tile)
    yield from each(" transposed at the last tile", last, weight_stride=(2 * rows,))
    yield from each(" transposed at the last tile", last, n_tiles=(2,), k_tiles=(2,))
    short = with_fields(columns, last_n=2, weight_address=size - rows)
    yield from each(" transposed, 2 columns", short, last_k=(1, rows))
    beyond = (size - tile + cols, size - cols, size, _MINUS - cols)
    yield from each(" row-major", base.row_major, weight_address=beyond)
    last = with_fields(base.row_major, weight_address=size - tile)
    yield from each(" row-major at the last tile", last, weight_stride=(2 * cols,))
    yield from each(" row-major at the last tile", last, n_tiles=(2,), k_tiles=(2,))
    short = with_fields(base.row_major, last_k=2, weight_address=size - cols)
    yield from each(" row-major, 2 rows", short, last_n=(1, cols))
    one = with_fields(base.diagonal, last_k=1, last_n=1)
    yield from each(" of one weight on the diagonal", one, weight_address=(size, _MINUS - cols))
    last = with_fields(base.diagonal, weight_address=size - cols)
    yield from each(" diagonal at the end", last, n_tiles=(2,), ky_count=(2,), kx_count=(2,))


def _accumulators(base: FourEngines) -> Cases:
    depth = base.config.accumulator_depth
    for half in (0, 1):
        matrix = with_fields(base.matrix, accumulator_half=half)
        vector = with_fields(base.vector, accumulator_half=half)
        for instruction, rows in ((matrix, "output_rows"), (vector, "rows")):
            yield from each(f" half {half}", instruction, accumulator_address=(depth - 1,))
            last = with_fields(instruction, accumulator_address=depth - 2)
            yield from each(f" half {half}, 2 left", last, **{rows: (3,)}, n_tiles=(2,))
        yield from each(f" half {half}", matrix, output_rows=(depth + 1,))
        last = with_fields(matrix, accumulator_address=depth - 2)
        yield from each(f" half {half}, 2 left", last, output_columns=(2,))


def _vector(base: FourEngines) -> Cases:
    cols, sizes = base.config.cols, buffer_bytes(base.config)
    for name, output_buffer, buffer in (
        ("activations", Destination.ACTIVATION, Buffer.ACTIVATION),
        ("weights", Destination.WEIGHT, Buffer.WEIGHT),
    ):
        size = sizes[buffer]
        for element in (ElementType.INT8, ElementType.INT16):
            instruction = with_fields(
                base.vector, output_buffer=output_buffer, element_type=element
            )
            row_bytes = cols * element.bytes
            yield from _rows(f" {element.name} to {name}", instruction, "output", size, row_bytes)
    size = sizes[Buffer.ACTIVATION]
    yield from _rows(" TABLE addition", base.add_table, "residual", size, cols)
    yield from _rows(" INT16 addition", base.add_int16, "residual", size, 2 * cols)
    for element in passes.MULTIPLIERS:
        row_bytes = cols * element.bytes
        instruction = passes.multiply(base, element)
        yield from _rows(f" MULTIPLY {element.name}", instruction, "residual", size, row_bytes)
    for source in passes.SOURCES:
        instruction = passes.buffered(base, source)
        yield from _rows(f" {source.name}", instruction, "source", size, cols * source.bytes)


def _rows(kind: str, instruction: Instruction, side: str, size: int, row_bytes: int) -> Cases:
    """``row_bytes`` are those of one row, of one n tile, of source, residual or output."""
    address, stride = f"{side}_address", f"{side}_row_stride"
    one = with_fields(instruction, rows=1)
    yield from each(kind, one, **{address: (size, _MINUS - row_bytes)})
    last = with_fields(one, **{address: size - row_bytes})
    yield from each(f"{kind}, {side} at the end", last, rows=(2,))
    tiles = with_fields(last, last_n=1)
    yield from each(f"{kind}, {side} at the end", tiles, n_tiles=(2,))
    low = with_fields(instruction, **{address: 0})
    yield from each(f"{kind}, {side} at 0", low, **{stride: (_MINUS - 2 * row_bytes,)})


def _statistics(base: FourEngines) -> Cases:
    """Where the second row has no entry."""
    beyond = (base.config.accumulator_depth - 1,)
    users = {
        "CENTRE": passes.centre(base),
        "EXPONENT": passes.exponent(base, ElementType.UINT8),
        "row_scale": passes.row_scale(base),
        **{statistic.name: vector for statistic, vector in base.statistics.items()},
    }
    for kind, vector in users.items():
        yield from each(f" {kind}", vector, statistic_address=beyond)
    yield from each("", base.scale_rows, statistic_address=beyond)


def _parameters(base: FourEngines) -> Cases:
    word, size = base.config.parameter_word_bytes, base.config.parameter_buffer_bytes
    # Whole words are read: the scales of the last n tile, however few lanes are valid.
    one = with_fields(base.vector, last_n=1)
    beyond = (size - word, size, _MINUS - word)
    yield from each(" of one lane", one, parameter_address=beyond)
    last = with_fields(base.vector, parameter_address=size - 2 * word)
    yield from each(" at the last parameters", last, n_tiles=(2,))
    for table, instruction in zip(Table, (base.unary_table, base.wide_table), strict=True):
        beyond = (size - 4 * table.words + word, size, _MINUS - word)
        yield from each(f" {table.name}", instruction, parameter_address=beyond)
