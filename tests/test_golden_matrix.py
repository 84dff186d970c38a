"""MATRIX in the golden machine, against the operators and the rule lane by lane."""

from itertools import product

import numpy as np
import pytest
from golden_support import (
    ACTIVATION,
    TINY,
    WEIGHT,
    C,
    R,
    accumulators,
    gemm,
    int8,
    operands,
    padded,
    run_on,
    weight_image,
    with_fields,
)

from arch.isa import Matrix
from golden.ops.conv import conv_integer
from golden.ops.linear import matmul_integer


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.mark.parametrize(("M", "K", "N"), [(1, 1, 1), (3, 4, 4), (5, 11, 9), (16, 8, 13)])
def test_matrix_multiplies_with_partial_tiles(rng, M, K, N):
    x, weight = int8(rng, M, K), int8(rng, K, N)
    state = run_on(operands(x, weight_image(weight[None])), gemm(M, K, N))
    n_tiles = -(-N // C)
    got = accumulators(state, 0, n_tiles * M).reshape(n_tiles, M, C)
    expected = padded(matmul_integer(x, weight), C)
    np.testing.assert_array_equal(got.transpose(1, 0, 2).reshape(M, -1), expected)


@pytest.mark.parametrize("signed", [0, 1])
def test_matrix_subtracts_zero_points(rng, signed):
    dtype, zero = (np.int8, -7) if signed else (np.uint8, 201)
    x, weight = (int8(rng, *shape).view(dtype) for shape in ((3, 6), (6, 4)))
    instruction = gemm(
        3,
        6,
        4,
        activation_signed=signed,
        activation_zero_point=zero,
        weight_signed=signed,
        weight_zero_point=zero + 1,
    )
    state = run_on(operands(x, weight_image(weight[None])), instruction)
    expected = matmul_integer(x, weight, zero, zero + 1)
    np.testing.assert_array_equal(accumulators(state, 0, 3), expected)


def test_a_zero_row_gives_each_column_its_zero_point(rng):
    x, weight, zero = int8(rng, 3, 10), int8(rng, 10, 7), int8(rng, 7)
    pieces = operands(x, weight_image(weight[None], zero))
    state = run_on(pieces, gemm(3, 10, 7, weight_zero_row=1, weight_zero_point=5))
    got = accumulators(state, 0, 6).reshape(2, 3, C).transpose(1, 0, 2).reshape(3, -1)
    np.testing.assert_array_equal(got, padded(matmul_integer(x, weight, 0, zero), C))


def test_transposed_weights_are_read_from_rows_of_n(rng):
    x, weight = int8(rng, 3, 10), int8(rng, 10, 7)
    rows_of_n = padded(weight.T, 16)
    pieces = operands(x, rows_of_n.tobytes())
    instruction = gemm(3, 10, 7, weight_transposed=1, weight_stride=16, weight_zero_point=-3)
    state = run_on(pieces, instruction)
    got = accumulators(state, 0, 6).reshape(2, 3, C).transpose(1, 0, 2).reshape(3, -1)
    np.testing.assert_array_equal(got, padded(matmul_integer(x, weight, 0, -3), C))


def test_row_major_weights_are_read_from_rows_of_k(rng):
    """I-03: only the bytes that mean something; those of other columns are never written here."""
    x, weight = int8(rng, 3, 10), int8(rng, 10, 7)
    rows_of_k = [(WEIGHT, 0x40 + 16 * k, row.tobytes()) for k, row in enumerate(weight)]
    pieces = [(ACTIVATION, 0, padded(x, R).tobytes()), *rows_of_k]
    fields = {"weight_row_major": 1, "weight_address": 0x40, "weight_stride": 16}
    state = run_on(pieces, gemm(3, 10, 7, **fields, weight_zero_point=-3))
    got = accumulators(state, 0, 6).reshape(2, 3, C).transpose(1, 0, 2).reshape(3, -1)
    np.testing.assert_array_equal(got, padded(matmul_integer(x, weight, 0, -3), C))


def test_accumulation_adds_in_the_chosen_half(rng):
    M, K = 2, 4
    x, weight = int8(rng, M, K), int8(rng, K, C)
    depth = TINY.accumulator_depth
    there = {"accumulator_half": 1, "accumulator_address": 5}
    first, again = gemm(M, K, C, **there), gemm(M, K, C, **there, accumulate=1)
    state = run_on(operands(x, weight_image(weight[None])), first, again, again)
    expected = 3 * matmul_integer(x, weight)
    np.testing.assert_array_equal(accumulators(state, depth + 5, M), expected)
    written = state.buffers["accumulator"].written
    assert written.sum() == M * 4 * C


def test_the_greatest_operands_are_exact_and_the_accumulator_wraps():
    K = TINY.weight_buffer_bytes // C
    x, weight = np.full((1, K), 255, np.uint8), np.full((1, K, C), 255, np.uint8)
    weight[0, 0, 0] = 254  # the sum is odd in one column: not a multiple of any float32 spacing
    layer = gemm(1, K, C, activation_signed=0, weight_signed=0)
    times = 2**31 // (K * 255 * 255) + 1
    again = [with_fields(layer, accumulate=1)] * (times - 1)
    state = run_on(operands(x, weight_image(weight)), layer, *again)
    exact = times * (K * 255 * 255 - np.array([255, 0, 0, 0]))
    np.testing.assert_array_equal(accumulators(state, 0, 1)[0], exact - 2**32)


def convolution(H, W, channels, kernel, stride, top, left, out_rows, out_columns, folded):
    """The MATRIX of a convolution over an (H, W, channels) image at 0x40, zero point 3.

    Its activation address, that of output row 0 and kernel row 0, lies above the image.
    """
    kernel_rows, kernel_columns = kernel
    run = (kernel_columns if folded else 1) * channels
    tiles = -(-run // R)
    return gemm(
        1,
        1,
        6,
        activation_address=(0x40 - top * W * channels) % (1 << 24),
        activation_zero_point=3,
        y_origin=-top,
        y_row_step=stride,
        y_ky_step=1,
        y_limit=H,
        row_stride=stride * W * channels,
        ky_stride=W * channels,
        x_origin=-left * channels,
        column_stride=stride * channels,
        kx_stride=0 if folded else channels,
        x_limit=W * channels,
        output_rows=out_rows,
        output_columns=out_columns,
        ky_count=kernel_rows,
        kx_count=1 if folded else kernel_columns,
        k_tiles=tiles,
        last_k=run - (tiles - 1) * R,
    )


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [3, 4])
def test_matrix_convolves_with_padding(rng, channels, stride, folded):
    H, W, N, kernel, padding = 7, 6, 6, (3, 3), (1, 1, 1, 1)
    x, weight = int8(rng, H, W, channels), int8(rng, *kernel, channels, N)
    expected = conv_integer(x, weight, 3, 0, stride, padding)
    rows, columns = expected.shape[:2]
    instruction = convolution(H, W, channels, kernel, stride, 1, 1, rows, columns, folded)
    runs = weight.reshape((3, 3 * channels, N) if folded else (9, channels, N))
    pieces = [(ACTIVATION, 0x40, x.tobytes()), (WEIGHT, 0, weight_image(runs))]
    state = run_on(pieces, instruction)
    got = accumulators(state, 0, 2 * rows * columns).reshape(2, -1, C).transpose(1, 0, 2)
    np.testing.assert_array_equal(got.reshape(rows, columns, -1), padded(expected, C))


def test_the_halo_is_never_read():
    # Only the first row of the image exists; the taps above and left of it are padding.
    x = np.ones((1, 4, 4), np.int8)
    weight = np.ones((9, 4, 4), np.int8)
    instruction = convolution(1, 4, 4, (3, 3), 1, 1, 1, 1, 4, False)
    instruction = with_fields(instruction, n_tiles=1, last_n=4, activation_zero_point=0)
    pieces = [(ACTIVATION, 0x40, x.tobytes()), (WEIGHT, 0, weight_image(weight))]
    state = run_on(pieces, instruction)
    np.testing.assert_array_equal(accumulators(state, 0, 4)[:, 0], [8, 12, 12, 8])


def lane_by_lane(instruction: Matrix, activations: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Rule I-03 as it is written, one lane at a time; int64 (n tiles, rows, C)."""
    i = instruction
    sums = np.zeros((i.n_tiles, i.output_rows, i.output_columns, C), np.int64)
    zero_row = C * i.weight_zero_row
    n_tile_bytes = zero_row + i.ky_count * i.kx_count * i.k_tiles * R * C
    taps = product(range(i.n_tiles), range(i.ky_count), range(i.kx_count), range(i.k_tiles))
    for n, ky, kx, t in taps:
        start = i.weight_address + n * n_tile_bytes
        tile = start + zero_row + ((ky * i.kx_count + kx) * i.k_tiles + t) * R * C
        for oy, ox, j in product(range(i.output_rows), range(i.output_columns), range(R)):
            y = i.y_origin + oy * i.y_row_step + ky * i.y_ky_step
            x = i.x_origin + ox * i.column_stride + kx * i.kx_stride + t * R
            lanes = i.last_k if t == i.k_tiles - 1 else R
            if j < lanes and 0 <= y < i.y_limit and 0 <= x + j < i.x_limit:
                address = i.activation_address + oy * i.row_stride + ky * i.ky_stride + x + j
                a = int(activations[address % (1 << 24)]) - i.activation_zero_point
                for c in range(i.last_n if n == i.n_tiles - 1 else C):
                    zero = weights[start + c] if i.weight_zero_row else i.weight_zero_point
                    sums[n, oy, ox, c] += a * (int(weights[tile + j * C + c]) - int(zero))
    return sums.reshape(i.n_tiles, -1, C)


def random_matrix(rng: np.random.Generator) -> Matrix:
    """Any MATRIX whose accesses stay within some hundred bytes of address 0x1000."""
    fields = {
        "activation_address": (0xF80, 0x1080),
        "activation_zero_point": (-128, 128),
        "y_origin": (-3, 3),
        "y_row_step": (0, 3),
        "y_ky_step": (0, 3),
        "y_limit": (1, 6),
        "x_origin": (-12, 9),
        "column_stride": (0, 9),
        "kx_stride": (0, 9),
        "x_limit": (1, 30),
        "output_rows": (1, 4),
        "output_columns": (1, 5),
        "ky_count": (1, 4),
        "kx_count": (1, 4),
        "k_tiles": (1, 4),
        "last_k": (1, R + 1),
        "n_tiles": (1, 3),
        "last_n": (1, C + 1),
        "weight_zero_point": (-128, 128),
        "weight_zero_row": (0, 2),
    }
    strides = {name: int(rng.integers(-90, 90)) % (1 << 24) for name in ("row_stride", "ky_stride")}
    drawn = {name: int(rng.integers(*span)) for name, span in fields.items()}
    return Matrix(weight_address=4 * int(rng.integers(16)), **strides, **drawn)


def test_random_matrix_instructions_equal_the_rule_lane_by_lane(rng):
    activations, weights = int8(rng, 0x2000), int8(rng, 0x1000)
    pieces = [(ACTIVATION, 0, activations.tobytes()), (WEIGHT, 0, weights.tobytes())]
    for _ in range(40):
        instruction = random_matrix(rng)
        expected = lane_by_lane(instruction, activations, weights)
        got = accumulators(run_on(pieces, instruction), 0, expected.shape[0] * expected.shape[1])
        np.testing.assert_array_equal(got.reshape(expected.shape), expected, str(instruction))
