"""Rules of E-02 that many fields share, over decoded fields; each yields what is broken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from arch.isa import ElementType

Fields = Mapping[str, int]
Complaints = Iterator[str]


def at_most(f: Fields, name: str, limit: int) -> Complaints:
    """A count that the array limits."""
    if f[name] > limit:
        yield f"{name} = {f[name]} is more than the array has: make it {limit} or less"


def multiples(f: Fields, unit: int, *names: str) -> Complaints:
    """Addresses and strides in units of bytes."""
    for name in names:
        if f[name] % unit:
            yield f"{name} = {f[name]:#x} must be a multiple of {unit}: align it"


def ordered(f: Fields, low: str, high: str) -> Complaints:
    """The ends of a range."""
    if f[low] > f[high]:
        yield f"{low} = {f[low]} is above {high} = {f[high]}: exchange them"


def zero_point(f: Fields, name: str, element: ElementType | None) -> Complaints:
    """A zero point in the range of an 8-bit type; 0 for others, and where there is none."""
    low, high = 0, 0
    if element in (ElementType.INT8, ElementType.UINT8):
        low, high = element.low, element.high
    if not low <= f[name] <= high:
        yield (
            f"{name} = {f[name]} is outside the type of its operand: bring it into {low}..{high}"
        )


def normal(f: Fields, name: str) -> Complaints:
    """The bits of a float32 scale."""
    if not 0x0080_0000 <= f[name] < 0x7F80_0000:
        yield f"{name} = {f[name]:#010x} must be the bits of a positive normal float32"


def exclusive(f: Fields, name: str, *others: str) -> Complaints:
    """Options that do not go together."""
    for other in others:
        if f[other]:
            yield f"{name} excludes {other}: clear one of them"
