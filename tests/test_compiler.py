"""Compiled programs compute what the graph says, on any shape and configuration, without races."""

from dataclasses import replace

import numpy as np
import pytest
from random_graphs import random_config, random_graph, random_tensor

from arch.config import ACTIVATION_BANKS, config_names, load_config
from arch.errors import AssayError
from arch.isa import Buffer, ElementType, End, Engine, FillTable, Load, Matrix, Store, Vector
from arch.timing import SEMAPHORE_MAX
from compiler import compile
from compiler.dependencies import dependencies
from compiler.packing import pack_parameters, pack_weights
from compiler.runs import merge_runs
from compiler.step import Region, Step
from compiler.synchronize import synchronize
from compiler.verify import CompilerError, reject_races
from flow.reference import evaluate, first_difference
from golden.machine import run
from model.timeline import predict
from workloads.graph import Graph
from workloads.linear import Linear
from workloads.registry import load
from workloads.tensor import Tensor

BASE, TINY = load_config("base"), load_config("tiny")
DMA = {"buffer": Buffer.ACTIVATION, "buffer_address": 0, "dram_address": 0, "run_bytes": 1}


def compile_and_check(graph, inputs, config):
    """Compile, execute on the golden machine, and compare every output."""
    image = compile(graph, inputs, config)
    state = run(image, config)
    assert first_difference(evaluate(graph, inputs), state.tensors, image) is None
    return image


@pytest.fixture(scope="module")
def minilm():
    return load("minilm_linear")


@pytest.fixture(scope="module")
def minilm_image(minilm):
    return compile(minilm.graph, minilm.inputs, BASE)


def compiled(name, config):
    workload = load(name)
    return compile(workload.graph, workload.inputs, config)


@pytest.mark.parametrize("config", config_names())
@pytest.mark.parametrize(
    "shape", ["1x1x1", "1x7x3", "17x33x65", "16x16x16", "3x700x5", "1x16x900", "300x16x16"]
)
def test_every_shape_computes_on_every_configuration(shape, config):
    workload = load(f"gemm:{shape}")
    compile_and_check(workload.graph, workload.inputs, load_config(config))


@pytest.mark.parametrize("shape", ["3x20000x5", "1x16x50000", "4096x16x16", "197x768x96"])
def test_what_fits_no_buffer_computes(shape):
    workload = load(f"gemm:{shape}")
    compile_and_check(workload.graph, workload.inputs, BASE)


@pytest.mark.parametrize("seed", range(40))
def test_random_chains_compute_on_random_configurations(seed):
    rng = np.random.default_rng(seed)
    config = random_config(rng)
    graph, inputs = random_graph(rng, layers=int(rng.integers(1, 4)), extent=150)
    compile_and_check(graph, inputs, config)


@pytest.mark.parametrize("config", ["base", "wide"])
def test_minilm_linear_computes(minilm, config):
    compile_and_check(minilm.graph, minilm.inputs, load_config(config))


def test_weights_are_packed_by_n_tile_k_tile_row_column():
    """Rule D-02."""
    weight = np.arange(-30, 30, dtype=np.int8).reshape(6, 10)
    packed = np.frombuffer(pack_weights(weight, 4, 8, 2), np.int8).reshape(2, 2, 4, 8)
    assert packed[1, 0, 3, 1] == weight[3, 9]
    assert packed[0, 1, 1, 7] == weight[5, 7]
    assert not packed[:, 1, 2:].any()
    assert not packed[1, :, :, 2:].any()


def test_parameters_are_packed_by_tile_biases_then_scales():
    """Rule B-05."""
    bias, scale = np.arange(5, dtype=np.int32), np.arange(1, 6, dtype=np.float32)
    packed = np.frombuffer(pack_parameters(bias, scale, 4), np.int32).reshape(2, 2, 4)
    assert packed[:, 0].tolist() == [[0, 1, 2, 3], [4, 0, 0, 0]]
    assert packed[:, 1].view(np.float32).tolist() == [[1, 2, 3, 4], [5, 1, 1, 1]]


def test_a_program_ends_with_end_and_names_its_operators(minilm_image):
    image = minilm_image
    assert isinstance(image.program[-1], End)
    assert len(image.debug.operator_of) == len(image.program)
    assert set(image.debug.operator_of) == {-1, 0, 1, 2}
    assert [info.macs for info in image.debug.operators] == [32 * 384 * 384] + 2 * [32 * 384 * 1536]
    roles = {place.name: place.role for place in image.debug.tensors}
    assert roles["query"] == roles["sum"] == "output"
    assert (roles["activated"], roles["residual"]) == ("intermediate", "input")


