# amaranth: UnusedElaboratable=no
"""What VECTOR keeps of each row, and SCALE makes of it: I-04, I-07, B-08, T-VX-07."""

import numpy as np
import pytest
from vector_bench import Memories, run
from vector_programs import CONFIG, LANES, float_bits, plain, random_memories
from vector_reference import Instruction, Machine

from arch.isa import ElementType, Operation, RowFunction, ScaleRows, Source, Statistic
from arch.timing import SCALE_PIPELINE_CYCLES, VECTOR_SETUP_CYCLES

pytestmark = pytest.mark.usefixtures("each_simulator")


def test_scale_reads_a_row_a_cycle() -> None:
    """I-07, T-VX-07, T-VX-01, and section 7: the ledger calls the reads work."""
    memories = random_memories(np.random.default_rng(9))
    scale = ScaleRows(function=RowFunction.RECIPROCAL, statistic_address=3, rows=7)
    trace = run(CONFIG, memories, [scale, scale], offered=lambda cycle: cycle >= 3)
    first = 3 + 1 + VECTOR_SETUP_CYCLES
    reads = list(range(first, first + 7))
    end = reads[-1] + SCALE_PIPELINE_CYCLES
    assert trace.issued == [3, end + 1]
    assert trace.working[:7] == reads
    assert trace.retired[0] == end
    assert trace.rows == trace.writes == trace.parameter_reads == trace.faults == []


def run_checked(memories: Memories, *program: Instruction) -> None:
    """A program writes what it must."""
    trace = run(CONFIG, memories, program)
    assert trace.written == Machine(CONFIG, memories).execute(*program)
    assert len(trace.retired) == len(program)


READ_SUM: dict[str, int] = {
    "source": Source.INT8,
    "operation": Operation.CENTRE,
    "tensor_scale": 1,
    "scale": float_bits(2.0**-3),
    "clamp_low": -32768,
    "clamp_high": 32767,
    "element_type": ElementType.INT16,
    "output_row_stride": 2 * LANES,
    "n_tiles": 1,
}
"""Writes the negative sum of each row."""


def test_a_row_may_change_its_entry_in_every_cycle() -> None:
    """B-08, I-04: n tile after n tile of one row, without parameters between them."""
    memories = random_memories(np.random.default_rng(17))
    fields = {"rows": 1, "tensor_scale": 1, "scale": float_bits(0.01), "statistic_address": 5}
    sums = plain(n_tiles=9, statistic=Statistic.SUM, **fields)
    maximum = plain(n_tiles=9, statistic=Statistic.MAXIMUM, **fields)
    exponent = {"operation": Operation.EXPONENT, "element_type": ElementType.INT16}
    fields["scale"] = float_bits(3.7)
    read = plain(n_tiles=9, **fields, **exponent, output_row_stride=18 * LANES)
    run_checked(memories, sums, plain(**(READ_SUM | {"rows": 1, "statistic_address": 5})))
    run_checked(memories, maximum, read)


def test_statistics_start_anew_or_go_on() -> None:
    """I-04: ``statistic_accumulate``, over instructions; other entries keep what they hold."""
    memories = random_memories(np.random.default_rng(18))
    fields = {"tensor_scale": 1, "scale": float_bits(0.01), "statistic": Statistic.SUM}
    low = plain(rows=4, statistic_address=2, **fields)
    high = plain(rows=4, statistic_address=4, accumulator_address=20, **fields)
    more = plain(rows=2, statistic_address=3, statistic_accumulate=1, **fields)
    read = plain(**(READ_SUM | {"rows": 6, "statistic_address": 2}))
    run_checked(memories, low, high, more, read)


@pytest.mark.parametrize("origin", [-4, -1, 0, 3, LANES + 1, 2 * LANES])
def test_lanes_behind_the_mask_do_not_count(origin: int) -> None:
    """I-04: they are written as 0, and are in no statistic; each row has one column more."""
    memories = random_memories(np.random.default_rng(19))
    fields = {"tensor_scale": 1, "scale": float_bits(0.01), "masked": 1, "mask_origin": origin}
    sums = plain(rows=6, statistic=Statistic.SUM, output_zero_point=7, **fields)
    run_checked(memories, sums, plain(**(READ_SUM | {"rows": 6})))


def test_the_statistics_of_the_last_row_are_there_for_the_next_instruction() -> None:
    """T-VX-01, T-VX-02: the earliest read of an entry, by either instruction that may follow."""
    memories = random_memories(np.random.default_rng(20))
    fields = {"rows": 1, "n_tiles": 1, "tensor_scale": 1, "scale": float_bits(0.01)}
    sums = plain(statistic=Statistic.SUM, clamp_low=1, **fields)
    scale = ScaleRows(function=RowFunction.INVERSE_SQUARE_ROOT, rows=1, count=3, epsilon=1)
    read = plain(row_scale=1, **(fields | {"scale": float_bits(1)}))
    run_checked(memories, sums, plain(**(READ_SUM | {"rows": 1})))
    run_checked(memories, sums, scale, read)
