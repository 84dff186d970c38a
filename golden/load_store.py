"""Execution of LOAD and STORE (rules I-01, I-02)."""

from __future__ import annotations

import numpy as np

from arch.config import Config
from arch.isa import Buffer, Load, Store
from golden.access import Access
from golden.block import BUFFER_ADDRESS_BITS, DRAM_ADDRESS_BITS, Block
from golden.errors import GoldenError
from golden.memory import Memory

_MEMORY_OF = {
    Buffer.ACTIVATION: Memory.ACTIVATION,
    Buffer.WEIGHT: Memory.WEIGHT,
    Buffer.PARAMETER: Memory.PARAMETER,
}


def execute_load(instruction: Load, config: Config, access: Access) -> None:
    """Copy runs from DRAM to a buffer, each followed by its padding."""
    if instruction.buffer == Buffer.PARAMETER:
        _check_parameter_alignment(instruction, config.axi_bytes)
    values = access.read(Memory.DRAM, _dram_block(instruction))
    padding = np.full((*values.shape[:2], instruction.pad_bytes), instruction.pad_value, np.uint8)
    block = _buffer_block(instruction, instruction.run_bytes + instruction.pad_bytes)
    access.write(
        _MEMORY_OF[Buffer(instruction.buffer)], block, np.concatenate([values, padding], axis=2)
    )


def execute_store(instruction: Store, access: Access) -> None:
    """Copy runs from the activation buffer to DRAM."""
    if instruction.buffer != Buffer.ACTIVATION:
        raise GoldenError(f"buffer = {instruction.buffer}: STORE reads ACTIVATION only")
    values = access.read(Memory.ACTIVATION, _buffer_block(instruction, instruction.run_bytes))
    access.write(Memory.DRAM, _dram_block(instruction), values)


def _dram_block(instruction: Load | Store) -> Block:
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


def _buffer_block(instruction: Load | Store, run_bytes: int) -> Block:
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


def _check_parameter_alignment(instruction: Load, axi_bytes: int) -> None:
    """B-05: every run has the same offset in its beats on both sides."""
    offsets = [instruction.dram_address - instruction.buffer_address]
    if instruction.runs > 1:
        offsets.append(instruction.run_dram_stride - instruction.run_buffer_stride)
    if instruction.planes > 1:
        offsets.append(instruction.plane_dram_stride - instruction.plane_buffer_stride)
    if any(offset % axi_bytes for offset in offsets):
        raise GoldenError(
            f"a LOAD into PARAMETER keeps dram_address = buffer_address modulo {axi_bytes} for "
            "every run: align addresses and strides"
        )
