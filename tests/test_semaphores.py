"""Semaphores and issue (D-03, rules T-SEM)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from component_simulator import simulate_component
from control_bench import instruction, run_control

from arch.isa import End, Engine
from arch.timing import SEMAPHORE_MAX
from hdl.semaphores import Semaphores

pytestmark = pytest.mark.usefixtures("each_simulator")

PAIRS = list(itertools.permutations(Engine, 2))


def wait(producer: Engine) -> str:
    return f"wait_{producer.name.lower()}"


@pytest.mark.parametrize(("producer", "consumer"), PAIRS)
def test_a_waiting_instruction_issues_in_the_cycle_after_the_signal(
    producer: Engine, consumer: Engine
) -> None:
    """T-SEM-01, T-SEM-02: for each of the twelve pairs."""
    program = [
        instruction(producer, signal=1 << consumer),
        instruction(consumer, **{wait(producer): 1}),
        End(),
    ]
    run = run_control(program, duration=lambda engine, index: 60)
    assert run.issues[consumer] == [run.retires[producer][0][0] + 1]
    waited = run.ledger[consumer].count(wait(producer))
    assert waited == run.issues[consumer][0] - (run.dispatches[1] + 1)


def test_a_wait_takes_as_many_signals_as_it_wants() -> None:
    """T-SEM-01: three signals serve a wait for two and one for one, not two waits for two."""
    program = [
        *[instruction(Engine.LOAD, signal=1 << Engine.VECTOR)] * 3,
        instruction(Engine.VECTOR, wait_load=2),
        instruction(Engine.VECTOR, wait_load=2),
        instruction(Engine.LOAD, signal=1 << Engine.VECTOR),
        End(),
    ]
    run = run_control(program, duration=lambda engine, index: 50 * (1 + index))
    retires = [cycle for cycle, *_ in run.retires[Engine.LOAD]]
    assert run.issues[Engine.VECTOR] == [retires[1] + 1, retires[3] + 1]


def test_an_instruction_waits_for_all_its_producers() -> None:
    """T-SEM-01: and the ledger blames the first of those that lack."""
    program = [
        instruction(Engine.LOAD, signal=1 << Engine.STORE),
        instruction(Engine.MATRIX, signal=1 << Engine.STORE),
        instruction(Engine.VECTOR, signal=1 << Engine.STORE),
        instruction(Engine.STORE, wait_load=1, wait_matrix=1, wait_vector=1),
        End(),
    ]
    ends = {Engine.LOAD: 100, Engine.MATRIX: 150, Engine.VECTOR: 130, Engine.STORE: 1}
    run = run_control(program, duration=lambda engine, index: ends[engine])
    (load, *_), (matrix, *_), (vector, *_) = (
        run.retires[engine][0] for engine in (Engine.LOAD, Engine.MATRIX, Engine.VECTOR)
    )
    assert run.issues[Engine.STORE] == [matrix + 1]
    ledger = run.ledger[Engine.STORE]
    assert ledger[run.dispatches[3] + 1 : load + 1] == ["wait_load"] * (load - run.dispatches[3])
    assert ledger[load + 1 : matrix + 1] == ["wait_matrix"] * (matrix - load)
    assert vector < matrix


def test_one_retirement_signals_every_engine_it_names() -> None:
    """T-SEM-02"""
    others = [engine for engine in Engine if engine is not Engine.LOAD]
    program = [
        instruction(Engine.LOAD, signal=sum(1 << engine for engine in others)),
        *(instruction(engine, wait_load=1) for engine in others),
        End(),
    ]
    run = run_control(program, duration=lambda engine, index: 50)
    end = run.retires[Engine.LOAD][0][0]
    assert [run.issues[engine] for engine in others] == [[end + 1]] * 3


def test_semaphores_start_a_run_at_zero() -> None:
    """A signal that nobody took in the run before serves nobody in the next."""
    program = [
        instruction(Engine.LOAD, signal=1 << Engine.VECTOR),
        instruction(Engine.LOAD, signal=1 << Engine.VECTOR),
        instruction(Engine.VECTOR, wait_load=1),
        End(),
    ]
    run = run_control(program, duration=lambda engine, index: 50, runs=2)
    assert run.issues[Engine.VECTOR] == [run.retires[Engine.LOAD][0][0] + 1]


def test_the_queue_waits_for_its_engine() -> None:
    """T-SEM-01: the engine must accept too."""
    program = [instruction(Engine.VECTOR)] * 3 + [End()]
    run = run_control(program, duration=lambda engine, index: 20)
    first = run.dispatches[0] + 1
    assert run.issues[Engine.VECTOR] == [first, first + 21, first + 42]


def test_the_ledger_sums_to_the_run_and_ends_in_done() -> None:
    """L-01"""
    program = [*(instruction(engine) for engine in Engine), End()]
    run = run_control(program, duration=lambda engine, index: 5)
    for engine in Engine:
        assert len(run.ledger[engine]) == run.last_cycle + 1
        assert run.ledger[engine][-1] == "done"
        assert run.ledger[engine][0] == "idle"


def test_a_semaphore_holds_at_its_greatest_count() -> None:
    """T-SEM-03"""
    semaphores = Semaphores()
    load, store = semaphores.engine[Engine.LOAD], semaphores.engine[Engine.STORE]

    async def bench(ctx: Any) -> None:
        ctx.set(load.signal, 1 << Engine.STORE)
        await ctx.tick().repeat(SEMAPHORE_MAX + 10)
        ctx.set(store.wants[Engine.LOAD], SEMAPHORE_MAX)
        assert ctx.get(store.lacks) == 0
        ctx.set(store.take, 1)
        await ctx.tick()
        ctx.set(load.signal, 0)
        ctx.set(store.take, 0)
        ctx.set(store.wants[Engine.LOAD], 2)
        assert ctx.get(store.lacks) == 1 << Engine.LOAD
        ctx.set(store.wants[Engine.LOAD], 1)
        assert ctx.get(store.lacks) == 0

    simulate_component(semaphores, bench)


@pytest.mark.parametrize(("producer", "consumer"), PAIRS)
def test_an_overflow_is_told_of_the_producer_and_a_take_in_the_same_cycle_prevents_it(
    producer: Engine, consumer: Engine
) -> None:
    """E-04: for each of the twelve pairs; a take of others' signals does not."""
    semaphores = Semaphores()
    giver, taker = semaphores.engine[producer], semaphores.engine[consumer]

    async def bench(ctx: Any) -> None:
        ctx.set(giver.signal, 1 << consumer)
        for _ in range(SEMAPHORE_MAX):
            assert ctx.get(semaphores.overflow) == 0
            await ctx.tick()
        assert ctx.get(semaphores.overflow) == 1 << producer
        ctx.set(taker.take, 1)
        assert ctx.get(semaphores.overflow) == 1 << producer
        ctx.set(taker.wants[producer], 1)
        assert ctx.get(semaphores.overflow) == 0
        await ctx.tick()
        ctx.set(taker.take, 0)
        assert ctx.get(semaphores.overflow) == 1 << producer
        ctx.set(giver.signal, 0)
        assert ctx.get(semaphores.overflow) == 0

    simulate_component(semaphores, bench)
