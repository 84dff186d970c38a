"""The golden machine on programs by hand, against the operators and plain NumPy."""

from itertools import product

import numpy as np
import pytest
from golden_support import (
    DATA,
    TINY,
    C,
    R,
    accumulators,
    chained,
    execute,
    gemm,
    image_of,
    load,
    padded,
    parameters,
    store,
    vector,
    weight_image,
    with_fields,
)

from arch.config import load_config
from arch.errors import AssayError
from arch.isa import Addition, Buffer, ElementType, FillTable, Matrix, Table
from golden.machine import run
from golden.ops.conv import conv_integer
from golden.ops.linear import linear, matmul_integer
from golden.ops.qlinear_add import add_table, addition_table
from golden.ops.table import build_table, gelu, lookup

ACTIVATION, WEIGHT, PARAMETER = Buffer
RESULT = 0x1000


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def int8(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-128, 128, shape).astype(np.int8)


def laid_out(*pieces: tuple[Buffer, int, bytes]) -> tuple[list, bytes]:
    """LOADs that bring each piece to its place in its buffer, and the data they copy."""
    loads, data = [], b""
    for buffer, address, content in pieces:
        data += bytes(-len(data) % 64)
        loads.append(load(buffer, address, DATA + len(data), len(content)))
        data += content
    return loads, data


def run_on(pieces: list[tuple[Buffer, int, bytes]], *program, config=TINY):
    loads, data = laid_out(*pieces)
    return execute(chained([*loads, *program]), data, config)


def operands(x: np.ndarray, weights: bytes) -> list[tuple[Buffer, int, bytes]]:
    return [(ACTIVATION, 0, padded(x, R).tobytes()), (WEIGHT, 0, weights)]


