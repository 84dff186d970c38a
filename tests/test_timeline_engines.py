"""The rules of LOAD, STORE, MATRIX and VECTOR in the timeline model, by hand.

As in ``test_timeline`` the first instruction starts in 14 and the second in 15, a beat takes a
cycle, and latency is 10.
"""

from __future__ import annotations

from typing import Any

import pytest
from hand_programs import config, load, matrix, run, scale, store, table, times, vector

from arch.image import Section, SectionKind
from arch.isa import Addition, Buffer, Destination, End, Instruction, Operation, Source, Table
from model.timeline import predict_program


def test_load_cuts_runs_at_burst_boundaries() -> None:
    """T-LD-01: 32 bytes are left before 4096, then 68: 1 beat and 2. AR in 15, 16; beats in
    25, 26, 27."""
    prediction = run(load(100, dram_address=4096 - 32))
    assert prediction.instructions[0].end == 28
    assert prediction.counters["load_bursts"] == 2
    assert prediction.counters["load_beats"] == 3
    assert prediction.counters["load_bytes"] == 100


def test_load_accepts_in_the_cycle_after_its_last_address() -> None:
    """T-LD-02: addresses in 15, 16, 17: the next LOAD starts in 18."""
    assert times(load(runs=3), load())[1][0] == 18


def test_eight_loads_are_in_flight() -> None:
    """T-LD-02: latency 100: LOAD i starts in 104 + 2i, AR a cycle later, served 106 + 2i, on R in
    205 + 2i, written in 206 + 2i. The ninth starts when the first is gone, in 207."""
    timings = times(*[load()] * 10, dram_latency_cycles=100, queue_depth=64)
    assert timings[7] == (118, 220)
    assert [start for start, _ in timings[8:]] == [207, 209]


def test_load_keeps_its_limit_of_bursts() -> None:
    """T-LD-03: one at a time: AR in 15, beat in 25, AR in 26, served 27, beat in 36."""
    assert times(load(runs=2), max_outstanding_reads=1) == [(14, 37)]


def test_load_asks_only_within_its_window() -> None:
    """T-LD-03: bursts of two beats, window 3: AR in 15 and 16 (2 outstanding). With 4 outstanding
    the third waits for the beats of 25 and 26: AR in 27, served 28, beats in 37 and 38."""
    assert times(load(128, runs=3), read_window_beats=3) == [(14, 39)]


def test_load_writes_a_beat_in_the_cycle_after_it_came() -> None:
    """T-LD-04, T-LD-06: AR in 15, served 16, on R in 25, written in 26."""
    assert times(load()) == [(14, 26)]


def test_padding_holds_the_next_beat() -> None:
    """T-LD-05, T-LD-06: 100 bytes are 2 writes. Beats in 25 and 26 on R; the first is written in
    26, padding in 27, 28; the second is taken in 28, written in 29, padding in 30, 31."""
    prediction = run(load(runs=2, pad_bytes=100))
    assert prediction.instructions[0].end == 31
    assert prediction.counters["pad_bytes"] == 200


def gather(*rows: int, **fields: Any) -> tuple[list[Instruction], Section]:
    """Four bytes of index for each row, at 8192 in DRAM, and a LOAD that gathers 64-byte rows."""
    data = b"".join(row.to_bytes(4, "little") for row in rows)
    indices = load(len(data), buffer=Buffer.INDEX, dram_address=8192)
    strides = {"run_dram_stride": 64, "run_buffer_stride": 64}
    rows_of_table = load(runs=len(rows), gather=1, **strides, **fields)
    return [indices, rows_of_table, End()], Section("indices", SectionKind.DATA, 8192, data)


def test_gather_waits_for_every_load_and_looks_up_each_run() -> None:
    """T-LD-07: the index LOAD retires in 26. Issued in 27, AR in 31, 35 and 39 instead of 28, 29
    and 30; the last beat is served in 40, on R in 49, written in 50. No LOAD waits for a gather:
    the next one is issued in 40."""
    program, indices = gather(5, 0, 7)
    prediction = predict_program([*program[:-1], load(), End()], config(), [indices])
    assert [(each.start, each.end) for each in prediction.instructions] == [
        (14, 26),
        (27, 50),
        (40, 52),
    ]
    assert prediction.ledger["load"]["working"] == 2 + 3 * 2 + 2


