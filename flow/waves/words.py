"""Tables that let the viewer show words for numbers: opcodes, states, responses, instructions."""

from __future__ import annotations

from arch.image import Image
from arch.isa import Engine, ErrorCode, Opcode
from arch.registers import register_map
from flow.waves.layout import (
    ERRORS,
    INSTRUCTIONS,
    OPCODES,
    PRODUCERS,
    READERS,
    REGISTERS,
    RESPONSES,
)

Words = dict[int, str]

_NONE = "-"
_NO_OPCODE = 0xFF
_NO_INSTRUCTION = 0xFFFF_FFFF
_AXI_RESPONSES = ("OKAY", "EXOKAY", "SLVERR", "DECERR")
_READERS = ("FETCH", "LOAD")
# Names of X11: what works stands out, what waits is told from what has nothing to do.
_COLORS = {
    "working": "dark green",
    "fill": "dark olive green",
    "done": "gray20",
    "idle": "gray20",
    "wait_port": "dark red",
    "wait_memory": "saddle brown",
}
_WAIT_COLOR = "midnight blue"


def tables(image: Image) -> dict[str, Words]:
    """Every table that the layout names, for the program of an image."""
    found = {
        OPCODES: {**{int(opcode): opcode.name for opcode in Opcode}, _NO_OPCODE: _NONE},
        INSTRUCTIONS: {**_instructions(image), _NO_INSTRUCTION: _NONE},
        PRODUCERS: {mask: _producers(mask) for mask in range(1 << len(Engine))},
        ERRORS: {int(code): code.name for code in ErrorCode} | {int(ErrorCode.NONE): _NONE},
        RESPONSES: dict(enumerate(_AXI_RESPONSES)),
        READERS: dict(enumerate(_READERS)),
        REGISTERS: _registers(),
    }
    for engine, states in register_map().ledger_states.items():
        found[f"ledger_{engine.name.lower()}"] = {
            1 << index: state for index, state in enumerate(states)
        }
    return found


def color(word: str) -> str | None:
    """Background of a word that is a state of the ledger."""
    if word in _COLORS:
        return _COLORS[word]
    return _WAIT_COLOR if word.startswith("wait_") else None


def _instructions(image: Image) -> Words:
    """Index, opcode, and the operator it belongs to."""
    debug = image.debug
    words = {}
    for index, instruction in enumerate(image.program):
        operator = debug.operator_of[index]
        name = debug.operators[operator].name if operator >= 0 else ""
        words[index] = f"{index} {instruction.OPCODE.name} {name}".rstrip()
    return words


def _producers(mask: int) -> str:
    return "+".join(engine.name for engine in Engine if mask >> engine & 1) or _NONE


def _registers() -> Words:
    words = {register.offset_bytes: name for name, register in register_map().registers.items()}
    for counter in register_map().counters:
        words[counter.offset_bytes] = counter.name
        words[counter.offset_bytes + 4] = f"{counter.name} (high)"
    return words
