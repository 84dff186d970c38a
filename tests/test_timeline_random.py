"""The timeline model against the cycle-by-cycle reference on random programs."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from cycle_reference import run
from random_programs import DRAM, random_config, random_program

from arch.config import Config
from arch.image import Section, SectionKind
from arch.isa import Buffer, Engine, Instruction, Load, Vector
from model.timeline import predict_program


def crowded(instruction: Instruction, rng: Random) -> Instruction:
    """Writes of LOAD and VECTOR often meet: many rows, and all in the first bank."""
    if isinstance(instruction, Load) and instruction.buffer != Buffer.INDEX:
        address = instruction.buffer_address % 600
        return replace(instruction, buffer_address=address, buffer=int(rng.random() < 0.2))
    if isinstance(instruction, Vector):
        buffer, address = int(rng.random() < 0.2), instruction.output_address % 640
        return replace(instruction, output_buffer=buffer, output_address=address, rows=150)
    return instruction


# In 234 an address waits for a beat of a burst that is not decided yet; in 2215 a burst of STORE
# completes, and what the memory does next makes a later read wait.
@pytest.mark.parametrize("seed", [*range(80), 234, 2215])
def test_equal_to_the_cycle_reference(seed: int) -> None:
    rng = Random(seed)
    config = random_config(rng)
    check(random_program(rng, config, rng.choice((1, 3, 8, 20, 40))), config)


@pytest.mark.parametrize("seed", [*range(40), 234])
def test_equal_to_the_cycle_reference_where_writes_meet(seed: int) -> None:
    rng = Random(seed)
    config = random_config(rng)
    program = random_program(rng, config, rng.choice((3, 8, 20, 40)))
    check([crowded(each, rng) for each in program], config)


def check(program: list[Instruction], config: Config) -> None:
    """Every start, end, counter and ledger state; L-01: states sum to cycles.

    The indices of T-LD-07 lie in two sections that touch.
    """
    halves = ((0, DRAM[:500]), (500, DRAM[500:]))
    sections = [Section("", SectionKind.DATA, address, half) for address, half in halves]
    expected = run(program, config, dram=DRAM)
    predicted = predict_program(program, config, sections)
    assert expected is not None
    timings = {each.index: (each.start, each.end) for each in predicted.instructions}
    assert timings == expected.times
    assert predicted.counters == expected.counters
    assert predicted.ledger == expected.ledger
    for states in predicted.ledger.values():
        assert sum(states.values()) == predicted.cycles


def test_reference_sees_what_a_signal_changes() -> None:
    """The comparison is not vacuous: one signal more, and the reference differs."""
    rng = Random(5)
    config = random_config(rng)
    program = random_program(rng, config, 20)
    before = run(program, config)
    first = Load(buffer=0, buffer_address=0, dram_address=0, run_bytes=1, signal=1 << Engine.STORE)
    after = run([first, *program], config)
    assert before is not None
    assert after is not None
    assert before.times != {index - 1: at for index, at in after.times.items() if index}
