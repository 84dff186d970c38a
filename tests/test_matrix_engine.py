"""The MATRIX engine against I-03 and rules T-MX-01 to T-MX-05."""

import itertools

import numpy as np
import pytest
from matrix_bench import check, gemm, run, small_config

from arch.isa import Matrix
from arch.timing import MATRIX_PIPELINE_CYCLES

pytestmark = pytest.mark.usefixtures("each_simulator")


def test_gemm_of_one_tile():
    """I-03 at its plainest."""
    check(small_config(), [gemm()])


def convolution(**fields):
    """3 x 3 over 4 x 4 pixels of 8 channels with one pixel of halo, kx taps apart."""
    return Matrix(
        **{
            "activation_address": 96,
            "y_origin": -1,
            "y_ky_step": 1,
            "y_limit": 4,
            "row_stride": 32,
            "ky_stride": 32,
            "x_origin": -8,
            "column_stride": 8,
            "kx_stride": 8,
            "x_limit": 32,
            "output_rows": 4,
            "output_columns": 4,
            "ky_count": 3,
            "kx_count": 3,
            "k_tiles": 2,
            "last_k": 4,
            "n_tiles": 1,
            "last_n": 4,
            "weight_address": 0,
            "activation_zero_point": 7,
        }
        | fields
    )


def depthwise(**fields):
    """Channel c of the output is made of channel c of the input: 8 of them, in two n tiles."""
    layout = {"weight_diagonal": 1, "k_tiles": 1, "n_tiles": 2, "n_stride": 4, "mac_k": 1}
    return convolution(**(layout | fields))


def pooling(**fields):
    """The greatest of 3 x 3 products; operands are 0 at least, and 0 where a byte is padding."""
    weights = {"maximum": 1, "weight_zero_point": 3, "weight_address": 64}
    return depthwise(**(weights | {"activation_zero_point": -128} | fields))


