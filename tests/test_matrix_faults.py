"""MATRIX at the ends of its memories: rule E-03, byte by byte and vector by vector.

``check`` compares every error's cycle and instruction with the rule, and every vector that is
defined: so nothing is written where it should not be, and the instructions behind are exact.
"""

import numpy as np
import pytest
from matrix_bench import check, gemm, small_config
from matrix_reference import INDEX_STEP

pytestmark = pytest.mark.usefixtures("each_simulator")

ADDRESSES = 1 << 24
VECTORS = 1 << 12
"""What ``accumulator_address`` reaches."""

SMALL = small_config()
ODD = small_config(kib=3)
"""Sizes that are no powers of two: an address that lost its upper bits may fall inside."""
CONFIGS = pytest.mark.parametrize("config", [SMALL, ODD], ids=["1 KiB", "3 KiB"])

AFTER = gemm(m=3, k_tiles=2, accumulator_half=1)
"""An instruction behind, which is exact whatever the one before did."""


def blamed(trace):
    """Instructions to blame, in order of their first error."""
    return list(dict.fromkeys(index // INDEX_STEP for _, index in trace.faults))


@CONFIGS
def test_activations_up_to_the_last_byte_are_no_error(config):
    """E-03: the bytes of valid lanes count, not the words they lie in nor what lies behind."""
    last_row = config.activation_buffer_bytes - 7
    trace = check(config, [gemm(m=1, k_tiles=2, last_k=3, activation_address=last_row)])
    assert trace.faults == []


@CONFIGS
@pytest.mark.parametrize("beyond", [1, 3, 4, 5, 600, 1024, 1 << 20])
def test_activations_beyond_the_end(config, beyond):
    """E-03: whole rows are not read, and only those with a byte beyond."""
    address = config.activation_buffer_bytes - 68 + beyond
    trace = check(config, [gemm(m=2, activation_address=address, row_stride=64), AFTER])
    assert blamed(trace) == [0]
    assert len(trace.faults) == (1 if beyond <= 64 else 2)


@CONFIGS
def test_activations_before_address_zero(config):
    """E-03: a row that begins below 0 is beyond the end, although it goes on at 0."""
    trace = check(config, [gemm(m=2, activation_address=ADDRESSES - 2, row_stride=2), AFTER])
    assert [index for _, index in trace.faults] == [0]


def test_invalid_lanes_beyond_the_end_are_no_error():
    """E-03, I-03: by x, by y, and by k."""
    end = SMALL.activation_buffer_bytes
    for fields in (
        {"activation_address": end - 2, "x_limit": 2},
        {"activation_address": end - 2, "last_k": 2},
        {"activation_address": end, "y_origin": 1, "y_limit": 1},
        {"activation_address": 0, "x_origin": -2},
    ):
        assert check(SMALL, [gemm(m=1, **fields)]).faults == [], fields


@CONFIGS
@pytest.mark.parametrize(("tiles_inside", "zero_row"), [(2, 0), (0, 0), (2, 1), (0, 1)])
def test_weights_beyond_the_end(config, tiles_inside, zero_row):
    """E-03: every row of a tile and every row of zero points counts, whatever ``last_k`` is."""
    tile_bytes = 16 + 4 * zero_row
    address = config.weight_buffer_bytes - tiles_inside * tile_bytes
    program = [gemm(n_tiles=3, last_k=1, weight_address=address, weight_zero_row=zero_row), AFTER]
    trace = check(config, program)
    assert blamed(trace) == [0]
    assert len(trace.faults) == (3 - tiles_inside) * (4 + zero_row)


@CONFIGS
def test_last_weights_of_the_buffer_are_no_error(config):
    """E-03."""
    address = config.weight_buffer_bytes - 40
    trace = check(config, [gemm(n_tiles=2, weight_address=address, weight_zero_row=1)])
    assert trace.faults == []


@CONFIGS
@pytest.mark.parametrize(("last_n", "faults"), [(1, 0), (2, 0), (3, 2), (4, 4)])
def test_transposed_columns_count_where_they_are_valid(config, last_n, faults):
    """E-03: those below ``last_n`` of the last n tile; the buffer ends behind its second one.

    Addresses are multiples of R, so that of the R bytes of a column all are inside or none is.
    """
    stride = 16
    program = gemm(
        k_tiles=2,
        last_k=3,
        n_tiles=2,
        last_n=last_n,
        weight_transposed=1,
        weight_stride=stride,
        weight_address=config.weight_buffer_bytes - 5 * stride - 8,
    )
    assert len(check(config, [program, AFTER]).faults) == faults


@CONFIGS
@pytest.mark.parametrize(("last_k", "faults"), [(1, 0), (2, 0), (3, 2), (4, 4)])
def test_rows_of_row_major_weights_count_where_they_are_valid(config, last_k, faults):
    """E-03: those below ``last_k`` of the last k tile; the buffer ends behind its second one.

    Both n tiles are on either side of it, however few columns of the second one are valid.
    """
    stride = 16
    program = gemm(
        k_tiles=2,
        last_k=last_k,
        n_tiles=2,
        last_n=1,
        weight_row_major=1,
        weight_stride=stride,
        weight_address=config.weight_buffer_bytes - 5 * stride - 8,
    )
    assert len(check(config, [program, AFTER]).faults) == faults


@CONFIGS
@pytest.mark.parametrize(("tiles_inside", "last_n"), [(3, 4), (2, 4), (2, 1), (0, 4)])
def test_bytes_of_a_diagonal_count_whatever_is_valid(config, tiles_inside, last_n):
    """E-03: all ``C`` of them, in each read of each k tile, on the diagonal or not."""
    program = gemm(
        k_tiles=2,
        last_k=1,
        n_tiles=3,
        last_n=last_n,
        weight_diagonal=1,
        weight_address=config.weight_buffer_bytes - 4 * tiles_inside,
    )
    assert len(check(config, [program, AFTER]).faults) == (3 - tiles_inside) * 2 * 4


@CONFIGS
@pytest.mark.parametrize("n_stride", [1, 300, 65535])
def test_channels_of_a_later_n_tile_beyond_the_end(config, n_stride):
    """E-03: only its rows are not read."""
    end = config.activation_buffer_bytes
    fields = {"x_limit": 1 << 20, "n_tiles": 2, "n_stride": n_stride}
    trace = check(config, [gemm(m=2, activation_address=end - 68, **fields), AFTER])
    assert len(trace.faults) == (1 if n_stride == 1 else 2)


@CONFIGS
@pytest.mark.parametrize("accumulate", [0, 1])
def test_vectors_beyond_the_accumulator(config, accumulate):
    """E-03: up to the last one is fine; those beyond are neither read nor written."""
    depth = config.accumulator_depth
    last = gemm(m=3, accumulator_address=depth - 3, accumulate=accumulate)
    assert check(config, [last]).faults == []
    beyond = gemm(m=3, accumulator_address=depth - 2, accumulate=accumulate, k_tiles=2)
    trace = check(config, [beyond, AFTER])
    assert [index for _, index in trace.faults] == [0, 0]


@CONFIGS
@pytest.mark.parametrize("fields", [{"m": 9}, {"m": 2, "n_tiles": 5}, {"m": 7, "k_tiles": 2}])
def test_vectors_beyond_the_last_address_stay_beyond(config, fields):
    """E-03: no vector of a long instruction falls on the first ones again."""
    trace = check(config, [gemm(accumulator_address=VECTORS - 3, **fields)])
    assert trace.writes == []
    assert len(trace.faults) == len(trace.rows)


def test_vectors_of_a_long_instruction_stay_beyond():
    """E-03: more of them than ``VECTORS``."""
    long = gemm(m=VECTORS + 4, row_stride=0, accumulator_address=VECTORS - 1)
    trace = check(SMALL, [long])
    assert trace.writes == []
    assert len(trace.faults) == VECTORS + 4


def test_instruction_to_blame_is_that_of_the_access():
    """E-03: weights are read ahead of the rows of an earlier instruction."""
    weights_end = SMALL.weight_buffer_bytes
    long, bad_weights = gemm(m=30, row_stride=16), gemm(m=2, weight_address=weights_end)
    trace = check(SMALL, [long, bad_weights, AFTER])
    assert blamed(trace) == [1]
    assert trace.faults[0][0] < trace.rows[10]


def test_of_two_errors_in_a_cycle_the_earlier_instruction_is_to_blame():
    """E-01, E-03: the streamer is never ahead of the loader."""
    bad_rows = gemm(m=2, activation_address=SMALL.activation_buffer_bytes)
    bad_weights = gemm(m=2, weight_address=SMALL.weight_buffer_bytes)
    trace = check(SMALL, [bad_rows, bad_weights, AFTER])
    assert trace.faults == [(5, 0), (6, 0), (7, INDEX_STEP), (8, INDEX_STEP)]
    assert trace.issues[1] == 4


@pytest.mark.parametrize("cycles", [3, 8, 12])
def test_reset_after_an_error(cycles):
    """E-09: nothing of it is left."""
    bad = gemm(m=9, activation_address=1020, weight_address=1008, accumulator_address=60)
    check(SMALL, [bad, AFTER], reset_after=cycles)


@CONFIGS
def test_random_programs_near_the_ends(config):
    """E-03, I-03 and T-MX-01 to T-MX-05 on seeded programs; the other rules hold on."""
    rng = np.random.default_rng(30)
    faulty = []
    for seed in range(3):
        program = [_random_instruction(config, rng) for _ in range(10)]
        faulty += blamed(check(config, program, seed))
    assert 5 < len(faulty) < 28


def _random_instruction(config, rng):
    def pick(low, high):
        return int(rng.integers(low, high))

    kind = pick(0, 5)
    activation = config.activation_buffer_bytes - pick(-8, 300)
    weights = config.weight_buffer_bytes - 4 * pick(-2, 60)
    return gemm(
        m=pick(1, 7),
        k_tiles=pick(1, 4),
        last_k=pick(1, 5),
        n_tiles=pick(1, 4),
        last_n=pick(1, 5),
        row_stride=pick(0, 60),
        activation_address=activation if pick(0, 4) else ADDRESSES - pick(1, 20),
        x_origin=pick(-9, 2),
        x_limit=pick(1, 16),
        accumulator_address=config.accumulator_depth - pick(0, 30),
        accumulator_half=pick(0, 2),
        accumulate=pick(0, 2),
        weight_address=weights if pick(0, 8) else ADDRESSES - 4 * pick(1, 9),
        weight_transposed=int(kind == 1),
        weight_zero_row=int(kind == 2),
        weight_row_major=int(kind == 3),
        weight_diagonal=int(kind == 4),
        n_stride=pick(0, 9),
        maximum=int(pick(0, 3) == 0),
        weight_stride=4 * pick(0, 5),
    )
