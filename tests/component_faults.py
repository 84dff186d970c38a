"""A fault of a component and the test of its bench that notices it; how Verilog is broken.

Patterns hold on to names that the hardware description gives, and to widths, but not to the numbers
of signals without a name. Where the hardware changes so that a pattern finds another number of
places, the case is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from component_simulator import Fault

from arch.isa import LAYOUTS, Opcode


@dataclass(frozen=True)
class Change:
    """A regular expression for lines of Verilog, and what is put in place of each match."""

    pattern: str
    replacement: str
    count: int = 1


@dataclass(frozen=True)
class Case:
    """A test that passes, and fails with a fault.

    Attributes
    ----------
    bench, arguments
        The test's function, and what it is called with.
    fault
        What breaks the component that the test is about.
    """

    bench: Callable[..., None]
    arguments: tuple[Any, ...]
    fault: Fault


def case(bench: Callable[..., None], *arguments: Any, change: Change, module: str = "") -> Case:
    """``module`` is the path below the component that the bench simulates."""
    fault = Fault(module, change.pattern, change.replacement, change.count)
    return Case(bench, arguments, fault)


def assigned(signal: str, expression: str) -> Change:
    r"""Another expression for a signal; ``\2`` is the one that it has."""
    return Change(rf"^  assign ({signal} ?) = (.*);$", rf"  assign \1 = {expression};")


def loaded(register: str, expression: str) -> Change:
    r"""Another value for a register at each clock; ``\2`` is the one that it takes."""
    return Change(rf"^    ({register} ?) <= (.*);$", rf"    \1 <= {expression};")


def without_reset(register: str) -> Change:
    """The register keeps what it starts with until something else sets it."""
    resets = r"(?:    if \((?:rst|reset)\) begin\n      \2  = [^;]*;\n    end\n)+"
    return Change(rf"(?s)^(    {register} ? <= (\\\$\d+) ;.*?){resets}", r"\1")


def bits_of(opcode: Opcode, name: str) -> str:
    """The bits of a field in an encoded instruction, as a pattern of Verilog's indices."""
    low = 0
    for field in LAYOUTS[opcode]:
        if field.name == name:
            high = low + field.bits - 1
            return rf"\[{high}:{low}\]" if field.bits > 1 else rf"\[{low}\]"
        low += field.bits
    raise ValueError(f"{opcode.name} has no field {name}")


def always(cycle: int) -> bool:
    """Ready in every cycle."""
    return True
