"""What Amaranth's Verilog says of ports and memories, and the same text as we simulate it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MODULE = re.compile(r"^module (\S+) ?\(", re.MULTILINE)
_INSTANCE = re.compile(r"^  (\\\S+) +(\S+) \($", re.MULTILINE)
_MEMORY = re.compile(r"^  reg \[(\d+):0\] (\S+) \[(\d+):0\];$", re.MULTILINE)
_PORT = re.compile(r"^  (input|output) (?:\[(\d+):0\] )?(\S+) ?;$", re.MULTILINE)

# Yosys makes processes run at time 0 by a register that all of them read; a value in its
# declaration is an event in Verilog, but none in SystemVerilog.
_RUN_ONCE = re.compile(r"^  reg (\\\$auto\$verilog_backend\S+ ) = 0;$", re.MULTILINE)
_INITIAL_REGISTER = re.compile(r"^(  reg (?:signed )?(?:\[\d+:0\] )?\S+ ?) = [^;]+;$", re.MULTILINE)
# Amaranth gives zeros to memories that are written; any other contents are a table of constants.
_INITIAL_MEMORY = re.compile(
    r"^  initial begin\n(?:    \S+ ?\[\d+\] = \d+'[bdh]0+;\n)+  end\n", re.MULTILINE
)


@dataclass(frozen=True)
class Memory:
    """A memory: its hierarchical name below the top, its module, its size."""

    path: str
    module: str
    name: str
    depth: int
    width_bits: int


@dataclass(frozen=True)
class Port:
    """A port of a module."""

    name: str
    is_input: bool
    width_bits: int


def ports(verilog: str, module: str) -> list[Port]:
    """The ports of a module."""
    start, end = _modules(verilog)[module]
    return [
        Port(name, direction == "input", int(high or 0) + 1)
        for direction, high, name in _PORT.findall(verilog, start, end)
    ]


def memories(verilog: str, top: str) -> list[Memory]:
    """Every memory of the instances below ``top``."""
    bodies = {name: verilog[start:end] for name, (start, end) in _modules(verilog).items()}
    found = []

    def visit(module: str, prefix: str) -> None:
        for high, name, last in _MEMORY.findall(bodies[module]):
            found.append(Memory(prefix + name, module, name, int(last) + 1, int(high) + 1))
        for child, instance in _INSTANCE.findall(bodies[module]):
            visit(child, f"{prefix}{instance}.")

    visit(top, "")
    return found


def for_simulation(verilog: str) -> str:
    """The text without the values that registers and memories start with, but for constants.

    Icarus then starts them as X, Verilator as what it is told to. Combinational processes run at
    time 0 on both.
    """
    text = _RUN_ONCE.sub(r"  reg \1;\n  initial \1<= 0;", verilog)
    return _INITIAL_MEMORY.sub("", _INITIAL_REGISTER.sub(r"\1;", text))


def edited(verilog: str, module: str, pattern: str, replacement: str, count: int) -> str:
    """The text with a module changed, by regular expression, in exactly ``count`` places.

    Raises
    ------
    ValueError
        There is no such module, or another number of places.
    """
    names = {name.lstrip("\\"): span for name, span in _modules(verilog).items()}
    if module not in names:
        raise ValueError(f"no module {module}: there are {', '.join(names)}")
    start, end = names[module]
    body, found = re.subn(pattern, replacement, verilog[start:end], flags=re.MULTILINE)
    if found != count:
        raise ValueError(f"{found} places of {module} look like {pattern}, not {count}")
    return verilog[:start] + body + verilog[end:]


def _modules(verilog: str) -> dict[str, tuple[int, int]]:
    """Where the text of each module begins and ends."""
    headers = [*_MODULE.finditer(verilog)]
    ends = [header.start() for header in headers[1:]] + [len(verilog)]
    return {header[1]: (header.start(), end) for header, end in zip(headers, ends, strict=True)}
