"""The timeline model against numbers derived by hand from docs/architecture.md, section 6.

The configuration makes the arithmetic easy: a beat is an instruction (64 bytes) and takes one
cycle, latency is 10. The first request is on AR in cycle 1 and served from 2, so instruction i of
the first burst is on R in 2 - 1 + 10 + i = 11 + i, is dispatched in 13 + i, and starts in 14 + i at
the earliest.
"""

from __future__ import annotations

from typing import Any

import pytest
from hand_programs import config, load, matrix, store, table, vector

from arch.config import Config
from arch.errors import AssayError
from arch.image import DebugInfo, Image, build_image
from arch.isa import End, Engine, Instruction, Table, encode_program
from arch.registers import register_map
from model.timeline import Prediction, predict, predict_program

TO_VECTOR = 1 << Engine.VECTOR
TO_STORE = 1 << Engine.STORE


def run(*program: Instruction, **changes: Any) -> Prediction:
    return predict_program([*program, End()], config(**changes))


def times(*program: Instruction, **changes: Any) -> list[tuple[int, int]]:
    return [(each.start, each.end) for each in run(*program, **changes).instructions]


def test_run_of_end_alone_lasts_two_cycles_from_its_dispatch() -> None:
    """T-RUN-01, T-RUN-02: END dispatched in 13, 14 is the last cycle: 15 cycles from 0."""
    assert run().cycles == 15
    assert run().counters["cycles"] == 15


def test_run_ends_in_the_cycle_after_the_last_retirement() -> None:
    """T-RUN-02: the LOAD retires in 26, b + 2 = 28."""
    assert run(load()).cycles == 28


def test_fetch_takes_four_instructions_a_burst_and_fewer_at_the_end() -> None:
    """T-FE-01: five instructions are bursts of 4 and 1, one beat each."""
    counters = run(*[table()] * 4).counters
    assert (counters["fetch_bursts"], counters["fetch_beats"]) == (2, 5)


def test_fetch_beats_of_a_narrow_port() -> None:
    """T-FE-01: 4 bytes a beat are 16 beats an instruction; the last of LOAD is on R in 11 + 15."""
    changes = {"axi_data_bits": 32, "dram_bytes_per_cycle": 4}
    assert times(load(4), **changes)[0][0] == 26 + 2 + 1
    assert run(load(4), **changes).counters["fetch_beats"] == 32


def test_fetch_runs_sixteen_instructions_ahead() -> None:
    """T-FE-02: with latency 20 instruction i < 16 is dispatched in 23 + i. The request of 16 to 19
    is made once 4 are dispatched (3 in 26): AR in 27, served 28, on R in 47, dispatched 49."""
    program = [*[table()] * 16, load(), table(), table()]
    assert times(*program, dram_latency_cycles=20, queue_depth=64)[16][0] == 50


def test_dispatch_waits_for_a_place_in_the_queue_and_holds_what_follows() -> None:
    """T-FE-03: depth 2. Tables start in 14 and, after the first retires in 80, in 81. 1 and 2 fill
    the queue, so 3 is dispatched in 82 and the STORE behind it in 83."""
    program = [*[table()] * 4, store()]
    assert times(*program, queue_depth=2)[4][0] == 84


def test_issue_follows_dispatch_by_a_cycle() -> None:
    """T-FE-03, T-SEM-01: dispatched in 13, 14, 15, 16, each in a queue of its own."""
    starts = [start for start, _ in times(load(), matrix(1), vector(), store())]
    assert starts == [14, 15, 16, 17]


def test_a_signal_is_seen_in_the_cycle_after_the_retirement() -> None:
    """T-SEM-01, T-SEM-02: the LOAD retires in 26."""
    assert times(load(signal=TO_VECTOR), vector(wait_load=1))[1][0] == 27


def test_a_wait_takes_its_count() -> None:
    """T-SEM-01: LOADs start in 14, 16, 18. The first VECTOR takes the signals of 26 and 28 and is
    done in 48; the next needs the third LOAD: AR in 19, 64 beats on R in 29 to 92, end in 93."""
    short, long = load(signal=TO_VECTOR), load(4096, signal=TO_VECTOR)
    timings = times(short, short, vector(wait_load=2), long, vector(wait_load=1))
    assert [timings[index] for index in (2, 3, 4)] == [(29, 48), (18, 93), (94, 113)]


