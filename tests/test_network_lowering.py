"""Operators of convolutional networks compute what the mathematics says on the golden machine."""

import network_graphs
import numpy as np
import pytest
from network_graphs import WINDOW
from operator_graphs import INT8, INT16, UINT8, Surroundings

from arch.config import load_config
from arch.errors import AssayError
from arch.isa import Buffer, Load, Matrix
from compiler import compile
from flow.reference import evaluate, first_difference
from golden.machine import run
from workloads.window import Window

TINY, BASE = load_config("tiny"), load_config("base")
ON_EVERY_CONFIG = pytest.mark.parametrize("config", ["tiny", "base", "wide", "8x16", "16x8"])
IN_EITHER_HOME = pytest.mark.parametrize("resident", [False, True])


def checked(kind, config, *shape, resident=False, **options):
    """The image of an operator, executed and compared, every tensor of it."""
    around = Surroundings(1, resident)
    graph, inputs = around.graph(getattr(network_graphs, kind)(around, *shape, **options))
    image = compile(graph, inputs, config)
    assert first_difference(evaluate(graph, inputs), run(image, config).tensors, image) is None
    return image


def instructions(image, kind):
    return [instruction for instruction in image.program if isinstance(instruction, kind)]


def counted_macs(image, config):
    """What the counter will hold (section 8)."""
    return sum(
        each.output_rows
        * each.output_columns
        * each.ky_count
        * each.kx_count
        * (each.mac_k or (each.k_tiles - 1) * config.rows + each.last_k)
        * ((each.n_tiles - 1) * config.cols + each.last_n)
        for each in instructions(image, Matrix)
    )


WINDOWS = [
    ((1, 7, 6, 5), Window((3, 3)), 9),
    ((1, 7, 6, 5), WINDOW, 9),
    ((2, 9, 8, 3), Window((3, 2), stride=(2, 3), padding=(0, 1, 2, 0)), 6),
    ((1, 9, 9, 8), Window((3, 3), padding=(2, 2, 2, 2), dilation=(2, 2)), 4),
    ((1, 5, 4, 17), Window((5, 4)), 3),
    ((1, 1, 12, 2), Window((1, 5), padding=(0, 4, 0, 4)), 20),
    ((1, 6, 3, 4), Window((1, 1), stride=(2, 2)), 33),
    ((5, 3, 4, 8), Window((3, 4)), 9),
]


@ON_EVERY_CONFIG
@IN_EITHER_HOME
@pytest.mark.parametrize("case", WINDOWS)
def test_convolution_computes(config, resident, case):
    checked("conv", load_config(config), *case, resident=resident, kinds=(UINT8, INT8))


@ON_EVERY_CONFIG
@pytest.mark.parametrize("case", WINDOWS)
def test_convolution_of_image_rows_computes(config, case):
    checked("conv", load_config(config), *case, in_rows=True)


@ON_EVERY_CONFIG
@IN_EITHER_HOME
@pytest.mark.parametrize(
    ("channels", "outputs", "groups"),
    [(8, 8, 8), (40, 40, 40), (6, 12, 6), (64, 64, 2), (24, 36, 4), (20, 40, 10), (48, 16, 16)],
)
def test_grouped_convolution_computes(config, resident, channels, outputs, groups):
    case = ((1, 6, 5, channels), WINDOW, outputs, groups)
    image = checked("conv", load_config(config), *case, resident=resident)
    assert counted_macs(image, load_config(config)) == 30 * 9 * channels // groups * outputs


def test_groups_whose_channels_fit_no_buffer_are_loaded_one_by_one():
    checked("conv", TINY, (1, 5, 30, 512), WINDOW, 6, groups=2)


@ON_EVERY_CONFIG
@pytest.mark.parametrize("groups", [1, 4, 12])
@pytest.mark.parametrize("each", [False, True])
def test_weights_have_zero_points(config, groups, each):
    points = np.arange(12, dtype=np.int32) * 20 if each else 77
    case = ((1, 5, 5, 12), WINDOW, 12, groups)
    checked("conv", load_config(config), *case, signed=False, zero_points=points)
    points = np.arange(21, dtype=np.int32) - 9 if each else -5
    checked("linear", load_config(config), 9, 70, 21, zero_points=points)


