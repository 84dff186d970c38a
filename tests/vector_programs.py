"""Random legal programs of VECTOR, TABLE and SCALE, and memories that suit them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from vector_bench import Memories
from vector_reference import Instruction, Machine, Written

from arch.config import Config, load_config
from arch.isa import (
    Addition,
    Destination,
    ElementType,
    FillTable,
    Operation,
    Raw,
    RowFunction,
    ScaleRows,
    Source,
    Statistic,
    Table,
    Vector,
)

CONFIG = load_config("tiny")
LANES = CONFIG.cols
WIDE = CONFIG.model_copy(update={"cols": 8, "parameter_buffer_kib": 5, "accumulator_kib": 8})
"""Rectangular: words of two vectors' worth of rows."""
UNARY_ADDRESS = 0
ADDITION_ADDRESS = 512
PARAMETER_ADDRESS = 2048
ENTRIES = 24
"""Of the statistics file that random instructions use."""
ROW_SCALE_BITS = 19
"""About what the scales of rows divide by."""

TABLES = (
    FillTable(table=Table.UNARY, parameter_address=UNARY_ADDRESS),
    FillTable(table=Table.WIDE, parameter_address=ADDITION_ADDRESS),
)


def random_memories(rng: np.random.Generator, config: Config = CONFIG) -> Memories:
    """Scales and terms that bring accumulators and codes into the range of the clamps."""
    memories = Memories.random(config, rng)
    words = memories.parameters.view(np.uint32)
    words[ADDITION_ADDRESS // 4 :][:256] = rng.uniform(-90, 90, 256).astype(np.float32).view("<u4")
    channels = words[PARAMETER_ADDRESS // 4 :].reshape(-1, 2, config.cols)
    channels[:, 0] = rng.integers(-4000, 4000, channels[:, 0].shape).astype(np.int32).view("<u4")
    scales = 2.0 ** rng.uniform(-10, -6, channels[:, 1].shape)
    channels[:, 1] = scales.astype(np.float32).view(np.uint32)
    return memories


def float_bits(value: float) -> int:
    """Of the float32."""
    return int(np.float32(value).view(np.uint32))


def plain(config: Config = CONFIG, **fields: int) -> Vector:
    """Two rows and two n tiles, the last of a lane less, without an addition."""
    values = {
        "rows": 2,
        "n_tiles": 2,
        "last_n": config.cols - 1,
        "parameter_address": PARAMETER_ADDRESS,
        "clamp_low": -100,
        "clamp_high": 100,
        "output_row_stride": 2 * config.cols,
    }
    return Vector(**(values | fields))


def random_vector(rng: np.random.Generator, config: Config = CONFIG, **fields: int) -> Vector:
    """A legal instruction, of those that need no statistics of another; ``fields`` are held.

    Only an addition, a table and what goes with them are drawn where nothing else is held.
    """
    kind = fields.get("addition", int(rng.integers(3)))
    clamp = ElementType.INT16 if kind == Addition.INT16 else ElementType(int(rng.integers(2)))
    element_type = ElementType(int(rng.integers(3))) if clamp == ElementType.INT16 else clamp
    n_tiles = int(rng.integers(1, 4))
    step = config.cols * element_type.bytes
    values = {
        "accumulator_address": int(rng.integers(16)),
        "accumulator_half": int(rng.integers(2)),
        "rows": int(rng.integers(1, 10)),
        "n_tiles": n_tiles,
        "last_n": int(rng.integers(1, config.cols + 1)),
        "parameter_address": PARAMETER_ADDRESS + 8 * config.cols * int(rng.integers(4)),
        "zero_point": int(rng.integers(clamp.low // 2, clamp.high // 2 + 1)),
        "clamp_low": clamp.low + int(rng.integers(20)),
        "clamp_high": clamp.high - int(rng.integers(20)),
        "unary_table": int(clamp != ElementType.INT16 and rng.integers(2)),
        "unary_signed": int(element_type == ElementType.INT8),
        "addition": kind,
        "addition_scale": float_bits(rng.uniform(0.1, 2)),
        **_place(rng, config, "residual", n_tiles, 2),
        "sum_low": element_type.low + 3,
        "sum_high": element_type.high - 5,
        "element_type": element_type,
        "output_buffer": int(rng.integers(2)),
        "output_address": step * int(rng.integers(8)),
        "output_row_stride": step * int(rng.integers(n_tiles, n_tiles + 3)),
    }
    return Vector(**(values | fields))


def _place(
    rng: np.random.Generator, config: Config, name: str, n_tiles: int, element_bytes: int
) -> dict[str, int]:
    """Where rows of a tensor lie in the activation buffer."""
    step = config.cols * element_bytes
    return {
        f"{name}_address": 4 * step * int(rng.integers(8)),
        f"{name}_row_stride": step * int(rng.integers(n_tiles, n_tiles + 3)),
    }


def random_pass(rng: np.random.Generator, config: Config = CONFIG) -> Vector:
    """A legal instruction of any options but EXPONENT, whose entries hold statistics."""
    vector = random_vector(rng, config, addition=int(rng.integers(3)) * int(rng.integers(2)))
    operation = Operation(int(rng.integers(3)))
    source = Source(int(rng.integers(operation != Operation.DIRECT, 4)))
    fields: dict[str, int] = {"source": source, "operation": operation}
    if source != Source.ACCUMULATOR:
        limits = {Source.INT8: (-128, 128), Source.UINT8: (0, 256), Source.INT16: (0, 1)}[source]
        fields["source_zero_point"] = int(rng.integers(*limits))
        fields |= _place(rng, config, "source", vector.n_tiles, source.bytes)
    if operation == Operation.MULTIPLY:
        kind = ElementType(int(rng.integers(3)))
        limits = (kind.low, kind.high + 1) if kind != ElementType.INT16 else (0, 1)
        fields |= {"addition": Addition.NONE, "multiplier_type": kind}
        fields["multiplier_zero_point"] = int(rng.integers(*limits))
    value_bits = 8 * (source.bytes or 2)
    if operation == Operation.MULTIPLY:
        value_bits += 8 * kind.bytes
    fields |= _scales(rng, operation, value_bits) | _statistics(rng, operation)
    vector = replace(vector, **fields)
    vector = replace(vector, **_behind(rng, config, vector))
    return _raw(rng, config, vector) if rng.integers(5) == 0 else vector


def _scales(rng: np.random.Generator, operation: Operation, value_bits: int) -> dict[str, int]:
    """The scale of all channels brings ``v`` into the range of int16, often of int8."""
    row_scale = int(rng.integers(2))
    fields = {"row_scale": row_scale, "tensor_scale": int(rng.integers(4) > 0)}
    fields["bias_after"] = int(rng.integers(2))
    if operation == Operation.CENTRE:
        count_bits = int(rng.integers(4, 17))
        value_bits += count_bits
        fields["count"] = int(rng.integers(1 << count_bits))
        fields["bias_after"] |= not fields["tensor_scale"]
    places = rng.uniform(4, 15) - min(value_bits, 31) + (ROW_SCALE_BITS if row_scale else 0)
    fields["scale"] = float_bits(2.0**places)
    return fields


def _statistics(rng: np.random.Generator, operation: Operation) -> dict[str, int]:
    kinds = [Statistic.NONE, Statistic.SUM, Statistic.MAXIMUM]
    if operation == Operation.CENTRE:
        kinds = kinds[:1]
    return {
        "statistic": int(rng.choice(kinds)),
        "statistic_accumulate": int(rng.integers(2)),
        "statistic_address": int(rng.integers(ENTRIES - 9)),
        "masked": int(rng.integers(3) == 0),
        "mask_origin": int(rng.integers(-6, 20)),
    }


def _raw(rng: np.random.Generator, config: Config, vector: Vector) -> Vector:
    """A half of the values of the same pass, without what excludes it."""
    excluded = ("addition", "unary_table", "interpolate", "statistic", "masked", "output_shift")
    fields = dict.fromkeys((*excluded, "output_zero_point", "bias_after"), 0)
    if vector.operation == Operation.CENTRE:
        fields["tensor_scale"] = 1
    return replace(
        vector,
        **fields,
        raw=int(rng.choice([Raw.LOW, Raw.HIGH])),
        element_type=ElementType.INT16,
        **_place(rng, config, "output", vector.n_tiles, 2),
    )


def _behind(rng: np.random.Generator, config: Config, vector: Vector) -> dict[str, int]:
    """What becomes of the codes: interpolation, shift and output, mostly in the output's range."""
    byte_codes = vector.clamp_high < 256
    fields = {"output_buffer": int(rng.choice([0, 0, 1, 1, Destination.NONE]))}
    if not byte_codes:
        kind = ElementType(int(rng.choice([0, 1, 2, 2, 2])))
        fields |= {"interpolate": int(rng.integers(2)), "element_type": kind}
        fields |= _place(rng, config, "output", vector.n_tiles, kind.bytes)
        vector = replace(vector, element_type=kind)
    if vector.element_type != ElementType.INT16:
        fields["output_zero_point"] = int(rng.integers(-128, 256))
        fields["output_shift"] = int(rng.integers(3) if byte_codes else rng.integers(5, 16))
    return fields


def preparation(rng: np.random.Generator, config: Config = CONFIG) -> list[Instruction]:
    """Fills both tables, and every statistic of ENTRIES entries."""
    # Without the limits of codes, so that sums have more bits than 24.
    wide = {"addition": Addition.NONE, "unary_table": 0, "element_type": ElementType.INT16}
    wide |= {"clamp_low": -32768, "clamp_high": 32767, "tensor_scale": 1, "zero_point": 0}
    wide |= {"output_buffer": Destination.NONE, "rows": ENTRIES, "scale": float_bits(0.9)}
    passes: list[Instruction] = [
        random_vector(rng, config, statistic=statistic, accumulator_address=0, **wide)
        for statistic in (Statistic.MAXIMUM, Statistic.SUM)
    ]
    return [*TABLES, *passes, random_scale(rng, 0, ENTRIES)]


def random_scale(rng: np.random.Generator, entry: int, rows: int) -> ScaleRows:
    """Inverse square roots, of anything that cannot be negative."""
    return ScaleRows(
        function=RowFunction.INVERSE_SQUARE_ROOT,
        statistic_address=entry,
        rows=rows,
        count=int(rng.integers(16, 1 << 10)),
        epsilon=int(rng.integers(1, 1 << 32)),
    )


def softmax(rng: np.random.Generator, config: Config = CONFIG) -> list[Instruction]:
    """Maximum, exponent with sum, reciprocal, and a product with the row's scale."""
    fields: dict[str, int] = {"addition": Addition.NONE, "unary_table": 0, "zero_point": 0}
    fields["statistic_address"] = int(rng.integers(ENTRIES - 9))
    fields |= {"masked": int(rng.integers(2)), "mask_origin": int(rng.integers(1, 9))}
    fields |= {"tensor_scale": int(rng.integers(2)), "scale": float_bits(rng.uniform(1, 800))}
    maximum = random_vector(rng, config, statistic=Statistic.MAXIMUM, **fields)
    kind = ElementType(int(rng.choice([ElementType.UINT8, ElementType.INT16])))
    exponent = replace(
        maximum,
        operation=Operation.EXPONENT,
        statistic=Statistic.SUM,
        element_type=kind,
        output_row_stride=16 * config.cols,
        output_address=0,
    )
    entries = {"statistic_address": maximum.statistic_address, "rows": maximum.rows}
    scale = ScaleRows(function=RowFunction.RECIPROCAL, **entries)
    product = replace(
        random_vector(rng, config, **entries, addition=Addition.NONE, unary_table=0),
        tensor_scale=1,
        row_scale=1,
        scale=float_bits(2.0 ** rng.uniform(18, 26)),
    )
    return [maximum, exponent, scale, product]


def random_program(rng: np.random.Generator, config: Config = CONFIG) -> list[Instruction]:
    """Tables and statistics first, then passes that use and change them."""
    program = preparation(rng, config)
    for _ in range(5):
        program += [random_pass(rng, config), random_pass(rng, config)]
        program.append(random_scale(rng, int(rng.integers(ENTRIES - 9)), int(rng.integers(1, 10))))
        program += softmax(rng, config)
    return program


def expected_bytes(vector: Vector, memories: Memories, config: Config = CONFIG) -> Written:
    """What an instruction writes when both tables are filled, and nothing else was before."""
    machine = Machine(config, memories)
    machine.execute(*TABLES)
    return machine.execute(vector)
