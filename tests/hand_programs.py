"""Instructions and a configuration for timing tests by hand: only what matters is given.

VECTOR writes into a bank of its own.
"""

from __future__ import annotations

from typing import Any

from arch.config import Config
from arch.isa import (
    Buffer,
    ElementType,
    End,
    FillTable,
    Instruction,
    Load,
    Matrix,
    RowFunction,
    ScaleRows,
    Store,
    Table,
    Vector,
)
from model.timeline import Prediction, predict_program


def config(**changes: Any) -> Config:
    values = {
        "name": "hand",
        "rows": 16,
        "cols": 16,
        "activation_buffer_kib": 8,
        "weight_buffer_kib": 8,
        "parameter_buffer_kib": 4,
        "accumulator_kib": 8,
        "axi_data_bits": 512,
        "dram_latency_cycles": 10,
        "dram_bytes_per_cycle": 64,
    }
    return Config(**(values | changes))


def load(run_bytes: int = 64, **fields: Any) -> Load:
    defaults = {"buffer": Buffer.ACTIVATION, "buffer_address": 0, "dram_address": 0}
    return Load(run_bytes=run_bytes, **(defaults | {"run_dram_stride": 4096} | fields))


def store(run_bytes: int = 64, **fields: Any) -> Store:
    defaults = {"buffer": Buffer.ACTIVATION, "buffer_address": 0, "dram_address": 0}
    return Store(run_bytes=run_bytes, **(defaults | {"run_dram_stride": 4096} | fields))


def matrix(rows: int, k_tiles: int = 1, **fields: Any) -> Matrix:
    defaults = {
        "activation_address": 0,
        "y_limit": rows,
        "row_stride": 16,
        "x_limit": 1024,
        "last_k": 16,
        "n_tiles": 1,
        "last_n": 16,
        "weight_address": 0,
    }
    return Matrix(output_rows=rows, k_tiles=k_tiles, **(defaults | fields))


def vector(rows: int = 1, n_tiles: int = 1, **fields: Any) -> Vector:
    defaults = {
        "last_n": 16,
        "parameter_address": 0,
        "clamp_low": -128,
        "clamp_high": 127,
        "element_type": ElementType.INT8,
        "output_address": 6144,
        "output_row_stride": 16,
    }
    return Vector(rows=rows, n_tiles=n_tiles, **(defaults | fields))


def table(which: Table = Table.UNARY, **fields: Any) -> FillTable:
    return FillTable(table=which, parameter_address=0, **fields)


def scale(rows: int = 1, **fields: Any) -> ScaleRows:
    return ScaleRows(function=RowFunction.RECIPROCAL, rows=rows, **fields)


def run(*program: Instruction, **changes: Any) -> Prediction:
    """Predict a program, END appended, with changes of the configuration."""
    return predict_program([*program, End()], config(**changes))


def times(*program: Instruction, **changes: Any) -> list[tuple[int, int]]:
    """Start and end of each of its instructions."""
    return [(each.start, each.end) for each in run(*program, **changes).instructions]
