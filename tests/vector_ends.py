"""Where VECTOR meets the ends of its memories: what rule E-03 says of each row."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from vector_bench import INDEX_STEP, Trace, run
from vector_programs import (
    CONFIG,
    LANES,
    TABLES,
    float_bits,
    plain,
    random_memories,
    random_vector,
)
from vector_reference import (
    ADDRESSES,
    Machine,
    Written,
    operand_type,
    schedule,
    source_type,
    valid_lanes,
)

from arch.config import Config
from arch.isa import (
    Addition,
    Destination,
    ElementType,
    Operation,
    RowFunction,
    ScaleRows,
    Statistic,
    Vector,
)
from arch.timing import (
    VECTOR_PIPELINE_CYCLES,
)

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


def uses_entry(vector: Vector) -> bool:
    """E-03: whether its rows have an entry of the statistics file."""
    read = vector.operation in (Operation.CENTRE, Operation.EXPONENT)
    return bool(read or vector.row_scale or vector.statistic)


def uses_table(vector: Vector) -> bool:
    """Whether the tables have to be filled."""
    return bool(vector.unary_table or vector.interpolate or vector.addition == Addition.TABLE)


def is_read(config: Config, vector: Vector, tile: int, row: int, lanes: int) -> bool:
    """E-03: whether all that a row uses lies in its memories, but for the output."""
    inside = []
    source, operand = source_type(vector), operand_type(vector)
    for kind, address, stride in (
        (source, vector.source_address, vector.source_row_stride),
        (operand, vector.residual_address, vector.residual_row_stride),
    ):
        if kind is not None:
            first = (address + row * stride + tile * LANES * kind.bytes) % ADDRESSES
            inside.append(first + lanes * kind.bytes <= config.activation_buffer_bytes)
    if source is None:
        address = vector.accumulator_address + tile * vector.rows + row
        inside.append(address < config.accumulator_depth)
    if uses_entry(vector):
        inside.append(vector.statistic_address + row < config.accumulator_depth)
    return all(inside)


def is_written(config: Config, vector: Vector, tile: int, row: int, lanes: int) -> bool:
    """E-03: whether the bytes of a row lie in the buffer they are written to."""
    if vector.output_buffer == Destination.NONE:
        return True
    size = (config.activation_buffer_bytes, config.weight_buffer_bytes)[vector.output_buffer]
    element = ElementType(vector.element_type).bytes
    address = vector.output_address + row * vector.output_row_stride + tile * LANES * element
    return address % ADDRESSES + lanes * element <= size


def read_faults(config: Config, vector: Vector, start: int) -> list[int]:
    """Cycles of the reads that are not made, by T-VX-02 and T-VX-03."""
    cycles = []
    places = valid_lanes(vector, LANES)
    issued = schedule(vector, start).rows
    # Of the rows before: the parameters of an n tile follow the last one of the n tile before.
    before = [start, *issued]
    for cycle, previous, (tile, row, lanes) in zip(issued, before, places, strict=False):
        for word in range(2 if row == 0 and not vector.tensor_scale else 0):
            address = vector.parameter_address + (2 * tile + word) * 4 * LANES
            if address % ADDRESSES + 4 * LANES > config.parameter_buffer_bytes:
                cycles.append(previous + 2 + word)
        if not is_read(config, vector, tile, row, lanes):
            cycles.append(cycle)
    return cycles


def write_faults(config: Config, vector: Vector, start: int) -> list[int]:
    """Cycles of the writes that are not made, by T-VX-04."""
    rows = zip(schedule(vector, start).rows, valid_lanes(vector, LANES), strict=True)
    return [
        cycle + VECTOR_PIPELINE_CYCLES
        for cycle, place in rows
        if not is_written(config, vector, *place)
    ]


def without_overruns(config: Config, vector: Vector, everything: Written) -> Written:
    """I-04, without the rows that are not written."""
    if vector.output_buffer == Destination.NONE:
        return []
    rest, written = iter(everything), []
    for tile, row, lanes in valid_lanes(vector, LANES):
        of_row = list(itertools.islice(rest, lanes * ElementType(vector.element_type).bytes))
        if is_written(config, vector, tile, row, lanes):
            written += of_row
    return written


def fill_statistics(config: Config) -> list[Vector | ScaleRows]:
    """So that every entry has statistics and a scale, and the last ones read are known."""
    depth = config.accumulator_depth
    sums = plain(rows=depth, n_tiles=1, tensor_scale=1, scale=float_bits(0.1))
    sums = replace(sums, statistic=Statistic.SUM, output_buffer=Destination.NONE)
    maximum = replace(sums, statistic=Statistic.MAXIMUM)
    scale = ScaleRows(function=RowFunction.INVERSE_SQUARE_ROOT, rows=depth, epsilon=1)
    return [sums, maximum, scale, replace(scale, rows=1)]


def check(config: Config, vector: Vector) -> Trace:
    """Run between two others that are exact; compare cycles, errors, and what is written."""
    rng = np.random.default_rng(1)
    memories = random_memories(rng, config)
    clean = random_vector(rng, addition=Addition.NONE, unary_table=0, rows=3)
    first = [
        *(TABLES if uses_table(vector) else ()),
        *(fill_statistics(config) if uses_entry(vector) else ()),
    ]
    trace = run(config, memories, [*first, clean, vector, clean])
    at = len(first) + 1
    start = trace.issued[at]
    lost = read_faults(config, vector, start)
    cycles = sorted({*lost, *write_faults(config, vector, start)})
    assert trace.faults == [(cycle, at * INDEX_STEP) for cycle in cycles]
    rows = schedule(vector, start).rows
    assert [cycle for cycle in trace.rows if start < cycle <= trace.retired[at]] == rows
    assert trace.retired[at] == rows[-1] + VECTOR_PIPELINE_CYCLES

    machine = Machine(config, memories)
    clean_bytes = machine.execute(*first, clean)
    assert trace.written[: len(clean_bytes)] == clean_bytes
    assert trace.written[-len(clean_bytes) :] == clean_bytes
    written = trace.written[len(clean_bytes) : -len(clean_bytes)]
    expected = without_overruns(config, vector, machine.execute(vector))
    assert [place for place, _ in written] == [place for place, _ in expected]
    assert lost or written == expected
    return trace
