"""Rings for what streams: the part of the activation buffer that an operator has to itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from arch.config import ACTIVATION_BANKS, Config
from workloads.operators import (
    Append,
    Attention,
    Concat,
    Gather,
    MatMul,
    Move,
    Operator,
    Rotary,
    Softmax,
    SumRows,
)
from workloads.tensor import Tensor

Span = tuple[int, int]
"""First address and size in bytes."""

ROLES = ("activation", "residual", "output", "scratch")
"""Of rings: the first operand, further ones, results on their way to DRAM, and what is neither."""


@dataclass(frozen=True)
class Staging:
    """The ring of each role that there is."""

    rings: tuple[tuple[str, Span], ...]

    def size(self, role: str) -> int:
        """Bytes of a ring, 0 without one."""
        return next((size for name, (_, size) in self.rings if name == role), 0)


def activation_reads(operator: Operator) -> tuple[Tensor, ...]:
    """What an operator reads from the activation buffer."""
    match operator:
        case Gather() | SumRows() | Move() | Concat():
            return ()
        case MatMul():
            # The right operand may be one of these too.
            left, _, *residual = operator.inputs
            return (left, *residual)
        case Attention():
            return (operator.query,)
        case Append():
            return (operator.rows,)
        case _:
            return operator.inputs


def weight_reads(operator: Operator) -> tuple[Tensor, ...]:
    """What an operator reads from the weight buffer, constants of its own apart."""
    match operator:
        case Attention():
            return (operator.key, operator.value)
        case SumRows():
            return (operator.input,)
        case MatMul():
            return (operator.right,)
        case _:
            return ()


def memory_reads(operator: Operator) -> tuple[Tensor, ...]:
    """What an operator reads from DRAM only."""
    return operator.inputs if isinstance(operator, Move | Concat) else ()


def roles(operator: Operator, streamed: Iterable[str]) -> tuple[str, ...]:
    """The rings that an operator needs if the tensors `streamed` (by name) live in DRAM."""
    names = set(streamed)
    reads = [tensor.name in names for tensor in activation_reads(operator)]
    writes = not isinstance(operator, Append) and any(t.name in names for t in operator.outputs)
    wanted = {
        "activation": bool(reads) and reads[0],
        "residual": any(reads[1:]),
        "output": writes,
        "scratch": isinstance(operator, Attention | Rotary | SumRows | Softmax),
    }
    return tuple(role for role in ROLES if wanted[role])


def least_ring_bytes(config: Config) -> int:
    """What every ring should have at least: half a bank."""
    return config.activation_buffer_bytes // ACTIVATION_BANKS // 2


def deal(gaps: Sequence[tuple[int, int]], wanted: Sequence[str], config: Config) -> Staging:
    """Deal out free ranges (start, end): a bank for each role, all the rest for "activation".

    Banks are taken from the ends of ranges, so that what MATRIX reads, VECTOR reads and STORE reads
    lies in different ones where there is room (rule B-04). Where there is not, shares are equal.
    """
    bank = config.activation_buffer_bytes // ACTIVATION_BANKS
    step = 2 * config.word_bytes
    lots: list[list[str]] = [[] for _ in gaps]
    for role in wanted if gaps else ():
        widest = max(range(len(gaps)), key=lambda i: _extent(gaps[i]) // (len(lots[i]) + 1))
        lots[widest].append(role)
    rings: list[tuple[str, Span]] = []
    for gap, lot in zip(gaps, lots, strict=True):
        room = _extent(gap) // step * step
        end = gap[0] + room
        for index, role in reversed(list(enumerate(lot))):
            share = bank if room - index * bank >= bank // 2 else room // (index + 1) // step * step
            size = min(room, room if role == "activation" else share)
            end -= size
            room -= size
            rings.append((role, (end, size)))
    return Staging(tuple(rings))


def _extent(gap: tuple[int, int]) -> int:
    return gap[1] - gap[0]
