"""Which instructions are ordered by semaphores (rule D-03), whatever the hardware's timing.

The n-th signal taken from a semaphore is the n-th given to it, and an engine issues and retires in
order. So what is certain when an instruction starts is, for each engine, how much of the program
that engine has completed: a vector clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arch.errors import AssayError
from arch.isa import Engine, Instruction
from arch.timing import SEMAPHORE_MAX


@dataclass(frozen=True)
class HappensBefore:
    """Vector clocks of a program.

    A clock holds for each engine the index in the program one above the last instruction of that
    engine that is certain to have completed, 0 if none; all earlier ones of that engine have too.

    Attributes
    ----------
    start
        int32 (instructions, engines): the clock at the start of each instruction.
    completion
        The same at its completion, the instruction itself included.
    """

    start: NDArray[np.int32]
    completion: NDArray[np.int32]


def happens_before(program: Sequence[Instruction]) -> HappensBefore:
    """Compute the vector clocks of the instructions up to and including END.

    Raises
    ------
    AssayError
        There is no END; an instruction waits for or signals its own engine, or END any; a wait
        takes more signals than the instructions before it give; a semaphore exceeds
        ``SEMAPHORE_MAX`` when the program is executed in order.
    """
    length = end_index(program) + 1
    start = np.zeros((length, len(Engine)), np.int32)
    completion = np.zeros((length, len(Engine)), np.int32)
    clock = np.zeros((len(Engine), len(Engine)), np.int32)
    semaphores = _Semaphores()
    for index, instruction in enumerate(program[:length]):
        try:
            _check_header(instruction)
            engine = instruction.engine
            if engine is None:
                continue
            for producer, count in zip(Engine, instruction.waits, strict=True):
                last = semaphores.take(producer, engine, count)
                if last is not None:
                    np.maximum(clock[engine], completion[last], out=clock[engine])
            start[index] = completion[index] = clock[engine]
            completion[index, engine] = index + 1
            for consumer in instruction.signals:
                semaphores.give(engine, consumer, index)
        except AssayError as error:
            raise AssayError(f"{describe(index, instruction)}: {error}") from None
    return HappensBefore(start, completion)


def describe(index: int, instruction: Instruction) -> str:
    """An instruction in an error message: index, engine, disassembly."""
    engine = "front end" if instruction.engine is None else instruction.engine.name
    return f"instruction {index} ({engine}: {instruction.disassemble()})"


def end_index(program: Sequence[Instruction]) -> int:
    """The index of the first END; instructions behind it are never dispatched."""
    for index, instruction in enumerate(program):
        if instruction.engine is None:
            return index
    raise AssayError("the program has no END: append one")


class _Semaphores:
    """Who gave each signal, and how many were taken, of each (producer, consumer)."""

    def __init__(self) -> None:
        self._given: dict[tuple[Engine, Engine], list[int]] = {}
        self._taken: dict[tuple[Engine, Engine], int] = {}

    def give(self, producer: Engine, consumer: Engine, index: int) -> None:
        given = self._given.setdefault((producer, consumer), [])
        given.append(index)
        if len(given) - self._taken.get((producer, consumer), 0) > SEMAPHORE_MAX:
            raise AssayError(
                f"semaphore {producer.name} to {consumer.name} exceeds {SEMAPHORE_MAX}: "
                f"let {consumer.name} wait for some of its signals earlier"
            )

    def take(self, producer: Engine, consumer: Engine, count: int) -> int | None:
        """Take ``count`` signals; the index of the instruction that gave the last of them."""
        if count == 0:
            return None
        given = self._given.get((producer, consumer), [])
        taken = self._taken.get((producer, consumer), 0) + count
        if taken > len(given):
            raise AssayError(
                f"waits for signal {taken} of {producer.name}, which has given "
                f"{len(given)} to {consumer.name} so far: only a later instruction could satisfy it"
            )
        self._taken[producer, consumer] = taken
        return given[taken - 1]


def _check_header(instruction: Instruction) -> None:
    engine = instruction.engine
    if engine is None:
        if any(instruction.waits) or instruction.signal:
            raise AssayError("END neither waits nor signals: clear its waits and signal")
        return
    if instruction.waits[engine]:
        raise AssayError(f"waits for its own engine: clear wait_{engine.name.lower()}")
    if engine in instruction.signals:
        raise AssayError(f"signals its own engine: clear bit {int(engine)} of signal")
