"""The timeline model against the cycle-by-cycle reference on random programs."""

from __future__ import annotations

from random import Random

import pytest
from cycle_reference import run
from random_programs import DRAM, random_config, random_program

from arch.image import Section, SectionKind
from arch.isa import Engine, Load
from model.timeline import predict_program


# In 277 a burst of STORE completes, and what the memory does next makes a later read wait.
@pytest.mark.parametrize("seed", [*range(80), 277])
def test_equal_to_the_cycle_reference(seed: int) -> None:
    """Every start, end, counter and ledger state; L-01: states sum to cycles.

    The indices of T-LD-07 lie in two sections that touch.
    """
    rng = Random(seed)
    config = random_config(rng)
    program = random_program(rng, config, rng.choice((1, 3, 8, 20, 40)))
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
