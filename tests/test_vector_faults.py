"""VECTOR and TABLE at the ends of their memories: rule E-03, access by access.

The memories of the bench fail where an access is made beyond their end.
"""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from vector_bench import INDEX_STEP, Memories, Trace, run
from vector_reference import (
    CONFIG,
    LANES,
    PARAMETER_ADDRESS,
    TABLES,
    expected_bytes,
    random_memories,
    random_vector,
    row_cycles,
)

from arch.config import Config
from arch.isa import Addition, Buffer, ElementType, FillTable, Table, Vector
from arch.timing import TABLE_PIPELINE_CYCLES, VECTOR_PARAMETER_CYCLES, VECTOR_PIPELINE_CYCLES

pytestmark = pytest.mark.usefixtures("each_simulator")

ADDRESSES = 1 << 24
VECTORS = 1 << 12
"""What ``accumulator_address`` reaches."""
CHANNEL_BYTES = 8 * LANES
"""Of the parameters of an n tile."""

ODD = CONFIG.model_copy(
    update={
        "activation_buffer_kib": 3,
        "weight_buffer_kib": 5,
        "parameter_buffer_kib": 3,
        "accumulator_kib": 3,
    }
)
"""Sizes that are no powers of two: an address that lost its upper bits may fall inside."""
CONFIGS = pytest.mark.parametrize("config", [CONFIG, ODD], ids=["tiny", "odd sizes"])


def valid_lanes(vector: Vector) -> list[tuple[int, int, int]]:
    """N tile, row and number of valid lanes of each row, in order."""
    return [
        (tile, row, vector.last_n if tile == vector.n_tiles - 1 else LANES)
        for tile in range(vector.n_tiles)
        for row in range(vector.rows)
    ]


def is_read(config: Config, vector: Vector, tile: int, row: int, lanes: int) -> bool:
    """E-03: whether accumulators and residual of a row lie in their memories."""
    element = 2 if vector.addition == Addition.INT16 else 1
    address = vector.residual_address + row * vector.residual_row_stride + tile * LANES * element
    inside = address % ADDRESSES + lanes * element <= config.activation_buffer_bytes
    exists = vector.accumulator_address + tile * vector.rows + row < config.accumulator_depth
    return exists and (inside or vector.addition == Addition.NONE)


def is_written(config: Config, vector: Vector, tile: int, row: int, lanes: int) -> bool:
    """E-03: whether the bytes of a row lie in the buffer they are written to."""
    size = (config.activation_buffer_bytes, config.weight_buffer_bytes)[vector.output_buffer]
    element = ElementType(vector.element_type).bytes
    address = vector.output_address + row * vector.output_row_stride + tile * LANES * element
    return address % ADDRESSES + lanes * element <= size


def read_faults(config: Config, vector: Vector, start: int) -> list[int]:
    """Cycles of the reads that are not made, by T-VX-02 and T-VX-03."""
    cycles = []
    for cycle, (tile, row, lanes) in zip(
        row_cycles(vector, start), valid_lanes(vector), strict=True
    ):
        for word in range(2 if row == 0 else 0):
            address = vector.parameter_address + (2 * tile + word) * 4 * LANES
            if address % ADDRESSES + 4 * LANES > config.parameter_buffer_bytes:
                cycles.append(cycle - VECTOR_PARAMETER_CYCLES + 1 + word)
        if not is_read(config, vector, tile, row, lanes):
            cycles.append(cycle)
    return cycles


def write_faults(config: Config, vector: Vector, start: int) -> list[int]:
    """Cycles of the writes that are not made, by T-VX-04."""
    rows = zip(row_cycles(vector, start), valid_lanes(vector), strict=True)
    return [
        cycle + VECTOR_PIPELINE_CYCLES
        for cycle, place in rows
        if not is_written(config, vector, *place)
    ]


def written_bytes(
    config: Config, vector: Vector, memories: Memories
) -> list[tuple[tuple[Buffer, int], int]]:
    """I-04, without the rows that are not written."""
    everything = iter(expected_bytes(vector, memories))
    written = []
    for tile, row, lanes in valid_lanes(vector):
        count = lanes * ElementType(vector.element_type).bytes
        of_row = list(itertools.islice(everything, count))
        if is_written(config, vector, tile, row, lanes):
            written += of_row
    return [((buffer, address % ADDRESSES), value) for (buffer, address), value in written]


