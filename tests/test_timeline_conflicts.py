"""Read conflicts of the activation buffer in the timeline model, by hand (B-01, B-02, B-04).

As in ``test_timeline`` the first instruction starts in 14 and the second in 15. A word is 64 bytes,
a bank 2048. The first MATRIX reads weights in 15 to 30 and issues rows from 31 on; VECTOR behind it
begins its rows in 17.
"""

from __future__ import annotations

from typing import Any

import pytest
from hand_programs import load, matrix, run, store, table, times, vector

from arch.isa import Addition, Engine, Source, Vector


def reader(rows: int = 20, address: int = 0, **fields: Any) -> Vector:
    """Every row at the same place."""
    return vector(rows, source=Source.UINT8, source_address=address, tensor_scale=1, **fields)


@pytest.mark.parametrize(
    ("address", "denied"),
    [(0, 4), (48, 4), (64, 1), (128, 4), (1984, 1), (2048, 0), (8192, 0)],
)
def test_vector_waits_where_matrix_reads_the_same_sub_bank(address: int, denied: int) -> None:
    """B-04, T-VX-03: rows of MATRIX at 0 to 48 in 31 to 34, at 64 in 35. VECTOR reads in 17 to 36,
    then waits for the even words of bank 0, the odd ones, or not at all. Section 7: a denied cycle
    is ``wait_port``; setup and pipeline are 17 cycles."""
    prediction = run(matrix(5), reader(address=address))
    assert prediction.instructions[1].end == 36 + denied + 16
    ledger = prediction.ledger["vector"]
    assert (ledger["working"], ledger["wait_port"], ledger["fill"]) == (20, denied, 17)


@pytest.mark.parametrize(
    ("fields", "even", "odd"),
    [
        ({}, 5, 5),
        ({"last_k": 8}, 5, 0),
        ({"x_limit": 8}, 5, 0),
        ({"x_origin": -8, "activation_address": 64}, 0, 5),
        ({"y_limit": 2}, 2, 2),
    ],
)
def test_matrix_asks_for_the_bytes_of_valid_lanes(
    fields: dict[str, int], even: int, odd: int
) -> None:
    """B-04: five rows of 16 bytes from 56 on lie in two words; 8 lanes in one of them."""
    program = matrix(5, **({"activation_address": 56, "row_stride": 0} | fields))
    denied = [run(program, reader(address=at)).ledger["vector"]["wait_port"] for at in (0, 64)]
    assert denied == [even, odd]


@pytest.mark.parametrize(("stride", "even", "odd"), [(0, 20, 0), (16, 20, 0), (64, 10, 5)])
def test_matrix_asks_for_the_channels_of_each_n_tile(stride: int, even: int, odd: int) -> None:
    """B-04, I-03: rows of four n tiles in 31 to 35, 47 to 51, 63 to 67, 79 to 83; VECTOR wants to
    read until then. With 64 they lie in even, odd and even words, and the last beyond x_limit."""
    rows = matrix(5, n_tiles=4, row_stride=0, n_stride=stride, x_limit=192)
    denied = [run(rows, reader(60, at)).ledger["vector"]["wait_port"] for at in (0, 64)]
    assert denied == [even, odd]


def test_the_second_read_of_a_row_waits_alone() -> None:
    """T-VX-03: y is read in 18, 20 up to 30, then in 35 instead of 32; three rows are left."""
    residual = {"addition": Addition.INT16, "residual_address": 0}
    prediction = run(matrix(5), reader(10, 2048, **residual))
    assert prediction.instructions[1].end == 35 + 4 + 16
    assert prediction.ledger["vector"]["wait_port"] == 3
    assert prediction.ledger["vector"]["working"] == 20


def test_vector_waits_for_a_matrix_that_is_issued_later() -> None:
    """B-04: LOAD retires in 26, MATRIX starts in 27 and issues rows in 44 to 48; VECTOR, since 16,
    reads from 18 on."""
    program = load(signal=1 << Engine.MATRIX), matrix(5, row_stride=0, wait_load=1), reader(40)
    assert times(*program)[1:] == [(27, 54), (16, 57 + 5 + 16)]


def test_parameters_are_read_after_a_denied_row() -> None:
    """T-VX-02: two n tiles of 13 rows: 20 to 30, 35 and 36, then, four cycles later, 41 to 53."""
    program = matrix(5), vector(13, 2, source=Source.UINT8)
    assert times(*program)[1] == (15, 53 + 16)


def test_store_waits_where_matrix_reads() -> None:
    """B-04, T-ST-03: reads in 16 to 30 and, after 31 to 34 are denied, 35 to 39; so the next STORE
    starts in 40. Section 7: up to 33 a beat goes out in each cycle, which is ``working``."""
    prediction = run(matrix(5), store(runs=20), store())
    assert prediction.instructions[2].start == 40
    assert prediction.ledger["store"]["wait_port"] == 1


