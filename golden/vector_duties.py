"""What I-04 leaves to the program, and hardware does not see: clamps and overlapping rows."""

from __future__ import annotations

import numpy as np

from arch.config import Config
from arch.isa import Addition, Destination, Operation, Source, Vector
from golden.block import Block
from golden.errors import GoldenError
from golden.vector_blocks import (
    channels_of,
    output_block,
    second_block,
    second_type,
    source_block,
)

_EIGHT_BITS = ((-128, 127), (0, 255))


def check_duties(instruction: Vector, config: Config) -> None:
    """Refuse a VECTOR of which hardware's timing or an unspecified index would make the result.

    Raises
    ------
    GoldenError
        A clamp range in front of a table is wider than its index, output rows overlap, or a row
        overwrites what a later one reads.
    """
    _check_clamp(instruction)
    if instruction.output_buffer == Destination.NONE:
        return
    output = output_block(instruction, config)
    if output.repeats():
        raise GoldenError("output rows overlap: raise output_row_stride")
    if instruction.output_buffer != Destination.ACTIVATION:
        return
    if instruction.source != Source.ACCUMULATOR:
        _check_in_place(instruction, config, output, source_block(instruction, config), "source")
    element = second_type(instruction)
    if element is not None:
        name = "multiplier" if instruction.operation == Operation.MULTIPLY else "residual"
        second = second_block(instruction, config, element)
        _check_in_place(instruction, config, output, second, name)


def _check_clamp(instruction: Vector) -> None:
    if not (instruction.unary_table or instruction.addition == Addition.TABLE):
        return
    low, high = instruction.clamp_low, instruction.clamp_high
    if not any(least <= low and high <= most for least, most in _EIGHT_BITS):
        raise GoldenError(
            f"clamp_low = {low}, clamp_high = {high} in front of a table must lie inside "
            + " or ".join(f"{least}..{most}" for least, most in _EIGHT_BITS)
        )


def _check_in_place(
    instruction: Vector, config: Config, output: Block, operand: Block, name: str
) -> None:
    """Refuse an operand that an earlier row of the same instruction overwrites.

    Rows are read while those before them are still in the pipeline, so the hardware's timing would
    decide. Overwriting what this row or an earlier one has read is fine.
    """
    low, high = min(output.low, operand.low), max(output.high, operand.high)
    if high - low >= (output.high - output.low) + (operand.high - operand.low):
        return
    channels = np.arange(channels_of(instruction, config))
    rows = np.arange(instruction.rows)[:, None]
    order = channels // config.cols * instruction.rows + rows
    written = np.full(high - low, order.size, np.int64)
    _shifted(output, low).view(written)[...] = order.repeat(output.shape[1] // len(channels), 1)
    read = order.repeat(operand.shape[1] // len(channels), 1)
    if (_shifted(operand, low).view(written) < read).any():
        raise GoldenError(
            f"a row overwrites the {name} of a later row of the same instruction: move the output"
        )


def _shifted(block: Block, base: int) -> Block:
    return Block(block.start - base, block.shape, block.strides)
