"""Every operator computes what the mathematics says, on any shape, home and configuration."""

from dataclasses import replace

import operator_graphs
import pytest
from operator_graphs import INT8, INT16, UINT8, Surroundings

from arch.config import load_config
from arch.errors import AssayError
from arch.isa import Buffer, Load, Matrix, ScaleRows, Statistic, Vector
from compiler import compile
from flow.reference import evaluate, first_difference
from golden.machine import run
from model.timeline import predict
from workloads.epilogue import KEEP, Narrow
from workloads.registry import load
from workloads.tensor import Tensor

BASE, TINY, WIDE = load_config("base"), load_config("tiny"), load_config("wide")
CONFIGS = ["tiny", "base", "wide", "8x16", "16x8"]
ON_EVERY_CONFIG = pytest.mark.parametrize("config", CONFIGS)
IN_EITHER_HOME = pytest.mark.parametrize("resident", [False, True])


def compiled(kind, config, *shape, resident=False, **options):
    """The image of an operator of `operator_graphs`."""
    around = Surroundings(1, resident)
    graph, inputs = around.graph(getattr(operator_graphs, kind)(around, *shape, **options))
    return compile(graph, inputs, config), evaluate(graph, inputs)


def checked(kind, config, *shape, **options):
    """The same, executed on the golden machine and compared, every tensor of it."""
    image, expected = compiled(kind, config, *shape, **options)
    assert first_difference(expected, run(image, config).tensors, image) is None
    return image


def instructions(image, kind):
    return [instruction for instruction in image.program if isinstance(instruction, kind)]


def memory_of(image, name):
    return next(place.memory for place in image.debug.tensors if place.name == name)


@ON_EVERY_CONFIG
@IN_EITHER_HOME
@pytest.mark.parametrize("shape", [(1, 100), (31, 33)])
def test_add_computes(config, resident, shape):
    checked("add", load_config(config), *shape, resident=resident)


@ON_EVERY_CONFIG
def test_add_narrows(config):
    for element_type, narrow in ((INT8, Narrow(8, 1)), (UINT8, Narrow(9, 128))):
        checked("add", load_config(config), 17, 15, element_type=element_type, narrow=narrow)


@ON_EVERY_CONFIG
@IN_EITHER_HOME
@pytest.mark.parametrize("types", [(INT8, INT8, INT8), (INT16, INT8, INT16), (UINT8, INT16, UINT8)])
def test_multiply_computes(config, resident, types):
    checked("multiply", load_config(config), 15, 31, types=types, resident=resident)


def test_what_fits_no_buffer_is_cut_to_columns():
    image = checked("multiply", TINY, 2, 5000)
    assert len(instructions(image, Vector)) > 2


@ON_EVERY_CONFIG
@IN_EITHER_HOME
@pytest.mark.parametrize("shape", [(1, 31), (31, 96), (2, 384)])
@pytest.mark.parametrize("centre", [True, False])
def test_normalize_computes(config, resident, shape, centre):
    options = {"centre": centre, "wide": centre, "resident": resident}
    checked("normalize", load_config(config), *shape, **options)


def test_normalizations_of_one_tensor_share_its_sums():
    around = Surroundings(1, True)
    first = operator_graphs.normalize(around, 31, 96)
    second = replace(
        first,
        name="again",
        output=Tensor("other", 31, 96, INT16),
        narrow=KEEP,
        wide=None,
        scale=first.scale * 2,
    )
    around.before.append(first)
    graph, inputs = around.graph(second)
    image = compile(graph, inputs, BASE)
    assert first_difference(evaluate(graph, inputs), run(image, BASE).tensors, image) is None
    sums = [vector for vector in instructions(image, Vector) if vector.statistic]
    assert len(sums) == 1


def test_normalize_of_more_rows_than_statistics_takes_blocks():
    image = checked("normalize", TINY, TINY.accumulator_depth + 1, 8)
    assert len(instructions(image, ScaleRows)) > 1


def test_normalize_of_rows_that_fit_no_buffer_accumulates_their_statistics():
    image = checked("normalize", TINY, 2, 3000)
    sums = [v for v in instructions(image, Vector) if v.statistic == Statistic.SUM]
    assert sums[0].statistic_accumulate == 0
    assert sums[1].statistic_accumulate == 1


@ON_EVERY_CONFIG
@IN_EITHER_HOME
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    "segments", [[(1, 1)], [(17, 17)], [(31, 31), (2, 2), (15, 15)], [(100, 100)]]
)
def test_attention_computes(config, resident, causal, segments):
    checked("attention", load_config(config), segments, 2, 32, causal=causal, resident=resident)


@ON_EVERY_CONFIG
@pytest.mark.parametrize("segments", [[(1, 33)], [(3, 20)], [(5, 2)]])
def test_attention_with_other_numbers_of_rows_and_keys_computes(config, segments):
    checked("attention", load_config(config), segments, 4, 32, kv_heads=2, causal=True)


@pytest.mark.parametrize("kinds", [(UINT8, INT8, UINT8, INT8), (INT8, UINT8, INT8, UINT8)])
def test_attention_computes_on_every_byte_type(kinds):
    checked("attention", BASE, [(17, 17)], 2, 16, kinds=kinds)


