"""What lowerings get from the emitter: operands, loads only where needed, blocks that fit."""

from __future__ import annotations

import numpy as np
import pytest

from arch.config import load_config
from arch.errors import AssayError
from arch.isa import Buffer, Destination, ElementType, FillTable, Load, Matrix, Store, Table, Vector
from compiler.emitter import Emitter
from compiler.layout import Layout
from compiler.operand import even_cuts
from compiler.operator_info import operator_info
from compiler.packing import pack_interpolation
from compiler.placement import place
from compiler.step import Region, Step
from workloads.graph import Graph
from workloads.operators import Add
from workloads.tensor import Tensor

BASE, TINY = load_config("base"), load_config("tiny")
INT16 = ElementType.INT16


def emitter_of_sums(rows: int, cols: int, config=BASE) -> tuple[Emitter, Graph]:
    """At ``(a + b) + c``: inputs a, b, c and the output stream, what is between need not."""
    a, b, c, inner, output = (Tensor(name, rows, cols, INT16) for name in ("a", "b", "c", "i", "o"))
    operators = (Add("first", a, b, inner), Add("second", inner, c, output))
    graph = Graph("sums", (a, b, c), operators, (output,))
    inputs = {tensor.name: np.zeros((rows, cols), np.int16) for tensor in (a, b, c)}
    placement = place(graph, config)
    emitter = Emitter(config, Layout(graph, inputs, placement, config), placement)
    emitter.begin(0, operators[0])
    return emitter, graph


def test_what_streams_is_loaded_once_as_long_as_it_is_there():
    emitter, graph = emitter_of_sums(16, 32)
    block = graph.inputs[0], range(4, 8), range(16, 32)
    operand = emitter.source(*block)
    assert emitter.source(*block) == operand
    (load,) = [step.instruction for step in emitter.steps]
    assert isinstance(load, Load)
    assert (load.run_bytes, load.runs, load.run_dram_stride) == (32, 4, 64)
    assert load.dram_address == emitter.layout.address("a") + 4 * 64 + 32
    assert operand.region == Region("activation buffer", operand.address, 32, 4, 32)
    assert operand.destination is Destination.ACTIVATION


def test_what_stays_on_chip_is_neither_loaded_nor_stored():
    emitter, graph = emitter_of_sums(16, 32)
    inner = graph.operators[0].outputs[0]
    block = inner, range(4, 8), range(16, 32)
    target = emitter.target(*block)
    emitter.append(Vector(rows=4, n_tiles=1, last_n=16), (), (target.region,))
    emitter.finish(*block)
    assert emitter.source(*block) == target
    assert len(emitter.steps) == 1
    assert emitter.last_writes["i"] == 0


def test_what_goes_to_dram_is_stored_when_it_is_finished():
    emitter, graph = emitter_of_sums(16, 32)
    emitter.begin(1, graph.operators[1])
    output = graph.outputs[0]
    target = emitter.target(output, range(4, 8), range(32))
    emitter.finish(output, range(4, 8), range(32))
    (store,) = [step.instruction for step in emitter.steps]
    assert isinstance(store, Store)
    assert (store.buffer_address, store.run_bytes, store.runs) == (target.address, 4 * 64, 1)
    assert emitter.last_writes["o"] == 0


def test_a_part_of_an_operand_touches_its_own_bytes_only():
    emitter, graph = emitter_of_sums(16, 32)
    operand = emitter.source(graph.inputs[0], range(16), range(32))
    part = operand.part(32, 16)
    assert part.address == operand.address + 32
    assert part.region == Region("activation buffer", operand.address + 32, 16, 16, 64)


def test_a_table_that_is_there_is_not_filled_again():
    emitter, _ = emitter_of_sums(16, 32)
    for name in ("one", "one", "two", "one"):
        emitter.table(Table.UNARY, name, lambda: bytes(256))
    filled = [step for step in emitter.steps if isinstance(step.instruction, FillTable)]
    loaded = [step for step in emitter.steps if isinstance(step.instruction, Load)]
    assert (len(filled), len(loaded)) == (3, 2)


