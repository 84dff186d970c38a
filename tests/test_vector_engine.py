"""The VECTOR engine does what I-04 and I-05 say, in the cycles of T-VX-01 to T-VX-06."""

from typing import Any

import numpy as np
import pytest
from vector_bench import Memories, Trace, run

from arch.config import load_config
from arch.isa import Addition, Buffer, ElementType, FillTable, Table, Vector
from arch.timing import TABLE_PIPELINE_CYCLES, VECTOR_PARAMETER_CYCLES, VECTOR_PIPELINE_CYCLES
from golden.ops.qlinear_add import add_int16, add_table
from golden.ops.requantize import add_zero_point, requantize
from hdl.lookup import Lookup
from hdl.vector_lanes import VectorLanes

CONFIG = load_config("tiny")
LANES = CONFIG.cols
WORD_BYTES = CONFIG.word_bytes
UNARY_ADDRESS = 0
ADDITION_ADDRESS = 512
PARAMETER_ADDRESS = 2048


def random_memories(rng: np.random.Generator) -> Memories:
    """Scales and terms that bring accumulators and codes into the range of the clamps."""
    memories = Memories.random(CONFIG, rng)
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


TABLES = (
    FillTable(table=Table.UNARY, parameter_address=UNARY_ADDRESS),
    FillTable(table=Table.ADDITION, parameter_address=ADDITION_ADDRESS),
)


def run_filled(memories: Memories, *vectors: Vector, **options: Any) -> Trace:
    """With both tables filled first."""
    return run(CONFIG, memories, [*TABLES, *vectors], **options)


def test_lookup_refuses_other_entry_widths() -> None:
    with pytest.raises(ValueError, match=r"^entry_bits = 16 must be 8 or 32$"):
        Lookup(lanes=4, entry_bits=16)


def test_pipeline_length_is_that_of_the_rule() -> None:
    """T-VX-04."""
    assert VectorLanes.CYCLES == VECTOR_PIPELINE_CYCLES


@pytest.mark.parametrize("seed", range(6))
def test_random_instructions_write_what_i04_says(seed: int) -> None:
    """I-04, N-01 to N-03, B-05, B-07: values, addresses and enables of every byte, any options."""
    rng = np.random.default_rng(seed)
    memories = random_memories(rng)
    vectors = [random_vector(rng) for _ in range(8)]
    trace = run_filled(memories, *vectors)
    assert trace.written == [w for vector in vectors for w in expected_bytes(vector, memories)]
    assert len(trace.retired) == len(vectors) + 2


@pytest.mark.parametrize("element_type", list(ElementType))
@pytest.mark.parametrize("output_buffer", [Buffer.ACTIVATION, Buffer.WEIGHT])
def test_only_valid_lanes_are_written(element_type: ElementType, output_buffer: Buffer) -> None:
    """I-04: ``last_n`` lanes of the last n tile, all of the others, in the low bytes."""
    rng = np.random.default_rng(5)
    memories = random_memories(rng)
    for last_n in range(1, LANES + 1):
        fields = {"addition": Addition.NONE, "unary_table": 0, "n_tiles": 2, "last_n": last_n}
        fields |= {"element_type": element_type, "output_buffer": output_buffer}
        vector = random_vector(rng, rows=2, clamp_low=-100, clamp_high=100, **fields)
        trace = run(CONFIG, memories, [vector])
        assert trace.written == expected_bytes(vector, memories)
        assert len(trace.written) == 2 * (LANES + last_n) * element_type.bytes


