"""Semaphores that overflow whatever the hardware's timing (rule E-04)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from arch.happens_before import describe
from arch.isa import Engine, ErrorCode, Instruction
from arch.timing import SEMAPHORE_MAX
from golden.errors import ProgramError


def check_semaphores(program: Sequence[Instruction]) -> None:
    """Refuse a program in which a semaphore overflows that no instruction ever takes from.

    With takes, timing decides which signal is one too many, and whether any is: such a program is
    refused without a code (:func:`arch.happens_before.happens_before`).

    Parameters
    ----------
    program
        Legal instructions, up to END.

    Raises
    ------
    ProgramError
        SEMAPHORE_OVERFLOW.
    """
    given: Counter[tuple[Engine, Engine]] = Counter()
    taken = {
        (producer, consumer.engine)
        for consumer in program
        for producer in Engine
        if consumer.waits[producer]
    }
    for index, instruction in enumerate(program):
        producer = instruction.engine
        if producer is None:
            continue
        for consumer in instruction.signals:
            given[producer, consumer] += 1
            if given[producer, consumer] > SEMAPHORE_MAX and (producer, consumer) not in taken:
                raise ProgramError(
                    ErrorCode.SEMAPHORE_OVERFLOW,
                    index,
                    f"{describe(index, instruction)}: semaphore {producer.name} to "
                    f"{consumer.name} exceeds {SEMAPHORE_MAX}: let {consumer.name} wait for its "
                    "signals",
                )
