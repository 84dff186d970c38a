"""Races: conflicting accesses that the semaphores of a program do not order."""

from __future__ import annotations

from collections.abc import Sequence

from arch.errors import AssayError
from arch.happens_before import happens_before
from arch.isa import Engine, Instruction
from compiler.dependencies import dependencies
from compiler.step import Step


class CompilerError(Exception):
    """The compiler made a program without meaning. The message is one line; no input mends it."""

    def __init__(self, message: str) -> None:
        super().__init__(f"fault of the compiler, not of the input: {message}")


def reject_races(program: Sequence[Instruction], steps: Sequence[Step]) -> None:
    """Check a program, END included, against the regions of its steps in the same order.

    Raises
    ------
    CompilerError
        Two instructions conflict and nothing makes the second wait for the first, or the
        semaphores break a rule (see :func:`arch.happens_before.happens_before`).
    """
    try:
        clocks = happens_before(program).start.tolist()
    except AssayError as error:
        raise CompilerError(str(error)) from None
    for second, need in enumerate(dependencies(steps)):
        for engine in Engine:
            first = need[engine]
            if clocks[second][engine] <= first:
                raise CompilerError(
                    f"race: instruction {second} ({program[second].disassemble()}) does not wait "
                    f"for instruction {first} ({program[first].disassemble()})"
                )
