"""Execution of LOAD and STORE (rules I-01, I-02)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arch.isa import Buffer, Load, Store
from golden.access import Access, to_words
from golden.block import BUFFER_ADDRESS_BITS, DRAM_ADDRESS_BITS, Block
from golden.memory import Memory

MEMORY_OF = {
    Buffer.ACTIVATION: Memory.ACTIVATION,
    Buffer.WEIGHT: Memory.WEIGHT,
    Buffer.PARAMETER: Memory.PARAMETER,
    Buffer.INDEX: Memory.INDEX,
}


def execute_load(instruction: Load, access: Access) -> None:
    """Copy runs from DRAM to a buffer, each followed by its padding."""
    if instruction.gather:
        values = _gathered(instruction, access)
    else:
        values = access.read(Memory.DRAM, dram_block(instruction))
    padding = np.full((*values.shape[:2], instruction.pad_bytes), instruction.pad_value, np.uint8)
    block = buffer_block(instruction, instruction.run_bytes + instruction.pad_bytes)
    access.write(
        MEMORY_OF[Buffer(instruction.buffer)], block, np.concatenate([values, padding], axis=2)
    )


def execute_store(instruction: Store, access: Access) -> None:
    """Copy runs from the activation buffer to DRAM."""
    values = access.read(Memory.ACTIVATION, buffer_block(instruction, instruction.run_bytes))
    access.write(Memory.DRAM, dram_block(instruction), values)


def _gathered(instruction: Load, access: Access) -> NDArray[np.uint8]:
    """(1, runs, bytes) of the rows that the indices name."""
    blocks = gathered_blocks(instruction, access)
    return np.stack([access.read(Memory.DRAM, block) for block in blocks])[None]


def gathered_blocks(instruction: Load, access: Access) -> list[Block]:
    """The bytes of each run in DRAM.

    Raises
    ------
    GoldenError
        An index was never written.
    """
    block = Block(4 * instruction.index_address, (4 * instruction.runs,), (1,))
    indices = to_words(access.read(Memory.INDEX, block), np.uint32)
    starts = (
        instruction.dram_address + int(index) * instruction.run_dram_stride for index in indices
    )
    run = [(instruction.run_bytes, 1)]
    return [Block.wrapping(start, run, DRAM_ADDRESS_BITS) for start in starts]


def dram_block(instruction: Load | Store) -> Block:
    """(planes, runs, bytes) in DRAM, where they are not gathered."""
    return Block.wrapping(
        instruction.dram_address,
        [
            (instruction.planes, instruction.plane_dram_stride),
            (instruction.runs, instruction.run_dram_stride),
            (instruction.run_bytes, 1),
        ],
        DRAM_ADDRESS_BITS,
    )


def buffer_block(instruction: Load | Store, run_bytes: int) -> Block:
    """(planes, runs, bytes) in the buffer."""
    return Block.wrapping(
        instruction.buffer_address,
        [
            (instruction.planes, instruction.plane_buffer_stride),
            (instruction.runs, instruction.run_buffer_stride),
            (run_bytes, 1),
        ],
        BUFFER_ADDRESS_BITS,
    )
