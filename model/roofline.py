"""Roofline: the fewest cycles in which arithmetic and compulsory traffic can be done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from arch.config import Config
from arch.image import OperatorInfo

Bound = Literal["compute", "dram", "vector"]


@dataclass(frozen=True)
class Limit:
    """Cycles that some work takes at least; ``bound`` is the resource that binds."""

    cycles: int
    bound: Bound


@dataclass(frozen=True)
class Roofline:
    """Lower bound of a program, and of each of its operators run alone."""

    cycles: int
    bound: Bound
    operators: tuple[Limit, ...]


def roofline(operators: Iterable[OperatorInfo], config: Config) -> Roofline:
    """Bound cycles from below: over the program, and operator by operator."""
    chosen = tuple(operators)
    whole = limit(chosen, config)
    return Roofline(whole.cycles, whole.bound, tuple(limit([each], config) for each in chosen))


def limit(operators: Iterable[OperatorInfo], config: Config) -> Limit:
    """Bound the cycles of some operators together: a full tile every cycle, the memory never idle.

    They share one compute tile, one memory and one vector unit, so MACs, bytes and rows add up, and
    the bound is that of the sums: never more than the sum of the operators' bounds. On a tie the
    first of ``compute``, ``dram`` and ``vector`` is named.
    """
    chosen = tuple(operators)
    macs = sum(each.macs for each in chosen)
    traffic_bytes = sum(each.read_bytes + each.write_bytes for each in chosen)
    cycles: dict[Bound, int] = {
        "compute": -(-macs // (config.rows * config.cols)),
        "dram": -(-traffic_bytes // config.dram_bytes_per_cycle),
        "vector": sum(each.vector_rows for each in chosen),
    }
    bound = max(cycles, key=lambda resource: cycles[resource])
    return Limit(cycles[bound], bound)
