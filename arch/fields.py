"""Opcodes, enumerations and the bit fields of every instruction: the only description of them.

The encoder, the decoder, the disassembler, the RTL layout and the documents are made from the field
tables below.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cached_property

INSTRUCTION_BYTES = 64


class Engine(enum.IntEnum):
    """The four engines, in the order of every per-engine bit mask and of arbitration ties."""

    LOAD = 0
    MATRIX = 1
    VECTOR = 2
    STORE = 3


class Opcode(enum.IntEnum):
    """What an instruction does. Values 0x1_ are LOAD's, 0x2_ MATRIX's, 0x3_ VECTOR's, 0x4_ STORE's.

    Room is left in each group, such as for pooling (VECTOR).
    """

    END = 0x01
    LOAD = 0x10
    MATRIX = 0x20
    VECTOR = 0x30
    TABLE = 0x31
    SCALE = 0x32
    STORE = 0x40

    @property
    def engine(self) -> Engine | None:
        """The engine whose queue takes it; None for END, which the front end keeps."""
        return None if self is Opcode.END else Engine((self >> 4) - 1)


class Buffer(enum.IntEnum):
    """A memory that a DMA or VECTOR instruction addresses."""

    ACTIVATION = 0
    WEIGHT = 1
    PARAMETER = 2
    INDEX = 3


class ErrorCode(enum.IntEnum):
    """Why a run was stopped (rules E-01 to E-09)."""

    NONE = 0
    ILLEGAL_OPCODE = 1
    ILLEGAL_FIELD = 2
    BUFFER_OVERRUN = 3
    SEMAPHORE_OVERFLOW = 4
    READ_SLVERR = 5
    READ_DECERR = 6
    WRITE_SLVERR = 7
    WRITE_DECERR = 8
    WATCHDOG = 9
    PROGRAM = 10


class ElementType(enum.IntEnum):
    """Type of a tensor element in buffers and DRAM. VECTOR writes no INT32; indices have it."""

    INT8 = 0
    UINT8 = 1
    INT16 = 2
    INT32 = 3

    @property
    def bytes(self) -> int:
        return (1, 1, 2, 4)[self]

    @property
    def low(self) -> int:
        return (-128, 0, -(1 << 15), -(1 << 31))[self]

    @property
    def high(self) -> int:
        return (127, 255, (1 << 15) - 1, (1 << 31) - 1)[self]


class Source(enum.IntEnum):
    """Where VECTOR takes ``x`` from: accumulators, or elements of the activation buffer."""

    ACCUMULATOR = 0
    INT8 = 1
    UINT8 = 2
    INT16 = 3

    @property
    def bytes(self) -> int:
        """Of an element in the activation buffer; 0 where it is an accumulator."""
        return (0, 1, 1, 2)[self]


class Operation(enum.IntEnum):
    """How VECTOR makes the value ``v`` that it scales (I-04)."""

    DIRECT = 0
    MULTIPLY = 1
    CENTRE = 2
    EXPONENT = 3


class Destination(enum.IntEnum):
    """Where VECTOR writes."""

    ACTIVATION = 0
    WEIGHT = 1
    NONE = 2


class Statistic(enum.IntEnum):
    """What VECTOR keeps of each row (I-04)."""

    NONE = 0
    MAXIMUM = 1
    SUM = 2


class RowFunction(enum.IntEnum):
    """How SCALE makes a row's scale of its statistics (I-07)."""

    RECIPROCAL = 0
    INVERSE_SQUARE_ROOT = 1


class Addition(enum.IntEnum):
    """What VECTOR adds to the requantised value."""

    NONE = 0
    TABLE = 1
    INT16 = 2


class Raw(enum.IntEnum):
    """Which half of the int32 value VECTOR writes as it is, instead of scaling it (I-04)."""

    NONE = 0
    LOW = 1
    HIGH = 2


class Table(enum.IntEnum):
    """Which lookup memory TABLE fills."""

    UNARY = 0
    WIDE = 1

    @property
    def words(self) -> int:
        """32-bit words: 256 bytes four to a word, or 256 words (B-07)."""
        return 64 if self is Table.UNARY else 256


