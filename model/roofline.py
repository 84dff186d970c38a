"""Roofline: the fewest cycles in which arithmetic and compulsory traffic can be done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from arch.config import Config
from arch.image import OperatorInfo

Bound = Literal["compute", "dram"]


@dataclass(frozen=True)
class OperatorRoofline:
    """Lower bound of one operator run alone; ``bound`` is the resource that binds."""

    name: str
    cycles: int
    bound: Bound


@dataclass(frozen=True)
class Roofline:
    """Lower bound of a program, and of each of its operators."""

    cycles: int
    bound: Bound
    operators: tuple[OperatorRoofline, ...]


def roofline(operators: Iterable[OperatorInfo], config: Config) -> Roofline:
    """Bound cycles from below: a full tile every cycle, the memory never idle.

    Operators share one compute tile and one memory, so over the program MACs add up and bytes add
    up, and the bound is that of the sums: never more than the sum of the operators' bounds. Traffic
    is compulsory traffic only, each byte once. On a tie ``compute`` is named.
    """
    chosen = tuple(operators)
    each = tuple(
        OperatorRoofline(
            operator.name,
            *_bound(operator.macs, operator.read_bytes + operator.write_bytes, config),
        )
        for operator in chosen
    )
    macs = sum(operator.macs for operator in chosen)
    traffic_bytes = sum(operator.read_bytes + operator.write_bytes for operator in chosen)
    return Roofline(*_bound(macs, traffic_bytes, config), each)


def _bound(macs: int, traffic_bytes: int, config: Config) -> tuple[int, Bound]:
    compute = -(-macs // (config.rows * config.cols))
    dram = -(-traffic_bytes // config.dram_bytes_per_cycle)
    return (compute, "compute") if compute >= dram else (dram, "dram")
