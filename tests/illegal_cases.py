"""What lists of illegal instructions are made of: a legal one and a field that makes it illegal."""

from __future__ import annotations

from collections.abc import Iterator

from golden_support import with_fields

from arch.isa import Instruction

Cases = Iterator[tuple[str, Instruction]]
"""Unique names, and instructions."""


def each(kind: str, instruction: Instruction, **values: tuple[int, ...]) -> Cases:
    """The instruction with each value of each field, one at a time."""
    for field, choices in values.items():
        for value in dict.fromkeys(choices):
            name = f"{instruction.OPCODE.name}{kind}: {field} = {value}"
            yield name, with_fields(instruction, **{field: value})


def crooked(unit: int) -> tuple[int, ...]:
    """No multiples of a power of two."""
    return 1, unit // 2, unit + unit // 2