@dataclass(frozen=True)
class Field:
    """One field of an instruction: ``bits`` wide, two's complement where ``signed``."""

    name: str
    bits: int
    signed: bool = False
    doc: str = ""

    @cached_property
    def low(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @cached_property
    def high(self) -> int:
        return (1 << (self.bits - self.signed)) - 1

    @cached_property
    def mask(self) -> int:
        return (1 << self.bits) - 1


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
        Field("gather", 1, doc="run r starts at the row that index r names, instead of row r"),
        Field("index_address", 10, doc="entry of the index buffer for run 0"),
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
        Field("n_stride", 16, doc="bytes from n tile to n tile, added to x"),
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
        Field("weight_row_major", 1, doc="load row by row from rows of k"),
        Field("weight_diagonal", 1, doc="C bytes for all tiles of (n, ky, kx), on their diagonal"),
        Field("weight_stride", 20, doc="bytes from n to n where transposed, k to k if row-major"),
        Field("accumulator_address", 12, doc="vector index of the first accumulator in its half"),
        Field("accumulator_half", 1, doc="the half that MATRIX works in"),
        Field("accumulate", 1, doc="add to what the accumulators hold, else overwrite"),
        Field("maximum", 1, doc="keep the greater of accumulator and sum instead of adding"),
        Field("mac_k", 7, doc="k of a run that count as MACs; 0: all that are valid"),
    ),
    Opcode.VECTOR: (
        *HEADER,
        Field("accumulator_address", 12, doc="vector index of the first accumulator in its half"),
        Field("accumulator_half", 1, doc="the half that VECTOR works in"),
        Field("rows", 16, doc="vectors of an n tile, 1 up"),
        Field("n_tiles", 12, doc="n tiles, 1 up"),
        Field("last_n", 7, doc="valid lanes of the last n tile, 1 to cols"),
        Field("source", 2, doc="see Source"),
        Field("source_zero_point", 9, signed=True, doc="subtracted from each source element"),
        Field("source_address", 24, doc="byte address of the first source element"),
        Field("source_row_stride", 24, doc="bytes from row to row of the source"),
        Field("operation", 2, doc="see Operation"),
        Field("multiplier_type", 2, doc="element type of the multiplier"),
        Field("multiplier_zero_point", 9, signed=True, doc="subtracted from each multiplier"),
        Field("count", 16, doc="the factor of x in CENTRE"),
        Field("parameter_address", 24, doc="byte address of bias and scale of the first n tile"),
        Field("tensor_scale", 1, doc="no parameters: all biases are 0, all scales are `scale`"),
        Field("scale", 32, doc="float32 bits of the scale of all channels"),
        Field("row_scale", 1, doc="multiply the scale by that of the row"),
        Field("bias_after", 1, doc="add the bias, an int16, to the scaled value"),
        Field("raw", 2, doc="see Raw"),
        Field("zero_point", 16, signed=True, doc="added after requantisation"),
        Field("clamp_low", 16, signed=True, doc="least requantised value"),
        Field("clamp_high", 16, signed=True, doc="greatest requantised value"),
        Field("unary_table", 1, doc="pass the requantised byte through the unary table"),
        Field("unary_signed", 1, doc="the unary table holds int8, else uint8"),
        Field("interpolate", 1, doc="pass the requantised int16 through the wide table"),
        Field("addition", 2, doc="see Addition"),
        Field("addition_scale", 32, doc="float32 bits of ra in a * ra + t[b]"),
        Field("residual_address", 24, doc="byte address of the first residual or multiplier"),
        Field("residual_row_stride", 24, doc="bytes from row to row of residual or multiplier"),
        Field("sum_low", 16, signed=True, doc="least value of the sum"),
        Field("sum_high", 16, signed=True, doc="greatest value of the sum"),
        Field("statistic", 2, doc="see Statistic"),
        Field("statistic_accumulate", 1, doc="add to the row's statistics, else start anew"),
        Field("statistic_address", 12, doc="entry of row 0 in the statistics file"),
        Field("masked", 1, doc="only columns below mask_origin + row count"),
        Field("mask_origin", 17, signed=True, doc="columns that count in row 0"),
        Field("output_shift", 4, doc="bits dropped from the result, rounding half to even"),
        Field("output_zero_point", 9, signed=True, doc="added behind the shift"),
        Field("element_type", 2, doc="type of the output, see ElementType"),
        Field("output_buffer", 2, doc="see Destination"),
        Field("output_address", 24, doc="byte address of the first output element"),
        Field("output_row_stride", 24, doc="bytes from row to row of the output"),
    ),
    Opcode.TABLE: (
        *HEADER,
        Field("table", 1, doc="see Table"),
        Field("parameter_address", 24, doc="byte address of the table in the parameter buffer"),
    ),
    Opcode.SCALE: (
        *HEADER,
        Field("function", 2, doc="see RowFunction"),
        Field("statistic_address", 12, doc="entry of the first row in the statistics file"),
        Field("rows", 16, doc="rows, 1 up"),
        Field("count", 16, doc="the factor of the sum of squares"),
        Field("centre", 1, doc="subtract the square of the sum"),
        Field("epsilon", 32, doc="added under the square root"),
    ),
}
