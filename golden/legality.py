"""Which programs the front end refuses, and why (E-02, E-07), written over decoded fields."""

from __future__ import annotations

import enum

from arch.config import INDEX_ENTRIES, Config
from arch.isa import (
    INSTRUCTION_BYTES,
    LAYOUTS,
    Addition,
    Buffer,
    Destination,
    ElementType,
    Engine,
    ErrorCode,
    Field,
    Instruction,
    Opcode,
    Raw,
    RowFunction,
    Statistic,
    decode,
)
from golden.errors import ProgramError
from golden.field_rules import Complaints, Fields, at_most, exclusive, multiples, zero_point
from golden.vector_legality import vector_complaints

_ENUMERATED: dict[str, type[enum.IntEnum]] = {
    "buffer": Buffer,
    "addition": Addition,
    "element_type": ElementType,
    "output_buffer": Destination,
    "statistic": Statistic,
    "function": RowFunction,
    "raw": Raw,
}
"""Fields that have room for more values than their enumeration; others of them have not."""

_FROM_ONE = ("last_k", "last_n")
"""Counts that are 1 up, as those that ``arch.fields`` says it of, and end at the array's extent."""

_WEIGHT_LAYOUTS = ("weight_transposed", "weight_row_major", "weight_diagonal", "weight_zero_row")
"""Options of MATRIX of which one at most is set."""


def decode_legal(program: bytes, config: Config) -> list[Instruction]:
    """Decode a program up to its first END; what lies behind is never dispatched.

    Parameters
    ----------
    program
        Instructions as they lie in DRAM.
    config
        Its extents of the array and of a beat decide what is legal.

    Raises
    ------
    ProgramError
        ILLEGAL_OPCODE or ILLEGAL_FIELD of the first illegal instruction (E-02), or PROGRAM where
        no END comes (E-07).
    """
    legal: list[Instruction] = []
    for start in range(0, len(program), INSTRUCTION_BYTES):
        data = program[start : start + INSTRUCTION_BYTES]
        illegal = _illegality(data, config)
        if illegal is not None:
            code, message = illegal
            raise ProgramError(code, len(legal), f"instruction {len(legal)}: {message}")
        legal.append(decode(data))
        if legal[-1].engine is None:
            return legal
    raise ProgramError(ErrorCode.PROGRAM, len(legal), "the program has no END: append one")


def _illegality(data: bytes, config: Config) -> tuple[ErrorCode, str] | None:
    """ILLEGAL_OPCODE or ILLEGAL_FIELD, and the rule that an instruction breaks, if it does."""
    word = int.from_bytes(data, "little")
    if word & 0xFF not in list(Opcode):
        opcodes = ", ".join(f"{opcode:#04x}" for opcode in Opcode)
        message = f"opcode {word & 0xFF:#04x} is undefined: use one of {opcodes}"
        return ErrorCode.ILLEGAL_OPCODE, message
    opcode = Opcode(word & 0xFF)
    complaint = next(_complaints(word, opcode, config), None)
    if complaint is None:
        return None
    return ErrorCode.ILLEGAL_FIELD, f"{opcode.name}: {complaint}"


def _complaints(word: int, opcode: Opcode, config: Config) -> Complaints:
    layout = LAYOUTS[opcode]
    f, rest = _decode(word, layout)
    if rest:
        yield f"bits outside every field are set ({rest:#x}): clear them"
    yield from _counts(f, layout)
    yield from _undefined(f)
    yield from _semaphores(f, opcode.engine)
    match opcode:
        case Opcode.LOAD:
            yield from _load(f, config)
        case Opcode.STORE:
            yield from _store(f)
        case Opcode.MATRIX:
            yield from _matrix(f, config)
        case Opcode.VECTOR:
            yield from vector_complaints(f, config)
        case Opcode.TABLE:
            yield from multiples(f, config.parameter_word_bytes, "parameter_address")


def _decode(word: int, layout: tuple[Field, ...]) -> tuple[dict[str, int], int]:
    """The value of each field, and the bits behind the last one."""
    values = {}
    for field in layout:
        value = word & ((1 << field.bits) - 1)
        sign = value >> field.bits - 1 if field.signed else 0
        values[field.name] = value - (sign << field.bits)
        word >>= field.bits
    return values, word


