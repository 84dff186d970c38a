"""Roofline: the fewest cycles in which arithmetic, rows and compulsory traffic can be done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from arch.config import Config
from arch.image import OperatorInfo

Bound = Literal["compute", "array", "dram", "vector"]


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
    """Bound the cycles of some operators together: every resource busy from the first to the last.

    ``compute`` are the cycles of full tiles, ``array`` those in which rows are issued to whatever
    tiles there are: where it binds, tiles are partial or hold zeros by structure, as in a depthwise
    convolution. Operators share one compute tile, one memory and one vector unit, so MACs, rows and
    bytes add up, and the bound is that of the sums: never more than the sum of the operators'
    bounds. On a tie the first of ``compute``, ``array``, ``dram`` and ``vector`` is named.
    """
    chosen = tuple(operators)
    macs = sum(each.macs for each in chosen)
    traffic_bytes = sum(each.read_bytes + each.write_bytes for each in chosen)
    cycles: dict[Bound, int] = {
        "compute": -(-macs // (config.rows * config.cols)),
        "array": sum(each.matrix_rows for each in chosen),
        "dram": -(-traffic_bytes // config.dram_bytes_per_cycle),
        "vector": sum(each.vector_rows for each in chosen),
    }
    bound = max(cycles, key=lambda resource: cycles[resource])
    return Limit(cycles[bound], bound)
