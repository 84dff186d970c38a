"""Programs with one fault each: what the accelerator must report, and whom it must blame.

:func:`illegal_programs` yields an :class:`IllegalProgram` for every rule of E-02, every kind of
overrun of E-03, overflowing semaphores (E-04), addresses that no memory answers (E-05) and missing
ENDs (E-07), on any configuration. Make an image with :func:`four_engines.image_of`. All before the
fault is legal and uses every engine; behind it come legal instructions of every engine (but where
END is missing), the last of which would overwrite the bytes at ``four_engines.MARKER``. Behind an
illegal instruction (E-02) they wait for what is before it, behind any other for the one to blame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from four_engines import FourEngines
from golden_support import chained, with_fields
from illegal_fields import illegal_words
from illegal_ranges import overruns, reads_beyond_dram, writes_beyond_dram

from arch.config import Config
from arch.isa import INSTRUCTION_BYTES, Engine, ErrorCode, encode_program
from arch.timing import SEMAPHORE_MAX


@dataclass(frozen=True)
class IllegalProgram:
    """``program`` is stopped with ``code``, and ``instruction`` (an index) is to blame.

    ``name`` tells the fault and is unique.
    """

    name: str
    program: bytes
    code: ErrorCode
    instruction: int


def illegal_programs(config: Config) -> Iterator[IllegalProgram]:
    """Every program with one fault, for a configuration."""
    base = FourEngines(config)
    fault = len(base.prologue)
    for opcode in (0x00, 0x02, 0x11, 0x21, 0x33, 0x41, 0x50, 0x81, 0xFF):
        word = opcode.to_bytes(INSTRUCTION_BYTES, "little")
        name, code = f"opcode {opcode:#04x}", ErrorCode.ILLEGAL_OPCODE
        yield IllegalProgram(name, base.beside(word), code, fault)
    for name, word in illegal_words(base):
        yield IllegalProgram(name, base.beside(word), ErrorCode.ILLEGAL_FIELD, fault)
    by_code = {
        ErrorCode.BUFFER_OVERRUN: overruns(base),
        ErrorCode.READ_DECERR: reads_beyond_dram(base),
        ErrorCode.WRITE_DECERR: writes_beyond_dram(base),
    }
    for code, cases in by_code.items():
        for name, instruction in cases:
            program = encode_program(base.around(instruction))
            yield IllegalProgram(name, program, code, fault)
    yield from _overflows(base)
    for name, program in {"no END": chained(base.prologue), "no instruction": []}.items():
        yield IllegalProgram(name, encode_program(program), ErrorCode.PROGRAM, len(program))


def _overflows(base: FourEngines) -> Iterator[IllegalProgram]:
    """Each engine signals another that never waits for it, until its semaphore is full (E-04)."""
    for consumer, producer in (
        *((Engine.STORE, base.load_activations), (Engine.VECTOR, base.store)),
        *((Engine.STORE, base.matrix), (Engine.MATRIX, base.vector)),
    ):
        assert producer.engine is not None
        gives = [with_fields(producer, signal=1 << consumer)] * (SEMAPHORE_MAX + 1)
        name = f"semaphore {producer.engine.name} to {consumer.name}"
        program = encode_program(base.around(*gives))
        fault = len(base.prologue) + SEMAPHORE_MAX
        yield IllegalProgram(name, program, ErrorCode.SEMAPHORE_OVERFLOW, fault)
