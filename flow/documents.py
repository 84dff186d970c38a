"""Reference pages made from the contract: instructions, registers, counters, a C header."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from enum import IntEnum
from pathlib import Path

from peakrdl_cheader.exporter import CHeaderExporter
from peakrdl_html import HTMLExporter
from systemrdl import RDLCompiler

from arch import isa
from arch.config import load_config
from arch.fields import LAYOUTS, ErrorCode, Field
from arch.registers import RDL_PATH, RegisterField, register_map

GENERATED = Path(__file__).resolve().parent.parent / "docs" / "generated"
"""Where the committed pages are; ``make docs`` writes them, ``make lint`` compares them."""

_ENUMERATIONS = (isa.Engine, isa.Buffer, isa.ElementType, isa.Addition, isa.Table, ErrorCode)


def pages() -> dict[str, str]:
    """Text of every committed page, by file name."""
    return {
        "instructions.md": _text(_instructions()),
        "registers.md": _text(_registers()),
        "counters.md": _text(_counters()),
        "assay.h": _header(),
    }


def stale() -> list[str]:
    """Names of committed pages that differ from what the contract gives, or are missing."""
    return [
        name
        for name, text in pages().items()
        if not (GENERATED / name).is_file() or (GENERATED / name).read_text() != text
    ]


def write() -> list[Path]:
    """Write every committed page; returns their paths."""
    GENERATED.mkdir(exist_ok=True)
    paths = []
    for name, text in pages().items():
        (GENERATED / name).write_text(text)
        paths.append(GENERATED / name)
    return paths


def write_html(folder: Path) -> None:
    """Browsable pages of the register map, by PeakRDL."""
    HTMLExporter().export(_rdl(), str(folder))


def _rdl() -> object:
    compiler = RDLCompiler()
    compiler.compile_file(str(RDL_PATH))
    return compiler.elaborate().top


def _header() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "assay.h"
        CHeaderExporter().export(_rdl(), path=str(path), reuse_typedefs=False)
        return path.read_text()


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _table(*names: str) -> list[str]:
    return ["", _row(*names), _row(*("---" for _ in names))]


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _instructions() -> Iterator[str]:
    yield "# Instructions"
    yield ""
    yield (
        "Made by `make docs` from `arch/fields.py`. An instruction is "
        f"{isa.INSTRUCTION_BYTES} bytes, little-endian; bits of no field are 0. What each does: "
        "`docs/architecture.md`, sections 3 and 4; which values are errors: section 12."
    )
    for opcode, fields in LAYOUTS.items():
        taker = "front end" if opcode.engine is None else opcode.engine.name
        yield ""
        yield f"## {opcode.name} (0x{opcode:02x}, {taker})"
        yield from _table("bits", "field", "range", "meaning")
        low = 0
        for field in fields:
            bits = f"{low + field.bits - 1}:{low}" if field.bits > 1 else f"{low}"
            yield _row(bits, f"`{field.name}`", _range(field), field.doc)
            low += field.bits
    for enumeration in _ENUMERATIONS:
        yield from _enumeration(enumeration)


def _range(field: Field) -> str:
    least = 1 if "1 up" in field.doc else field.low
    return f"{least} to {field.high}"


def _enumeration(enumeration: type[IntEnum]) -> Iterator[str]:
    yield ""
    yield f"## {enumeration.__name__}"
    yield from _table("value", "name")
    for member in enumeration:
        yield _row(int(member), member.name)


def _registers() -> Iterator[str]:
    yield "# Registers"
    yield ""
    yield (
        "Made by `make docs` from `arch/registers.rdl`. Offsets from the base of the AXI4-Lite "
        "slave; 32-bit words; free offsets read as zero. Access: ro read only, rw read and write, "
        "w1c write 1 to clear, w1p write 1 for a command. Sizes are those of the configuration "
        "`base`."
    )
    yield from _table("offset", "register", "access", "reset", "what it is")
    base = load_config("base")
    registers = sorted(register_map().registers.values(), key=lambda item: item.offset_bytes)
    for register in registers:
        name = f"`{register.name}`"
        reset = f"0x{register.reset_value(base):x}"
        yield _row(
            f"0x{register.offset_bytes:03x}", name, register.access, reset, register.description
        )
    for register in registers:
        if any(field.name != "value" for field in register.fields.values()):
            yield ""
            yield f"## {register.name}"
            yield from _table("bits", "field", "meaning")
            for field in register.fields.values():
                yield _row(_bits(field), f"`{field.name}`", field.description)


def _bits(field: RegisterField) -> str:
    return f"{field.low + field.bits - 1}:{field.low}" if field.bits > 1 else f"{field.low}"


def _counters() -> Iterator[str]:
    yield "# Counters"
    yield ""
    yield (
        "Made by `make docs` from `arch/registers.rdl`. 64 bits, low word first; reads give the "
        "last snapshot. A prediction of an *event* counter must be equal, that of a *cycles* "
        "counter is bounded."
    )
    yield from _table("offset", "counter", "kind", "what it counts")
    for counter in register_map().counters:
        kind = "event" if counter.exact else "cycles"
        yield _row(f"0x{counter.offset_bytes:03x}", f"`{counter.name}`", kind, counter.description)