def results(state, rows: int, columns: int, dtype=np.int8) -> np.ndarray:
    """Rows of outputs in the activation buffer at ``RESULT``, each padded to C."""
    stride = -(-columns // C) * C * np.dtype(dtype).itemsize
    data = state.buffers["activation"].data[RESULT : RESULT + rows * stride]
    return data.view(dtype).reshape(rows, -1)[:, :columns]


def test_load_copies_planes_and_runs_and_pads_behind_each_run():
    data = bytes(range(200))
    instruction = load(
        ACTIVATION,
        0x21,
        DATA + 3,
        5,
        runs=3,
        run_dram_stride=10,
        run_buffer_stride=8,
        planes=2,
        plane_dram_stride=100,
        plane_buffer_stride=0x100,
        pad_bytes=2,
        pad_value=0xEE,
    )
    memory = execute([instruction], data).buffers["activation"]
    expected = {}
    for p in range(2):
        for r in range(3):
            start = 0x21 + p * 0x100 + r * 8
            run_data = data[3 + p * 100 + r * 10 :][:5] + b"\xee\xee"
            expected.update(enumerate(run_data, start))
    assert np.flatnonzero(memory.written).tolist() == sorted(expected)
    assert memory.data[memory.written].tolist() == [expected[a] for a in sorted(expected)]


def test_a_later_run_overwrites_the_padding_of_the_one_before():
    instruction = load(
        ACTIVATION,
        0,
        DATA,
        4,
        runs=3,
        run_dram_stride=4,
        run_buffer_stride=4,
        pad_bytes=6,
        pad_value=9,
    )
    memory = execute([instruction], bytes(range(12))).buffers["activation"]
    assert memory.data[:18].tolist() == [*range(12), 9, 9, 9, 9, 9, 9]


def test_addresses_wrap_at_2_to_the_32_and_2_to_the_24():
    instruction = load(
        ACTIVATION,
        12,
        DATA + 8,
        4,
        runs=3,
        run_dram_stride=(1 << 32) - 4,
        run_buffer_stride=(1 << 24) - 6,
    )
    memory = execute([instruction], bytes(range(12))).buffers["activation"]
    assert memory.data[[12, 13, 6, 7, 0, 3]].tolist() == [8, 9, 4, 5, 0, 3]


def test_store_writes_runs_to_dram_and_marks_them_written():
    data = bytes(range(64))
    program = [
        load(ACTIVATION, 0, DATA, 64),
        store(1, 0x8001, 3, runs=2, run_dram_stride=16, run_buffer_stride=32),
    ]
    state = execute(chained(program), data)
    stored = np.flatnonzero(state.dram_written[0x8000:]) + 0x8000
    assert stored.tolist() == [0x8001, 0x8002, 0x8003, 0x8011, 0x8012, 0x8013]
    assert state.dram[stored].tolist() == [1, 2, 3, 33, 34, 35]
    assert state.dram_written[DATA : DATA + 64].all()
    assert not state.dram_written[DATA + 64 : 0x8000].any()


def test_garbage_depends_on_the_seed_and_written_bytes_do_not():
    program, data = [load(ACTIVATION, 0, DATA, 64)], bytes(range(64))
    first, second = (execute(program, data, seed=seed) for seed in (1, 2))
    for name in ("activation", "weight", "parameter", "accumulator", "unary_table"):
        assert not np.array_equal(first.buffers[name].data, second.buffers[name].data)
    written = first.dram_written
    assert np.array_equal(first.dram[written], second.dram[written])
    assert not np.array_equal(first.dram[~written], second.dram[~written])


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
    instruction = gemm(3, 10, 7, weight_transposed=1, weight_column_stride=16, weight_zero_point=-3)
    state = run_on(pieces, instruction)
    got = accumulators(state, 0, 6).reshape(2, 3, C).transpose(1, 0, 2).reshape(3, -1)
    np.testing.assert_array_equal(got, padded(matmul_integer(x, weight, 0, -3), C))


def test_accumulation_adds_and_wraps_in_the_chosen_half(rng):
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


def convolution(H, W, channels, kernel, stride, top, left, out_rows, out_columns, folded):
    """The MATRIX of a convolution over an (H, W, channels) image at 0x40, zero point 3.

    Its activation address, that of output row 0 and kernel row 0, lies ``top`` rows above the image.
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


def linear_layer(rng, M, K, N):
    x, weight = int8(rng, M, K), int8(rng, K, N)
    bias = rng.integers(-5000, 5000, N).astype(np.int32)
    scale = rng.uniform(0.0005, 0.01, N).astype(np.float32)
    pieces = [
        *operands(x, weight_image(weight[None])),
        (PARAMETER, 0, parameters(bias, scale)),
    ]
    return x, weight, bias, scale, pieces


@pytest.mark.parametrize("element", list(ElementType))
def test_vector_requantises_to_every_element_type(rng, element):
    M, K, N = 5, 9, 6
    x, weight, bias, scale, pieces = linear_layer(rng, M, K, N)
    instruction = vector(
        M,
        N,
        zero_point=9,
        clamp_low=max(element.low, -300),
        clamp_high=element.high,
        element_type=element,
        output_row_stride=8 * element.bytes,
    )
    state = run_on(pieces, gemm(M, K, N), instruction)
    expected = np.maximum(linear(x, weight, bias, scale, 9, element), max(element.low, -300))
    np.testing.assert_array_equal(results(state, M, N, expected.dtype), expected)
    rows = state.buffers["activation"].written[RESULT : RESULT + M * 8 * element.bytes]
    assert (rows.reshape(M, -1).sum(axis=1) == N * element.bytes).all()


def test_vector_writes_the_weight_buffer(rng):
    x, weight, bias, scale, pieces = linear_layer(rng, 4, 4, 4)
    instruction = vector(4, 4, output_buffer=1, output_address=0x200)
    state = run_on(pieces, gemm(4, 4, 4), instruction)
    got = state.buffers["weight"].data[0x200:0x210].view(np.int8).reshape(4, 4)
    np.testing.assert_array_equal(got, linear(x, weight, bias, scale, 0, ElementType.INT8))


def test_vector_passes_codes_through_the_unary_table(rng):
    x, weight, bias, scale, pieces = linear_layer(rng, 3, 8, 5)
    table = build_table(gelu, 0.05, 4, ElementType.INT8, 0.02, 100, ElementType.UINT8)
    pieces.append((PARAMETER, 0x100, table.tobytes()))
    state = run_on(
        pieces,
        FillTable(table=Table.UNARY, parameter_address=0x100),
        gemm(3, 8, 5),
        vector(3, 5, zero_point=4, unary_table=1, element_type=ElementType.UINT8),
    )
    q = linear(x, weight, bias, scale, 4, ElementType.INT8)
    np.testing.assert_array_equal(results(state, 3, 5, np.uint8), lookup(q, table, False))


def test_vector_adds_a_residual_through_the_addition_table_in_place(rng):
    M, K, N = 4, 8, 6
    x, weight, bias, scale, pieces = linear_layer(rng, M, K, N)
    residual = int8(rng, M, 8)
    ra, table = addition_table(0.03, -3, 0.05, 2, 0.06, 1, signed=True)
    pieces += [
        (PARAMETER, 0x400, table.tobytes()),
        (ACTIVATION, RESULT, residual.tobytes()),
    ]
    state = run_on(
        pieces,
        FillTable(table=Table.ADDITION, parameter_address=0x400),
        gemm(M, K, N),
        vector(
            M,
            N,
            zero_point=2,
            addition=Addition.TABLE,
            addition_scale=ra,
            residual_address=RESULT,
            residual_row_stride=8,
            sum_low=-128,
            sum_high=127,
        ),
    )
    q = linear(x, weight, bias, scale, 2, ElementType.INT8)
    expected = np.clip(add_table(q, residual[:, :N], ra, table), -128, 127)
    np.testing.assert_array_equal(results(state, M, N), expected)


def test_vector_adds_an_int16_residual_and_saturates(rng):
    M, K, N = 3, 8, 4
    x, weight, bias, scale, pieces = linear_layer(rng, M, K, N)
    residual = np.array([[32767, -32768, 5, 0]] * M, "<i2")
    pieces.append((ACTIVATION, 0x800, residual.tobytes()))
    state = run_on(
        pieces,
        gemm(M, K, N),
        vector(
            M,
            N,
            clamp_low=-32768,
            clamp_high=32767,
            addition=Addition.INT16,
            residual_address=0x800,
            residual_row_stride=8,
            sum_low=-32000,
            sum_high=32000,
            element_type=ElementType.INT16,
            output_row_stride=8,
        ),
    )
    q = linear(x, weight, bias, scale, 0, ElementType.INT16).astype(np.int64)
    expected = np.clip(q + residual, -32000, 32000)
    np.testing.assert_array_equal(results(state, M, N, np.int16), expected)


def test_instructions_behind_end_are_not_executed():
    program = [load(ACTIVATION, 0, DATA, 4)]
    image = image_of(program, bytes(4))
    beyond = image_of([*program, load(ACTIVATION, 0, 0xFFFF_0000, 4)], bytes(4))
    code = image.program_section.data + beyond.program_section.data[64:128]
    sections = tuple(
        s if s.name != "program" else type(s)(s.name, s.kind, s.address, code)
        for s in image.sections
    )
    run(type(image)(image.hardware_hash, image.dram_bytes, sections), TINY)


def test_an_image_for_another_configuration_is_refused():
    with pytest.raises(AssayError, match="compile it again for it"):
        run(image_of([load(ACTIVATION, 0, DATA, 4)], bytes(4)), load_config("base"))


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