def _counts(f: Fields, layout: tuple[Field, ...]) -> Complaints:
    for field in layout:
        if ("1 up" in field.doc or field.name in _FROM_ONE) and f[field.name] == 0:
            yield f"{field.name} = 0 is a count: make it at least 1"


def _undefined(f: Fields) -> Complaints:
    for name, kind in _ENUMERATED.items():
        if name in f and f[name] not in list(kind):
            yield f"{name} = {f[name]} is undefined: use a value of {kind.__name__}"


def _semaphores(f: Fields, engine: Engine | None) -> Complaints:
    """An engine orders its own instructions, and END comes behind all of them (D-03)."""
    own = list(Engine) if engine is None else [engine]
    who = "END" if engine is None else f"{engine.name} itself"
    for other in own:
        wait = f"wait_{other.name.lower()}"
        if f[wait]:
            yield f"{wait} = {f[wait]}: {who} is ordered without a semaphore: clear {wait}"
        if f["signal"] >> other & 1:
            yield f"signal = {f['signal']:#x} of {who} to {other.name}: clear bit {int(other)}"


def _load(f: Fields, config: Config) -> Complaints:
    if f["gather"]:
        yield from _gather(f)
    if f["buffer"] in (Buffer.PARAMETER, Buffer.INDEX):
        yield from _word_load(f, config.axi_bytes)


def _gather(f: Fields) -> Complaints:
    if f["planes"] > 1:
        yield f"planes = {f['planes']} with gather: make it 1"
    if f["buffer"] not in (Buffer.ACTIVATION, Buffer.WEIGHT):
        yield f"buffer = {f['buffer']} with gather: use ACTIVATION or WEIGHT"
    end = f["index_address"] + f["runs"]
    if end > INDEX_ENTRIES:
        yield f"index_address + runs = {end} is above {INDEX_ENTRIES}: gather fewer rows"


def _word_load(f: Fields, beat: int) -> Complaints:
    """Every run, and its padding, keeps its place in the beats (B-05)."""
    into = f"of a LOAD into {Buffer(f['buffer']).name}"
    pairs = [("dram_address", "buffer_address")]
    padding = [("buffer_address + run_bytes", f["buffer_address"] + f["run_bytes"])]
    for level in ("run", "plane"):
        if f[f"{level}s"] > 1:
            stride = f"{level}_buffer_stride"
            pairs.append((f"{level}_dram_stride", stride))
            padding.append((stride, f[stride]))
    for dram, buffer in pairs:
        if (f[dram] - f[buffer]) % beat:
            yield (
                f"{dram} = {f[dram]:#x} and {buffer} = {f[buffer]:#x} {into} differ modulo "
                f"{beat}: align them to beats alike"
            )
    for name, value in padding:
        if f["pad_bytes"] and value % beat:
            yield (
                f"{name} = {value:#x} {into} with pad_bytes = {f['pad_bytes']} must be a multiple "
                f"of {beat}: begin padding at a beat"
            )


def _store(f: Fields) -> Complaints:
    if f["buffer"] != Buffer.ACTIVATION:
        yield f"buffer = {f['buffer']}: STORE reads ACTIVATION only: make it 0"


def _matrix(f: Fields, config: Config) -> Complaints:
    yield from at_most(f, "last_k", config.rows)
    yield from at_most(f, "last_n", config.cols)
    yield from zero_point(f, "activation_zero_point", _signed(f, "activation"))
    if not f["weight_zero_row"]:
        yield from zero_point(f, "weight_zero_point", _signed(f, "weight"))
    unit = config.rows if f["weight_transposed"] else config.cols
    yield from multiples(f, unit, "weight_address")
    for name in ("weight_transposed", "weight_row_major"):
        if not f[name]:
            continue
        yield from multiples(f, unit, "weight_stride")
        for count in ("ky_count", "kx_count"):
            if f[count] > 1:
                yield f"{count} = {f[count]} with {name}: make it 1"
    for index, name in enumerate(_WEIGHT_LAYOUTS):
        if f[name]:
            yield from exclusive(f, name, *_WEIGHT_LAYOUTS[index + 1 :])


def _signed(f: Fields, operand: str) -> ElementType:
    return ElementType.INT8 if f[f"{operand}_signed"] else ElementType.UINT8