def test_gather_counts_its_cycles_within_a_run_once() -> None:
    """T-LD-07: a run of two bursts: AR in 31 and 32, then 36, for two beats: on R in 46 and 47."""
    program, indices = gather(63, 0, dram_address=32)
    prediction = predict_program(program, config(), [indices])
    assert prediction.counters["load_bursts"] == 1 + 2 + 1
    assert prediction.instructions[1].end == 48


def test_gathered_rows_are_those_that_the_indices_name() -> None:
    """T-LD-01, T-LD-07: bytes 4064 to 4127 are two bursts, 0 to 63 are one."""
    for row, bursts in ((0, 1), (63, 2), (1 << 26, 1)):
        program, indices = gather(row, dram_address=0 if row == 0 else 32)
        prediction = predict_program(program, config(), [indices])
        assert prediction.counters["load_bursts"] == 1 + bursts


def test_store_cuts_runs_at_burst_boundaries() -> None:
    """T-ST-01: 1 and 2 beats, read in 15, 16, 17; AW in 17 and 18; served 18 and 19; the last
    beat goes in 20."""
    prediction = run(store(100, dram_address=4096 - 32))
    assert prediction.instructions[0].end == 30
    assert prediction.counters["store_bursts"] == 2
    assert prediction.counters["store_beats"] == 3
    assert prediction.counters["store_bytes"] == 100


def test_store_accepts_in_the_cycle_after_its_last_read() -> None:
    """T-ST-02: three beats read in 15, 16, 17: the next STORE starts in 18."""
    assert times(store(192), store())[1][0] == 18


def test_eight_stores_are_in_flight() -> None:
    """T-ST-02: latency 100: STORE i starts in 104 + 2i, AW 3 later, W in the next, response
    in 208 + 2i; the ninth starts in 209."""
    timings = times(*[store()] * 10, dram_latency_cycles=100, queue_depth=64)
    assert timings[7] == (118, 222)
    assert [start for start, _ in timings[8:]] == [209, 211]


def test_store_reads_ahead_by_its_fifo() -> None:
    """T-ST-03: a read of 64 beats holds the server from 16 to 79, so W goes from 80 on. 32 beats
    are read in 16 to 47, the 33rd in 81, the 40th in 88; the next STORE starts in 89."""
    timings = times(load(4096), store(40 * 64), store())
    assert timings[1] == (15, 80 + 39 + 10)
    assert timings[2][0] == 89


def test_store_keeps_its_limit_of_bursts() -> None:
    """T-ST-04, T-ST-05: AW in 17, W in 18, B in 28; AW in 29, W in 30, B in 40."""
    assert times(store(runs=2), max_outstanding_writes=1) == [(14, 40)]


def test_store_waits_for_data_before_its_address() -> None:
    """T-ST-04: read in 15, AW in 17, served and sent in 18, response in 28."""
    assert times(store()) == [(14, 28)]


def test_matrix_loads_weights_then_streams() -> None:
    """T-MX-01, T-MX-03, T-MX-05: reads in 15 to 30, rows in 31 to 35, written 6 later."""
    assert times(matrix(5)) == [(14, 41)]


def test_matrix_reads_zero_row_first_and_columns_where_transposed() -> None:
    """T-MX-01: 17 reads with a zero row. With 8 columns 8 reads where transposed and 16 where
    row-major or diagonal; a port of 32 bytes has the second beat on R in 12, so the start is in
    15, the rows in 24 to 28 or 32 to 36."""
    assert times(matrix(5, weight_zero_row=1)) == [(14, 42)]
    narrow = {"cols": 8, "axi_data_bits": 256, "dram_bytes_per_cycle": 32}
    assert times(matrix(5, weight_transposed=1), **narrow) == [(15, 34)]
    assert times(matrix(5, weight_row_major=1), **narrow) == [(15, 42)]
    assert times(matrix(5, weight_diagonal=1), **narrow) == [(15, 42)]


