"""Whether everything that an instruction touches exists (rules E-03, E-05)."""

from __future__ import annotations

from collections.abc import Iterator

from arch.config import INDEX_ENTRIES, Config
from arch.happens_before import describe
from arch.isa import (
    Buffer,
    Destination,
    ErrorCode,
    FillTable,
    Instruction,
    Load,
    Matrix,
    ScaleRows,
    Source,
    Store,
    Table,
    Vector,
)
from golden.access import Access
from golden.block import Block
from golden.errors import ProgramError
from golden.load_store import MEMORY_OF, buffer_block, dram_block, gathered_blocks
from golden.matrix_activations import activation_blocks
from golden.matrix_weights import weight_block
from golden.memory import Memory
from golden.statistics import ENTRY_BYTES, statistics_of
from golden.vector_blocks import (
    OUTPUT_MEMORY,
    output_block,
    second_block,
    second_type,
    source_block,
)

_Touched = Iterator[tuple[Memory, Block]]


def check_bounds(instruction: Instruction, config: Config, dram_bytes: int, access: Access) -> None:
    """Refuse an instruction that touches what does not exist.

    Parameters
    ----------
    instruction
        The running one of ``access``; legal (E-02).
    config
        Its sizes of the buffers.
    dram_bytes
        Addresses of DRAM from here on answer with an error.
    access
        Reads the indices of a gather.

    Raises
    ------
    ProgramError
        BUFFER_OVERRUN, READ_DECERR or WRITE_DECERR.
    GoldenError
        The range has no meaning: a coordinate of MATRIX would wrap, an index was never written.
    """
    sizes = _sizes(config, dram_bytes)
    for memory, block in _touched(instruction, config, access):
        if block.low < 0 or block.high > sizes[memory]:
            raise ProgramError(
                _code(memory, instruction),
                access.index,
                f"{describe(access.index, instruction)}: {memory}: touches {_unit(memory)} "
                f"{block.low:#x} to {block.high - 1:#x} of {sizes[memory]:#x}: stay inside",
            )


def _unit(memory: Memory) -> str:
    if memory is Memory.ACCUMULATOR:
        return "vectors of a half"
    return "entries" if memory in ENTRY_BYTES else "bytes"


def _code(memory: Memory, instruction: Instruction) -> ErrorCode:
    if memory is not Memory.DRAM:
        return ErrorCode.BUFFER_OVERRUN
    return ErrorCode.READ_DECERR if isinstance(instruction, Load) else ErrorCode.WRITE_DECERR


def _sizes(config: Config, dram_bytes: int) -> dict[Memory, int]:
    """Bytes; of the accumulator, vectors of a half; of the statistics, entries."""
    return {
        Memory.DRAM: dram_bytes,
        Memory.ACTIVATION: config.activation_buffer_bytes,
        Memory.WEIGHT: config.weight_buffer_bytes,
        Memory.PARAMETER: config.parameter_buffer_bytes,
        Memory.INDEX: 4 * INDEX_ENTRIES,
        Memory.ACCUMULATOR: config.accumulator_depth,
        **dict.fromkeys(ENTRY_BYTES, config.accumulator_depth),
    }


def _touched(instruction: Instruction, config: Config, access: Access) -> _Touched:
    """Blocks of bytes, of vectors of the accumulator and of entries: what counts in E-03."""
    match instruction:
        case Load():
            blocks = [dram_block(instruction)]
            if instruction.gather:
                blocks = gathered_blocks(instruction, access)
            yield from ((Memory.DRAM, block) for block in blocks)
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
        case ScaleRows():
            yield Memory.STATISTIC_SCALE, _run(instruction.statistic_address, instruction.rows)


def _touched_by_matrix(instruction: Matrix, config: Config) -> _Touched:
    """Accumulators and weights first: they bound the number of blocks of activations."""
    vectors = instruction.n_tiles * instruction.output_rows * instruction.output_columns
    yield Memory.ACCUMULATOR, _run(instruction.accumulator_address, vectors)
    yield Memory.WEIGHT, weight_block(instruction, config)
    for block, _ in activation_blocks(instruction, config):
        yield Memory.ACTIVATION, block


def _touched_by_vector(instruction: Vector, config: Config) -> _Touched:
    if instruction.source == Source.ACCUMULATOR:
        vectors = instruction.n_tiles * instruction.rows
        yield Memory.ACCUMULATOR, _run(instruction.accumulator_address, vectors)
    else:
        yield Memory.ACTIVATION, source_block(instruction, config)
    if not instruction.tensor_scale:
        parameter_bytes = 2 * instruction.n_tiles * config.parameter_word_bytes
        yield Memory.PARAMETER, _run(instruction.parameter_address, parameter_bytes)
    element = second_type(instruction)
    if element is not None:
        yield Memory.ACTIVATION, second_block(instruction, config, element)
    for statistic in statistics_of(instruction):
        yield statistic, _run(instruction.statistic_address, instruction.rows)
    if instruction.output_buffer != Destination.NONE:
        output = OUTPUT_MEMORY[Destination(instruction.output_buffer)]
        yield output, output_block(instruction, config)


def _run(start: int, count: int) -> Block:
    return Block(start, (count,), (1,))
