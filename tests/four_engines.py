"""A small legal program for all four engines, on any configuration, for faults to be put into.

``PROLOGUE`` instructions fill every buffer and bring one result to DRAM; behind a fault come as
many of the `epilogue`, legal again, the last of which would overwrite the bytes at ``MARKER``.
"""

from __future__ import annotations

from collections.abc import Sequence

from golden_support import chained, with_fields

from arch.config import Config
from arch.image import DebugInfo, Image, build_image
from arch.isa import (
    Addition,
    Buffer,
    Destination,
    ElementType,
    End,
    FillTable,
    Instruction,
    Load,
    Matrix,
    RowFunction,
    ScaleRows,
    Statistic,
    Store,
    Table,
    Vector,
    encode_program,
)

DATA = 0x8000
RESULT = 0xC000
MARKER = 0xE000
DRAM_BYTES = 0x10000
MARKER_CONTENT = b"\xa5" * 64
PARAMETER_BYTES = 2048
UNARY_TABLE, WIDE_TABLE = 512, 1024
FLOAT_ONE = 0x3F800000
ROWS = 2
INDICES = 16
"""Entries of the index buffer that are filled; all of them are FLOAT_ONE."""
ROW_OF_INDEX = 512
"""A stride in DRAM by which that index names the row at the LOAD's own address."""

_DATA_CONTENT = FLOAT_ONE.to_bytes(4, "little") * 4096  # scale, bias, table and operands alike
_DEBUG = DebugInfo(workload="test", operators=(), operator_of=(), tensors=())


class FourEngines:
    """Legal instructions, each of which may follow any other of them.

    Two rows of ``R`` activations lie at 0 in the activation buffer and are the residual too, their
    result lies at ``output_address``; rows are ``row_stride`` bytes apart, room for int16. The
    weight buffer begins with four tiles. The statistics file holds those of two rows of VECTOR.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.row_stride = 2 * config.word_bytes
        self.output_address = 8 * config.word_bytes
        self.load_activations = self._load(Buffer.ACTIVATION, ROWS * self.row_stride)
        self.load_weights = self._load(Buffer.WEIGHT, 4 * config.rows * config.cols)
        self.load_parameters = self._load(Buffer.PARAMETER, PARAMETER_BYTES)
        self.load_indices = self._load(Buffer.INDEX, 4 * INDICES)
        self.gather = with_fields(
            self.load_activations,
            gather=1,
            run_bytes=self.row_stride,
            runs=ROWS,
            run_dram_stride=ROW_OF_INDEX,
            run_buffer_stride=self.row_stride,
        )
        self.unary_table = FillTable(table=Table.UNARY, parameter_address=UNARY_TABLE)
        self.wide_table = FillTable(table=Table.WIDE, parameter_address=WIDE_TABLE)
        self.matrix = Matrix(
            activation_address=0,
            y_limit=ROWS,
            row_stride=self.row_stride,
            x_limit=config.rows,
            output_rows=ROWS,
            k_tiles=1,
            last_k=config.rows,
            n_tiles=1,
            last_n=config.cols,
            weight_address=0,
        )
        self.transposed = with_fields(self.matrix, weight_transposed=1, weight_stride=config.rows)
        self.row_major = with_fields(self.matrix, weight_row_major=1, weight_stride=config.cols)
        self.diagonal = with_fields(self.matrix, weight_diagonal=1)
        self.vector = Vector(
            rows=ROWS,
            n_tiles=1,
            last_n=config.cols,
            parameter_address=0,
            clamp_low=-128,
            clamp_high=127,
            element_type=ElementType.INT8,
            output_address=self.output_address,
            output_row_stride=self.row_stride,
        )
        self.statistics = {
            statistic: with_fields(self.vector, statistic=statistic, output_buffer=Destination.NONE)
            for statistic in (Statistic.MAXIMUM, Statistic.SUM)
        }
        self.scale_rows = ScaleRows(function=RowFunction.RECIPROCAL, rows=ROWS)
        self.mapped = with_fields(self.vector, unary_table=1, unary_signed=1)
        residual = with_fields(
            self.vector,
            residual_address=0,
            residual_row_stride=self.row_stride,
            sum_low=-128,
            sum_high=127,
        )
        self.add_table = with_fields(
            residual, addition=Addition.TABLE, addition_scale=FLOAT_ONE, unary_table=1
        )
        self.add_int16 = with_fields(
            residual, addition=Addition.INT16, element_type=ElementType.INT16
        )
        self.store = Store(
            buffer=Buffer.ACTIVATION,
            buffer_address=self.output_address,
            dram_address=RESULT,
            run_bytes=config.cols,
            runs=ROWS,
            run_buffer_stride=self.row_stride,
            run_dram_stride=config.cols,
        )

    @property
    def prologue(self) -> list[Instruction]:
        return [
            self.load_activations,
            self.load_weights,
            self.load_parameters,
            self.load_indices,
            self.gather,
            self.matrix,
            self.unary_table,
            self.wide_table,
            *self.statistics.values(),
            self.scale_rows,
            self.add_table,
            self.store,
        ]

    @property
    def epilogue(self) -> list[Instruction]:
        return [
            self.load_activations,
            self.matrix,
            self.vector,
            with_fields(self.store, dram_address=MARKER),
        ]

    def around(self, *middle: Instruction) -> list[Instruction]:
        """Prologue, instructions, epilogue and END, each waiting for the one before it."""
        return [*chained([*self.prologue, *middle, *self.epilogue]), End()]

    def beside(self, middle: bytes) -> bytes:
        """The same around an instruction that is not to be dispatched, and waited for by none."""
        program = encode_program([*chained([*self.prologue, *self.epilogue]), End()])
        split = len(encode_program(self.prologue))
        return program[:split] + middle + program[split:]

    def _load(self, buffer: Buffer, run_bytes: int) -> Load:
        return Load(buffer=buffer, buffer_address=0, dram_address=DATA, run_bytes=run_bytes)


def image_of(program: bytes | Sequence[Instruction], config: Config) -> Image:
    """The program at 0, its data, and the marker."""
    code = program if isinstance(program, bytes) else encode_program(program)
    data = [("data", DATA, _DATA_CONTENT), ("marker", MARKER, MARKER_CONTENT)]
    return build_image(config, 0, code, data, DRAM_BYTES, _DEBUG)
