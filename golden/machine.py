"""Executes a program image instruction by instruction, on DRAM and buffers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arch.config import INDEX_ENTRIES, Config
from arch.errors import AssayError
from arch.happens_before import describe, happens_before
from arch.image import Image, SectionKind
from arch.isa import FillTable, Instruction, Load, Matrix, ScaleRows, Store, Table, Vector
from golden.access import Access
from golden.bounds import check_bounds
from golden.capture import END, START, Captures, TensorBytes
from golden.errors import GoldenError, ProgramError
from golden.legality import decode_legal
from golden.load_store import execute_load, execute_store
from golden.matrix import execute_matrix
from golden.memory import ByteMemory, Memory
from golden.race import RaceDetector
from golden.semaphores import check_semaphores
from golden.statistics import ENTRY_BYTES, execute_scale
from golden.vector import execute_table, execute_vector


@dataclass(frozen=True)
class MachineState:
    """Every memory after a run.

    Attributes
    ----------
    dram
        uint8, the bytes of DRAM that the image may touch.
    dram_written
        bool: bytes that a section of the image holds or a STORE wrote.
    buffers
        "activation", "weight", "parameter", "accumulator" (half 0, then half 1, vector by vector,
        int32 little-endian), "unary_table", "wide_table", "statistic_maximum", "statistic_sum",
        "statistic_squares", "statistic_scale" (an entry of 4 or 6 bytes for each row), "index";
        each with data and written.
    last_writer
        Index of the instruction that wrote a byte (memory, address) last, None if none did.
    tensors
        Every tensor of the debug section by name: inputs and constants as they were from the start,
        intermediate ones right after the instruction that completed them, and outputs (and
        intermediate ones of which no instruction is known) after the run.
    """

    dram: NDArray[np.uint8]
    dram_written: NDArray[np.bool_]
    buffers: dict[str, ByteMemory]
    last_writer: Callable[[str, int], int | None]
    tensors: dict[str, TensorBytes]


def run(image: Image, config: Config, seed: int = 0) -> MachineState:
    """Execute a program in program order, up to END.

    Parameters
    ----------
    image, config
        The program with its data, and the configuration it was compiled for.
    seed
        Of the garbage that fills what the program has not written.

    Raises
    ------
    AssayError
        The image is for another configuration.
    ProgramError
        The accelerator stops the program: it is illegal or without END, or else a semaphore
        overflows, or else an instruction leaves a buffer or DRAM.
    GoldenError
        Waits and signals do not match, or an instruction reads an unwritten byte, races with
        another engine, or has no meaning. Every message names the instruction.
    """
    image.check_config(config)
    program = decode_legal(image.program_section.data, config)
    check_semaphores(program)
    try:
        clocks = happens_before(program)
    except AssayError as error:
        raise GoldenError(str(error)) from None
    memories = _memories(image, config, np.random.default_rng(seed))
    races = RaceDetector(program, clocks)
    access = Access(memories, races)
    captures = Captures(image.debug.tensors, memories)
    captures.take(START)
    for index, instruction in enumerate(program):
        access.index = index
        try:
            check_bounds(instruction, config, image.dram_bytes, access)
            _execute(instruction, config, access)
        except ProgramError:
            raise
        except GoldenError as error:
            raise GoldenError(f"{describe(index, instruction)}: {error}") from None
        captures.take(index)
    captures.take(END)
    dram = memories.pop(Memory.DRAM)
    return MachineState(
        dram.data,
        dram.written,
        {str(m): memories[m] for m in memories},
        lambda memory, address: races.last_writer(Memory(memory), address),
        captures.tensors,
    )


def _execute(instruction: Instruction, config: Config, access: Access) -> None:
    match instruction:
        case Load():
            execute_load(instruction, access)
        case Matrix():
            execute_matrix(instruction, config, access)
        case Vector():
            execute_vector(instruction, config, access)
        case FillTable():
            execute_table(instruction, access)
        case ScaleRows():
            execute_scale(instruction, access)
        case Store():
            execute_store(instruction, access)


def _memories(image: Image, config: Config, rng: np.random.Generator) -> dict[Memory, ByteMemory]:
    dram = ByteMemory(np.frombuffer(image.dram(rng.bytes(image.dram_bytes)), np.uint8))
    for section in image.sections:
        if section.kind is not SectionKind.DEBUG:
            dram.written[section.address : section.address + len(section.data)] = True
    program = image.program_section
    dram.read_only = range(program.address, program.address + len(program.data))
    sizes = {
        Memory.ACTIVATION: config.activation_buffer_bytes,
        Memory.WEIGHT: config.weight_buffer_bytes,
        Memory.PARAMETER: config.parameter_buffer_bytes,
        Memory.ACCUMULATOR: config.accumulator_kib * 1024,
        Memory.UNARY_TABLE: 4 * Table.UNARY.words,
        Memory.WIDE_TABLE: 4 * Table.WIDE.words,
        **{memory: config.accumulator_depth * size for memory, size in ENTRY_BYTES.items()},
        Memory.INDEX: 4 * INDEX_ENTRIES,
    }
    buffers = {
        memory: ByteMemory(rng.integers(0, 256, size, np.uint8)) for memory, size in sizes.items()
    }
    return {Memory.DRAM: dram, **buffers}