def test_semaphore_limit_is_refused() -> None:
    """T-SEM-03: nobody takes the 256th signal."""
    with pytest.raises(AssayError, match="semaphore from LOAD to VECTOR exceeds 255"):
        run(*[load(signal=TO_VECTOR)] * 256)


def test_fetch_goes_before_load_on_the_address_channel() -> None:
    """T-DRAM-01: LOAD presents in 15, 16, 17; the fetch of 16 to 19 is on AR in 17 (T-FE-02), so
    the third burst goes in 18. The fetches before occupy the server to 17: LOAD is served in 18 and
    19, fetch in 20 to 23, LOAD in 24: on R in 33, written in 34. The generator is free in 19."""
    program = [load(runs=3), load(), *[table()] * 17]
    timings = times(*program, queue_depth=64)
    assert timings[0] == (14, 34)
    assert timings[1][0] == 19


def test_of_read_and_write_in_one_cycle_the_read_is_served_first() -> None:
    """T-DRAM-02: AW in 17 (STORE starts in 14), AR in 16 and 17: served in 17 and 18, the write
    in 19. Responses 10 later; the last read beat is on R in 27."""
    assert times(store(), load(runs=2)) == [(14, 29), (15, 28)]


def test_bursts_occupy_the_server_in_order() -> None:
    """T-DRAM-02, T-DRAM-03: two beats each, served from 16 and 18, so on R in 25 to 28."""
    assert times(load(128, runs=2)) == [(14, 29)]


def test_read_beats_come_at_the_rate_of_the_memory() -> None:
    """T-DRAM-03: half the rate. LOAD is on R in 11; beats 0 and 1 in 25 and 27."""
    assert times(load(128), dram_bytes_per_cycle=32) == [(14, 28)]


def test_write_beats_are_taken_at_the_rate_of_the_memory() -> None:
    """T-DRAM-04, T-DRAM-05: AW in 17, served 18, beats in 18 and 20, response 10 later."""
    assert times(store(128), dram_bytes_per_cycle=32) == [(14, 30)]


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
    """T-MX-01: 17 reads with a zero row. Transposed with 8 columns, 8 reads; a port of 32 bytes has
    LOAD's second beat on R in 12, so the start is in 15, the rows in 24 to 28."""
    assert times(matrix(5, weight_zero_row=1)) == [(14, 42)]
    assert times(
        matrix(5, weight_transposed=1), cols=8, axi_data_bits=256, rows=16, dram_bytes_per_cycle=32
    )[0] == (15, 34)


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
    """T-VX-02, T-VX-03, T-VX-04, T-VX-05: 2 x (4 + 3) cycles, the last row in 28, written in 42."""
    assert times(vector(rows=3, n_tiles=2)) == [(14, 42)]


def test_vector_accepts_in_the_cycle_after_a_retirement() -> None:
    """T-VX-01: 14 + 5 + 14 = 33."""
    assert times(vector(), vector())[1][0] == 34


def test_tables_are_read_word_by_word() -> None:
    """T-VX-06: 64 words in 15 to 78; 256 in 82 to 337."""
    assert times(table(), table(Table.ADDITION)) == [(14, 80), (81, 339)]


def test_counters_of_matrix_and_vector() -> None:
    """Section 8: 3 x 2 rows, 2 x 1 taps; k = 2 x 16 + 5, n = 16 + 3."""
    fields = {"output_columns": 2, "ky_count": 2, "last_k": 5, "n_tiles": 2, "last_n": 3}
    counters = run(matrix(3, k_tiles=3, **fields), vector(rows=7, n_tiles=2)).counters
    assert counters["macs"] == 6 * 2 * 37 * 19
    assert counters["weight_tiles"] == 2 * 2 * 3
    assert counters["matrix_rows"] == 6 * 12
    assert counters["mac_slots"] == 6 * 12 * 256
    assert counters["vector_rows"] == 14
    assert counters["instructions"] == 3
    assert counters["matrix_instructions"] == counters["vector_instructions"] == 1


