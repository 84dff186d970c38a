"""Drives rows of activations through the compute tile."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from hdl.compute_tile import READ_TO_TILE_CYCLES, TileRow, to_operand
from hdl.matrix_rows import lanes_layout, macs_shape, result_layout, row_layout
from hdl.ports import BufferRead


class MatrixStreamer(Component):
    """Issues a row in every cycle in which one is ready and its weight tile is loaded (T-MX-03).

    A row issued in cycle t reads the buffer in t, turns the bytes read to its lanes in t + 1 and
    is at the tile in t + 2. A row without valid lanes, or with one beyond the buffer (E-03), reads
    nothing. Reads are never held (B-04).

    Parameters
    ----------
    rows, cols : int
        Extent of the compute tile.
    word_bytes : int
        Of the activation buffer, ``rows`` at least.

    Members
    -------
    i : In(stream of row_layout)
    loaded : In(1)
        The weight tile of the next row is loaded.
    row : Out(1)
        A row is issued.
    macs : Out(macs_shape(cols))
        Multiplications of the row issued that the program asked for (section 8).
    tile_end : Out(1)
        The row issued is the last of its weight tile.
    overrun : Out(1)
        The row issued would read or write beyond the end of a memory (E-03).
    read : Out(BufferRead)
    tile_row : Out(TileRow)
    result : Out(result_layout)
        Where the sums of ``tile_row`` go.
    """

    def __init__(self, *, rows: int, cols: int, word_bytes: int):
        self._rows = rows
        super().__init__(
            {
                "i": In(stream.Signature(row_layout(rows, cols))),
                "loaded": In(1),
                "row": Out(1),
                "macs": Out(macs_shape(cols)),
                "tile_end": Out(1),
                "overrun": Out(1),
                "read": Out(BufferRead(word_bytes=word_bytes)),
                "tile_row": Out(TileRow(rows=rows)),
                "result": Out(result_layout()),
            }
        )

    def elaborate(self, platform):
        m = Module()
        new = self.i.payload
        m.d.comb += [
            self.i.ready.eq(self.loaded),
            self.row.eq(self.i.valid & self.loaded),
            self.macs.eq(new.macs),
            self.tile_end.eq(self.row & new.tile_end),
            self.overrun.eq(self.row & new.overrun),
            self.read.valid.eq(self.row & (new.count != 0)),
            self.read.address.eq(new.address),
            self.read.count.eq(new.count),
        ]
        valid = Signal(READ_TO_TILE_CYCLES)
        m.d.sync += valid.eq(Cat(self.row, valid))
        answered = self._stage("answered")
        turned = self._stage("turned")
        window = Signal(data.ArrayLayout(8, self._rows), reset_less=True)
        with m.If(self.row):
            m.d.sync += [
                answered.tile_begin.eq(new.tile_begin),
                answered.lanes.eq(new.lanes),
                answered.result.eq(new.result),
            ]
        with m.If(valid[0]):
            lane_bytes = self.read.data[: 8 * self._rows]
            m.d.sync += [
                turned.eq(answered),
                window.eq(lane_bytes << (answered.lanes.skip << 3)),
            ]
        m.d.comb += [
            self.tile_row.valid.eq(valid[1]),
            self.tile_row.swap.eq(turned.tile_begin),
            self.result.eq(turned.result),
        ]
        lanes = turned.lanes
        with m.If(valid[1]):
            for j, operand in enumerate(self.tile_row.operands):
                with m.If(lanes.valid[j]):
                    m.d.comb += operand.eq(to_operand(window[j], lanes.is_signed, lanes.zero_point))
        return m

    def _stage(self, name):
        layout = data.StructLayout(
            {
                "tile_begin": 1,
                "lanes": lanes_layout(self._rows),
                "result": result_layout(),
            }
        )
        return Signal(layout, name=name, reset_less=True)
