"""Whether everything that an instruction touches exists (rules E-03, E-05)."""

from __future__ import annotations

from collections.abc import Iterator

from arch.config import Config
from arch.happens_before import describe
from arch.isa import (
    Addition,
    Buffer,
    ErrorCode,
    FillTable,
    Instruction,
    Load,
    Matrix,
    Store,
    Table,
    Vector,
)
from golden.block import Block
from golden.errors import ProgramError
from golden.load_store import MEMORY_OF, buffer_block, dram_block
from golden.matrix import activation_blocks, transposed_block
from golden.memory import Memory
from golden.vector import output_block, residual_block

_Touched = Iterator[tuple[Memory, Block]]


def check_bounds(index: int, instruction: Instruction, config: Config, dram_bytes: int) -> None:
    """Refuse an instruction that touches what does not exist.

    Parameters
    ----------
    index, instruction
        Where it lies in the program, and itself; legal (E-02).
    config
        Its sizes of the buffers.
    dram_bytes
        Addresses of DRAM from here on answer with an error.

    Raises
    ------
    ProgramError
        BUFFER_OVERRUN, READ_DECERR or WRITE_DECERR.
    GoldenError
        The range has no meaning: a coordinate of MATRIX would wrap.
    """
    sizes = _sizes(config, dram_bytes)
    for memory, block in _touched(instruction, config):
        if block.low < 0 or block.high > sizes[memory]:
            unit = "vectors of a half" if memory is Memory.ACCUMULATOR else "bytes"
            raise ProgramError(
                _code(memory, instruction),
                index,
                f"{describe(index, instruction)}: {memory}: touches {unit} {block.low:#x} to "
                f"{block.high - 1:#x} of {sizes[memory]:#x}: stay inside",
            )


def _code(memory: Memory, instruction: Instruction) -> ErrorCode:
    if memory is not Memory.DRAM:
        return ErrorCode.BUFFER_OVERRUN
    return ErrorCode.READ_DECERR if isinstance(instruction, Load) else ErrorCode.WRITE_DECERR


def _sizes(config: Config, dram_bytes: int) -> dict[Memory, int]:
    """Bytes; of the accumulator, vectors of a half."""
    return {
        Memory.DRAM: dram_bytes,
        Memory.ACTIVATION: config.activation_buffer_bytes,
        Memory.WEIGHT: config.weight_buffer_bytes,
        Memory.PARAMETER: config.parameter_buffer_bytes,
        Memory.ACCUMULATOR: config.accumulator_depth,
    }


def _touched(instruction: Instruction, config: Config) -> _Touched:
    """Blocks of bytes, and of vectors of the accumulator: what counts in E-03."""
    match instruction:
        case Load():
            yield Memory.DRAM, dram_block(instruction)
            run_bytes = instruction.run_bytes + instruction.pad_bytes
            yield MEMORY_OF[Buffer(instruction.buffer)], buffer_block(instruction, run_bytes)
        case Store():
            yield Memory.ACTIVATION, buffer_block(instruction, instruction.run_bytes)
            yield Memory.DRAM, dram_block(instruction)
        case Matrix():
            yield from _touched_by_matrix(instruction, config)
        case Vector():
            yield from _touched_by_vector(instruction, config)
        case FillTable():
            table_bytes = 4 * Table(instruction.table).words
            yield Memory.PARAMETER, _run(instruction.parameter_address, table_bytes)


def _touched_by_matrix(instruction: Matrix, config: Config) -> _Touched:
    """Accumulators and weights first: they bound the number of blocks of activations."""
    vectors = instruction.n_tiles * instruction.output_rows * instruction.output_columns
    yield Memory.ACCUMULATOR, _run(instruction.accumulator_address, vectors)
    if instruction.weight_transposed:
        yield Memory.WEIGHT, transposed_block(instruction, config)
    else:
        tiles = instruction.ky_count * instruction.kx_count * instruction.k_tiles
        rows = tiles * config.rows + instruction.weight_zero_row
        weight_bytes = instruction.n_tiles * rows * config.cols
        yield Memory.WEIGHT, _run(instruction.weight_address, weight_bytes)
    for block, _ in activation_blocks(instruction, config):
        yield Memory.ACTIVATION, block


def _touched_by_vector(instruction: Vector, config: Config) -> _Touched:
    vectors = instruction.n_tiles * instruction.rows
    yield Memory.ACCUMULATOR, _run(instruction.accumulator_address, vectors)
    parameter_bytes = 2 * instruction.n_tiles * config.parameter_word_bytes
    yield Memory.PARAMETER, _run(instruction.parameter_address, parameter_bytes)
    if instruction.addition != Addition.NONE:
        yield Memory.ACTIVATION, residual_block(instruction, config)
    output = Memory.WEIGHT if instruction.output_buffer else Memory.ACTIVATION
    yield output, output_block(instruction, config)


def _run(start: int, count: int) -> Block:
    return Block(start, (count,), (1,))