@IN_EITHER_HOME
@pytest.mark.parametrize(
    "follow",
    [("table",), ("residual",), ("clamp",), ("clamp", "residual"), ("table", "residual"), ("row",)],
)
def test_what_follows_a_convolution(resident, follow):
    for config in (TINY, BASE):
        case = ((1, 6, 7, 9), WINDOW, 21)
        checked("conv", config, *case, follow=follow, resident=resident, kinds=(UINT8, INT8))


@ON_EVERY_CONFIG
def test_raw_sums_are_stored_in_halves(config):
    checked("conv", load_config(config), (1, 5, 6, 7), WINDOW, 19, raw=True)
    checked("linear", load_config(config), 13, 33, 19, raw=True)


@pytest.mark.parametrize(
    ("kind", "shape"), [("conv", ((1, 25, 11, 3), WINDOW, 60)), ("linear", (64, 9, 52))]
)
def test_both_halves_of_raw_sums_are_staged_at_one_time(kind, shape):
    """The ring of outputs held two halves of a block, but not wherever the first one began."""
    checked(kind, TINY, *shape, raw=True)


def test_wide_images_are_cut_to_columns():
    image = checked("conv", TINY, (1, 3, 2 * TINY.accumulator_depth + 7, 3), WINDOW, 5)
    assert max(each.output_columns for each in instructions(image, Matrix)) < 200
    checked("conv", TINY, (1, 4, 900, 8), WINDOW, 5)
    checked("conv", TINY, (1, 1, 70 * TINY.accumulator_depth, 1), Window((1, 3)), 4)


def test_channels_of_a_diagonal_are_not_cut():
    """One n tile of more channels than rows, and room for half of them."""
    changes = {"rows": 8, "cols": 32, "activation_buffer_kib": 16, "weight_buffer_kib": 2}
    config = load_config("tiny", {**changes, "accumulator_kib": 16, "parameter_buffer_kib": 16})
    window = Window((5, 2), stride=(2, 5), padding=(6, 1, 2, 0), dilation=(2, 1))
    checked("max_pool", config, (2, 8, 4, 16), window)


def test_columns_that_no_window_reads_are_loaded_and_fit():
    """Whole image rows, the last column of which the stride leaves out."""
    changes = {"cols": 8, "activation_buffer_kib": 4, "weight_buffer_kib": 8}
    config = load_config("tiny", {**changes, "accumulator_kib": 8})
    window = Window((5, 1), stride=(2, 5), padding=(3, 0, 1, 0))
    checked("max_pool", config, (1, 19, 7, 33), window)


def test_macs_of_a_run_of_more_than_the_field_holds_are_counted():
    case = ((1, 3, 40, 320), Window((1, 19)), 16)
    image = checked("conv", load_config("16x8"), *case, groups=2)
    assert counted_macs(image, load_config("16x8")) == 3 * 22 * 19 * 160 * 16
    image = checked("conv", BASE, (1, 3, 4, 256), Window((1, 1)), 16, groups=2)
    assert counted_macs(image, BASE) == 3 * 4 * 128 * 16


def test_channels_that_fit_no_buffer_are_cut():
    image = checked("conv", TINY, (1, 7, 9, 300), WINDOW, 5)
    assert len({each.activation_address for each in instructions(image, Matrix)}) > 2


def test_halos_stay_on_chip():
    """An image that fits the ring is loaded once, one that does not with few rows twice."""
    for height, rows_twice in ((20, 0), (80, 4)):
        image = checked("conv", BASE, (1, height, 40, 16), WINDOW, 32)
        loaded = sum(
            each.run_bytes * each.runs * each.planes
            for each in instructions(image, Load)
            if each.buffer == Buffer.ACTIVATION
        )
        matrices = {each.y_origin for each in instructions(image, Matrix)}
        assert len(matrices) > 1, "it takes several blocks"
        assert height * 40 * 16 <= loaded <= (height + rows_twice) * 40 * 16