def test_ledger_of_a_chain() -> None:
    """Section 7: LOAD 14-26 with AR in 15 and the write in 26; VECTOR queued from 15, waits to 26,
    starts in 27, parameters 28-31, row in 32, retires in 46; 48 cycles."""
    ledger = run(load(signal=TO_VECTOR), vector(wait_load=1)).ledger
    assert {state: n for state, n in ledger["load"].items() if n} == {
        "working": 2,
        "wait_memory": 10,
        "done": 48 - 27,
        "idle": 15,
    }
    assert {state: n for state, n in ledger["vector"].items() if n} == {
        "working": 1,
        "fill": 18,
        "wait_load": 12,
        "done": 1,
        "idle": 16,
    }


def test_ledger_counts_overlap_once() -> None:
    """Section 7: LOADs in 14-26 and 16-28, AR in 15 and 17, writes in 26 and 28. END is dispatched
    in 15 and the run lasts 30 cycles, so MATRIX is done from 16 on."""
    ledger = run(load(), load()).ledger
    assert {state: n for state, n in ledger["load"].items() if n} == {
        "working": 4,
        "wait_memory": 10,
        "done": 1,
        "idle": 15,
    }
    assert (ledger["matrix"]["done"], ledger["matrix"]["idle"]) == (14, 16)


def test_ledger_blames_nobody_while_an_instruction_is_in_flight() -> None:
    """Section 7: VECTOR is busy to 33; the LOAD that the next waits for retires in 28."""
    ledger = run(vector(), vector(wait_load=1), load(signal=TO_VECTOR)).ledger
    assert ledger["vector"]["wait_load"] == 0


def test_ledger_blames_the_first_of_several_producers() -> None:
    """Section 7: STORE is queued from 17. The LOAD retires in 26; the table takes 15 to 81, so
    the VECTOR starts in 82 and retires in 101."""
    program = [load(signal=TO_STORE), table(), vector(signal=TO_STORE)]
    waits = run(*program, store(wait_load=1, wait_vector=1)).ledger["store"]
    assert (waits["wait_load"], waits["wait_vector"]) == (10, 75)


def test_ledger_has_the_states_of_the_register_map() -> None:
    ledger = run().ledger
    for engine, states in register_map().ledger_states.items():
        assert tuple(ledger[engine.name.lower()]) == states


def test_deadlock_names_the_instruction() -> None:
    message = r"instruction 1 \(VECTOR\) waits for 2 signals of LOAD, of which 1 come"
    with pytest.raises(AssayError, match=message):
        run(load(signal=TO_VECTOR), vector(wait_load=2), store(wait_vector=1))


def test_deadlock_behind_a_full_queue_names_the_instruction_at_its_head() -> None:
    with pytest.raises(AssayError, match=r"instruction 0 \(VECTOR\) waits for 1 signals of LOAD"):
        run(*[vector(wait_load=1)] * 20, load(signal=TO_VECTOR))


@pytest.mark.parametrize("program", [[], [load()]])
def test_program_without_end_is_refused(program: list[Instruction]) -> None:
    with pytest.raises(AssayError, match="has no END"):
        predict_program(program, config())


def test_instructions_behind_end_are_never_dispatched() -> None:
    prediction = predict_program([load(), End(), load(), load()], config())
    assert prediction.counters["instructions"] == 2
    assert prediction.cycles == 28


def image_of(hardware: Config) -> Image:
    debug = DebugInfo(workload="none", operators=(), operator_of=(-1,), tensors=())
    return build_image(hardware, 256, encode_program([End()]), [], 4096, debug)


def test_prediction_of_an_image() -> None:
    assert predict(image_of(config()), config()).cycles == 15


def test_image_for_other_hardware_is_refused() -> None:
    with pytest.raises(AssayError, match="compiled for hardware"):
        predict(image_of(config(rows=8)), config())
