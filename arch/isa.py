"""The instruction set: fixed-width instructions for four engines and the front end.

An instruction is 64 bytes, little-endian. The field tables below are the only description: the
encoder, the decoder, the disassembler, the RTL layout and the documents are made from them. Bits
that no field covers are zero, and decode rejects anything else.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import ClassVar

from arch.errors import AssayError

INSTRUCTION_BYTES = 64


class Engine(enum.IntEnum):
    """The four engines, in the order of every per-engine bit mask and of arbitration ties."""

    LOAD = 0
    MATRIX = 1
    VECTOR = 2
    STORE = 3


class Opcode(enum.IntEnum):
    """What an instruction does. Values 0x1_ are LOAD's, 0x2_ MATRIX's, 0x3_ VECTOR's, 0x4_ STORE's.

    Room is left in each group: gather (LOAD), row reductions and pooling (VECTOR).
    """

    END = 0x01
    LOAD = 0x10
    MATRIX = 0x20
    VECTOR = 0x30
    TABLE = 0x31
    STORE = 0x40

    @property
    def engine(self) -> Engine | None:
        """The engine whose queue takes it; None for END, which the front end keeps."""
        return None if self is Opcode.END else Engine((self >> 4) - 1)


class Buffer(enum.IntEnum):
    """A scratchpad that a DMA or VECTOR instruction addresses."""

    ACTIVATION = 0
    WEIGHT = 1
    PARAMETER = 2


class ElementType(enum.IntEnum):
    """Type of a tensor element in buffers and DRAM."""

    INT8 = 0
    UINT8 = 1
    INT16 = 2

    @property
    def bytes(self) -> int:
        return 2 if self is ElementType.INT16 else 1

    @property
    def low(self) -> int:
        return {0: -128, 1: 0, 2: -32768}[self]

    @property
    def high(self) -> int:
        return {0: 127, 1: 255, 2: 32767}[self]


class Addition(enum.IntEnum):
    """What VECTOR adds to the requantised value."""

    NONE = 0
    TABLE = 1
    INT16 = 2


class Table(enum.IntEnum):
    """Which lookup memory TABLE fills."""

    UNARY = 0
    ADDITION = 1

    @property
    def words(self) -> int:
        """32-bit words: 256 int8 entries four to a word, or 256 float32."""
        return 64 if self is Table.UNARY else 256


@dataclass(frozen=True)
class Field:
    """One field of an instruction: ``bits`` wide, two's complement where ``signed``."""

    name: str
    bits: int
    signed: bool = False
    doc: str = ""

    @property
    def low(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        return (1 << (self.bits - self.signed)) - 1


HEADER = (
    Field("opcode", 8, doc="see Opcode"),
    Field("signal", 4, doc="engines to signal on retirement, bit = Engine"),
    Field("wait_load", 8, doc="signals of LOAD to consume before issue"),
    Field("wait_matrix", 8, doc="signals of MATRIX to consume before issue"),
    Field("wait_vector", 8, doc="signals of VECTOR to consume before issue"),
    Field("wait_store", 8, doc="signals of STORE to consume before issue"),
)

_DMA = (
    Field("buffer", 2, doc="see Buffer"),
    Field("buffer_address", 24, doc="byte address of the first byte in the buffer"),
    Field("dram_address", 32, doc="byte address of the first byte in DRAM"),
    Field("run_bytes", 20, doc="contiguous bytes of a run, 1 up"),
    Field("runs", 16, doc="runs in a plane, 1 up"),
    Field("run_dram_stride", 32, doc="bytes from run to run in DRAM"),
    Field("run_buffer_stride", 24, doc="bytes from run to run in the buffer"),
    Field("planes", 16, doc="planes, 1 up"),
    Field("plane_dram_stride", 32, doc="bytes from plane to plane in DRAM"),
    Field("plane_buffer_stride", 24, doc="bytes from plane to plane in the buffer"),
)

LAYOUTS: dict[Opcode, tuple[Field, ...]] = {
    Opcode.END: HEADER,
    Opcode.LOAD: (
        *HEADER,
        *_DMA,
        Field("pad_bytes", 12, doc="bytes of pad_value written after each run"),
        Field("pad_value", 8, doc="the byte that pads"),
    ),
    Opcode.STORE: (*HEADER, *_DMA),
    Opcode.MATRIX: (
        *HEADER,
        Field("activation_address", 24, doc="byte address of row 0, ky 0, x = 0; may wrap below 0"),
        Field("activation_signed", 1, doc="activations are int8, else uint8"),
        Field("activation_zero_point", 9, signed=True, doc="subtracted from each activation"),
        Field("y_origin", 16, signed=True, doc="y of the first row and first ky"),
        Field("y_row_step", 8, doc="y from output row to output row"),
        Field("y_ky_step", 8, doc="y from ky to ky"),
        Field("y_limit", 16, doc="rows with 0 <= y < y_limit exist; others read as zero"),
        Field("row_stride", 24, doc="bytes from output row to output row"),
        Field("ky_stride", 24, doc="bytes from ky to ky"),
        Field("x_origin", 24, signed=True, doc="x, in bytes, of the first column and first kx"),
        Field("column_stride", 24, doc="bytes from output column to output column"),
        Field("kx_stride", 24, doc="bytes from kx to kx"),
        Field("x_limit", 24, doc="bytes with 0 <= x < x_limit exist; others read as zero"),
        Field("output_rows", 16, doc="output rows, 1 up"),
        Field("output_columns", 16, doc="output columns, 1 up"),
        Field("ky_count", 8, doc="kernel rows, 1 up"),
        Field("kx_count", 8, doc="kernel columns, 1 up; 1 where they are folded into the run"),
        Field("k_tiles", 12, doc="tiles of a run of k, 1 up"),
        Field("last_k", 7, doc="valid k of a run's last tile, 1 to rows"),
        Field("n_tiles", 12, doc="tiles of output channels, 1 up"),
        Field("last_n", 7, doc="valid n of the last n tile, 1 to cols"),
        Field("weight_address", 24, doc="byte address of the first weight tile"),
        Field("weight_signed", 1, doc="weights are int8, else uint8"),
        Field("weight_zero_point", 9, signed=True, doc="subtracted from each weight"),
        Field("weight_zero_row", 1, doc="each n tile starts with a row of C zero points"),
        Field("weight_transposed", 1, doc="load column by column from rows of n"),
        Field("weight_column_stride", 20, doc="bytes from n to n where transposed"),
        Field("accumulator_address", 12, doc="vector index of the first accumulator in its half"),
        Field("accumulator_half", 1, doc="the half that MATRIX works in"),
        Field("accumulate", 1, doc="add to what the accumulators hold, else overwrite"),
    ),
    Opcode.VECTOR: (
        *HEADER,
        Field("accumulator_address", 12, doc="vector index of the first accumulator in its half"),
        Field("accumulator_half", 1, doc="the half that VECTOR works in"),
        Field("rows", 16, doc="accumulator vectors of an n tile, 1 up"),
        Field("n_tiles", 12, doc="n tiles, 1 up"),
        Field("last_n", 7, doc="valid lanes of the last n tile, 1 to cols"),
        Field("parameter_address", 24, doc="byte address of bias and scale of the first n tile"),
        Field("zero_point", 16, signed=True, doc="added after requantisation"),
        Field("clamp_low", 16, signed=True, doc="least requantised value"),
        Field("clamp_high", 16, signed=True, doc="greatest requantised value"),
        Field("unary_table", 1, doc="pass the requantised byte through the unary table"),
        Field("unary_signed", 1, doc="the unary table holds int8, else uint8"),
        Field("addition", 2, doc="see Addition"),
        Field("addition_scale", 32, doc="float32 bits of ra in a * ra + t[b]"),
        Field("residual_address", 24, doc="byte address of the first residual element"),
        Field("residual_row_stride", 24, doc="bytes from row to row of the residual"),
        Field("sum_low", 16, signed=True, doc="least value of the sum"),
        Field("sum_high", 16, signed=True, doc="greatest value of the sum"),
        Field("element_type", 2, doc="type of the output, see ElementType"),
        Field("output_buffer", 1, doc="0 activation buffer, 1 weight buffer"),
        Field("output_address", 24, doc="byte address of the first output element"),
        Field("output_row_stride", 24, doc="bytes from row to row of the output"),
    ),
    Opcode.TABLE: (
        *HEADER,
        Field("table", 1, doc="see Table"),
        Field("parameter_address", 24, doc="byte address of the table in the parameter buffer"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """An instruction as software sees it. Subclasses add the fields of their layout."""

    OPCODE: ClassVar[Opcode]

    signal: int = 0
    wait_load: int = 0
    wait_matrix: int = 0
    wait_vector: int = 0
    wait_store: int = 0

    @property
    def engine(self) -> Engine | None:
        return self.OPCODE.engine

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
            word |= (value & ((1 << field.bits) - 1)) << shift
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
    weight_column_stride: int = 0
    accumulator_address: int = 0
    accumulator_half: int = 0
    accumulate: int = 0


@dataclass(frozen=True, kw_only=True)
class Vector(Instruction):
    """Accumulators plus bias, requantised, through a table, plus a residual, to a buffer."""

    OPCODE: ClassVar[Opcode] = Opcode.VECTOR

    accumulator_address: int = 0
    accumulator_half: int = 0
    rows: int
    n_tiles: int
    last_n: int
    parameter_address: int
    zero_point: int = 0
    clamp_low: int
    clamp_high: int
    unary_table: int = 0
    unary_signed: int = 0
    addition: int = Addition.NONE
    addition_scale: int = 0
    residual_address: int = 0
    residual_row_stride: int = 0
    sum_low: int = 0
    sum_high: int = 0
    element_type: int
    output_buffer: int = 0
    output_address: int
    output_row_stride: int


@dataclass(frozen=True, kw_only=True)
class FillTable(Instruction):
    """Fill a lookup memory of the vector unit from the parameter buffer."""

    OPCODE: ClassVar[Opcode] = Opcode.TABLE

    table: int
    parameter_address: int


_CLASSES: dict[Opcode, type[Instruction]] = {
    cls.OPCODE: cls for cls in (End, Load, Matrix, Vector, FillTable, Store)
}

_ENUMERATED: dict[str, type[enum.IntEnum]] = {
    "buffer": Buffer,
    "addition": Addition,
    "element_type": ElementType,
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
        value = word & ((1 << field.bits) - 1)
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
        if name in _ENUMERATED and value not in list(_ENUMERATED[name]):
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
