"""The timeline model against numbers derived by hand from docs/architecture.md, section 6.

The rules of single engines are in ``test_timeline_engines``. The configuration makes the arithmetic
easy: a beat is an instruction (64 bytes) and takes one cycle, latency is 10. The first request is
on AR in cycle 1 and served from 2, so instruction i of the first burst is on R in 2 - 1 + 10 + i =
11 + i, is dispatched in 13 + i, and starts in 14 + i at the earliest.
"""

from __future__ import annotations

import pytest
from hand_programs import config, load, matrix, run, store, table, times, vector

from arch.config import Config
from arch.errors import AssayError
from arch.image import DebugInfo, Image, build_image
from arch.isa import End, Engine, Instruction, encode_program
from arch.registers import register_map
from model.timeline import predict, predict_program

TO_VECTOR = 1 << Engine.VECTOR
TO_STORE = 1 << Engine.STORE


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
    done in 50; the next needs the third LOAD: AR in 19, 64 beats on R in 29 to 92, end in 93."""
    short, long = load(signal=TO_VECTOR), load(4096, signal=TO_VECTOR)
    timings = times(short, short, vector(wait_load=2), long, vector(wait_load=1))
    assert [timings[index] for index in (2, 3, 4)] == [(29, 50), (18, 93), (94, 115)]


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


@pytest.mark.parametrize(
    ("fields", "macs"),
    [
        ({"mac_k": 7}, 3 * 2 * 7 * 19),
        ({"mac_k": 7, "k_tiles": 1}, 3 * 2 * 7 * 19),
        ({"maximum": 1}, 0),
        ({"maximum": 1, "mac_k": 7}, 0),
    ],
)
def test_macs_that_are_none_by_structure(fields: dict[str, int], macs: int) -> None:
    """Section 8: 3 rows, 2 taps, n = 16 + 3. ``mac_k`` counts in the last tile of a run alone, a
    maximum is no MAC; rows, tiles and slots are what they were."""
    shape = {"k_tiles": 3, "last_k": 5, "ky_count": 2, "n_tiles": 2, "last_n": 3}
    counters = run(matrix(3, **(shape | fields))).counters
    tiles = 2 * 2 * (shape | fields)["k_tiles"]
    assert counters["macs"] == macs
    assert (counters["weight_tiles"], counters["matrix_rows"]) == (tiles, 3 * tiles)
    assert counters["mac_slots"] == 3 * tiles * 256


def test_ledger_of_a_chain() -> None:
    """Section 7: LOAD 14-26 with AR in 15 and the write in 26; VECTOR queued from 15, waits to 26,
    starts in 27, parameters 28-31, row in 32, retires in 48; 50 cycles."""
    ledger = run(load(signal=TO_VECTOR), vector(wait_load=1)).ledger
    assert {state: n for state, n in ledger["load"].items() if n} == {
        "working": 2,
        "wait_memory": 10,
        "done": 50 - 27,
        "idle": 15,
    }
    assert {state: n for state, n in ledger["vector"].items() if n} == {
        "working": 1,
        "fill": 20,
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
    """Section 7: VECTOR is busy to 35; the LOAD that the next waits for retires in 28."""
    ledger = run(vector(), vector(wait_load=1), load(signal=TO_VECTOR)).ledger
    assert ledger["vector"]["wait_load"] == 0


def test_ledger_blames_the_first_of_several_producers() -> None:
    """Section 7: STORE is queued from 17. The LOAD retires in 26; the table takes 15 to 81, so
    the VECTOR starts in 82 and retires in 103."""
    program = [load(signal=TO_STORE), table(), vector(signal=TO_STORE)]
    waits = run(*program, store(wait_load=1, wait_vector=1)).ledger["store"]
    assert (waits["wait_load"], waits["wait_vector"]) == (10, 77)


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
