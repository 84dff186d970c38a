"""Blocks of tensors in buffers, and how things are cut into them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from arch.isa import Destination
from compiler.step import Region


@dataclass(frozen=True)
class Operand:
    """A block of a tensor, or of scratch memory, in a buffer.

    Attributes
    ----------
    address, row_stride
        Byte of the first column of row 0; bytes from row to row.
    region
        What is touched, for reads and writes of steps.
    destination
        The buffer: ACTIVATION or WEIGHT.
    """

    address: int
    row_stride: int
    region: Region
    destination: Destination

    def part(self, offset: int, size: int) -> Operand:
        """`size` bytes of each row, from byte `offset` of the row on."""
        space, start, _, rows, _ = self.region
        region = Region(space, start + offset, size, rows, self.row_stride)
        return replace(self, address=self.address + offset, region=region)

    def rows(self, first: int, count: int) -> Operand:
        """`count` rows from row `first` on."""
        space, start, size, _, _ = self.region
        offset = first * self.row_stride
        region = Region(space, start + offset, size, count, self.row_stride)
        return replace(self, address=self.address + offset, region=region)


def cut(total: int, size: int) -> list[range]:
    """Ranges of `size`, the last one shorter, that make up `total`."""
    return [range(start, min(start + size, total)) for start in range(0, total, size)]


def even_cuts(total: int, count: int) -> list[range]:
    """`count` ranges that make up `total`, of sizes that differ by one at most."""
    return [range(total * i // count, total * (i + 1) // count) for i in range(count)]
