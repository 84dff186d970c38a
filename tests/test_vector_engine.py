# amaranth: UnusedElaboratable=no
"""The VECTOR engine does what I-04, I-05 and I-07 say, in the cycles of T-VX-01 to T-VX-06."""

from typing import Any

import numpy as np
import pytest
from requantize_operands import hair_sums
from vector_bench import Memories, Trace, run
from vector_programs import (
    ADDITION_ADDRESS,
    CONFIG,
    LANES,
    PARAMETER_ADDRESS,
    TABLES,
    WIDE,
    expected_bytes,
    float_bits,
    plain,
    random_memories,
    random_program,
    random_vector,
)
from vector_reference import Machine, operand_type, schedule

from arch.config import Config
from arch.isa import (
    Addition,
    Destination,
    ElementType,
    FillTable,
    Operation,
    Source,
    Table,
    Vector,
)
from arch.timing import (
    TABLE_PIPELINE_CYCLES,
    VECTOR_PARAMETER_CYCLES,
    VECTOR_PIPELINE_CYCLES,
)
from hdl.lookup import Lookup
from hdl.vector_lanes import VectorLanes

pytestmark = pytest.mark.usefixtures("each_simulator")


def run_filled(memories: Memories, *vectors: Vector, **options: Any) -> Trace:
    """With both tables filled first."""
    return run(CONFIG, memories, [*TABLES, *vectors], **options)


def test_lookup_refuses_other_entry_widths() -> None:
    with pytest.raises(ValueError, match=r"^entry_bits = 16 must be 8 or 32$"):
        Lookup(lanes=4, entry_bits=16)


def test_pipeline_length_is_that_of_the_rule() -> None:
    """T-VX-04."""
    assert VectorLanes.CYCLES == VECTOR_PIPELINE_CYCLES


@pytest.mark.parametrize("config", [CONFIG, WIDE], ids=["tiny", "rectangular"])
@pytest.mark.parametrize("seed", range(3))
def test_random_programs_write_what_i04_says(config: Config, seed: int) -> None:
    """I-04, I-05, I-07, N-01 to N-09, B-05 to B-08: every byte written, by any options."""
    rng = np.random.default_rng(seed)
    memories = random_memories(rng, config)
    program = random_program(rng, config)
    machine = Machine(config, memories)
    expected = [machine.execute(instruction) for instruction in program]
    trace = run(config, memories, program)
    end = 0
    for instruction, written in zip(program, expected, strict=True):
        begin, end = end, end + len(written)
        assert trace.written[begin:end] == written, instruction
    assert len(trace.written) == end
    assert len(trace.retired) == len(program)
    assert trace.faults == []


@pytest.mark.parametrize("element_type", [ElementType.INT8, ElementType.UINT8, ElementType.INT16])
@pytest.mark.parametrize("output_buffer", [Destination.ACTIVATION, Destination.WEIGHT])
def test_only_valid_lanes_are_written(
    element_type: ElementType, output_buffer: Destination
) -> None:
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