def check(config: Config, vector: Vector) -> Trace:
    """Run between two others that are exact; compare cycles, errors, and what is written."""
    rng = np.random.default_rng(1)
    memories = random_memories(rng, config)
    clean = random_vector(rng, addition=Addition.NONE, unary_table=0, rows=3)
    trace = run(config, memories, [*TABLES, clean, vector, clean])
    start = trace.issued[3]
    lost = read_faults(config, vector, start)
    cycles = sorted({*lost, *write_faults(config, vector, start)})
    assert trace.faults == [(cycle, 3 * INDEX_STEP) for cycle in cycles]
    rows = row_cycles(vector, start)
    assert trace.rows[3 * clean.n_tiles :][: len(rows)] == rows
    assert trace.retired[3] == rows[-1] + VECTOR_PIPELINE_CYCLES

    clean_bytes = expected_bytes(clean, memories)
    assert trace.written[: len(clean_bytes)] == clean_bytes
    assert trace.written[-len(clean_bytes) :] == clean_bytes
    written = trace.written[len(clean_bytes) : -len(clean_bytes)]
    expected = written_bytes(config, vector, enlarged(memories))
    assert [place for place, _ in written] == [place for place, _ in expected]
    assert lost or written == expected
    return trace


def enlarged(memories: Memories) -> Memories:
    """With something at every address, so that the reference can read what is not there."""
    vectors = np.zeros((2, 3 * VECTORS, LANES), np.int32)
    vectors[:, : memories.accumulators.shape[1]] = memories.accumulators
    ones = np.ones(ADDRESSES, np.uint8)
    parameters = np.concatenate([memories.parameters, ones])
    return Memories(vectors, parameters, np.concatenate([memories.activations, ones]))


def plain(**fields: Any) -> Vector:
    """Two rows and two n tiles, the last of three lanes, without an addition."""
    values = {
        "rows": 2,
        "n_tiles": 2,
        "last_n": LANES - 1,
        "parameter_address": PARAMETER_ADDRESS,
        "clamp_low": -100,
        "clamp_high": 100,
        "element_type": ElementType.INT8,
        "output_address": 0,
        "output_row_stride": 2 * LANES,
    }
    return Vector(**(values | fields))


@CONFIGS
@pytest.mark.parametrize("output_buffer", [Buffer.ACTIVATION, Buffer.WEIGHT])
@pytest.mark.parametrize("element_type", [ElementType.INT8, ElementType.INT16])
def test_output_beyond_the_end(
    config: Config, output_buffer: Buffer, element_type: ElementType
) -> None:
    """E-03: bytes of valid lanes count; a row that has one beyond is not written at all."""
    sizes = (config.activation_buffer_bytes, config.weight_buffer_bytes)
    step = LANES * element_type.bytes
    fields = {"output_buffer": output_buffer, "element_type": element_type}
    fields |= {"output_row_stride": 2 * step}
    faults = []
    for beyond in (0, 1, 2, 4):
        address = sizes[output_buffer] - (4 - beyond) * step
        faults.append(len(check(config, plain(**fields, output_address=address)).faults))
    faults.append(len(check(config, plain(**fields, output_address=ADDRESSES - 2 * step)).faults))
    assert faults == [0, 1, 2, 4, 2]


def test_lanes_that_are_not_valid_may_lie_beyond() -> None:
    """E-03, I-04: with an access that is not a multiple of a word."""
    size = CONFIG.activation_buffer_bytes
    fields = {"rows": 1, "n_tiles": 1, "addition": Addition.INT16, "residual_address": size - 6}
    fields |= {"element_type": ElementType.INT16, "output_address": size - 6}
    assert check(CONFIG, plain(**fields, last_n=3)).faults == []
    assert len(check(CONFIG, plain(**fields, last_n=4)).faults) == 2


@CONFIGS
@pytest.mark.parametrize("kind", [Addition.TABLE, Addition.INT16])
def test_residual_beyond_the_end(config: Config, kind: Addition) -> None:
    """E-03: bytes of valid lanes count; the row goes on without its residual, and undenied."""
    step = LANES * (2 if kind == Addition.INT16 else 1)
    fields = {"addition": kind, "residual_row_stride": 2 * step, "sum_high": 1}
    fields |= {"addition_scale": 0x3F800000}
    faults = []
    for beyond in (0, 1, 2, 4):
        address = config.activation_buffer_bytes - (4 - beyond) * step
        vector = plain(**fields, residual_address=address)
        trace = check(config, vector)
        faults.append(len(trace.faults))
        assert len(trace.residual_reads) == 4 - beyond
    vector = plain(**fields, residual_address=ADDRESSES - 2 * step)
    faults.append(len(check(config, vector).faults))
    assert faults == [0, 1, 2, 4, 2]


