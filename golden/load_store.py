"""Execution of LOAD and STORE (rules I-01, I-02)."""

from __future__ import annotations

import numpy as np

from arch.isa import Buffer, Load, Store
from golden.access import Access
from golden.block import BUFFER_ADDRESS_BITS, DRAM_ADDRESS_BITS, Block
from golden.memory import Memory

MEMORY_OF = {
    Buffer.ACTIVATION: Memory.ACTIVATION,
    Buffer.WEIGHT: Memory.WEIGHT,
    Buffer.PARAMETER: Memory.PARAMETER,
}


def execute_load(instruction: Load, access: Access) -> None:
    """Copy runs from DRAM to a buffer, each followed by its padding."""
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


def dram_block(instruction: Load | Store) -> Block:
    """(planes, runs, bytes) in DRAM."""
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