def exact_memories(scales: np.ndarray, accumulators: np.ndarray) -> Memories:
    """Accumulators [rows, lanes] without bias, whose lanes have these scales."""
    memories = random_memories(np.random.default_rng(15))
    memories.accumulators[0, : len(accumulators)] = accumulators
    words = memories.parameters.view(np.uint32)[PARAMETER_ADDRESS // 4 :]
    words[:LANES] = 0
    words[LANES : 2 * LANES] = scales.astype(np.float32).view(np.uint32)
    return memories


def exact_vector(rows: int, **fields: int) -> Vector:
    """Codes of int8 as they are."""
    common = {"rows": rows, "n_tiles": 1, "last_n": LANES, "parameter_address": PARAMETER_ADDRESS}
    common |= {"clamp_low": -128, "clamp_high": 127, "sum_low": -128, "sum_high": 127}
    common |= {"output_address": 0, "output_row_stride": LANES, "element_type": ElementType.INT8}
    return Vector(**common, **fields)


def test_every_rounding_is_half_to_even() -> None:
    """N-01: of the value in lane 0, of the product in lanes 1 and 2, of the integer in lane 3."""
    rng = np.random.default_rng(16)
    scales = np.array([2.0**-24, *2.0 ** rng.uniform(-25, -22, 2), 0.5]).astype(np.float32)
    ties = rng.integers(-50, 50, (64, 1)) + 0.5
    accumulators = np.rint(ties / scales.astype(np.float64))
    accumulators[:, 0] += rng.integers(-1, 2, 64)
    memories = exact_memories(scales, accumulators)
    vector = exact_vector(64)
    assert run(CONFIG, memories, [vector]).written == expected_bytes(vector, memories)


@pytest.mark.parametrize("of_product", [False, True])
def test_what_is_below_the_window_of_the_addition_decides(of_product: bool) -> None:
    """N-02: bits of the terms, or of the product, of which only a sticky bit is left."""
    sums = [found for found in hair_sums() if (abs(found[0]) == 1) == of_product]
    for code, scale, terms in sums[:30:9]:
        memories = exact_memories(np.ones(LANES), np.full((64, LANES), code))
        memories.parameters[ADDITION_ADDRESS:][:1024] = terms.view(np.uint8)
        memories.activations[:256] = np.arange(256)
        vector = exact_vector(
            64,
            addition=Addition.TABLE,
            addition_scale=int(scale.view(np.uint32)),
            residual_row_stride=LANES,
        )
        trace = run(CONFIG, memories, [TABLES[1], vector])
        assert trace.written == expected_bytes(vector, memories)


SOURCES = {
    "accumulators": {},
    "table": {"addition": Addition.TABLE},
    "residual": {"addition": Addition.INT16},
    "buffer": {"source": Source.INT8},
    "buffer and residual": {"source": Source.INT16, "addition": Addition.INT16},
    "product": {"source": Source.UINT8, "operation": Operation.MULTIPLY},
    "no parameters": {"tensor_scale": 1},
    "no parameters, buffer and table": {
        "tensor_scale": 1,
        "source": Source.INT8,
        "addition": Addition.TABLE,
    },
    "nothing written": {"output_buffer": Destination.NONE},
}
"""Ways in which the time of a row, or of an n tile, may differ (T-VX-02, T-VX-03)."""


def timed_vector(rng: np.random.Generator, kind: str, **fields: int) -> Vector:
    """One of SOURCES."""
    fields = {"addition": Addition.NONE, "unary_table": 0, **SOURCES[kind], **fields}
    place = {"source_row_stride": 8 * LANES, "scale": float_bits(0.01)}
    return random_vector(rng, clamp_low=-99, clamp_high=99, **place, **fields)


@pytest.mark.parametrize("kind", SOURCES)
def test_rows_are_issued_and_written_in_the_cycles_of_the_rules(kind: str) -> None:
    """T-VX-01 to T-VX-05 and section 7, with free buffers and an instruction waiting."""
    rng = np.random.default_rng(7)
    memories = random_memories(rng)
    vectors = [timed_vector(rng, kind, n_tiles=n) for n in (3, 1, 2)]
    trace = run_filled(memories, *vectors)
    rows, working, starts, ends = [], [], [], []
    start = begin = trace.retired[len(TABLES) - 1] + 1
    for vector in vectors:
        starts.append(start)
        expected = schedule(vector, start)
        rows += expected.rows
        working += expected.working
        ends.append(rows[-1] + VECTOR_PIPELINE_CYCLES)
        start = ends[-1] + 1
    assert trace.issued[len(TABLES) :] == starts
    assert trace.retired[len(TABLES) :] == ends
    assert trace.rows == rows
    assert [cycle for cycle in trace.working if cycle >= begin] == working
    written = "output_buffer" not in SOURCES[kind]
    assert trace.writes == [cycle + VECTOR_PIPELINE_CYCLES for cycle in rows] * written
    assert trace.accumulator_reads == ([] if "source" in SOURCES[kind] else rows)
    assert trace.wait_port == []
    assert trace.in_flight == [c for c in range(ends[-1] + 1) if c not in trace.issued]
    assert trace.faults == []


@pytest.mark.parametrize("kind", ["table", "residual", "buffer", "buffer and residual", "product"])
def test_a_denied_read_holds_its_row(kind: str) -> None:
    """T-VX-03 and B-04: the row waits, nothing is lost, and the ledger says ``wait_port``."""
    rng = np.random.default_rng(list(SOURCES).index(kind))
    memories = random_memories(rng)
    vector = timed_vector(rng, kind, rows=9)
    granted = rng.random(2000) < 0.4

    def ready(cycle: int) -> bool:
        return bool(granted[cycle])

    trace = run_filled(memories, vector, ready=ready)
    assert trace.written == expected_bytes(vector, memories)
    expected = schedule(vector, trace.issued[-1], ready)
    assert expected.denied
    assert trace.rows == expected.rows
    assert trace.wait_port == expected.denied
    assert [cycle for cycle in trace.working if cycle > trace.issued[-1]] == expected.working
    assert trace.writes == [cycle + VECTOR_PIPELINE_CYCLES for cycle in trace.rows]
    assert trace.retired[-1] == trace.rows[-1] + VECTOR_PIPELINE_CYCLES


def test_a_residual_read_asks_for_the_bytes_of_valid_lanes() -> None:
    """B-04, I-04: so that it occupies no sub-bank that it does not need."""
    rng = np.random.default_rng(8)
    memories = random_memories(rng)
    for kind, element_bytes in ((Addition.TABLE, 1), (Addition.INT16, 2)):
        vector = random_vector(rng, addition=kind, rows=1, n_tiles=2, last_n=3)
        trace = run_filled(memories, vector)
        address = vector.residual_address
        assert trace.buffer_reads == [
            (address, LANES * element_bytes),
            (address + LANES * element_bytes, 3 * element_bytes),
        ]


def test_source_and_multiplier_are_read_one_after_the_other() -> None:
    """T-VX-03, I-04: the source first; each asks for its own bytes of valid lanes."""
    memories = random_memories(np.random.default_rng(8))
    fields = {"source": Source.INT16, "operation": Operation.MULTIPLY, "tensor_scale": 1}
    fields |= {"source_address": 64, "residual_address": 256, "scale": float_bits(0.001)}
    fields |= {"source_row_stride": 16 * LANES, "residual_row_stride": 32 * LANES}
    vector = plain(rows=2, n_tiles=2, last_n=3, **fields)
    trace = run(CONFIG, memories, [vector])
    assert operand_type(vector) == ElementType.INT8
    assert trace.buffer_reads == [
        *((64, 8), (256, 4), (64 + 64, 8), (256 + 128, 4)),
        *((64 + 8, 6), (256 + 4, 3), (64 + 72, 6), (256 + 132, 3)),
    ]
    assert trace.written == expected_bytes(vector, memories)


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
    """B-07: entry by entry, through the unary table and through the wide table."""
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


@pytest.mark.parametrize("cycles", [2, 30, 65])
def test_reset_in_the_middle_of_a_table(cycles: int) -> None:
    """Section 2, T-VX-06: the table is filled from its first word on afterwards."""
    rng = np.random.default_rng(12)
    memories = random_memories(rng)
    vector = random_vector(rng, addition=Addition.TABLE, unary_table=1, rows=20)
    program = [TABLES[0], *TABLES, vector]
    trace = run(CONFIG, memories, program, reset_in=cycles, limit=700)
    assert trace.issued[:2] == [0, cycles + 1]
    assert trace.written == expected_bytes(vector, memories)
    assert len(trace.retired) == 3


@pytest.mark.parametrize("kind", list(Addition))
@pytest.mark.parametrize("rows", [1, 2])
def test_one_lane_of_one_tile(kind: Addition, rows: int) -> None:
    """I-04: the least there is, and two rows of it at the same place of the residual."""
    rng = np.random.default_rng(13)
    memories = random_memories(rng)
    vectors = [
        random_vector(rng, addition=kind, rows=rows, n_tiles=1, last_n=1, residual_row_stride=0)
        for _ in range(4)
    ]
    trace = run_filled(memories, *vectors)
    assert trace.written == [byte for v in vectors for byte in expected_bytes(v, memories)]
    assert trace.faults == []


def test_a_residual_port_that_is_denied_for_long_holds_back_nothing_but_its_row() -> None:
    """B-04, T-VX-03: rows before it are written meanwhile, then it goes on where it was."""
    rng = np.random.default_rng(14)
    memories = random_memories(rng)
    vector = random_vector(rng, addition=Addition.INT16, rows=6, n_tiles=1)
    start = VECTOR_PARAMETER_CYCLES + 1
    denied = range(start + 3, start + 60)
    trace = run(CONFIG, memories, [vector], ready=lambda cycle: cycle not in denied)
    assert trace.rows == [*range(start, start + 3), *range(start + 60, start + 63)]
    assert trace.wait_port == list(denied)
    assert trace.writes == [cycle + VECTOR_PIPELINE_CYCLES for cycle in trace.rows]
    assert trace.written == expected_bytes(vector, memories)