def test_a_vector_that_waits_holds_store_back() -> None:
    """B-04: words of 16 bytes. MATRIX (since 17) reads odd words in 34 to 38; VECTOR (since 21)
    wants both from 23 to 33, and again until 47. STORE wants an even one from 26 on: reads in 48,
    AW in 50, W in 51."""
    narrow = {"axi_data_bits": 128, "dram_bytes_per_cycle": 16}
    both = vector(20, source=Source.INT16, tensor_scale=1)
    program = matrix(5, activation_address=16, row_stride=0), both, store(16)
    prediction = run(*program, **narrow)
    assert [each.end for each in prediction.instructions[1:]] == [47 + 16, 61]
    assert prediction.ledger["store"]["wait_port"] == 22


def test_store_alone_reads_beside_matrix() -> None:
    """B-04: the same without VECTOR, in 22, since nothing asks for the even words."""
    narrow = {"axi_data_bits": 128, "dram_bytes_per_cycle": 16}
    prediction = run(matrix(5, activation_address=16, row_stride=0), store(16, runs=20), **narrow)
    assert prediction.ledger["store"]["wait_port"] == 0


def test_a_denied_beat_of_store_keeps_the_memory() -> None:
    """T-DRAM-04: 4 rows of weights, so MATRIX reads even words in 19 to 58. STORE (since 17) reads
    an odd word in 18, an even one in 59 instead of 19, and two more: AW in 20, W in 21 and 61 to
    63. LOAD, AR in 21, is served in 64 instead of 25."""
    rows = matrix(40, last_k=4, row_stride=0)
    others = table(), table(), store(256, buffer_address=64), table(), table(), load()
    timings = times(rows, *others, rows=4)
    assert timings[3] == (17, 63 + 10)
    assert timings[6] == (20, 64 - 1 + 10 + 1)


def test_a_waiting_vector_meets_a_matrix_that_the_memory_lets_go() -> None:
    """B-04: VECTOR reads in 17 to 30 and waits for 100 rows of MATRIX, up to 130. One burst at a
    time: AR in 17 and, after 64 beats, in 91; the second MATRIX starts in 103 and issues rows in
    131 to 135. 26 reads are left."""
    first, second = matrix(100, row_stride=0), matrix(5, row_stride=0, wait_load=1)
    loads = load(4096), load(signal=1 << Engine.MATRIX)
    timings = times(first, reader(40), *loads, second, max_outstanding_reads=1)
    assert timings[4] == (103, 135 + 6)
    assert timings[1] == (15, 135 + 26 + 16)


def test_a_waiting_vector_meets_a_matrix_that_store_lets_go() -> None:
    """B-04, T-FE-03: VECTOR reads in 17 to 30 and from 91 on. The first STORE reads bank 1 in 17 to
    80; then one leaves the full queue in 81, the fourth and MATRIX are dispatched in 82 and 83.
    MATRIX issues rows in 101 to 105; VECTOR reads 10 rows before and 16 behind."""
    stores = store(4096, buffer_address=2048), store(), store(), store()
    first, second = matrix(60, row_stride=0), matrix(5, row_stride=0)
    timings = times(first, reader(40), *stores, second, queue_depth=2)
    assert timings[6] == (84, 105 + 6)
    assert timings[1] == (15, 105 + 16 + 16)


def test_store_waits_for_a_vector_that_follows_one_in_flight() -> None:
    """B-04: VECTOR reads in 16 to 50 and retires in 66; the second one reads even words of bank 1
    in 69 to 88. STORE reads word i in 17 + i, 32 of them before any is sent; word 52 waits from 69
    to 88, word 63 is read in 100, sent in 102."""
    timings = times(reader(35, 4096), reader(address=2048), store(4096))
    assert timings[1:] == [(67, 104), (16, 102 + 10)]


def test_store_waits_for_a_vector_that_its_own_burst_lets_go() -> None:
    """B-04, T-DRAM-02: beats of the first burst are sent in 18 to 81. LOAD, AR in 18, is served
    in 82 and retires in 92; VECTOR reads even words of bank 0 in 95 to 114. Word 16 of the second
    run is read in 115 instead of 95, word 63 in 162, sent in 164."""
    behind = load(signal=1 << Engine.VECTOR), reader(wait_load=1)
    program = store(4096, runs=2, run_buffer_stride=0), table(), matrix(1), *behind
    timings = times(*program)
    assert timings[3] == (17, 92)
    assert timings[0] == (14, 164 + 10)
