"""The scoreboard sees every kind of wrong byte, and never passes without comparing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from arch.config import load_config
from arch.image import DebugInfo, TensorPlace
from tb import memory_layout
from tb.scoreboard import DRAM, Expectation, Verdict, compare

CONFIG = load_config("tiny")
DEBUG = DebugInfo(
    workload="w",
    operators=(),
    operator_of=(-1,),
    tensors=(
        TensorPlace(
            name="y",
            role="output",
            element_type="int16",
            rows=3,
            cols=5,
            address=256,
            row_bytes=12,
        ),
    ),
)


@dataclass
class Memories:
    """Golden expectation, and RTL before and after a run that did everything right."""

    expected: dict[str, Expectation]
    before: dict[str, np.ndarray]
    after: dict[str, np.ndarray]

    def verdict(self) -> Verdict:
        return compare(CONFIG, DEBUG, self.expected, self.before, self.after)


@pytest.fixture
def memories() -> Memories:
    generator = np.random.default_rng(3)
    sizes = {name: int(np.prod(s)) for name, s in memory_layout.shapes(CONFIG).items()}
    sizes[DRAM] = 512
    expected, before, after = {}, {}, {}
    for name, size in sizes.items():
        golden = generator.integers(0, 256, size, np.uint8)
        written = generator.random(size) < 0.5
        garbage = generator.integers(0, 256, size, np.uint8)
        expected[name] = Expectation(golden, written)
        before[name] = garbage
        after[name] = np.where(written, golden, garbage)
    return Memories(expected, before, after)


def test_equal_memories_pass_and_every_byte_is_counted(memories):
    verdict = memories.verdict()
    written = sum(int(want.written.sum()) for want in memories.expected.values())
    total = sum(want.data.size for want in memories.expected.values())
    assert verdict.passed
    assert verdict.compared_bytes == written > 0
    assert verdict.untouched_bytes == total - written > 0


@pytest.mark.parametrize("name", [DRAM, *memory_layout.shapes(CONFIG)])
@pytest.mark.parametrize("kind", ["written", "unwritten", "golden", "mask"])
def test_one_corrupted_bit_in_any_memory_fails(memories, name, kind):
    want = memories.expected[name]
    differs = want.data != memories.before[name]
    at = int(np.flatnonzero((want.written == (kind != "unwritten")) & differs)[0])
    if kind == "golden":
        want.data[at] ^= 1
    elif kind == "mask":
        want.written[at] = False
    else:
        memories.after[name][at] ^= 0x80
    verdict = memories.verdict()
    assert not verdict.passed
    assert verdict.mismatches == 1
    assert (verdict.first[0].memory, verdict.first[0].address) == (name, at)


def test_comparing_no_written_byte_fails(memories):
    for want in memories.expected.values():
        want.written[:] = False
    memories.after = {name: array.copy() for name, array in memories.before.items()}
    verdict = memories.verdict()
    assert verdict.mismatches == 0
    assert not verdict.passed


def test_a_missing_memory_is_an_error(memories):
    del memories.after["weight"]
    with pytest.raises(ValueError, match="must be compared"):
        memories.verdict()


def test_a_dump_of_another_size_is_an_error(memories):
    memories.after["weight"] = memories.after["weight"][:-1]
    with pytest.raises(ValueError, match="weight: sizes"):
        memories.verdict()


def test_mismatch_names_the_tensor_element_and_its_tile(memories):
    at = 256 + 2 * 12 + 4 * 2
    memories.expected[DRAM].written[at] = True
    memories.expected[DRAM].data[at] = 0x12
    memories.after[DRAM][at] = 0x34
    assert str(memories.verdict().first[0]) == (
        "dram byte 0x120 (tensor y [2, 4], n tile 1, lane 0): expected 0x12, got 0x34"
    )
