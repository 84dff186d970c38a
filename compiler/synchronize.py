"""Signals and waits: the fewest that keep every dependency (rule D-03)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from arch.config import Config
from arch.isa import Engine, Instruction
from arch.timing import SEMAPHORE_MAX
from compiler.dependencies import Needs

_Edge = tuple[int, int]
"""The producing and the consuming instruction of a signal."""
_Pair = tuple[Engine, Engine]
"""The producing and the consuming engine."""


def synchronize(
    program: Sequence[Instruction], needs: Sequence[Needs], config: Config
) -> list[Instruction]:
    """Give each instruction its waits and signals.

    A signal is given where exactly one instruction waits for it, so every wait takes one, and the
    n-th wait pairs with the n-th signal. Should a producer be able to give a consumer more signals
    than a semaphore holds, dependencies between them are widened to every second, fourth, ...
    instruction of it.
    """
    queues: dict[Engine, list[int]] = {engine: [] for engine in Engine}
    for index, instruction in enumerate(program):
        assert instruction.engine is not None, "END is appended later"
        queues[instruction.engine].append(index)
    strides: dict[_Pair, int] = defaultdict(lambda: 1)
    while True:
        edges = _edges(program, needs, strides)
        full = [
            (producer, consumer)
            for (producer, consumer), pair in edges.items()
            if _most_outstanding(pair, queues[consumer], config.queue_depth) > SEMAPHORE_MAX
        ]
        if not full:
            return _with_edges(program, edges)
        for pair in full:
            strides[pair] *= 2


def _edges(
    program: Sequence[Instruction], needs: Sequence[Needs], strides: Mapping[_Pair, int]
) -> dict[_Pair, list[_Edge]]:
    """The dependencies that no other implies, by (producer, consumer), in program order."""
    members: dict[Engine, list[int]] = {engine: [] for engine in Engine}
    known = [[0] * len(Engine) for _ in Engine]
    completion: list[list[int]] = []
    edges: dict[_Pair, list[_Edge]] = {}
    for index, (instruction, need) in enumerate(zip(program, needs, strict=True)):
        engine = instruction.engine
        assert engine is not None
        clock = known[engine]
        wanted = {
            producer: _widen(need[producer], members[producer], strides[producer, engine])
            for producer in Engine
            if need[producer] >= clock[producer]
        }
        for producer, last in wanted.items():
            others = [other for other in wanted.values() if other != last]
            if not any(completion[other][producer] > last for other in others):
                edges.setdefault((producer, engine), []).append((last, index))
        for last in wanted.values():
            clock[:] = map(max, clock, completion[last])
        completion.append(list(clock))
        completion[index][engine] = index + 1
        members[engine].append(index)
    return edges


def _widen(needed: int, members: Sequence[int], stride: int) -> int:
    """The first instruction at or behind `needed` whose rank is a multiple of `stride`."""
    rank = bisect_left(members, needed)
    return members[min(-(-(rank + 1) // stride) * stride, len(members)) - 1]


def _most_outstanding(edges: Sequence[_Edge], consumers: Sequence[int], queue_depth: int) -> int:
    """A bound on the signals a semaphore can hold.

    Dispatch is in order: when a producer gives a signal, at most `queue_depth` of the `consumers`
    that stand before it in the program have not yet taken theirs.
    """
    taken = [index for _, index in edges]
    most = 0
    for given, (producer, _) in enumerate(edges, start=1):
        before = bisect_left(consumers, producer) - queue_depth
        certain = bisect_right(taken, consumers[before - 1]) if before > 0 else 0
        most = max(most, given - certain)
    return most


def _with_edges(
    program: Sequence[Instruction], edges: dict[_Pair, list[_Edge]]
) -> list[Instruction]:
    signals = [0] * len(program)
    waits: list[dict[str, int]] = [{} for _ in program]
    for (producer, consumer), pair in edges.items():
        name = f"wait_{producer.name.lower()}"
        for giving, taking in pair:
            signals[giving] |= 1 << consumer
            waits[taking][name] = 1
    return [
        replace(instruction, signal=signal, **wait)
        for instruction, signal, wait in zip(program, signals, waits, strict=True)
    ]
