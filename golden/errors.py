"""The exceptions of the golden model."""

from __future__ import annotations

from arch.errors import AssayError
from arch.isa import ErrorCode


class GoldenError(AssayError):
    """A program the architecture gives no meaning: unwritten bytes, races, ranges of data."""


class ProgramError(GoldenError):
    """A program that the accelerator stops (docs/architecture.md, section 12).

    Attributes
    ----------
    code
        What ERROR_CODE holds then.
    instruction
        The index in the program of the instruction to blame.
    """

    def __init__(self, code: ErrorCode, instruction: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.instruction = instruction
