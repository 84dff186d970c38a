"""Memories in the Verilog that Amaranth writes: one module for each instance, one array each."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MODULE = re.compile(r"^module (\S+) ?\(", re.MULTILINE)
_INSTANCE = re.compile(r"^  (\\\S+) +(\S+) \($", re.MULTILINE)
_MEMORY = re.compile(r"^  reg \[(\d+):0\] (\S+) \[(\d+):0\];$", re.MULTILINE)
_PORT = re.compile(r"^  (?:input|output) \[(\d+):0\] (\S+);$", re.MULTILINE)


@dataclass(frozen=True)
class Memory:
    """A memory: its hierarchical name below the top, its module, its size."""

    path: str
    module: str
    name: str
    depth: int
    width_bits: int


def port_bits(verilog: str) -> dict[str, int]:
    """Width of every port of more than one bit, by name, of any module."""
    return {name: int(high) + 1 for high, name in _PORT.findall(verilog)}


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


def without_initial_values(verilog: str, memory: Memory) -> str:
    """The text without the words that a memory would start with."""
    start, end = _modules(verilog)[memory.module]
    name = re.escape(memory.name)
    block = re.compile(rf"  initial begin\n(?:    {name}\[\d+\] = [^;]+;\n)+  end\n")
    body, count = block.subn("", verilog[start:end])
    assert count == 1, f"{memory.path} is initialised {count} times"
    return verilog[:start] + body + verilog[end:]


def _modules(verilog: str) -> dict[str, tuple[int, int]]:
    """Where the text of each module begins and ends."""
    headers = [*_MODULE.finditer(verilog)]
    ends = [header.start() for header in headers[1:]] + [len(verilog)]
    return {header[1]: (header.start(), end) for header, end in zip(headers, ends, strict=True)}