def test_what_fits_is_loaded_once():
    image = compiled("gemm:96x200x100", BASE)
    loaded = sum(
        i.run_bytes * i.runs for i in image.program if isinstance(i, Load) and i.buffer != 2
    )
    assert loaded == 96 * 200 + 208 * 112


def test_engines_use_different_banks_of_the_activation_buffer(minilm_image):
    """Rule B-04: reads of MATRIX, VECTOR and STORE never meet, nor writes of LOAD and VECTOR."""
    program = minilm_image.program
    bank_bytes = BASE.activation_buffer_bytes // ACTIVATION_BANKS
    residuals = {i.residual_address for i in program if isinstance(i, Vector) and i.addition}
    activations = {i.activation_address for i in program if isinstance(i, Matrix)}
    outputs = {i.output_address for i in program if isinstance(i, Vector)}
    stored = {i.buffer_address for i in program if isinstance(i, Store)}
    banks = [
        {address // bank_bytes for address in addresses}
        for addresses in (activations, residuals, outputs | stored)
    ]
    assert banks == [{0, 1}, {2}, {3}]


def test_a_layer_starts_on_what_the_one_before_has_stored(minilm_image):
    """The loads of a layer wait for the stores of what they read, not for all stores."""
    program, operator_of = minilm_image.program, minilm_image.debug.operator_of
    first_load = next(
        index
        for index, instruction in enumerate(program)
        if isinstance(instruction, Load)
        and operator_of[index] == 2
        and instruction.buffer == Buffer.ACTIVATION
    )
    last_store = max(
        index
        for index, instruction in enumerate(program)
        if isinstance(instruction, Store) and operator_of[index] == 1
    )
    assert first_load < last_store


@pytest.mark.parametrize(("name", "least"), [("128x768x768", 0.97), ("32x384x1536", 0.95)])
def test_base_is_kept_busy(name, least):
    workload = load(f"gemm:{name}")
    image = compile(workload.graph, workload.inputs, BASE)
    macs = workload.graph.operators[0].macs
    assert macs / (predict(image, BASE).cycles * BASE.rows * BASE.cols) >= least


@pytest.mark.parametrize("config", ["tiny", "base", "8x16"])
def test_padding_counts_no_macs(config):
    image = compiled("gemm:17x33x65", load_config(config))
    assert predict(image, load_config(config)).counters["macs"] == 17 * 33 * 65


def test_every_signal_is_waited_for():
    program = compiled("gemm:70x90x110", TINY).program
    for producer in Engine:
        for consumer in Engine:
            given = sum(i.engine is producer and consumer in i.signals for i in program)
            taken = sum(i.waits[producer] for i in program if i.engine is consumer)
            assert given == taken


def conflicting_steps():
    """Steps of a small layer in the plain order, all engines, reused buffers."""
    rng = np.random.default_rng(0)
    x = Tensor("x", 40, 70, ElementType.INT8)
    y = Tensor("y", 40, 30, ElementType.INT8)
    weight = rng.integers(-128, 128, (70, 30), dtype=np.int8)
    bias, scale = np.zeros(30, np.int32), np.full(30, 0.001, np.float32)
    layer = Linear(name="l", input=x, weight=weight, bias=bias, scale=scale, output=y)
    graph = Graph("g", (x,), (layer,), (y,))
    return graph, {"x": random_tensor(rng, x)}


def test_a_race_is_rejected_whichever_wait_is_dropped(monkeypatch):
    """Every wait is necessary: without it the program has a race, and the compiler says so."""
    graph, inputs = conflicting_steps()
    seen = {}
    monkeypatch.setattr(
        "compiler.pipeline.reject_races", lambda program, steps: seen.update(p=program, s=steps)
    )
    compile(graph, inputs, TINY)
    program, steps = seen["p"], seen["s"]
    reject_races(program, steps)
    dropped = 0
    for index, instruction in enumerate(program):
        for engine in Engine:
            if instruction.waits[engine]:
                without = replace(instruction, **{f"wait_{engine.name.lower()}": 0})
                with pytest.raises(CompilerError, match=r": race: .* does not wait"):
                    reject_races([*program[:index], without, *program[index + 1 :]], steps)
                dropped += 1
    assert dropped > 30


def test_semaphores_are_not_overfilled():
    """More stores than a semaphore counts, each read by a load behind all of them."""
    count = 3 * SEMAPHORE_MAX
    cells = [Region("dram t", index, 1) for index in range(count)]
    stores = [Step(Store(**DMA), (), (cell,), 0) for cell in cells]
    loads = [Step(Load(**DMA), (cell,), (), 0) for cell in cells]
    steps = [*stores, *loads]
    instructions = [step.instruction for step in steps]
    program = [*synchronize(instructions, dependencies(steps), BASE), End()]
    reject_races(program, steps)
    given = sum(bool(instruction.signals) for instruction in program)
    assert SEMAPHORE_MAX / 4 < given <= SEMAPHORE_MAX


def test_dependencies_are_the_last_conflicting_accesses():
    whole, left, right = (Region("activation buffer", *part) for part in ((0, 8), (0, 4), (4, 4)))
    load_step, store_step = Load(**DMA), Store(**DMA)
    steps = [
        Step(load_step, (), (left,), 0),
        Step(load_step, (), (right,), 0),
        Step(store_step, (left,), (), 0),
        Step(store_step, (whole,), (), 0),
        Step(load_step, (), (left,), 0),
    ]
    needs = dependencies(steps)
    load, store = Engine.LOAD, Engine.STORE
    assert (needs[2][load], needs[3][load], needs[4][store]) == (0, 1, 3)
    assert needs[4][load] == -1, "an engine does not wait for itself"


def test_what_was_written_over_is_waited_for_through_the_last_write_alone():
    cell = Region("activation buffer", 0, 8)
    steps = [
        Step(Load(**DMA), (), (cell,), 0),
        Step(Vector(rows=1, n_tiles=1, last_n=1), (), (cell,), 0),
        Step(Store(**DMA), (cell,), (), 0),
    ]
    assert dependencies(steps)[2] == [-1, -1, 1, -1]


def test_blocks_conflict_only_where_their_rows_overlap():
    """Of four 2 x 4 blocks, rows 10 bytes apart, only those are waited for that are touched."""
    written = [Region("dram t", 10 * top + low, 4, 2, 10) for top in (0, 2) for low in (0, 4)]
    steps = [Step(Store(**DMA), (), (region,), 0) for region in written]
    for read, last in (
        (Region("dram t", 12, 2, 2, 10), 2),
        (Region("dram t", 12, 2), 0),
        (Region("dram t", 14, 1), 1),
        (Region("dram t", 8, 2, 4, 10), -1),
        (Region("dram t", 0, 40), 3),
        (Region("dram t", 16, 6, 1), 2),
    ):
        needs = dependencies([*steps, Step(Load(**DMA), (read,), (), 0)])
        assert needs[4][Engine.STORE] == last


def test_a_wait_that_another_implies_is_left_out():
    first, second = Region("activation buffer", 0, 1), Region("activation buffer", 1, 1)
    steps = [
        Step(Load(**DMA), (), (first,), 0),
        Step(FillTable(table=0, parameter_address=0), (first,), (second,), 0),
        Step(Store(**DMA), (first, second), (), 0),
    ]
    program = synchronize([step.instruction for step in steps], dependencies(steps), BASE)
    assert program[2].waits == (0, 0, 1, 0)
    assert program[0].signals == (Engine.VECTOR,)


def test_runs_that_touch_become_one_as_long_as_its_field_holds_it():
    touching = {"run_bytes": 64, "runs": 1, "run_dram_stride": 0, "run_buffer_stride": 0}
    assert merge_runs(16, 4, 16, 16) == touching
    assert merge_runs(16, 4, 32, 16)["runs"] == 4
    assert merge_runs(1 << 19, 2, 1 << 19, 1 << 19)["runs"] == 2


def test_too_little_dram_is_said_with_the_way_to_mend_it():
    config = BASE.model_copy(update={"dram_mib": 1})
    with pytest.raises(AssayError, match=r"more DRAM than the 1 MiB .* 'base': raise dram_mib"):
        compiled("gemm:1x1024x2048", config)


def test_inputs_of_another_shape_are_refused():
    workload = load("gemm:4x4x4")
    with pytest.raises(AssayError, match="graph input 'input' is missing"):
        compile(workload.graph, {}, BASE)