@ON_EVERY_CONFIG
@IN_EITHER_HOME
@pytest.mark.parametrize("kind", [INT8, UINT8])
@pytest.mark.parametrize(
    ("shape", "window"),
    [
        ((1, 8, 8, 16), Window((2, 2), stride=(2, 2))),
        ((2, 7, 9, 5), Window((3, 3), stride=(2, 2), padding=(1, 1, 1, 1))),
        ((1, 9, 6, 37), Window((3, 2), dilation=(2, 3), padding=(1, 0, 0, 1))),
    ],
)
def test_max_pool_computes(config, resident, kind, shape, window):
    checked("max_pool", load_config(config), shape, window, kind, resident=resident)


@ON_EVERY_CONFIG
@IN_EITHER_HOME
@pytest.mark.parametrize("include", [False, True])
@pytest.mark.parametrize("kinds", [(INT8, UINT8), (UINT8, INT8)])
def test_average_pool_computes(config, resident, include, kinds):
    window = Window((3, 3), stride=(2, 2), padding=(1, 1, 1, 1))
    options = {"kinds": kinds, "include": include, "resident": resident}
    checked("average_pool", load_config(config), (2, 7, 6, 21), window, **options)
    checked("average_pool", load_config(config), (1, 6, 6, 8), Window((6, 6)), **options)


@ON_EVERY_CONFIG
@IN_EITHER_HOME
def test_map_computes(config, resident):
    config = load_config(config)
    checked("mapped", config, 19, 37, kinds=(UINT8, INT8), resident=resident)
    checked("mapped", config, 19, 37, added=19, resident=resident)
    checked("mapped", config, 20, 37, table=False, added=1, resident=resident)
    checked("mapped", config, 20, 300, kinds=(UINT8, INT8), added=4, resident=resident)


@ON_EVERY_CONFIG
@IN_EITHER_HOME
@pytest.mark.parametrize("repeated", [24, 6, 1])
def test_multiply_repeats_rows(config, resident, repeated):
    checked("multiply", load_config(config), 24, 45, repeated, resident=resident)


@ON_EVERY_CONFIG
@IN_EITHER_HOME
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shape", [(1, 9, 20, 33), (3, 17, 64, 5), (2, 40, 100, 40)])
def test_products_of_computed_tensors(config, resident, transposed, shape):
    options = {"transposed": transposed, "resident": resident, "added": shape[0] == 3}
    checked("matmul", load_config(config), *shape, **options)


def test_one_pass_goes_over_what_its_field_holds():
    """4095 tiles of n (I-04), however much large buffers hold."""
    changes = {"activation_buffer_kib": 512, "weight_buffer_kib": 512, "accumulator_kib": 128}
    config = load_config("tiny", {**changes, "parameter_buffer_kib": 512})
    for resident in (False, True):
        checked("multiply", config, 1, 17000, 1, resident=resident)
        checked("matmul", config, 1, 1, 4, 16384, resident=resident)


def test_one_pass_goes_over_as_many_rows_as_its_field_holds():
    """65,535 (I-04)."""
    config = load_config("tiny", {"activation_buffer_kib": 2048})
    checked("multiply", config, 70000, 1, 1)


def test_one_matrix_goes_over_what_its_field_holds():
    """4095 tiles of k (I-03), however much a large weight buffer holds."""
    changes = {"weight_buffer_kib": 4096, "activation_buffer_kib": 256}
    config = load_config("tiny", changes)
    for transposed in (False, True):
        checked("matmul", config, 1, 3, 20000, 8, transposed=transposed)


def test_products_of_computed_tensors_larger_than_the_buffers():
    for transposed in (False, True):
        checked("matmul", TINY, 1, 300, 700, 90, transposed=transposed)