PROGRAMS = {
    "k and n in several tiles, partial at the end": [
        gemm(m=5, k_tiles=3, last_k=3, n_tiles=2, last_n=1, activation_zero_point=-9)
    ],
    "unsigned bytes and zero points": [
        gemm(
            k_tiles=2,
            activation_signed=0,
            activation_zero_point=200,
            weight_signed=0,
            weight_zero_point=101,
        )
    ],
    "activations at every offset in a word": [
        gemm(m=8, activation_address=3, row_stride=37, k_tiles=2, last_k=2)
    ],
    "a row of zero points for each n tile": [
        gemm(m=7, k_tiles=2, n_tiles=3, last_n=2, weight_zero_row=1, weight_address=64)
    ],
    "unsigned zero points in columns": [gemm(weight_zero_row=1, weight_signed=0)],
    "weights as rows of n": [
        gemm(
            k_tiles=2,
            last_k=2,
            n_tiles=2,
            last_n=3,
            weight_transposed=1,
            weight_stride=16,
            weight_address=128,
            weight_zero_point=5,
        )
    ],
    "weights as rows of k": [
        gemm(
            k_tiles=3,
            last_k=2,
            n_tiles=2,
            last_n=3,
            weight_row_major=1,
            weight_stride=12,
            weight_address=132,
            weight_zero_point=5,
        )
    ],
    "accumulate onto another instruction": [
        gemm(m=9, accumulator_address=3, accumulator_half=1),
        gemm(m=9, accumulator_address=3, accumulator_half=1, accumulate=1, k_tiles=2),
    ],
    "accumulate onto the vector written in the cycle before (B-06)": [
        gemm(m=6, accumulator_address=0),
        gemm(m=6, accumulator_address=5, accumulate=1),
    ],
    "one byte by one byte": [gemm(m=1, last_k=1, last_n=1, x_limit=1)],
    "one byte for every row": [gemm(m=9, row_stride=0, x_limit=1, activation_address=1023)],
    "columns that overlap, rows that go on": [
        gemm(m=2, output_columns=5, column_stride=1, row_stride=5, k_tiles=2, last_k=3)
    ],
    "transposed columns all the same": [
        gemm(weight_transposed=1, weight_stride=0, n_tiles=2, last_n=1, k_tiles=2)
    ],
    "rows of k all the same": [
        gemm(weight_row_major=1, weight_stride=0, n_tiles=3, last_n=1, k_tiles=2)
    ],
    "nothing valid at all": [gemm(x_limit=0), gemm(y_limit=0, accumulator_half=1, accumulate=1)],
    "one row only": [gemm(m=1, k_tiles=5, n_tiles=2, last_n=2)],
    "convolution with halo": [convolution()],
    "convolution with stride 2": [
        convolution(y_row_step=2, row_stride=64, column_stride=16, output_rows=2, output_columns=2)
    ],
    "convolution with kx folded into k": [
        convolution(
            x_origin=-3,
            column_stride=3,
            kx_count=1,
            k_tiles=3,
            last_k=1,
            x_limit=12,
            row_stride=16,
            ky_stride=16,
            n_tiles=2,
            last_n=2,
        )
    ],
    "a row and a column of nothing but halo": [
        convolution(y_origin=-5, x_origin=-20, output_rows=2, output_columns=3)
    ],
    "halo before address 0": [convolution(activation_address=(1 << 24) - 32)],
    "depthwise": [depthwise(), depthwise(accumulator_half=1, weight_zero_point=-3, last_k=3)],
    "a diagonal of fewer columns than k": [
        gemm(k_tiles=3, n_tiles=2, last_n=3, n_stride=4, weight_diagonal=1, weight_address=20)
    ],
    "channels of each n tile": [
        gemm(m=5, k_tiles=2, n_tiles=3, last_n=3, n_stride=9, x_limit=25),
        gemm(m=3, n_tiles=2, x_origin=-40000, n_stride=40000, accumulator_half=1),
    ],
    "max pooling": [pooling(), pooling(accumulator_half=1, accumulate=1)],
    "maxima of products": [
        gemm(k_tiles=3, maximum=1, accumulate=1),
        gemm(k_tiles=3, n_tiles=2, last_n=3, maximum=1, accumulator_address=20),
        gemm(m=1, k_tiles=5, maximum=1, accumulator_half=1),
        gemm(m=1, k_tiles=4, accumulate=1, accumulator_half=1),
    ],
    "instructions of all kinds": [
        gemm(m=2, k_tiles=3),
        gemm(m=3, weight_transposed=1, weight_stride=8, accumulator_address=7),
        gemm(m=1, accumulator_half=1),
        gemm(m=12, weight_zero_row=1, accumulator_half=1, accumulator_address=2),
        gemm(m=1, accumulate=1),
        gemm(m=4, n_tiles=3, accumulator_address=20, weight_transposed=1, weight_stride=4),
        gemm(m=5, k_tiles=2, accumulator_address=40, weight_row_major=1, weight_stride=8),
        gemm(m=5, n_tiles=2, accumulator_address=46, weight_stride=8),
        gemm(m=4, n_tiles=2, n_stride=4, weight_diagonal=1, accumulate=1),
        gemm(m=4, n_tiles=2, accumulate=1, maximum=1),
    ],
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_accumulators_and_cycles(program):
    """I-03, and T-MX-01 to T-MX-05 on the way: see expected_trace."""
    check(small_config(), program)


@pytest.mark.parametrize(("rows", "cols"), [(8, 4), (4, 8), (32, 4)])
@pytest.mark.parametrize(
    "order",
    [
        *({"weight_zero_row": 1}, {"weight_transposed": 1}, {"weight_row_major": 1}),
        {"weight_diagonal": 1, "n_stride": 11},
    ],
    ids=lambda order: next(iter(order)),
)
def test_rectangular_tile(rows, cols, order):
    """I-03 and the reads of T-MX-01 where a row and a column differ in length."""
    program = [
        gemm(
            m=m,
            k_tiles=2,
            last_k=rows - 1,
            n_tiles=2,
            last_n=cols - 1,
            activation_address=5,
            weight_stride=2 * max(rows, cols),
            accumulator_address=address,
            **order,
        )
        for m, address in ((10, 0), (3, 20))
    ]
    check(small_config(rows, cols), program)


def test_next_instruction_is_accepted_in_the_cycle_of_the_last_weight_read():
    """T-MX-01: not earlier, not later, and its first read comes in the cycle after."""
    trace = check(small_config(), [gemm(m=4), gemm(m=4)])
    assert trace.issues == [0, 4]
    assert trace.weight_reads == [1, 2, 3, 4, 5, 6, 7, 8]


def test_first_weight_read_follows_a_late_issue():
    """T-MX-01: an idle loader accepts at once."""
    trace = check(small_config(), [gemm(m=4), gemm(m=4)], offers={1: 30})
    assert trace.issues == [0, 30]
    assert trace.weight_reads[4:] == [31, 32, 33, 34]


def test_third_tile_waits_for_the_first_ones_last_row():
    """T-MX-02: the compute tile holds two weight tiles."""
    trace = check(small_config(), [gemm(m=20, k_tiles=3, row_stride=16)])
    assert trace.rows[19] == 24
    assert trace.weight_reads[8] == 25


def test_third_instruction_waits_like_a_third_tile():
    """T-MX-02 over instruction boundaries: accepted early (T-MX-01), read late."""
    trace = check(small_config(), [gemm(m=20, row_stride=16)] * 4)
    assert trace.issues[2] == 8
    assert trace.weight_reads[8] == trace.rows[19] + 1
    assert trace.issues[3] == trace.weight_reads[11]


def test_rows_follow_without_a_gap():
    """T-MX-03: neither at a swap of tiles nor between instructions, rows >= reads."""
    program = [gemm(m=4, k_tiles=3), gemm(m=4, n_tiles=2, accumulator_address=8), gemm(m=5)]
    trace = check(small_config(), program)
    assert trace.rows == list(range(5, 5 + 12 + 8 + 5))


@pytest.mark.parametrize(("m", "cycles"), [(1, 4), (4, 4), (7, 7)])
def test_tile_takes_the_longer_of_rows_and_reads(m, cycles):
    """T-MX-04: in steady state."""
    trace = check(small_config(), [gemm(m=m, k_tiles=6)])
    begins = trace.rows[::m]
    assert {b - a for a, b in itertools.pairwise(begins)} == {cycles}


def test_row_is_written_and_instruction_retires_after_the_pipeline():
    """T-MX-05, and a vector is revisited every 4 cycles in a tile loop of one row."""
    trace = check(small_config(), [gemm(m=1, k_tiles=4)])
    assert trace.writes == [row + MATRIX_PIPELINE_CYCLES for row in trace.rows]
    assert trace.retirements == [trace.rows[-1] + MATRIX_PIPELINE_CYCLES]


def test_row_without_valid_lanes_reads_nothing():
    """I-03: bytes of invalid lanes are not accessed."""
    trace = check(small_config(), [gemm(m=4, y_origin=-2, y_limit=1)])
    assert trace.activation_reads == [trace.rows[2]]


@pytest.mark.parametrize(
    ("order", "weight_bytes"),
    [
        ("weight_zero_row", 4 + 32 + 4 + 17),
        ("weight_transposed", 4 * 8 + 5),
        ("weight_row_major", 4 * 8 + 5),
        ("weight_diagonal", 4 + 1),
    ],
)
def test_bytes_of_invalid_lanes_do_not_matter(order, weight_bytes):
    """I-03: nobody has ever written them, and every accumulator is exact all the same."""
    shape = {"k_tiles": 2, "last_k": 1, "n_tiles": 2, "last_n": 1}
    weights = {order: 1, "weight_stride": 8}
    program = [
        gemm(m=2, row_stride=5, **shape, **weights),
        gemm(m=2, row_stride=5, **shape, **weights, accumulate=1, accumulator_half=1),
    ]
    check(small_config(), program, activation_bytes=10, weight_bytes=weight_bytes)


@pytest.mark.parametrize("cycles", [2, 9, 14])
def test_reset_in_the_middle(cycles):
    """No rule survives from before a reset: accumulators aside, the run is that from power-up."""
    program = [gemm(m=10, k_tiles=2, weight_zero_row=1), gemm(m=3, accumulator_address=10)]
    check(small_config(), program, reset_after=cycles)


def test_diagonal_reads_take_as_long_as_rows():
    """T-MX-01: R reads a tile, whether its rows are on the diagonal or behind it."""
    trace = check(small_config(8, 4), [gemm(m=1, k_tiles=2, weight_diagonal=1), gemm(m=1)])
    assert trace.weight_reads == list(range(1, 25))


def test_maximum_is_of_signed_numbers():
    """I-03: of what the accumulators hold and the sums, of every pair of signs."""
    config = small_config()
    depth = config.accumulator_depth
    program = [gemm(m=depth, row_stride=5, maximum=1, accumulate=1)]
    activations = np.arange(config.activation_buffer_bytes).astype(np.uint8)
    weights = np.full(config.weight_buffer_bytes, 2, np.uint8)
    accumulators = np.zeros((2, depth, config.cols), np.int32)
    accumulators[0] = np.array([-(1 << 31), -200, 200, (1 << 31) - 1])
    lanes = np.arange(depth)[:, None] * 5 + np.arange(4)
    sums = 2 * activations.view(np.int8)[lanes].sum(axis=1, dtype=np.int64)[:, None]
    trace = run(config, program, activations, weights, accumulators)
    assert sums.min() < -200 < 200 < sums.max()
    np.testing.assert_array_equal(trace.accumulators[0], np.maximum(accumulators[0], sums))


@pytest.mark.parametrize(
    ("fields", "last_tile", "others"),
    [
        ({}, 2 * 3, 4 * 3),
        ({"mac_k": 1}, 1 * 3, 0),
        ({"mac_k": 127}, 127 * 3, 0),
        ({"maximum": 1}, 0, 0),
        ({"maximum": 1, "mac_k": 9}, 0, 0),
    ],
)
def test_macs_of_a_row(fields, last_tile, others):
    """Section 8: ``mac_k`` is of the whole run of k; comparisons are no MACs."""
    program = [gemm(m=2, k_tiles=3, last_k=2, last_n=3, ky_count=2, weight_stride=4, **fields)]
    trace = check(small_config(), program)
    assert trace.macs == 2 * [*(4 * [others]), *(2 * [last_tile])]


SIZES = [(4, 4), (8, 16), (16, 8)]


@pytest.mark.parametrize(("rows", "cols"), SIZES)
def test_random_programs(rows, cols):
    """I-03 and T-MX-01 to T-MX-05 on seeded programs, offered at random."""
    rng = np.random.default_rng(20)
    config = small_config(rows, cols, kib=rows * cols // 64 + 1)
    for seed in range(4):
        program = [_random_instruction(rng, config) for _ in range(8)]
        offers = {i: int(rng.integers(0, 200)) for i in range(1, 8, 3)}
        check(config, program, seed, offers=offers)


def _random_instruction(rng, config):
    def pick(low, high):
        return int(rng.integers(low, high))

    kind, unit = pick(0, 6), max(config.rows, config.cols)
    fields = {
        "m": pick(1, 9),
        "k_tiles": pick(1, 4),
        "last_k": pick(1, config.rows + 1),
        "n_tiles": pick(1, 4),
        "last_n": pick(1, config.cols + 1),
        "n_stride": pick(0, 12) * pick(0, 2),
        "maximum": int(pick(0, 3) == 0),
        "mac_k": pick(0, 128) * pick(0, 2),
        "activation_address": pick(0, 128),
        "activation_signed": pick(0, 2),
        "activation_zero_point": pick(0, 128),
        "accumulator_address": pick(0, 30),
        "accumulator_half": pick(0, 2),
        "accumulate": pick(0, 2),
        "weight_address": unit * pick(0, 10),
        "weight_transposed": int(kind == 1),
        "weight_zero_row": int(kind == 2),
        "weight_row_major": int(kind == 3),
        "weight_diagonal": int(kind == 4),
        "weight_stride": unit * pick(0, 5),
    }
    if kind > 3:
        fields |= {"ky_count": pick(1, 3), "kx_count": pick(1, 3), "kx_stride": pick(0, 9)}
    x_limit = pick(1, 4 * config.rows)
    return gemm(**fields, x_origin=pick(-2 * config.rows - 1, 2), x_limit=x_limit)