def test_residual_address_does_not_matter_without_addition() -> None:
    """E-03: nothing is read."""
    assert check(CONFIG, plain(residual_address=ADDRESSES - 4)).faults == []


@CONFIGS
def test_parameters_beyond_the_end(config: Config) -> None:
    """E-03: whole words, biases and scales apart."""
    size = config.parameter_buffer_bytes
    faults = []
    for address in (
        size - 2 * CHANNEL_BYTES,
        size - CHANNEL_BYTES - CHANNEL_BYTES // 2,
        size - CHANNEL_BYTES,
        size,
        2 * size,
        ADDRESSES - CHANNEL_BYTES,
    ):
        faults.append(len(check(config, plain(parameter_address=address)).faults))
    assert faults == [0, 1, 2, 4, 4, 2]


@CONFIGS
def test_vectors_beyond_the_accumulator(config: Config) -> None:
    """E-03: and those of a long instruction do not fall on the first ones again."""
    depth = config.accumulator_depth
    assert check(config, plain(accumulator_address=depth - 4)).faults == []
    assert len(check(config, plain(accumulator_address=depth - 3)).faults) == 1
    assert len(check(config, plain(accumulator_address=VECTORS - 2)).faults) == 4
    rows = VECTORS // 2 + 2
    long = plain(accumulator_address=VECTORS - 2, rows=rows, output_row_stride=0)
    assert len(check(config, long).faults) == 2 * rows


@CONFIGS
@pytest.mark.parametrize("table", list(Table))
def test_table_beyond_the_end(config: Config, table: Table) -> None:
    """E-03: the words of the table, and it retires in its time."""
    memories = random_memories(np.random.default_rng(3), config)
    size = config.parameter_buffer_bytes
    for address, missing in (
        (size - 4 * table.words, 0),
        (size - 4 * table.words + 4 * LANES, LANES),
        (size, table.words),
        (ADDRESSES - 4 * LANES, table.words),
    ):
        fill = FillTable(table=table, parameter_address=address)
        trace = run(config, memories, [plain(), fill, plain()])
        last_read = trace.issued[1] + table.words
        faults = range(last_read - missing + 1, last_read + 1)
        assert trace.faults == [(cycle, INDEX_STEP) for cycle in faults]
        assert trace.retired[1] == last_read + TABLE_PIPELINE_CYCLES
        clean = expected_bytes(plain(), memories)
        assert trace.written == clean + clean


@CONFIGS
def test_random_instructions_near_the_ends(config: Config) -> None:
    """E-03, and T-VX-02 to T-VX-04 hold on."""
    rng = np.random.default_rng(31)
    faulty = 0
    for _ in range(16):
        vector = random_vector(rng)
        element = LANES * ElementType(vector.element_type).bytes
        output_end = (config.activation_buffer_bytes, config.weight_buffer_bytes)
        near = {
            "accumulator_address": config.accumulator_depth - int(rng.integers(0, 40)),
            "parameter_address": config.parameter_buffer_bytes - 4 * LANES * int(rng.integers(9)),
            "residual_address": config.activation_buffer_bytes - 2 * LANES * int(rng.integers(40)),
            "output_address": output_end[vector.output_buffer] - element * int(rng.integers(40)),
        }
        chosen = {name: value for name, value in near.items() if rng.random() < 0.4}
        faulty += bool(check(config, replace(vector, **chosen)).faults)
    assert 4 < faulty < 14


def test_reset_after_an_error() -> None:
    """E-09: nothing of it is left, and the next instruction is exact."""
    memories = random_memories(np.random.default_rng(4))
    bad = plain(accumulator_address=VECTORS - 2, rows=9, parameter_address=ADDRESSES - 64)
    for cycle in (3, 8, 25):
        trace = run(CONFIG, memories, [bad, plain()], reset_in=cycle, limit=200)
        assert all(at <= cycle for at, _ in trace.faults)
        expected = expected_bytes(plain(), memories)
        assert trace.written[-len(expected) :] == expected
        assert len(trace.retired) == 1
