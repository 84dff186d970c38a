"""Write conflicts of the buffers in the timeline model, by hand (B-01, B-04, T-LD-04, T-LD-05).

As in ``test_timeline`` the first instruction starts in 14 and the second in 15. A word is 64 bytes,
a bank 2048, and of the weight buffer 4096. A LOAD that starts in 14 writes a beat, of a word, in 26
and each cycle after; VECTOR behind it writes rows from 33 on.
"""

from __future__ import annotations

from typing import Any

import pytest
from hand_programs import load, matrix, run, store, table, times, vector

from arch.isa import Addition, Buffer, Destination, ElementType, Source, Vector


def writer(rows: int = 5, address: int = 0, **fields: Any) -> Vector:
    """Every row at the same place."""
    place = {"output_address": address, "output_row_stride": 0}
    return vector(rows, tensor_scale=1, **(place | fields))


@pytest.mark.parametrize(
    ("address", "denied"),
    [(0, 4), (48, 4), (128, 4), (64, 5), (1984, 5), (2048, 0), (8192, 0)],
)
@pytest.mark.parametrize("buffer", [Buffer.ACTIVATION, Buffer.WEIGHT])
def test_load_waits_where_vector_writes_the_same_sub_bank(
    address: int, denied: int, buffer: Buffer
) -> None:
    """B-04, T-LD-04: VECTOR writes in 33 to 37. The odd word 7 is to be written in 33, the even
    word 8 in 34; it waits in the stage, and R with it. Section 7: a denied cycle is ``wait_port``.
    """
    destination = Destination(buffer)
    bank = 2048 * (1 + buffer)
    address = address if address < 2048 else address * bank // 2048
    prediction = run(load(1280, buffer=buffer), writer(address=address, output_buffer=destination))
    assert [each.end for each in prediction.instructions] == [45 + denied, 37]
    ledger = prediction.ledger["load"]
    assert (ledger["working"], ledger["wait_port"], ledger["wait_memory"]) == (1 + 20, denied, 10)


@pytest.mark.parametrize(
    ("buffer", "destination"),
    [
        (Buffer.ACTIVATION, Destination.WEIGHT),
        (Buffer.WEIGHT, Destination.ACTIVATION),
        (Buffer.PARAMETER, Destination.ACTIVATION),
        (Buffer.ACTIVATION, Destination.NONE),
    ],
)
def test_what_lies_in_different_buffers_does_not_meet(
    buffer: Buffer, destination: Destination
) -> None:
    program = load(1280, buffer=buffer), writer(64, output_buffer=destination)
    assert run(*program).ledger["load"]["wait_port"] == 0


@pytest.mark.parametrize(
    ("fields", "even", "odd"),
    [
        ({}, 5, 0),
        ({"element_type": ElementType.INT16}, 5, 5),
        ({"element_type": ElementType.INT16, "last_n": 8}, 5, 0),
        ({"n_tiles": 2}, 5, 5),
    ],
)
def test_vector_writes_the_bytes_of_valid_lanes(
    fields: dict[str, int], even: int, odd: int
) -> None:
    """B-04: words of 16 bytes. LOAD, since 17, writes the same one in 29 and each cycle after, 80
    times; it ends later by as many cycles as there are rows that touch it."""
    narrow = {"axi_data_bits": 128, "dram_bytes_per_cycle": 16}
    strides = {"run_dram_stride": 16, "run_buffer_stride": 0}
    ends = [
        times(load(16, runs=80, buffer_address=at, **strides), writer(**fields), **narrow)[0][1]
        for at in (0, 16)
    ]
    assert ends == [28 + 80 + even, 28 + 80 + odd]


def test_what_vector_reads_late_it_writes_late() -> None:
    """T-VX-03, T-VX-04: VECTOR reads in 17 to 30 and, behind MATRIX, in 36 to 41; it writes in 33
    to 46 and 52 to 57. LOAD, since 16, writes an odd word in 28 to 32, 47 to 51, 58 to 87."""
    late = writer(20, 64, source=Source.UINT8, source_address=0)
    program = matrix(5, row_stride=0), late, load(runs=40, buffer_address=64)
    assert times(*program)[1:] == [(15, 57), (16, 87)]


@pytest.mark.parametrize(("steps", "end"), [(1, 55 + 5), (2, 55 + 5)])
def test_a_row_of_two_reads_is_written_every_other_cycle(steps: int, end: int) -> None:
    """T-VX-03, T-VX-04: five rows are issued in 17 to 21, or 18, 20 to 26; they are written in 33
    to 37, or 34, 36 to 42. LOAD writes a word in each cycle from 26 on."""
    both = {"source": Source.UINT8, "source_address": 4096, "residual_address": 4096}
    rows = writer(5, 64, **both, addition=Addition.INT16 if steps == 2 else Addition.NONE)
    assert times(load(runs=30, buffer_address=64), rows)[0] == (14, end)


def test_padding_waits() -> None:
    """T-LD-05: eight beats are written in 26 to 33, padding at words 8 and 9. The first piece waits
    in 34 to 37, the second one is written in 39, and the next beat, taken then, in 40."""
    program = load(512, pad_bytes=128), writer(), load(buffer_address=2048)
    prediction = run(*program)
    assert [each.end for each in prediction.instructions] == [39, 37, 40]
    assert prediction.ledger["load"]["wait_port"] == 4


def test_an_address_in_a_denied_cycle_is_work() -> None:
    """Section 7: addresses in 15 to 34, writes in 26 to 33 and, but for 34 to 37, up to 49."""
    prediction = run(load(runs=20, run_buffer_stride=64), writer())
    assert prediction.instructions[0].end == 49
    assert prediction.ledger["load"]["wait_port"] == 3
    assert prediction.ledger["load"]["working"] == 20 + 20 - 8


@pytest.mark.parametrize(
    ("limits", "end"),
    [
        ({"read_window_beats": 8}, 61),
        ({"read_window_beats": 7}, 65),
        ({"max_outstanding_reads": 1}, 71),
    ],
)
def test_limits_count_a_beat_that_waits_in_the_stage_as_taken(
    limits: dict[str, int], end: int
) -> None:
    """T-LD-03, T-LD-04: beat 8 of 16 is taken in 33 and written in 38, 9 is taken in 38, 15 in 44.
    The next address is in 34, 39 or 45, so beats are on R in 45 to 60, 49 to 64, or 55 to 70."""
    assert times(load(1024, runs=2), writer(), **limits)[0] == (14, end)


def test_a_fetch_beat_behind_a_waiting_beat_waits() -> None:
    """T-LD-04: LOAD, AR in 15, is served behind fetch in 18 to 37 and writes from 28 on; the odd
    word 5 waits from 33 to 37. Fetch of 16 to 19, AR in 17, is on R in 47 + 5: instruction 16 is
    dispatched in 54."""
    program = [load(1280), writer(address=64), *[table()] * 14, store(), *[table()] * 3]
    assert times(*program, queue_depth=64)[16][0] == 55


def test_a_fetch_beat_passes_a_beat_in_the_stage() -> None:
    """T-LD-04: six beats are taken in 27 to 32; the last one, an odd word, waits in the stage from
    33 to 62. Fetch is on R in 33 to 36, so instruction 16 starts in 36. The next beat of LOAD is
    taken when the stage is free."""
    program = [load(384), writer(30, 64), *[table()] * 13, load(), store(), *[table()] * 3]
    timings = times(*program, queue_depth=64)
    assert timings[0][1] == 63
    assert timings[15][1] == 64
    assert timings[16][0] == 36
