"""Random MATRIX instructions in the golden machine, against rule I-03 lane by lane."""

from itertools import product

import numpy as np
import pytest
from golden_support import ACTIVATION, WEIGHT, int8, run_on, with_fields

from arch.config import Config, load_config
from arch.isa import Matrix

LAYOUTS = (
    {},
    {"weight_zero_row": 1},
    {"weight_transposed": 1, "ky_count": 1, "kx_count": 1},
    {"weight_row_major": 1, "ky_count": 1, "kx_count": 1},
    {"weight_diagonal": 1},
)
WEIGHT_BYTES = 0x1000


def operand_of_weight(i, config, weights, n: int, run: int, t: int, j: int, c: int) -> int:
    """Row ``j``, column ``c`` of a tile; ``run`` counts (ky, kx)."""
    R, C, runs = config.rows, config.cols, i.ky_count * i.kx_count
    lanes = i.last_k if t == i.k_tiles - 1 else R
    if j >= lanes or c >= (i.last_n if n == i.n_tiles - 1 else C):
        return 0
    k, zero = t * R + j, i.weight_zero_point
    if i.weight_diagonal:
        if k != c:
            return 0
        at = (n * runs + run) * C + c
    elif i.weight_transposed:
        at = (n * C + c) * i.weight_stride + k
    elif i.weight_row_major:
        at = k * i.weight_stride + n * C + c
    else:
        start = n * (C * i.weight_zero_row + runs * i.k_tiles * R * C)
        at = start + C * i.weight_zero_row + ((run * i.k_tiles + t) * R + j) * C + c
        if i.weight_zero_row:
            zero = int(weights[i.weight_address + start + c])
    return int(weights[i.weight_address + at]) - zero


def operand_of_activation(i, config, activations, n, ky, kx, t, oy, ox, j) -> int:
    y = i.y_origin + oy * i.y_row_step + ky * i.y_ky_step
    x = i.x_origin + ox * i.column_stride + kx * i.kx_stride + n * i.n_stride + t * config.rows
    lanes = i.last_k if t == i.k_tiles - 1 else config.rows
    if not (j < lanes and 0 <= y < i.y_limit and 0 <= x + j < i.x_limit):
        return 0
    address = i.activation_address + oy * i.row_stride + ky * i.ky_stride + x + j
    return int(activations[address % (1 << 24)]) - i.activation_zero_point


def lane_by_lane(i: Matrix, config: Config, activations, weights, before) -> np.ndarray:
    """``before`` and result: int64 (n tiles, output rows, output columns, C)."""
    R, C = config.rows, config.cols
    acc = before.copy()
    taps = product(range(i.n_tiles), range(i.ky_count), range(i.kx_count), range(i.k_tiles))
    for n, ky, kx, t in taps:
        run = ky * i.kx_count + kx
        tile = np.array(
            [
                [operand_of_weight(i, config, weights, n, run, t, j, c) for c in range(C)]
                for j in range(R)
            ]
        )
        first = (ky, kx, t) == (0, 0, 0) and not i.accumulate
        for oy, ox in product(range(i.output_rows), range(i.output_columns)):
            where = n, ky, kx, t, oy, ox
            a = [operand_of_activation(i, config, activations, *where, j) for j in range(R)]
            total = np.array(a) @ tile
            old = acc[n, oy, ox]
            together = np.maximum(old, total) if i.maximum else old + total
            acc[n, oy, ox] = total if first else together
    return acc


def random_matrix(rng: np.random.Generator, config: Config, layout: dict[str, int]) -> Matrix:
    """Any MATRIX whose accesses stay within some hundred bytes of address 0x800."""
    R, C = config.rows, config.cols
    fields = {
        "activation_address": (0x780, 0x880),
        "activation_zero_point": (-128, 128),
        "y_origin": (-3, 3),
        "y_row_step": (0, 3),
        "y_ky_step": (0, 3),
        "y_limit": (1, 6),
        "x_origin": (-3 * R, 2 * R),
        "column_stride": (0, 2 * R),
        "kx_stride": (0, 2 * R),
        "n_stride": (0, 2 * C),
        "x_limit": (1, 8 * R),
        "output_rows": (1, 4),
        "output_columns": (1, 4),
        "ky_count": (1, 3),
        "kx_count": (1, 4),
        "k_tiles": (1, 4),
        "last_k": (1, R + 1),
        "n_tiles": (1, 4),
        "last_n": (1, C + 1),
        "weight_zero_point": (-128, 128),
        "maximum": (0, 2),
        "accumulate": (0, 2),
        "mac_k": (0, 128),
    }
    drawn = {name: int(rng.integers(*span)) for name, span in fields.items()}
    strides = {name: int(rng.integers(-90, 90)) % (1 << 24) for name in ("row_stride", "ky_stride")}
    drawn["n_stride"] *= int(rng.integers(2))
    unit = max(R, C)
    drawn["weight_address"] = unit * int(rng.integers(4))
    drawn["weight_stride"] = unit * int(rng.integers(5))
    return Matrix(**{**drawn, **strides, **layout})


def fits(instruction: Matrix, config: Config) -> bool:
    """The weights of every layout are loaded."""
    i, extent = instruction, max(config.rows, config.cols)
    tiles = i.n_tiles * i.ky_count * i.kx_count * i.k_tiles
    rows = max(i.n_tiles * config.cols, i.k_tiles * config.rows)
    most = max((tiles + 1) * config.rows * config.cols, rows * i.weight_stride + 4 * extent)
    return i.weight_address + most <= WEIGHT_BYTES


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: next(iter(layout), "tiled"))
@pytest.mark.parametrize("name", ["tiny", "8x16", "16x8"])
def test_random_matrix_instructions_equal_the_rule_lane_by_lane(name, layout):
    config = load_config(name)
    rng = np.random.default_rng(LAYOUTS.index(layout))
    activations, weights = int8(rng, 0x1000), int8(rng, WEIGHT_BYTES)
    pieces = [(ACTIVATION, 0, activations.tobytes()), (WEIGHT, 0, weights.tobytes())]
    done = 0
    while done < 50:
        second = random_matrix(rng, config, layout)
        if not fits(second, config):
            continue
        done += 1
        first = with_fields(second, accumulate=0, maximum=0, x_origin=0, y_origin=0)
        shape = second.n_tiles, second.output_rows, second.output_columns, config.cols
        expected = np.zeros(shape, np.int64)
        for instruction in (first, second):
            expected = lane_by_lane(instruction, config, activations, weights, expected)
        state = run_on(pieces, first, second, config=config)
        count = second.n_tiles * second.output_rows * second.output_columns
        got = state.buffers["accumulator"].data.view("<i4").reshape(-1, config.cols)[:count]
        np.testing.assert_array_equal(got, expected.reshape(got.shape), str(second))
