"""Integer functions are as near to their definitions as promised, and a wrong one is found out."""

import io

import numpy as np
import pytest
from rich.console import Console

import flow.accuracy
from arch.isa import ElementType
from flow import cli
from flow.accuracy import Agreement, measure, print_agreements
from flow.rows import SHAPES, batches

ROWS = 20_000


@pytest.fixture(scope="module")
def agreements() -> list[Agreement]:
    return list(measure(ROWS))


def test_eight_bits_are_within_1_and_int16_within_2(agreements):
    worst = {(a.function, a.element_type.name): (a.worst, a.allowed) for a in agreements}
    assert all(found <= allowed for found, allowed in worst.values()), worst
    assert {function for function, _ in worst} == {
        *("softmax", "LayerNorm", "RMSNorm", "GELU", "SiLU")
    }
    assert {a.allowed for a in agreements if a.element_type is ElementType.INT16} == {2}
    assert {a.allowed for a in agreements if a.element_type is not ElementType.INT16} == {1}
    assert len(agreements) == len(worst) == 10


def test_many_rows_of_every_length_are_compared(agreements):
    for a in agreements:
        if a.function in ("softmax", "LayerNorm", "RMSNorm"):
            assert a.rows >= ROWS
        else:
            assert a.values == a.rows * 65_536
    lengths = {batch.x.shape[1] for batch in batches(100, np.random.default_rng(0), 16)}
    assert lengths == {columns for columns, _ in SHAPES} == {1, 2, 16, 17, 384, 4096}


def test_adversarial_rows_are_among_them():
    batch = next(batches(4000, np.random.default_rng(0), 16))
    x, counts = batch.x, batch.counts
    assert (x.min(), x.max()) == (-32768, 32767)
    spread = np.ptp(x, axis=1)
    assert (spread == 0).sum() >= 500
    assert (spread == 1).any()
    assert (np.sort(x, axis=1)[:, 1:-1].std(axis=1) == 0).sum() >= 900, "one spike"
    assert (~counts).all(axis=1).any()
    assert counts.all(axis=1).any()


def test_a_function_that_is_wrong_in_one_place_fails(monkeypatch):
    def off(*arguments):
        codes = honest(*arguments)
        codes[3, 0] = codes[3, 0] - 3 if codes[3, 0] > 100 else codes[3, 0] + 3
        return codes

    honest = flow.accuracy.softmax
    monkeypatch.setattr(flow.accuracy, "softmax", off)
    found = {(a.function, a.passed) for a in measure(10)}
    assert {("softmax", False), ("LayerNorm", True), ("GELU", True)} <= found


def test_nothing_compared_does_not_pass():
    assert not Agreement("softmax", ElementType.UINT8).passed


def test_the_command_prints_a_line_for_each_function_and_type(capsys):
    assert cli._main(["accuracy", "--rows", "50"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines) <= 80
    assert sum("softmax" in line for line in lines) == 2
    assert sum("LayerNorm" in line or "RMSNorm" in line for line in lines) == 4


def test_the_command_fails_where_a_function_does(monkeypatch):
    bad = Agreement("softmax", ElementType.UINT8, 1, 1, 2, 1)
    monkeypatch.setattr(flow.accuracy, "measure", lambda rows, seed: [bad])
    assert cli._main(["accuracy"]) == 1


def test_the_largest_numbers_fit_the_table():
    most = Agreement("LayerNorm", ElementType.INT16, 10**9, 10**10, 32767, 10**10)
    console = Console(width=80, record=True, file=io.StringIO())
    print_agreements([most], console)
    assert "10,000,000,000 │ 32767 of 2 │ 100.0000% │" in console.export_text()
