"""Which programs the front end refuses, and why (E-02, E-07), written over decoded fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from arch.config import Config
from arch.isa import (
    INSTRUCTION_BYTES,
    LAYOUTS,
    Addition,
    Buffer,
    ElementType,
    Engine,
    ErrorCode,
    Field,
    Instruction,
    Opcode,
    decode,
)
from golden.errors import ProgramError

Fields = Mapping[str, int]
_Complaints = Iterator[str]

_FROM_ONE = ("last_k", "last_n")
"""Counts that are 1 up, as those that ``arch.fields`` says it of, and end at the array's extent."""


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


def _complaints(word: int, opcode: Opcode, config: Config) -> _Complaints:
    layout = LAYOUTS[opcode]
    f, rest = _decode(word, layout)
    if rest:
        yield f"bits outside every field are set ({rest:#x}): clear them"
    yield from _counts(f, layout)
    yield from _semaphores(f, opcode.engine)
    match opcode:
        case Opcode.LOAD:
            yield from _load(f, config)
        case Opcode.STORE:
            yield from _store(f)
        case Opcode.MATRIX:
            yield from _matrix(f, config)
        case Opcode.VECTOR:
            yield from _vector(f, config)
        case Opcode.TABLE:
            yield from _multiples(f, config.parameter_word_bytes, "parameter_address")


def _decode(word: int, layout: tuple[Field, ...]) -> tuple[dict[str, int], int]:
    """The value of each field, and the bits behind the last one."""
    values = {}
    for field in layout:
        value = word & ((1 << field.bits) - 1)
        sign = value >> field.bits - 1 if field.signed else 0
        values[field.name] = value - (sign << field.bits)
        word >>= field.bits
    return values, word


def _counts(f: Fields, layout: tuple[Field, ...]) -> _Complaints:
    for field in layout:
        if ("1 up" in field.doc or field.name in _FROM_ONE) and f[field.name] == 0:
            yield f"{field.name} = 0 is a count: make it at least 1"


def _semaphores(f: Fields, engine: Engine | None) -> _Complaints:
    """An engine orders its own instructions, and END comes behind all of them (D-03)."""
    own = list(Engine) if engine is None else [engine]
    who = "END" if engine is None else f"{engine.name} itself"
    for other in own:
        wait = f"wait_{other.name.lower()}"
        if f[wait]:
            yield f"{wait} = {f[wait]}: {who} is ordered without a semaphore: clear {wait}"
        if f["signal"] >> other & 1:
            yield f"signal = {f['signal']:#x} of {who} to {other.name}: clear bit {int(other)}"


def _load(f: Fields, config: Config) -> _Complaints:
    if f["buffer"] not in list(Buffer):
        yield f"buffer = {f['buffer']} is undefined: use a value of Buffer"
    if f["buffer"] == Buffer.PARAMETER:
        yield from _parameter_load(f, config.axi_bytes)


def _parameter_load(f: Fields, beat: int) -> _Complaints:
    """Every run, and its padding, keeps its place in the beats (B-05)."""
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
                f"{dram} = {f[dram]:#x} and {buffer} = {f[buffer]:#x} of a LOAD into PARAMETER "
                f"differ modulo {beat}: align them to beats alike"
            )
    for name, value in padding:
        if f["pad_bytes"] and value % beat:
            yield (
                f"{name} = {value:#x} of a LOAD into PARAMETER with pad_bytes = {f['pad_bytes']} "
                f"must be a multiple of {beat}: begin padding at a beat"
            )


def _store(f: Fields) -> _Complaints:
    if f["buffer"] != Buffer.ACTIVATION:
        yield f"buffer = {f['buffer']}: STORE reads ACTIVATION only: make it 0"


def _matrix(f: Fields, config: Config) -> _Complaints:
    yield from _at_most(f, "last_k", config.rows)
    yield from _at_most(f, "last_n", config.cols)
    yield from _zero_point(f, "activation")
    if not f["weight_zero_row"]:
        yield from _zero_point(f, "weight")
    if not f["weight_transposed"]:
        yield from _multiples(f, config.cols, "weight_address")
        return
    if f["weight_zero_row"]:
        yield "weight_transposed excludes weight_zero_row: clear one of them"
    for count in ("ky_count", "kx_count"):
        if f[count] > 1:
            yield f"{count} = {f[count]} with weight_transposed: make it 1"
    yield from _multiples(f, config.rows, "weight_address", "weight_column_stride")


def _vector(f: Fields, config: Config) -> _Complaints:
    yield from _at_most(f, "last_n", config.cols)
    for name, kind in (("addition", Addition), ("element_type", ElementType)):
        if f[name] not in list(kind):
            yield f"{name} = {f[name]} is undefined: use a value of {kind.__name__}"
            return
    unit = config.cols * ElementType(f["element_type"]).bytes
    yield from _multiples(f, unit, "output_address", "output_row_stride")
    yield from _multiples(f, config.parameter_word_bytes, "parameter_address")
    yield from _ordered(f, "clamp_low", "clamp_high")
    if f["addition"] == Addition.NONE:
        return
    unit = config.cols * (2 if f["addition"] == Addition.INT16 else 1)
    yield from _multiples(f, unit, "residual_address", "residual_row_stride")
    yield from _ordered(f, "sum_low", "sum_high")
    scale = f["addition_scale"]
    if f["addition"] == Addition.TABLE and not 0x0080_0000 <= scale < 0x7F80_0000:
        yield f"addition_scale = {scale:#010x} must be the bits of a positive normal float32"


def _at_most(f: Fields, name: str, limit: int) -> _Complaints:
    if f[name] > limit:
        yield f"{name} = {f[name]} is more than the array has: make it {limit} or less"


def _multiples(f: Fields, unit: int, *names: str) -> _Complaints:
    for name in names:
        if f[name] % unit:
            yield f"{name} = {f[name]:#x} must be a multiple of {unit}: align it"


def _ordered(f: Fields, low: str, high: str) -> _Complaints:
    if f[low] > f[high]:
        yield f"{low} = {f[low]} is above {high} = {f[high]}: exchange them"


def _zero_point(f: Fields, operand: str) -> _Complaints:
    value = f[f"{operand}_zero_point"]
    low, high = (-128, 127) if f[f"{operand}_signed"] else (0, 255)
    if not low <= value <= high:
        yield (
            f"{operand}_zero_point = {value} is outside the type of its operand: "
            f"bring it into {low}..{high}"
        )
