"""The golden machine on programs by hand, against the operators and plain NumPy."""

import numpy as np
import pytest
from golden_support import (
    ACTIVATION,
    DATA,
    INDEX,
    PARAMETER,
    TINY,
    C,
    chained,
    execute,
    gemm,
    image_of,
    int8,
    load,
    operands,
    parameters,
    run_on,
    store,
    vector,
    weight_image,
)

from arch.config import load_config
from arch.errors import AssayError
from arch.isa import Addition, ElementType, FillTable, Table
from golden.machine import run
from golden.ops.linear import linear
from golden.ops.qlinear_add import add_table, addition_table
from golden.ops.quantize import DTYPES
from golden.ops.table import build_table, gelu, lookup

RESULT = 0x1000


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


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


def test_load_gathers_the_rows_that_indices_name():
    """I-01, B-09: with padding, and addresses that wrap at 2^32."""
    indices = np.array([7, 5, 0, 2, (1 << 32) - 1], "<u4")
    data = bytes(range(100, 200)) + indices.tobytes()
    program = [
        load(INDEX, 8, DATA + 100, 20),
        load(
            ACTIVATION,
            3,
            DATA + 10,
            4,
            gather=1,
            index_address=3,
            runs=4,
            run_dram_stride=10,
            run_buffer_stride=6,
            pad_bytes=1,
            pad_value=0xEE,
        ),
    ]
    state = execute(program, data)
    memory = state.buffers["activation"]
    starts = [110 + 50, 110, 110 + 20, 100]
    expected = [[*range(start, start + 4), 0xEE] for start in starts]
    assert memory.data[3:27].reshape(4, 6)[:, :5].tolist() == expected
    assert memory.written[:28].tolist() == [*[False] * 3, *([True] * 5 + [False]) * 4, False]
    assert np.flatnonzero(state.buffers["index"].written).tolist() == list(range(8, 28))


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


def linear_layer(rng, M, K, N):
    x, weight = int8(rng, M, K), int8(rng, K, N)
    bias = rng.integers(-5000, 5000, N).astype(np.int32)
    scale = rng.uniform(0.0005, 0.01, N).astype(np.float32)
    pieces = [
        *operands(x, weight_image(weight[None])),
        (PARAMETER, 0, parameters(bias, scale)),
    ]
    return x, weight, bias, scale, pieces


@pytest.mark.parametrize("element", list(DTYPES))
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


@pytest.mark.parametrize("signed", [0, 1])
def test_vector_passes_codes_through_the_unary_table(rng, signed):
    x, weight, bias, scale, pieces = linear_layer(rng, 3, 8, 5)
    y_type = ElementType.INT8 if signed else ElementType.UINT8
    table = build_table(gelu, 0.05, 4, ElementType.INT8, 0.02, -20 if signed else 100, y_type)
    pieces.append((PARAMETER, 0x100, table.tobytes()))
    state = run_on(
        pieces,
        FillTable(table=Table.UNARY, parameter_address=0x100),
        gemm(3, 8, 5),
        vector(
            3,
            5,
            zero_point=4,
            unary_table=1,
            unary_signed=signed,
            element_type=ElementType.INT16,
            output_row_stride=16,
        ),
    )
    expected = lookup(linear(x, weight, bias, scale, 4, ElementType.INT8), table, bool(signed))
    np.testing.assert_array_equal(results(state, 3, 5, np.int16), expected)
    assert (expected < 0).any() == bool(signed)
    assert (expected > 127).any() != bool(signed)


def test_vector_adds_a_residual_through_the_wide_table_in_place(rng):
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
        FillTable(table=Table.WIDE, parameter_address=0x400),
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
    state = run(type(image)(image.hardware_hash, image.dram_bytes, sections), TINY)
    assert np.flatnonzero(state.buffers["activation"].written).tolist() == [0, 1, 2, 3]


def test_an_image_for_another_configuration_is_refused():
    with pytest.raises(AssayError, match="compile it again for it"):
        run(image_of([load(ACTIVATION, 0, DATA, 4)], bytes(4)), load_config("base"))
