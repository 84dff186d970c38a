"""VECTOR, TABLE and SCALE at the ends of their memories: rule E-03, access by access.

The memories of the bench fail where an access is made beyond their end.
"""

from dataclasses import replace

import numpy as np
import pytest
from vector_bench import INDEX_STEP, run
from vector_ends import CHANNEL_BYTES, CONFIGS, VECTORS, check
from vector_programs import (
    CONFIG,
    LANES,
    expected_bytes,
    float_bits,
    plain,
    random_memories,
    random_pass,
    random_vector,
)
from vector_reference import (
    ADDRESSES,
    Machine,
)

from arch.config import Config
from arch.isa import (
    Addition,
    Destination,
    ElementType,
    FillTable,
    Operation,
    RowFunction,
    ScaleRows,
    Source,
    Statistic,
    Table,
)
from arch.timing import (
    SCALE_PIPELINE_CYCLES,
    TABLE_PIPELINE_CYCLES,
    VECTOR_SETUP_CYCLES,
)

pytestmark = pytest.mark.usefixtures("each_simulator")


@CONFIGS
@pytest.mark.parametrize("output_buffer", [Destination.ACTIVATION, Destination.WEIGHT])
@pytest.mark.parametrize("element_type", [ElementType.INT8, ElementType.INT16])
def test_output_beyond_the_end(
    config: Config, output_buffer: Destination, element_type: ElementType
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
        assert len(trace.buffer_reads) == 4 - beyond
    vector = plain(**fields, residual_address=ADDRESSES - 2 * step)
    faults.append(len(check(config, vector).faults))
    assert faults == [0, 1, 2, 4, 2]


SOURCE = {"source": Source.INT16, "tensor_scale": 1, "scale": 0x3F800000}


@CONFIGS
@pytest.mark.parametrize("operation", [Operation.DIRECT, Operation.MULTIPLY])
def test_source_beyond_the_end(config: Config, operation: Operation) -> None:
    """E-03: an error when the row is issued, also where its source is read before."""
    step = 2 * LANES
    faults = []
    for beyond in (0, 1, 2, 4):
        address = config.activation_buffer_bytes - (4 - beyond) * step
        vector = plain(
            **SOURCE, source_address=address, source_row_stride=2 * step, operation=operation
        )
        trace = check(config, vector)
        faults.append(len(trace.faults))
        assert len(trace.buffer_reads) == 4 - beyond + 4 * (operation == Operation.MULTIPLY)
    assert faults == [0, 1, 2, 4]


def test_both_of_a_row_beyond_the_end_are_one_error() -> None:
    """E-03: of source and multiplier, in the row's last cycle."""
    fields = {"operation": Operation.MULTIPLY, "n_tiles": 1, "rows": 3}
    place = {"source_address": ADDRESSES - 64, "residual_address": ADDRESSES - 64}
    trace = check(CONFIG, plain(**SOURCE, **fields, **place))
    assert len(trace.faults) == 3
    assert trace.buffer_reads == []


def test_what_is_not_read_or_written_may_lie_anywhere() -> None:
    """E-03: residual, source, vectors, parameters, entries and output that nobody uses."""
    depth = CONFIG.accumulator_depth
    unused = {"residual_address": ADDRESSES - 4, "statistic_address": depth}
    assert check(CONFIG, plain(**unused, source_address=ADDRESSES - 4)).faults == []
    unused |= {"accumulator_address": VECTORS - 1, "parameter_address": ADDRESSES - CHANNEL_BYTES}
    unused |= {"output_buffer": Destination.NONE, "output_address": ADDRESSES - LANES}
    assert check(CONFIG, plain(**unused, **SOURCE)).faults == []


ENTRIES = {
    "sum": {"statistic": Statistic.SUM},
    "maximum": {"statistic": Statistic.MAXIMUM},
    "centre": {"operation": Operation.CENTRE},
    # Of maxima that are less than the values nothing counts.
    "exponent": {
        "operation": Operation.EXPONENT,
        "element_type": ElementType.UINT8,
        "masked": 1,
        "mask_origin": -LANES * VECTORS,
    },
    "row scale": {"row_scale": 1},
}


@CONFIGS
@pytest.mark.parametrize("use", ENTRIES)
def test_entries_beyond_the_statistics_file(config: Config, use: str) -> None:
    """E-03, B-08: of each row once more in each n tile; and no other entry is touched."""
    depth = config.accumulator_depth
    faults = []
    for entry in (depth - 3, depth - 2, depth, VECTORS - 2):
        vector = plain(**SOURCE, **ENTRIES[use], rows=3, statistic_address=entry)
        faults.append(len(check(config, vector).faults))
    assert faults == [0, 2, 6, 6]


@CONFIGS
def test_statistics_beyond_the_end_do_not_fall_on_other_entries(config: Config) -> None:
    """E-03: what rows that are too many would have added or made is nowhere."""
    depth = config.accumulator_depth
    memories = random_memories(np.random.default_rng(5), config)
    fields = {"tensor_scale": 1, "scale": float_bits(0.1), "accumulator_address": 1}
    sums = plain(rows=depth, n_tiles=1, statistic=Statistic.SUM, **(fields | {"clamp_low": 1}))
    scale = ScaleRows(function=RowFunction.INVERSE_SQUARE_ROOT, rows=depth, epsilon=1)
    more = {"statistic_accumulate": 1, "statistic_address": depth - 2, "rows": 4, "n_tiles": 1}
    more_sums = replace(sums, **more)
    more_scales = replace(scale, statistic_address=depth - 2, rows=4, epsilon=100)
    row_scale = fields | {"row_scale": 1, "scale": float_bits(1), "output_row_stride": LANES}
    read = plain(rows=depth, n_tiles=1, **row_scale)
    trace = run(config, memories, [sums, more_sums, scale, more_scales, read])
    machine = Machine(config, memories)
    within = [sums, replace(more_sums, rows=2), scale, replace(more_scales, rows=2), read]
    written = machine.execute(*within)
    assert trace.written[-depth * (LANES - 1) :] == written[-depth * (LANES - 1) :]


@CONFIGS
def test_scale_beyond_the_end(config: Config) -> None:
    """E-03: entries, when they are read; it retires in its time (T-VX-07)."""
    depth = config.accumulator_depth
    for entry, rows, missing in ((depth - 4, 4, 0), (depth - 4, 6, 2), (VECTORS - 1, 3, 3)):
        scale = ScaleRows(function=RowFunction.RECIPROCAL, statistic_address=entry, rows=rows)
        memories = random_memories(np.random.default_rng(6), config)
        trace = run(config, memories, [plain(), scale, plain()])
        last_read = trace.issued[1] + VECTOR_SETUP_CYCLES + rows
        faults = range(last_read - missing + 1, last_read + 1)
        assert trace.faults == [(cycle, INDEX_STEP) for cycle in faults]
        assert trace.retired[1] == last_read + SCALE_PIPELINE_CYCLES


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
    for _ in range(20):
        vector = random_pass(rng) if rng.integers(2) else random_vector(rng)
        element = LANES * ElementType(vector.element_type).bytes
        output_end = (config.activation_buffer_bytes, config.weight_buffer_bytes, 4096)
        near = {
            "accumulator_address": config.accumulator_depth - int(rng.integers(0, 40)),
            "parameter_address": config.parameter_buffer_bytes
            - CHANNEL_BYTES * int(rng.integers(5)),
            "residual_address": config.activation_buffer_bytes - 2 * LANES * int(rng.integers(40)),
            "source_address": config.activation_buffer_bytes - 2 * LANES * int(rng.integers(40)),
            "statistic_address": config.accumulator_depth - int(rng.integers(1, 16)),
            "output_address": output_end[vector.output_buffer] - element * int(rng.integers(40)),
        }
        chosen = {name: value for name, value in near.items() if rng.random() < 0.6}
        faulty += bool(check(config, replace(vector, **chosen)).faults)
    assert 5 < faulty < 15


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
