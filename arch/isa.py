"""The instruction set: fixed-width instructions for four engines and the front end.

An instruction is 64 bytes, little-endian, laid out by the field tables of ``arch.fields``. Bits
that no field covers are zero, and decode rejects anything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import ClassVar

from arch.errors import AssayError
from arch.fields import (
    INSTRUCTION_BYTES,
    LAYOUTS,
    Addition,
    Buffer,
    Destination,
    ElementType,
    Engine,
    ErrorCode,
    Field,
    Opcode,
    Operation,
    Raw,
    RowFunction,
    Source,
    Statistic,
    Table,
)

__all__ = [
    "INSTRUCTION_BYTES",
    "LAYOUTS",
    "Addition",
    "Buffer",
    "Destination",
    "ElementType",
    "End",
    "Engine",
    "ErrorCode",
    "Field",
    "FillTable",
    "Instruction",
    "Load",
    "Matrix",
    "Opcode",
    "Operation",
    "Raw",
    "RowFunction",
    "ScaleRows",
    "Source",
    "Statistic",
    "Store",
    "Table",
    "Vector",
    "decode",
    "decode_program",
    "encode_program",
    "layout_bits",
]


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """An instruction as software sees it. Subclasses add the fields of their layout.

    Attributes
    ----------
    engine
        What executes it; None for END, which the front end keeps.
    """

    OPCODE: ClassVar[Opcode]
    engine: ClassVar[Engine | None]

    signal: int = 0
    wait_load: int = 0
    wait_matrix: int = 0
    wait_vector: int = 0
    wait_store: int = 0

    def __init_subclass__(cls) -> None:
        if hasattr(cls, "OPCODE"):
            cls.engine = cls.OPCODE.engine

    @property
    def waits(self) -> tuple[int, int, int, int]:
        """Signals to consume, indexed by the producing Engine."""
        return (self.wait_load, self.wait_matrix, self.wait_vector, self.wait_store)

    @property
    def signals(self) -> tuple[Engine, ...]:
        """Engines signalled on retirement."""
        return tuple(engine for engine in Engine if self.signal >> engine & 1)

    def encode(self) -> bytes:
        """Encode to ``INSTRUCTION_BYTES`` bytes.

        Raises
        ------
        AssayError
            A field is out of its range.
        """
        word = 0
        shift = 0
        for field in LAYOUTS[self.OPCODE]:
            value = int(self.OPCODE if field.name == "opcode" else getattr(self, field.name))
            if not field.low <= value <= field.high:
                raise AssayError(
                    f"{self.OPCODE.name}: {field.name} = {value} is outside "
                    f"{field.low}..{field.high}"
                )
            word |= (value & field.mask) << shift
            shift += field.bits
        return word.to_bytes(INSTRUCTION_BYTES, "little")

    def disassemble(self) -> str:
        """One line: the opcode, then the fields that are not zero."""
        parts = [
            f"{field.name}={int(getattr(self, field.name))}"
            for field in fields(self)
            if int(getattr(self, field.name))
        ]
        return " ".join([self.OPCODE.name, *parts])


@dataclass(frozen=True, kw_only=True)
class End(Instruction):
    """The last instruction of a program: the run ends when every engine is drained."""

    OPCODE: ClassVar[Opcode] = Opcode.END


@dataclass(frozen=True, kw_only=True)
class _Dma(Instruction):
    buffer: int
    buffer_address: int
    dram_address: int
    run_bytes: int
    runs: int = 1
    run_dram_stride: int = 0
    run_buffer_stride: int = 0
    planes: int = 1
    plane_dram_stride: int = 0
    plane_buffer_stride: int = 0


@dataclass(frozen=True, kw_only=True)
class Load(_Dma):
    """DRAM to a buffer: ``planes`` x ``runs`` runs of ``run_bytes``, each followed by padding."""

    OPCODE: ClassVar[Opcode] = Opcode.LOAD

    pad_bytes: int = 0
    pad_value: int = 0
    gather: int = 0
    index_address: int = 0


@dataclass(frozen=True, kw_only=True)
class Store(_Dma):
    """The activation buffer to DRAM: ``planes`` x ``runs`` runs of ``run_bytes``."""

    OPCODE: ClassVar[Opcode] = Opcode.STORE


@dataclass(frozen=True, kw_only=True)
class Matrix(Instruction):
    """Multiply activations by weight tiles into the accumulator."""

    OPCODE: ClassVar[Opcode] = Opcode.MATRIX

    activation_address: int
    activation_signed: int = 1
    activation_zero_point: int = 0
    y_origin: int = 0
    y_row_step: int = 1
    y_ky_step: int = 0
    y_limit: int
    row_stride: int
    ky_stride: int = 0
    x_origin: int = 0
    column_stride: int = 0
    kx_stride: int = 0
    n_stride: int = 0
    x_limit: int
    output_rows: int
    output_columns: int = 1
    ky_count: int = 1
    kx_count: int = 1
    k_tiles: int
    last_k: int
    n_tiles: int
    last_n: int
    weight_address: int
    weight_signed: int = 1
    weight_zero_point: int = 0
    weight_zero_row: int = 0
    weight_transposed: int = 0
    weight_row_major: int = 0
    weight_diagonal: int = 0
    weight_stride: int = 0
    accumulator_address: int = 0
    accumulator_half: int = 0
    accumulate: int = 0
    maximum: int = 0
    mac_k: int = 0


@dataclass(frozen=True, kw_only=True)
class Vector(Instruction):
    """A pass over rows: scale, map, add, reduce and write accumulators or buffered elements."""

    OPCODE: ClassVar[Opcode] = Opcode.VECTOR

    accumulator_address: int = 0
    accumulator_half: int = 0
    rows: int
    n_tiles: int
    last_n: int
    source: int = Source.ACCUMULATOR
    source_zero_point: int = 0
    source_address: int = 0
    source_row_stride: int = 0
    operation: int = Operation.DIRECT
    multiplier_type: int = ElementType.INT8
    multiplier_zero_point: int = 0
    count: int = 0
    parameter_address: int = 0
    tensor_scale: int = 0
    scale: int = 0
    row_scale: int = 0
    bias_after: int = 0
    raw: int = Raw.NONE
    zero_point: int = 0
    clamp_low: int = -32768
    clamp_high: int = 32767
    unary_table: int = 0
    unary_signed: int = 0
    interpolate: int = 0
    addition: int = Addition.NONE
    addition_scale: int = 0
    residual_address: int = 0
    residual_row_stride: int = 0
    sum_low: int = 0
    sum_high: int = 0
    statistic: int = Statistic.NONE
    statistic_accumulate: int = 0
    statistic_address: int = 0
    masked: int = 0
    mask_origin: int = 0
    output_shift: int = 0
    output_zero_point: int = 0
    element_type: int = ElementType.INT8
    output_buffer: int = Destination.ACTIVATION
    output_address: int = 0
    output_row_stride: int = 0


@dataclass(frozen=True, kw_only=True)
class FillTable(Instruction):
    """Fill a lookup memory of the vector unit from the parameter buffer."""

    OPCODE: ClassVar[Opcode] = Opcode.TABLE

    table: int
    parameter_address: int


@dataclass(frozen=True, kw_only=True)
class ScaleRows(Instruction):
    """Make the scale of rows of their statistics."""

    OPCODE: ClassVar[Opcode] = Opcode.SCALE

    function: int
    statistic_address: int = 0
    rows: int
    count: int = 1
    centre: int = 0
    epsilon: int = 0


_CLASSES: dict[Opcode, type[Instruction]] = {
    cls.OPCODE: cls for cls in (End, Load, Matrix, Vector, FillTable, ScaleRows, Store)
}

_CODES: dict[str, frozenset[int]] = {
    "buffer": frozenset(Buffer),
    "addition": frozenset(Addition),
    "element_type": frozenset(ElementType),
    "multiplier_type": frozenset(ElementType),
    "source": frozenset(Source),
    "operation": frozenset(Operation),
    "statistic": frozenset(Statistic),
    "output_buffer": frozenset(Destination),
    "function": frozenset(RowFunction),
    "raw": frozenset(Raw),
}

_AT_LEAST_ONE = frozenset(
    {
        "run_bytes",
        "runs",
        "planes",
        "output_rows",
        "output_columns",
        "ky_count",
        "kx_count",
        "k_tiles",
        "last_k",
        "n_tiles",
        "last_n",
        "rows",
    }
)


def decode(data: bytes) -> Instruction:
    """Decode one instruction.

    Raises
    ------
    AssayError
        The opcode or an enumerated field is undefined, a count is zero, or a bit outside every
        field is set.
    """
    if len(data) != INSTRUCTION_BYTES:
        raise AssayError(f"an instruction is {INSTRUCTION_BYTES} bytes, not {len(data)}")
    word = int.from_bytes(data, "little")
    try:
        opcode = Opcode(word & 0xFF)
    except ValueError:
        raise AssayError(f"undefined opcode 0x{word & 0xFF:02x}") from None
    values: dict[str, int] = {}
    for field in LAYOUTS[opcode]:
        value = word & field.mask
        word >>= field.bits
        if field.signed and value > field.high:
            value -= 1 << field.bits
        values[field.name] = value
    if word:
        raise AssayError(f"{opcode.name}: bits outside every field are set")
    del values["opcode"]
    for name, value in values.items():
        if name in _AT_LEAST_ONE and value == 0:
            raise AssayError(f"{opcode.name}: {name} = 0 must be at least 1")
        if name in _CODES and value not in _CODES[name]:
            raise AssayError(f"{opcode.name}: {name} = {value} is undefined")
    return _CLASSES[opcode](**values)


def decode_program(data: bytes) -> list[Instruction]:
    """Decode a whole program; the error names the index of the offending instruction."""
    if len(data) % INSTRUCTION_BYTES:
        raise AssayError(
            f"a program is a multiple of {INSTRUCTION_BYTES} bytes, not {len(data)}: it is cut off"
        )
    program = []
    for index in range(len(data) // INSTRUCTION_BYTES):
        start = index * INSTRUCTION_BYTES
        try:
            program.append(decode(data[start : start + INSTRUCTION_BYTES]))
        except AssayError as error:
            raise AssayError(f"instruction {index}: {error}") from None
    return program


def encode_program(program: Iterable[Instruction]) -> bytes:
    """Encode instructions one after the other."""
    return b"".join(instruction.encode() for instruction in program)


def layout_bits(opcode: Opcode) -> int:
    """Bits that the layout of an opcode uses, of ``8 * INSTRUCTION_BYTES``."""
    return sum(field.bits for field in LAYOUTS[opcode])
