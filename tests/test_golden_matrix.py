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
    expected = conv_integer(x[None], weight, 3, 0, (stride, stride), padding)[0]
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


def channels_of_a_tile(kernel: tuple[int, int], channels: int, **more: int) -> dict[str, int]:
    """Fields that give n tile ``n`` the input channels ``n * C`` up (R = C here)."""
    n_tiles = -(-channels // C)
    kernel_rows, kernel_columns = kernel
    fields = {"ky_count": kernel_rows, "kx_count": kernel_columns, "k_tiles": 1, "last_k": R}
    fields |= {"n_stride": C, "n_tiles": n_tiles, "last_n": channels - (n_tiles - 1) * C}
    return fields | more


def results(state, n_tiles: int, rows: int, channels: int) -> np.ndarray:
    """int32 (rows, channels) of accumulators from 0 on."""
    by_tile = accumulators(state, 0, n_tiles * rows).reshape(n_tiles, rows, C)
    return by_tile.transpose(1, 0, 2).reshape(rows, -1)[:, :channels]


@pytest.mark.parametrize("channels", [4, 8, 11])
@pytest.mark.parametrize("stride", [1, 2])
def test_diagonal_weights_convolve_each_channel_by_itself(rng, stride, channels):
    """I-03: C bytes hold the weights of (n, ky, kx); lanes of other channels add nothing."""
    H, W, pixel = 7, 6, 12
    x, weight = int8(rng, H, W, pixel), int8(rng, 3, 3, channels)
    rows, columns = (H - 1) // stride + 1, (W - 1) // stride + 1
    expected = np.zeros((rows, columns, channels), int)
    for oy, ox, ky, kx in product(range(rows), range(columns), range(3), range(3)):
        y, col = oy * stride + ky - 1, ox * stride + kx - 1
        if 0 <= y < H and 0 <= col < W:
            taps = x[y, col, :channels].astype(int) - 3
            expected[oy, ox] += taps * (weight[ky, kx].astype(int) + 5)
    instruction = with_fields(
        convolution(H, W, pixel, (3, 3), stride, 1, 1, rows, columns, False),
        **channels_of_a_tile((3, 3), channels),
        weight_diagonal=1,
        weight_zero_point=-5,
    )
    by_tile = padded(weight.reshape(9, channels), C).reshape(9, -1, C).transpose(1, 0, 2)
    state = run_on([(ACTIVATION, 0x40, x.tobytes()), (WEIGHT, 0, by_tile.tobytes())], instruction)
    got = results(state, instruction.n_tiles, rows * columns, channels)
    np.testing.assert_array_equal(got, expected.reshape(-1, channels))


def test_n_stride_gives_each_group_its_channels(rng):
    """I-03: with dense tiles a grouped convolution, a group of C channels for each n tile."""
    H, W, groups = 3, 5, 3
    x, weight = int8(rng, H, W, groups * C), int8(rng, groups, C, C)
    instruction = with_fields(
        convolution(H, W, groups * C, (1, 1), 1, 0, 0, H, W, False),
        **channels_of_a_tile((1, 1), groups * C),
    )
    pieces = [(ACTIVATION, 0x40, x.tobytes()), (WEIGHT, 0, weight.tobytes())]
    got = results(run_on(pieces, instruction), groups, H * W, groups * C)
    flat = x.reshape(-1, groups, C).astype(int) - 3
    expected = [[row[g] @ weight[g].astype(int) for g in range(groups)] for row in flat]
    np.testing.assert_array_equal(got, np.reshape(expected, got.shape))


@pytest.mark.parametrize(("signed", "least"), [(1, -128), (0, 0)])
def test_maxima_over_a_window_pool(rng, signed, least):
    """I-03: with the least code as zero point and weights 1, padding never wins."""
    H, W, channels = 6, 5, 8
    x = int8(rng, H, W, channels).view(np.int8 if signed else np.uint8)
    rows, columns = 3, 3
    expected = np.empty((rows, columns, channels), int)
    for oy, ox in product(range(rows), range(columns)):
        ys, xs = (slice(max(0, 2 * o - 1), 2 * o + 2) for o in (oy, ox))
        expected[oy, ox] = x[ys, xs].reshape(-1, channels).max(axis=0).astype(int) - least
    instruction = with_fields(
        convolution(H, W, channels, (3, 3), 2, 1, 1, rows, columns, False),
        **channels_of_a_tile((3, 3), channels),
        weight_diagonal=1,
        maximum=1,
        mac_k=1,
        activation_signed=signed,
        activation_zero_point=least,
    )
    pieces = [(ACTIVATION, 0x40, x.tobytes()), (WEIGHT, 0, bytes([1] * 18 * C))]
    got = results(run_on(pieces, instruction), 2, rows * columns, channels)
    np.testing.assert_array_equal(got, expected.reshape(-1, channels))


def test_a_maximum_compares_whole_tiles_and_the_first_one_overwrites():
    """I-03: k tiles of one run are compared too; the accumulators count with ``accumulate``."""
    x = np.array([[1, 1, 1, 1, 2, 0, 0, 0]], np.int8)
    weight = np.full((8, C), -3, np.int8)
    weight[:, 1] = 5
    first = gemm(1, 8, C, maximum=1)
    smaller = with_fields(first, weight_address=8 * C, accumulate=1)
    pieces = operands(x, weight_image(weight[None]) + weight_image(weight[None] - 1))
    assert accumulators(run_on(pieces, first, smaller), 0, 1)[0].tolist() == [-6, 20, -6, -6]
    overwriting = with_fields(smaller, accumulate=0)
    assert accumulators(run_on(pieces, first, overwriting), 0, 1)[0].tolist() == [-8, 16, -8, -8]


def test_only_bytes_on_the_diagonal_are_read():
    """I-03: bytes of columns without a lane or a meaning are never written here."""
    weights = [(WEIGHT, at, bytes([at + 1])) for at in (0, 1, 4, 5)]
    x = np.array([[1, 2, 3, 4]], np.int8)
    pieces = [(ACTIVATION, 0, x.tobytes()), *weights]
    narrow = gemm(1, 4, 2, weight_diagonal=1, kx_count=2)
    state = run_on(pieces, narrow)
    assert accumulators(state, 0, 1)[0].tolist() == [1 + 5, 4 + 12, 0, 0]
    shallow = gemm(1, 2, 4, weight_diagonal=1, kx_count=2, row_stride=4)
    assert accumulators(run_on(pieces, shallow), 0, 1)[0].tolist() == [6, 16, 0, 0]
