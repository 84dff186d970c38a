"""Instructions that break one rule of E-02 each, made from legal ones, on any configuration."""

from __future__ import annotations

from collections.abc import Iterator

from four_engines import DATA, FourEngines
from golden_support import with_fields

from arch.config import Config
from arch.isa import (
    INSTRUCTION_BYTES,
    Buffer,
    ElementType,
    End,
    Engine,
    Instruction,
    Load,
    Opcode,
    layout_bits,
)

Cases = Iterator[tuple[str, Instruction]]


def parameter_load(config: Config) -> Load:
    """A legal LOAD into PARAMETER with planes, runs and padding."""
    beat = config.axi_bytes
    return Load(
        buffer=Buffer.PARAMETER,
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
    by_opcode = {
        i.OPCODE: i
        for i in (base.load_activations, base.matrix, base.vector, base.unary_table, base.store)
    }
    for opcode, instruction in {**by_opcode, Opcode.END: End()}.items():
        for bit in {layout_bits(opcode), 8 * INSTRUCTION_BYTES - 1}:
            word = int.from_bytes(instruction.encode(), "little") | 1 << bit
            yield f"{opcode.name}: bit {bit}", word.to_bytes(INSTRUCTION_BYTES, "little")
    for rules in (_counts, _semaphores, _dma, _matrix, _vector, _parameter_loads):
        for name, instruction in rules(base):
            yield name, instruction.encode()


def each(kind: str, instruction: Instruction, **values: tuple[int, ...]) -> Cases:
    """The instruction with each value of each field, one at a time."""
    for field, choices in values.items():
        for value in dict.fromkeys(choices):
            name = f"{instruction.OPCODE.name}{kind}: {field} = {value}"
            yield name, with_fields(instruction, **{field: value})


def _counts(base: FourEngines) -> Cases:
    rows, cols = base.config.rows, base.config.cols
    zero = (0,)
    for dma in (base.load_activations, base.store):
        yield from each("", dma, run_bytes=zero, runs=zero, planes=zero)
    yield from each("", base.matrix, output_rows=zero, output_columns=zero, k_tiles=zero)
    yield from each("", base.matrix, ky_count=zero, kx_count=zero, n_tiles=zero)
    yield from each("", base.matrix, last_k=(0, rows + 1, 127), last_n=(0, cols + 1, 127))
    yield from each("", base.vector, rows=zero, n_tiles=zero, last_n=(0, cols + 1, 127))


def _semaphores(base: FourEngines) -> Cases:
    for instruction in (
        *(base.load_activations, base.matrix, base.vector, base.unary_table, base.store),
    ):
        engine = instruction.engine
        assert engine is not None
        yield from each("", instruction, signal=(1 << engine,))
        yield from each("", instruction, **{f"wait_{engine.name.lower()}": (1, 128)})
    for engine in Engine:
        yield from each("", End(), signal=(1 << engine,))
        yield from each("", End(), **{f"wait_{engine.name.lower()}": (1, 128)})


def _dma(base: FourEngines) -> Cases:
    yield from each("", base.load_activations, buffer=(3,))
    yield from each("", base.store, buffer=(Buffer.WEIGHT, Buffer.PARAMETER, 3))


def _matrix(base: FourEngines) -> Cases:
    rows, cols = base.config.rows, base.config.cols
    for operand in ("activation", "weight"):
        signed, zero_point = f"{operand}_signed", f"{operand}_zero_point"
        for value, outside in ((1, (-256, -129, 128, 255)), (0, (-256, -1))):
            instruction = with_fields(base.matrix, **{signed: value})
            yield from each(f" {signed} = {value}", instruction, **{zero_point: outside})
    yield from each("", base.matrix, weight_address=(1, cols // 2, cols + cols // 2))
    yield from each(" transposed", base.transposed, weight_zero_row=(1,))
    yield from each(" transposed", base.transposed, ky_count=(2, 255), kx_count=(2, 255))
    crooked = (1, rows // 2, rows + rows // 2)
    yield from each(
        " transposed", base.transposed, weight_address=crooked, weight_column_stride=crooked
    )


def _vector(base: FourEngines) -> Cases:
    cols = base.config.cols
    word = base.config.parameter_word_bytes
    int16 = with_fields(base.vector, element_type=ElementType.INT16)
    for kind, instruction, unit in (("", base.vector, cols), (" int16", int16, 2 * cols)):
        crooked = (1, unit // 2, unit + unit // 2)
        yield from each(kind, instruction, output_address=crooked, output_row_stride=crooked)
    for kind, instruction, unit in (
        *((" TABLE addition", base.add_table, cols), (" INT16 addition", base.add_int16, 2 * cols)),
    ):
        crooked = (1, unit // 2, unit + unit // 2)
        yield from each(kind, instruction, residual_address=crooked, residual_row_stride=crooked)
        yield from each(kind, instruction, sum_low=(instruction.sum_high + 1,))
        yield from each(kind, instruction, sum_high=(-129, -32768))
    yield from each("", base.vector, addition=(3,), element_type=(3,))
    yield from each("", base.vector, clamp_low=(128, 32767), clamp_high=(-129, -32768))
    not_normal = (0, 1, 0x007FFFFF, 0x7F800000, 0x7FC00000, 0x80000000, 0xBF800000, 0xFFFFFFFF)
    yield from each(" TABLE addition", base.add_table, addition_scale=not_normal)
    for instruction in (base.vector, base.unary_table, base.addition_table):
        kind = " addition" if instruction is base.addition_table else ""
        yield from each(kind, instruction, parameter_address=(1, word // 2, word + word // 2))


def _parameter_loads(base: FourEngines) -> Cases:
    beat = base.config.axi_bytes
    load = parameter_load(base.config)
    short = with_fields(load, runs=1, planes=1)
    for kind, instruction in ((" PARAMETER", load), (" PARAMETER one run", short)):
        crooked = (DATA + 1, DATA + beat // 2)
        yield from each(kind, instruction, dram_address=crooked)
        yield from each(kind, instruction, buffer_address=(1, beat // 2))
        yield from each(kind, instruction, run_bytes=(2 * beat - 1, beat // 2))
    for level, stride in (("run", 4 * beat), ("plane", 8 * beat)):
        crooked = (stride + 1, stride + beat // 2)
        for side in ("dram", "buffer"):
            yield from each(" PARAMETER", load, **{f"{level}_{side}_stride": crooked})
        name = f"LOAD PARAMETER: padding of later {level}s inside a beat"
        both = {f"{level}_{side}_stride": stride + beat // 2 for side in ("dram", "buffer")}
        yield name, with_fields(load, **both)
