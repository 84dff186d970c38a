"""Walks the addresses of the rows of an instruction."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.ports import BUFFER_ADDRESS_BITS


class RowWalk(wiring.Component):
    """Row by row through an n tile, n tile by n tile; addresses wrap at 2^24.

    Row ``m`` of n tile ``n`` is at ``origin + m * row_stride + n * tile_stride``.

    Members
    -------
    start : In(1)
        The next cycle is at the first row.
    step : In(1)
        The next cycle is at the next row.
    rows, n_tiles : In
        Extents, 1 up; like the strides constant while walking.
    origin, row_stride, tile_stride : In(24)
        Bytes.
    address : Out(24)
        Of the row the walk is at.
    last_row, last_tile : Out(1)
        Whether it is the last of its n tile, and this the last n tile.
    """

    def __init__(self):
        super().__init__(
            {
                "start": In(1),
                "step": In(1),
                "rows": In(16),
                "n_tiles": In(12),
                "origin": In(BUFFER_ADDRESS_BITS),
                "row_stride": In(BUFFER_ADDRESS_BITS),
                "tile_stride": In(BUFFER_ADDRESS_BITS),
                "address": Out(BUFFER_ADDRESS_BITS),
                "last_row": Out(1),
                "last_tile": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        rows_left = Signal.like(self.rows)
        tiles_left = Signal.like(self.n_tiles)
        tile_address = Signal(BUFFER_ADDRESS_BITS)
        next_tile_address = Signal(BUFFER_ADDRESS_BITS)
        m.d.comb += [
            self.last_row.eq(rows_left == 1),
            self.last_tile.eq(tiles_left == 1),
            next_tile_address.eq(tile_address + self.tile_stride),
        ]
        with m.If(self.start):
            m.d.sync += [
                rows_left.eq(self.rows),
                tiles_left.eq(self.n_tiles),
                tile_address.eq(self.origin),
                self.address.eq(self.origin),
            ]
        with m.Elif(self.step & self.last_row):
            m.d.sync += [
                rows_left.eq(self.rows),
                tiles_left.eq(tiles_left - 1),
                tile_address.eq(next_tile_address),
                self.address.eq(next_tile_address),
            ]
        with m.Elif(self.step):
            m.d.sync += [
                rows_left.eq(rows_left - 1),
                self.address.eq(self.address + self.row_stride),
            ]
        return m