def test_keys_and_values_live_in_the_weight_buffer():
    image = checked("attention", BASE, [(31, 31)], 4, 32, resident=True)
    assert [memory_of(image, name) for name in ("query", "key", "value", "attended")] == [
        "activation",
        "weight",
        "weight",
        "activation",
    ]


def test_keys_that_fit_no_buffer_are_loaded_in_pieces():
    image = checked("attention", TINY, [(8, 300)], 1, 16)
    assert any(matrix.accumulate for matrix in instructions(image, Matrix))


def test_heads_that_share_keys_load_them_once():
    def loaded(kv_heads):
        image, _ = compiled("attention", BASE, [(64, 64)], 4, 32, kv_heads=kv_heads)
        loads = instructions(image, Load)
        return sum(x.run_bytes * x.runs for x in loads if x.buffer == Buffer.WEIGHT)

    assert loaded(4) == 4 * loaded(1)


def test_one_row_goes_with_all_heads_that_share_its_keys():
    image = checked("attention", BASE, [(1, 100)], 8, 32, kv_heads=2, causal=True)
    assert {matrix.output_rows for matrix in instructions(image, Matrix)} == {4}


def test_causal_attention_skips_tiles_that_no_row_sees():
    macs = [
        predict(compiled("attention", BASE, [(128, 128)], 2, 32, causal=causal)[0], BASE).counters
        for causal in (False, True)
    ]
    assert macs[1]["macs"] < 0.7 * macs[0]["macs"]


@pytest.mark.parametrize(
    ("shape", "config", "least"),
    [("128x12x32", "base", 0.95), ("256x4x32", "base", 0.93), ("100x4x16", "tiny", 0.95)],
)
def test_attention_keeps_matrix_busy(shape, config, least):
    config, workload = load_config(config), load(f"attention:{shape}")
    prediction = predict(compile(workload.graph, workload.inputs, config), config)
    assert prediction.ledger["matrix"]["working"] > least * prediction.cycles


@ON_EVERY_CONFIG
@IN_EITHER_HOME
@pytest.mark.parametrize("rows", [1, 3, 17])
def test_rotary_computes(config, resident, rows):
    checked("rotary", load_config(config), rows, 4, 64, resident=resident)


def test_rotary_of_few_rows_takes_an_instruction_for_all_heads():
    image = checked("rotary", BASE, 1, 8, 64)
    assert len(instructions(image, Vector)) == 4


@ON_EVERY_CONFIG
@IN_EITHER_HOME
def test_sum_rows_computes(config, resident):
    for element_type in (INT8, UINT8):
        checked(
            "sum_rows",
            load_config(config),
            [15, 1, 31],
            100,
            element_type=element_type,
            resident=resident,
        )


@IN_EITHER_HOME
def test_sum_rows_takes_as_many_as_there_are_ones(resident):
    """The weight buffer holds more rows than scratch memory bytes."""
    config = load_config("tiny", {"weight_buffer_kib": 512})
    checked("sum_rows", config, [5000], 20, resident=resident)


def test_sum_rows_of_many_rows_and_columns_computes():
    image = checked("sum_rows", TINY, [200], 600)
    assert any(matrix.accumulate for matrix in instructions(image, Matrix))


@ON_EVERY_CONFIG
@IN_EITHER_HOME
@pytest.mark.parametrize("element_type", [INT8, INT16])
def test_gather_computes(config, resident, element_type):
    checked("gather", load_config(config), 31, 50, 33, element_type=element_type, resident=resident)


def test_gather_of_more_rows_than_indices_takes_rounds():
    image = checked("gather", BASE, 1100, 20, 17)
    assert sum(x.buffer == Buffer.INDEX for x in instructions(image, Load)) == 2


@ON_EVERY_CONFIG
@IN_EITHER_HOME
def test_append_stores_behind_the_cache(config, resident):
    checked("append", load_config(config), 20, 3, 64, resident=resident)


def test_append_moves_nothing_of_the_cache():
    image = checked("append", BASE, 20, 3, 64)
    assert predict(image, BASE).counters["store_bytes"] == 3 * 64


@pytest.mark.parametrize("form", ["prefill:17", "decode:31"])
@pytest.mark.parametrize("config", ["base", "wide"])
def test_a_decoder_block_computes(form, config):
    workload, config = load(f"llama_block:{form}"), load_config(config)
    image = compile(workload.graph, workload.inputs, config)
    expected = evaluate(workload.graph, workload.inputs)
    assert first_difference(expected, run(image, config).tensors, image) is None


@pytest.mark.parametrize(
    ("kind", "shape", "message"),
    [
        ("attention", ([(4, 4)], 2, 24), "heads of 24 columns do not begin at whole tiles of 16"),
        ("attention", ([(1, 5000)], 1, 16), "do not hold a row of 5000 keys"),
        ("rotary", (4, 2, 16), "half a head of 16 columns is no multiple of the 16 of a tile"),
    ],
)
def test_what_cannot_be_mapped_is_told_in_one_line(kind, shape, message):
    with pytest.raises(AssayError, match=message) as error:
        compiled(kind, BASE, *shape)
    assert "\n" not in str(error.value)