def test_bias_wraps_at_32_bits() -> None:
    """I-04, N-04."""
    memories = random_memories(np.random.default_rng(6))
    memories.accumulators[0, 0] = [2**31 - 1, -(2**31), 2**31 - 1, 0]
    words = memories.parameters.view(np.int32)[PARAMETER_ADDRESS // 4 :]
    words[:LANES] = [1, -1, 0, -(2**31)]
    words[LANES : 2 * LANES] = np.full(LANES, 2.0**-24, np.float32).view(np.int32)
    fields = {"rows": 1, "n_tiles": 1, "last_n": LANES, "parameter_address": PARAMETER_ADDRESS}
    fields |= {"clamp_low": -128, "clamp_high": 127, "output_address": 0, "output_row_stride": 0}
    trace = run(CONFIG, memories, [Vector(**fields, element_type=ElementType.INT8)])
    assert [value for _, value in trace.written] == [0x80, 0x7F, 0x7F, 0x80]


@pytest.mark.parametrize("kind", list(Addition))
def test_rows_are_issued_and_written_in_the_cycles_of_the_rules(kind: Addition) -> None:
    """T-VX-01 to T-VX-05 and section 7, with a free residual port and an instruction waiting."""
    rng = np.random.default_rng(7)
    memories = random_memories(rng)
    vectors = [random_vector(rng, addition=kind, n_tiles=n) for n in (3, 1, 2)]
    trace = run(CONFIG, memories, vectors)
    rows, start = [], 0
    for index, vector in enumerate(vectors):
        assert trace.issued[index] == start
        rows += row_cycles(vector, start)
        end = rows[-1] + VECTOR_PIPELINE_CYCLES
        assert trace.retired[index] == end
        start = end + 1
    assert trace.rows == trace.working == rows
    assert trace.writes == [cycle + VECTOR_PIPELINE_CYCLES for cycle in rows]
    assert trace.wait_port == []
    assert trace.in_flight == [c for c in range(end + 1) if c not in trace.issued]


@pytest.mark.parametrize("seed", range(4))
def test_a_denied_residual_read_holds_its_row(seed: int) -> None:
    """T-VX-03 and B-04: the row waits, nothing is lost, and the ledger says ``wait_port``."""
    rng = np.random.default_rng(seed)
    memories = random_memories(rng)
    vector = random_vector(rng, addition=[Addition.TABLE, Addition.INT16][seed % 2], rows=9)
    granted = rng.random(2000) < 0.4
    trace = run_filled(memories, vector, ready=lambda cycle: bool(granted[cycle]))
    assert trace.written == expected_bytes(vector, memories)

    start = trace.issued[-1]
    rows, denied, cycle = [], [], start
    for row in range(vector.n_tiles * vector.rows):
        cycle += 1 + (VECTOR_PARAMETER_CYCLES if row % vector.rows == 0 else 0)
        while not granted[cycle]:
            denied.append(cycle)
            cycle += 1
        rows.append(cycle)
    assert trace.rows == rows
    assert trace.wait_port == denied
    assert trace.writes == [cycle + VECTOR_PIPELINE_CYCLES for cycle in rows]
    assert trace.retired[-1] == rows[-1] + VECTOR_PIPELINE_CYCLES


def test_a_residual_read_asks_for_the_bytes_of_valid_lanes() -> None:
    """B-04, I-04: so that it occupies no sub-bank that it does not need."""
    rng = np.random.default_rng(8)
    memories = random_memories(rng)
    for kind, element_bytes in ((Addition.TABLE, 1), (Addition.INT16, 2)):
        vector = random_vector(rng, addition=kind, rows=1, n_tiles=2, last_n=3)
        trace = run(CONFIG, memories, [vector])
        address = vector.residual_address
        assert trace.residual_reads == [
            (address, LANES * element_bytes),
            (address + LANES * element_bytes, 3 * element_bytes),
        ]


@pytest.mark.parametrize("table", list(Table))
def test_table_reads_a_word_a_cycle(table: Table) -> None:
    """I-05, T-VX-06, T-VX-01, and section 7: the ledger calls the reads work."""
    memories = random_memories(np.random.default_rng(9))
    fill = FillTable(table=table, parameter_address=ADDITION_ADDRESS)
    trace = run(CONFIG, memories, [fill, fill], offered=lambda cycle: cycle >= 3)
    reads = list(range(4, 4 + table.words))
    end = reads[-1] + TABLE_PIPELINE_CYCLES
    assert trace.issued == [3, end + 1]
    assert trace.parameter_reads[: table.words] == reads
    assert trace.working[: table.words] == reads
    assert trace.retired[0] == end
    assert trace.rows == trace.writes == []


def test_each_table_keeps_what_it_holds_when_the_other_is_filled() -> None:
    """B-07: entry by entry, through the unary table and through the addition table."""
    rng = np.random.default_rng(10)
    memories = random_memories(rng)
    for order in (TABLES, TABLES[::-1]):
        vector = random_vector(rng, addition=Addition.TABLE, rows=40, unary_table=1)
        trace = run(CONFIG, memories, [*order, vector])
        assert trace.written == expected_bytes(vector, memories)


def test_reset_drops_the_instruction_in_flight() -> None:
    """Section 2: nothing of it is written any more, and the next instruction is exact."""
    rng = np.random.default_rng(11)
    memories = random_memories(rng)
    first = random_vector(rng, addition=Addition.NONE, unary_table=0, rows=9, n_tiles=2)
    second = random_vector(rng, addition=Addition.INT16, unary_table=0)
    for cycle in (2, 6, 15, 25):
        trace = run(CONFIG, memories, [first, second], reset_in=cycle, limit=200)
        assert trace.issued == [0, cycle + 1]
        lost = sum(write <= cycle for write in trace.writes)
        assert len(trace.retired) == 1
        expected = expected_bytes(second, memories)
        assert trace.written[-len(expected) :] == expected
        assert len(trace.writes) == lost + second.rows * second.n_tiles
