"""The watchdog: how many cycles without progress it lets pass."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from component_simulator import simulate_component

from hdl.watchdog import Watchdog

pytestmark = pytest.mark.usefixtures("each_simulator")


def expirations(
    limit: int,
    cycles: int,
    progress: Collection[int] = (),
    restart: Collection[int] = (),
    disabled: Collection[int] = (),
) -> list[int]:
    watchdog = Watchdog()
    found = []

    async def bench(ctx: Any) -> None:
        ctx.set(watchdog.limit, limit)
        for cycle in range(cycles):
            ctx.set(watchdog.enable, cycle not in disabled)
            ctx.set(watchdog.progress, cycle in progress)
            ctx.set(watchdog.restart, cycle in restart)
            if ctx.get(watchdog.expired):
                found.append(cycle)
            await ctx.tick()

    simulate_component(watchdog, bench)
    return found


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_it_expires_in_the_last_of_the_cycles_and_counts_anew(limit: int) -> None:
    """E-06"""
    assert expirations(limit, 30) == list(range(limit - 1, 30, limit))


def test_zero_is_never() -> None:
    """E-06"""
    assert expirations(0, 300) == []


def test_progress_in_the_last_cycle_is_in_time() -> None:
    assert expirations(5, 20, progress=[4, 9]) == [14, 19]
    assert expirations(5, 20, progress=[5]) == [4, 10, 15]


def test_cycles_count_in_a_row_only() -> None:
    assert expirations(3, 30, progress=range(0, 30, 3)) == []


def test_a_restart_ends_the_row_without_hiding_that_it_expired() -> None:
    assert expirations(5, 20, restart=[2]) == [7, 12, 17]
    assert expirations(5, 20, restart=[4]) == [4, 9, 14, 19]


def test_cycles_outside_a_run_do_not_count() -> None:
    assert expirations(5, 20, disabled=range(3, 8)) == [12, 17]


def test_a_limit_that_is_lowered_in_a_row_holds_at_once() -> None:
    watchdog = Watchdog()

    async def bench(ctx: Any) -> None:
        ctx.set(watchdog.enable, 1)
        ctx.set(watchdog.limit, 100)
        await ctx.tick().repeat(50)
        assert not ctx.get(watchdog.expired)
        ctx.set(watchdog.limit, 20)
        assert ctx.get(watchdog.expired)

    simulate_component(watchdog, bench)
