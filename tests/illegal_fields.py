"""Instructions that break one rule of E-02 each, made from legal ones, on any configuration."""

from __future__ import annotations

from collections.abc import Iterator

from four_engines import DATA, FourEngines
from golden_support import with_fields
from illegal_cases import Cases, crooked, each
from illegal_passes import illegal_passes

from arch.config import INDEX_ENTRIES, Config
from arch.isa import INSTRUCTION_BYTES, Buffer, End, Engine, Load, Opcode, layout_bits

BEAT_BUFFERS = (Buffer.PARAMETER, Buffer.INDEX)
"""What LOAD fills by whole beats."""


def load_by_beats(config: Config, buffer: Buffer) -> Load:
    """A legal LOAD into one of BEAT_BUFFERS with planes, runs and padding."""
    beat = config.axi_bytes
    return Load(
        buffer=buffer,
        buffer_address=0,
        dram_address=DATA,
        run_bytes=2 * beat,
        runs=2,
        run_dram_stride=4 * beat,
        run_buffer_stride=4 * beat,
        planes=2,
        plane_dram_stride=8 * beat,
        plane_buffer_stride=8 * beat,
        pad_bytes=beat,
    )


def illegal_words(base: FourEngines) -> Iterator[tuple[str, bytes]]:
    by_opcode = {instruction.OPCODE: instruction for instruction in base.prologue}
    for opcode, instruction in {**by_opcode, Opcode.END: End()}.items():
        for bit in {layout_bits(opcode), 8 * INSTRUCTION_BYTES - 1}:
            word = int.from_bytes(instruction.encode(), "little") | 1 << bit
            yield f"{opcode.name}: bit {bit}", word.to_bytes(INSTRUCTION_BYTES, "little")
    for rules in (_counts, _semaphores, _dma, _matrix, illegal_passes, _tables, _loads_by_beats):
        for name, instruction in rules(base):
            yield name, instruction.encode()


def _counts(base: FourEngines) -> Cases:
    rows, cols = base.config.rows, base.config.cols
    zero = (0,)
    for dma in (base.load_activations, base.store):
        yield from each("", dma, run_bytes=zero, runs=zero, planes=zero)
    yield from each("", base.matrix, output_rows=zero, output_columns=zero, k_tiles=zero)
    yield from each("", base.matrix, ky_count=zero, kx_count=zero, n_tiles=zero)
    yield from each("", base.matrix, last_k=(0, rows + 1, 127), last_n=(0, cols + 1, 127))
    yield from each("", base.vector, rows=zero, n_tiles=zero, last_n=(0, cols + 1, 127))
    yield from each("", base.scale_rows, rows=zero)


def _semaphores(base: FourEngines) -> Cases:
    for instruction in (
        *(base.load_activations, base.matrix, base.vector),
        *(base.unary_table, base.scale_rows, base.store),
    ):
        engine = instruction.engine
        assert engine is not None
        yield from each("", instruction, signal=(1 << engine,))
        yield from each("", instruction, **{f"wait_{engine.name.lower()}": (1, 128)})
    for engine in Engine:
        yield from each("", End(), signal=(1 << engine,))
        yield from each("", End(), **{f"wait_{engine.name.lower()}": (1, 128)})


def _dma(base: FourEngines) -> Cases:
    yield from each("", base.store, buffer=tuple(Buffer)[1:])
    row = with_fields(base.gather, runs=1, buffer_address=0, run_bytes=base.config.axi_bytes)
    yield from each(" gather", row, planes=(2, 65535), buffer=BEAT_BUFFERS)
    last = with_fields(row, index_address=INDEX_ENTRIES - 1)
    yield from each(" gather", row, runs=(INDEX_ENTRIES + 1, 65535))
    yield from each(" gather at the last index", last, runs=(2, INDEX_ENTRIES, 65535))


def _matrix(base: FourEngines) -> Cases:
    rows, cols = base.config.rows, base.config.cols
    for operand in ("activation", "weight"):
        signed, zero_point = f"{operand}_signed", f"{operand}_zero_point"
        for value, outside in ((1, (-256, -129, 128, 255)), (0, (-256, -1))):
            instruction = with_fields(base.matrix, **{signed: value})
            yield from each(f" {signed} = {value}", instruction, **{zero_point: outside})
    yield from each("", base.matrix, weight_address=crooked(cols))
    for kind, matrix, unit in (
        (" transposed", base.transposed, rows),
        (" row-major", base.row_major, cols),
    ):
        yield from each(kind, matrix, weight_zero_row=(1,))
        yield from each(kind, matrix, ky_count=(2, 255), kx_count=(2, 255))
        yield from each(kind, matrix, weight_address=crooked(unit), weight_stride=crooked(unit))
    yield from each(" diagonal", base.diagonal, weight_address=crooked(cols), weight_zero_row=(1,))
    strided = with_fields(base.transposed, weight_stride=rows * cols)
    yield from each(" transposed too", strided, weight_row_major=(1,), weight_diagonal=(1,))
    yield from each(" row-major too", base.row_major, weight_diagonal=(1,))


def _tables(base: FourEngines) -> Cases:
    word = base.config.parameter_word_bytes
    for kind, instruction in (("", base.unary_table), (" wide", base.wide_table)):
        yield from each(kind, instruction, parameter_address=crooked(word))
    yield from each("", base.scale_rows, function=(2, 3))


def _loads_by_beats(base: FourEngines) -> Cases:
    for buffer in BEAT_BUFFERS:
        yield from _load_by_beats(buffer.name, load_by_beats(base.config, buffer), base.config)


def _load_by_beats(into: str, load: Load, config: Config) -> Cases:
    beat = config.axi_bytes
    short = with_fields(load, runs=1, planes=1)
    for kind, instruction in ((f" {into}", load), (f" {into} one run", short)):
        yield from each(kind, instruction, dram_address=(DATA + 1, DATA + beat // 2))
        yield from each(kind, instruction, buffer_address=(1, beat // 2))
        yield from each(kind, instruction, run_bytes=(2 * beat - 1, beat // 2))
    for level, stride in (("run", 4 * beat), ("plane", 8 * beat)):
        for side in ("dram", "buffer"):
            strides = (stride + 1, stride + beat // 2)
            yield from each(f" {into}", load, **{f"{level}_{side}_stride": strides})
        name = f"LOAD {into}: padding of later {level}s inside a beat"
        both = {f"{level}_{side}_stride": stride + beat // 2 for side in ("dram", "buffer")}
        yield name, with_fields(load, **both)