@ON_EVERY_CONFIG
@IN_EITHER_HOME
@pytest.mark.parametrize("kinds", [(INT8, UINT8), (UINT8, INT8), (INT16, INT16)])
def test_softmax_computes(config, resident, kinds):
    checked("softmax", load_config(config), 21, 50, kinds=kinds, resident=resident)


@ON_EVERY_CONFIG
@IN_EITHER_HOME
@pytest.mark.parametrize("widths", [(64, 32, 96), (5, 16, 3), (1,)])
def test_concat_computes(config, resident, widths):
    checked("concat", load_config(config), 13, widths, resident=resident)


def test_what_concat_joins_is_made_in_its_place():
    image = checked("concat", BASE, 13, (64, 32), resident=True)
    places = {place.name: place for place in image.debug.tensors}
    whole, left, right = places["y"], places["x0"], places["x1"]
    assert (left.address, right.address) == (whole.address, whole.address + 64)
    assert left.row_bytes == right.row_bytes == whole.row_bytes == 96
    owners = [image.debug.operators[i].kind for i in image.debug.operator_of if i >= 0]
    assert "concat" not in owners


def orders():
    """Name, shapes of the inputs, index."""
    pixels = np.arange(6 * 5 * 8).reshape(6, 5, 8)
    heads = np.arange(10 * 3 * 8).reshape(10, 3, 8)
    padded = np.pad(pixels, ((1, 1), (2, 0), (0, 0)), constant_values=-1)
    shuffled = np.arange(12 * 8).reshape(12, 2, 4).swapaxes(1, 2)
    return {
        "heads": ([(10, 24)], heads.swapaxes(0, 1).reshape(30, 8)),
        "transposed": ([(10, 24)], heads.reshape(10, 24).T),
        "flat": ([(30, 8)], pixels.transpose(2, 0, 1).reshape(1, -1)),
        "larger": ([(30, 8)], pixels.repeat(2, 0).repeat(2, 1).reshape(-1, 8)),
        "padded": ([(30, 8)], padded.reshape(-1, 8)),
        "shuffled": ([(12, 8)], shuffled.reshape(12, 8)),
        "backwards": ([(30, 8)], pixels.reshape(30, 8)[::-1, ::-1]),
        "stacked": ([(3, 7), (2, 7)], np.arange(35).reshape(5, 7)),
        "random": ([(9, 21)], np.random.default_rng(0).integers(-1, 189, (17, 30))),
    }


@ON_EVERY_CONFIG
@IN_EITHER_HOME
@pytest.mark.parametrize("order", orders())
def test_move_computes(config, resident, order):
    shapes, index = orders()[order]
    for kind in (INT8, INT16):
        checked("move", load_config(config), shapes, index, 5, kind, resident=resident)


def test_regular_orders_take_one_load():
    for order in ("heads", "transposed", "stacked"):
        image = checked("move", BASE, *orders()[order])
        own = [
            instruction
            for instruction, owner in zip(image.program, image.debug.operator_of, strict=True)
            if owner == 0 and isinstance(instruction, Load)
        ]
        assert len(own) <= 2, order


def test_a_window_that_fits_no_buffer_is_refused():
    around = Surroundings(1, False)
    operator = network_graphs.conv(around, (1, 250, 250, 16), Window((200, 250)), 4)
    graph, inputs = around.graph(operator)
    with pytest.raises(AssayError, match="its window does not fit"):
        compile(graph, inputs, TINY)


@pytest.mark.parametrize(
    ("case", "field"),
    [
        (((1, 1, 1, 2048), Window((1, 1), padding=(0, 5000, 0, 5000)), 4, 1), "x_origin"),
        (((1, 1, 1, 160_000), Window((1, 1)), 32, 32), "n_stride"),
    ],
)
def test_what_no_instruction_holds_is_said_of_its_operator(case, field):
    changes = {"activation_buffer_kib": 1024, "weight_buffer_kib": 1024}
    with pytest.raises(AssayError, match=f"operator 'conv': no instruction holds it.*{field} = "):
        checked("conv", load_config("base", changes), *case, resident=True)