def test_matrix_accepts_in_the_cycle_of_the_last_weight_read() -> None:
    """T-MX-01: last read in 30; the second reads in 31 to 46 and streams in 47 to 51."""
    assert times(matrix(5), matrix(5))[1] == (30, 57)


def test_matrix_holds_two_weight_tiles() -> None:
    """T-MX-02: 40 rows stream in 31-70, 71-110, 111-150, 151-190. Tile 2 reads from 71, tile 3
    from 111 to 126, where the next instruction starts; it reads from 151 and streams from 191."""
    assert times(matrix(40, k_tiles=4), matrix(40)) == [(14, 196), (126, 236)]


def test_matrix_tile_takes_the_longer_of_rows_and_reads() -> None:
    """T-MX-04: ten tiles of 16 reads end in 174, rows in 175 to 179; 100 rows take 31 + 999."""
    assert times(matrix(5, k_tiles=10)) == [(14, 185)]
    assert times(matrix(100, k_tiles=10)) == [(14, 31 + 999 + 6)]


def test_vector_reads_parameters_before_each_n_tile() -> None:
    """T-VX-02, T-VX-03, T-VX-04, T-VX-05: 2 x (4 + 3) cycles, the last row in 28, written in 44."""
    assert times(vector(rows=3, n_tiles=2)) == [(14, 44)]


def test_vector_without_parameters_has_one_cycle_before_its_rows_and_no_gap() -> None:
    """T-VX-02: the first row in 16, six rows, the last one in 21, written in 37."""
    assert times(vector(rows=3, n_tiles=2, tensor_scale=1)) == [(14, 37)]


@pytest.mark.parametrize(
    ("fields", "cycles"),
    [
        ({"addition": Addition.INT16}, 1),
        ({"source": Source.UINT8}, 1),
        ({"source": Source.INT16, "operation": Operation.CENTRE, "bias_after": 1}, 1),
        ({"source": Source.INT16, "addition": Addition.INT16}, 2),
        ({"source": Source.INT8, "addition": Addition.TABLE}, 2),
        ({"source": Source.INT8, "operation": Operation.MULTIPLY}, 2),
    ],
)
def test_a_row_takes_a_cycle_for_each_element_it_reads(fields: dict[str, int], cycles: int) -> None:
    """T-VX-03, T-VX-04: ten rows from 19 on. Section 7: each cycle of a row is ``working``; a row
    counts once in `vector_rows`."""
    prediction = run(vector(rows=10, output_buffer=Destination.NONE, **fields))
    assert prediction.instructions[0].end == 18 + 10 * cycles + 16
    assert prediction.ledger["vector"]["working"] == 10 * cycles
    assert prediction.ledger["vector"]["fill"] == 4 + 16
    assert prediction.counters["vector_rows"] == 10


def test_scale_reads_the_statistics_of_a_row_a_cycle() -> None:
    """T-VX-07: rows in 16 to 22, retired in 36; the next instruction starts in 37. Section 7: a
    cycle is ``working`` for each row, none of which is in `vector_rows`."""
    prediction = run(scale(rows=7), vector())
    first, second = prediction.instructions
    assert (first.start, first.end, second.start) == (14, 36, 37)
    assert prediction.ledger["vector"]["working"] == 7 + 1
    assert prediction.counters["vector_rows"] == 1
    assert prediction.counters["vector_instructions"] == 2


def test_vector_accepts_in_the_cycle_after_a_retirement() -> None:
    """T-VX-01: 14 + 5 + 16 = 35."""
    assert times(vector(), vector())[1][0] == 36


def test_tables_are_read_word_by_word() -> None:
    """T-VX-06: 64 words in 15 to 78; 256 in 82 to 337."""
    assert times(table(), table(Table.WIDE)) == [(14, 80), (81, 339)]
