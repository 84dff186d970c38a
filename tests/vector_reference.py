"""What the document says VECTOR must do: values and addresses of I-04, cycles of T-VX."""

import numpy as np
from vector_bench import Memories

from arch.config import Config, load_config
from arch.isa import Addition, Buffer, ElementType, FillTable, Table, Vector
from arch.timing import VECTOR_PARAMETER_CYCLES
from golden.ops.qlinear_add import add_int16, add_table
from golden.ops.requantize import add_zero_point, requantize

CONFIG = load_config("tiny")
LANES = CONFIG.cols
WORD_BYTES = CONFIG.word_bytes
UNARY_ADDRESS = 0
ADDITION_ADDRESS = 512
PARAMETER_ADDRESS = 2048

TABLES = (
    FillTable(table=Table.UNARY, parameter_address=UNARY_ADDRESS),
    FillTable(table=Table.ADDITION, parameter_address=ADDITION_ADDRESS),
)


def random_memories(rng: np.random.Generator, config: Config = CONFIG) -> Memories:
    """Scales and terms that bring accumulators and codes into the range of the clamps."""
    memories = Memories.random(config, rng)
    words = memories.parameters.view(np.uint32)
    words[ADDITION_ADDRESS // 4 :][:256] = rng.uniform(-90, 90, 256).astype(np.float32).view("<u4")
    channels = words[PARAMETER_ADDRESS // 4 :].reshape(-1, 2, LANES)
    channels[:, 0] = rng.integers(-4000, 4000, channels[:, 0].shape).astype(np.int32).view("<u4")
    scales = 2.0 ** rng.uniform(-10, -6, channels[:, 1].shape)
    channels[:, 1] = scales.astype(np.float32).view(np.uint32)
    return memories


def random_vector(rng: np.random.Generator, **fields: int) -> Vector:
    """A legal instruction; ``fields`` are held."""
    kind = fields.get("addition", int(rng.integers(3)))
    clamp = ElementType.INT16 if kind == Addition.INT16 else ElementType(int(rng.integers(2)))
    element_type = ElementType(int(rng.integers(3))) if clamp == ElementType.INT16 else clamp
    unary = int(clamp != ElementType.INT16 and rng.integers(2))
    n_tiles = int(rng.integers(1, 4))
    step = LANES * element_type.bytes
    values = {
        "accumulator_address": int(rng.integers(16)),
        "accumulator_half": int(rng.integers(2)),
        "rows": int(rng.integers(1, 10)),
        "n_tiles": n_tiles,
        "last_n": int(rng.integers(1, LANES + 1)),
        "parameter_address": PARAMETER_ADDRESS + 8 * LANES * int(rng.integers(4)),
        "zero_point": int(rng.integers(clamp.low // 2, clamp.high // 2 + 1)),
        "clamp_low": clamp.low + int(rng.integers(20)),
        "clamp_high": clamp.high - int(rng.integers(20)),
        "unary_table": unary,
        "unary_signed": int(element_type == ElementType.INT8),
        "addition": kind,
        "addition_scale": int(np.float32(rng.uniform(0.1, 2)).view(np.uint32)),
        "residual_address": 8 * LANES * int(rng.integers(8)),
        "residual_row_stride": 2 * LANES * int(rng.integers(n_tiles, n_tiles + 3)),
        "sum_low": element_type.low + 3,
        "sum_high": element_type.high - 5,
        "element_type": element_type,
        "output_buffer": int(rng.integers(2)),
        "output_address": step * int(rng.integers(8)),
        "output_row_stride": step * int(rng.integers(n_tiles, n_tiles + 3)),
    }
    return Vector(**(values | fields))


def residual_of(vector: Vector, memories: Memories) -> np.ndarray:
    """[rows, n_tiles * LANES] of bytes or int16; what lies there for invalid lanes too."""
    element_bytes = 2 if vector.addition == Addition.INT16 else 1
    rows = np.arange(vector.rows)[:, None] * vector.residual_row_stride
    columns = np.arange(vector.n_tiles * LANES * element_bytes)
    data: np.ndarray = memories.activations[vector.residual_address + rows + columns]
    return data.view(np.int16) if element_bytes == 2 else data


def expected_codes(vector: Vector, memories: Memories) -> np.ndarray:
    """I-04, [rows, channels]."""
    vectors = memories.accumulators[vector.accumulator_half, vector.accumulator_address :]
    tiles = vectors[: vector.n_tiles * vector.rows].reshape(vector.n_tiles, vector.rows, LANES)
    words = memories.parameters.view(np.uint32)[vector.parameter_address // 4 :]
    channels = words[: vector.n_tiles * 2 * LANES].reshape(vector.n_tiles, 2, 1, LANES)
    scales = channels[:, 1].view(np.float32)
    q = requantize(tiles + channels[:, 0].view(np.int32), scales)
    q = add_zero_point(q, vector.zero_point, vector.clamp_low, vector.clamp_high)
    q = q.transpose(1, 0, 2).reshape(vector.rows, -1)
    if vector.unary_table:
        table = memories.parameters[UNARY_ADDRESS:][:256]
        q = (table.view(np.int8) if vector.unary_signed else table)[q & 255].astype(np.int64)
    if vector.addition == Addition.TABLE:
        table = memories.parameters[ADDITION_ADDRESS:][:1024].view(np.float32)
        q = add_table(q, residual_of(vector, memories), vector.addition_scale, table)
    elif vector.addition == Addition.INT16:
        q = add_int16(q, residual_of(vector, memories))
    if vector.addition != Addition.NONE:
        q = np.clip(q, vector.sum_low, vector.sum_high)
    return q[:, : (vector.n_tiles - 1) * LANES + vector.last_n]


def expected_bytes(vector: Vector, memories: Memories) -> list[tuple[tuple[Buffer, int], int]]:
    """I-04: every byte written, in the order of the rows."""
    element_type = ElementType(vector.element_type)
    codes = expected_codes(vector, memories).astype(np.int16)
    written = []
    for tile in range(vector.n_tiles):
        for row in range(vector.rows):
            data = codes[row, tile * LANES :][:LANES].view(np.uint8).reshape(-1, 2)
            address = vector.output_address + row * vector.output_row_stride
            address += tile * LANES * element_type.bytes
            for byte, value in enumerate(data[:, : element_type.bytes].ravel()):
                written.append(((Buffer(vector.output_buffer), address + byte), int(value)))
    return written


def row_cycles(vector: Vector, start: int) -> list[int]:
    """T-VX-02, T-VX-03: with a free residual port."""
    per_tile = VECTOR_PARAMETER_CYCLES + vector.rows
    return [
        start + 1 + tile * per_tile + VECTOR_PARAMETER_CYCLES + row
        for tile in range(vector.n_tiles)
        for row in range(vector.rows)
    ]