def test_interpolated_tables_hold_both_ends_of_an_interval():
    """Rules N-07 and B-07: entry 0 from 0 to 256, entry 128 from -32768 on, low half first."""
    points = np.arange(257, dtype=np.int16)
    words = np.frombuffer(pack_interpolation(points), "<u4")
    assert (words[0] & 0xFFFF, words[0] >> 16) == (128, 129)
    assert (words[127] & 0xFFFF, words[127] >> 16) == (255, 256)
    assert (words[128] & 0xFFFF, words[128] >> 16) == (0, 1)


def test_statistics_stay_with_their_key_until_others_need_the_room():
    """Rule B-08: no block of entries wraps."""
    emitter, _ = emitter_of_sums(16, 32)
    third = BASE.accumulator_depth // 3
    got = [emitter.statistics(key, third) for key in ("a", "b", "b", "c", "d", "a")]
    assert [(first, is_new) for first, _, is_new in got] == [
        (0, True),
        (third, True),
        (third, False),
        (2 * third, True),
        (0, True),
        (third, True),
    ]
    assert got[1][1] == Region("statistics", third, third)


@pytest.mark.parametrize("config", [BASE, TINY], ids=lambda config: config.name)
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (300, 40), (5, 700), (40, 3000)])
def test_two_blocks_of_everything_fit_the_rings(shape, config):
    emitter, graph = emitter_of_sums(*shape, config)
    operator = graph.operators[0]
    blocks = list(emitter.blocks(operator.inputs, operator.outputs))
    covered = np.zeros(shape, np.int64)
    for rows, columns in blocks:
        covered[rows.start : rows.stop, columns.start : columns.stop] += 1
        assert columns.start % config.cols == 0
        held = [emitter.source(tensor, rows, columns) for tensor in operator.inputs]
        emitter.source(operator.left, rows, range(columns.start, columns.stop + 1))
        count = len(emitter.steps)
        assert [emitter.source(tensor, rows, columns) for tensor in operator.inputs] == held
        assert len(emitter.steps) == count, "the next block does not displace this one"
    assert (covered == 1).all()


def test_columns_that_do_not_fit_are_refused_with_the_way_to_mend_it():
    emitter, graph = emitter_of_sums(4000, 32, TINY)
    operator = graph.operators[0]
    with pytest.raises(AssayError, match=r"4 columns of 'a' do not fit .* raise activation_buffer"):
        emitter.column_blocks(operator.inputs, operator.outputs, range(4000))


def test_even_cuts_differ_by_one_at_most():
    assert [len(part) for part in even_cuts(10, 4)] == [2, 3, 2, 3]


def test_work_of_an_operator_counts_each_byte_once():
    """Bytes of overlapping and repeated loads; gathered rows, wherever they are; rows issued."""
    dma = {"buffer": Buffer.ACTIVATION, "buffer_address": 0}
    _, graph = emitter_of_sums(16, 32)
    rows = {"y_limit": 1, "x_limit": 1, "row_stride": 0, "output_rows": 5, "output_columns": 2}
    tiles = {"n_tiles": 2, "ky_count": 3, "kx_count": 7, "k_tiles": 4, "last_k": 1, "last_n": 1}
    instructions = [
        *2 * [Load(dram_address=100, run_bytes=10, runs=3, run_dram_stride=20, **dma)],
        Load(dram_address=105, run_bytes=10, **dma),
        Load(dram_address=0, run_bytes=7, runs=4, run_dram_stride=64, gather=1, **dma),
        *2 * [Store(dram_address=50, run_bytes=20, **dma)],
        *2 * [Vector(rows=5, n_tiles=3, last_n=1)],
        *2 * [Matrix(activation_address=0, weight_address=0, **rows, **tiles)],
    ]
    info = operator_info(graph.operators[0], [Step(i, (), (), 0) for i in instructions])
    assert info.read_bytes == 35 + 28
    assert info.write_bytes == 20
    assert info.vector_rows == 30
    assert info.matrix_rows == 2 * (2 * 3 * 7 * 4) * 10
