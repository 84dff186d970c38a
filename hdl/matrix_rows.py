"""Which activation bytes a row of operands is made of, and where its sums go."""

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from arch.isa import LAYOUTS, Opcode
from hdl.bounds import VECTOR_BITS, next_vector, overruns
from hdl.compute_tile import OPERAND_BITS
from hdl.instruction import instruction_layout
from hdl.loop_nest import LoopNest, StridedWalk
from hdl.ports import BUFFER_ADDRESS_BITS, INDEX_BITS

COLUMN, ROW, K_TILE, KX, KY, N_TILE = range(6)
"""Loops of I-03, innermost first."""

X_BITS = 25
Y_BITS = 17
_MOST_K = next(field.high for field in LAYOUTS[Opcode.MATRIX] if field.name == "mac_k")


def issued_layout():
    """An issued MATRIX and its place in the program; the same bits as ``DISPATCHED``."""
    return data.StructLayout({"fields": instruction_layout(Opcode.MATRIX), "index": INDEX_BITS})


def result_layout():
    """Where the sums of a row go.

    Fields: the vector ``address`` and its ``half``, whether there ``exists`` such a vector,
    ``accumulate`` onto it or overwrite, by the ``maximum`` (only where it accumulates) or the sum,
    and whether it is the ``last`` of the instruction.
    """
    flags = ("half", "exists", "accumulate", "maximum", "last")
    return data.StructLayout({"address": VECTOR_BITS, **dict.fromkeys(flags, 1)})


def macs_shape(cols: int):
    """What a row may count as its MACs: ``mac_k`` may be of a run longer than a tile."""
    return range(_MOST_K * cols + 1)


def lanes_layout(rows: int):
    """How bytes become operands: lane ``j`` is byte ``j - skip`` where ``valid[j]``, else zero."""
    return data.StructLayout(
        {
            "skip": range(rows + 1),
            "valid": rows,
            "is_signed": 1,
            "zero_point": signed(OPERAND_BITS),
        }
    )


def row_layout(rows: int, cols: int):
    """A row ready for issue.

    Fields: ``address`` of the first byte to read, ``count`` of bytes to read: those of the valid
    lanes, or none where one is beyond the buffer; ``overrun`` where that is so or the vector does
    not exist (E-03), ``index`` of its instruction in the program, ``tile_begin`` and ``tile_end``
    where it is the first and the last row of its weight tile, ``macs`` as counted (section 8), and
    what the later stages need.
    """
    return data.StructLayout(
        {
            "address": BUFFER_ADDRESS_BITS,
            "count": range(rows + 1),
            "overrun": 1,
            "index": INDEX_BITS,
            "tile_begin": 1,
            "tile_end": 1,
            "macs": macs_shape(cols),
            "lanes": lanes_layout(rows),
            "result": result_layout(),
        }
    )


class MatrixRows(Component):
    """Turns instructions into the rows of I-03, one a cycle, without gaps between instructions.

    Parameters
    ----------
    rows, cols : int
        Extent of the compute tile, powers of two.
    buffer_bytes : int
        Size of the activation buffer.
    depth : int
        Vectors in each half of the accumulator.

    Members
    -------
    i : In(stream of issued_layout)
    o : Out(stream of row_layout)
        Registered. Three cycles after an instruction at the earliest.
    """

    def __init__(self, *, rows: int, cols: int, buffer_bytes: int, depth: int):
        self._rows = rows
        self._cols = cols
        self._buffer_bytes = buffer_bytes
        self._depth = depth
        super().__init__(
            {
                "i": In(stream.Signature(issued_layout())),
                "o": Out(stream.Signature(row_layout(rows, cols))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        new = self.i.payload.fields
        issued = Signal(issued_layout(), reset_less=True)
        fields = issued.fields
        start = Signal()
        step = Signal()
        busy = Signal()
        m.submodules.nest = nest = self._nest(m, new)
        m.d.comb += [
            step.eq(busy & (~self.o.valid | self.o.ready)),
            self.i.ready.eq(~busy | (step & nest.last.all())),
            start.eq(self.i.valid & self.i.ready),
            nest.start.eq(start),
            nest.step.eq(step),
        ]
        with m.If(start):
            m.d.sync += issued.eq(self.i.payload)
        with m.If(self.i.ready):
            m.d.sync += busy.eq(self.i.valid)
        with m.If(step):
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

        row = Signal(self.o.payload.shape())
        ready_row = Signal(row.shape(), reset_less=True)
        tile_end = nest.last[COLUMN] & nest.last[ROW]
        tile_begin = Signal()
        with m.If(start | step):
            m.d.sync += tile_begin.eq(start | tile_end)
        k = Mux(nest.last[K_TILE], fields.last_k, self._rows)
        n = Mux(nest.last[N_TILE], fields.last_n, self._cols)
        m.d.comb += [
            row.index.eq(issued.index),
            row.tile_begin.eq(tile_begin),
            row.tile_end.eq(tile_end),
            row.macs.eq(self._counted_k(nest, k, fields) * n),
            row.lanes.is_signed.eq(fields.activation_signed),
            row.lanes.zero_point.eq(fields.activation_zero_point),
        ]
        beyond = self._select_lanes(m, row, self._walks(m, nest, new), k, fields)
        self._follow_accumulators(m, row.result, nest, tile_end, fields)
        m.d.comb += row.overrun.eq(beyond | ~row.result.exists)
        with m.If(step):
            m.d.sync += ready_row.eq(row)
        m.d.comb += self.o.payload.eq(ready_row)
        return m

    def _counted_k(self, nest, k, fields):
        """The ``k`` of a row that are MACs (section 8)."""
        of_run = Mux(nest.last[K_TILE], fields.mac_k, 0)
        return Mux(fields.maximum, 0, Mux(fields.mac_k == 0, k, of_run))

    def _nest(self, m, new):
        counts = (
            new.output_columns,
            new.output_rows,
            new.k_tiles,
            new.kx_count,
            new.ky_count,
            new.n_tiles,
        )
        nest = LoopNest(widths=[len(count) for count in counts])
        m.d.comb += nest.set_counts(counts)
        return nest

    def _walks(self, m, nest, new):
        """The address of lane 0, x and y of I-03."""
        along_x = {
            COLUMN: new.column_stride,
            K_TILE: Const(self._rows),
            KX: new.kx_stride,
            N_TILE: new.n_stride,
        }
        origin = new.activation_address + new.x_origin
        strides = along_x | {ROW: new.row_stride, KY: new.ky_stride}
        walks = {
            "address": (BUFFER_ADDRESS_BITS, origin, dict(sorted(strides.items()))),
            "x": (X_BITS, new.x_origin, along_x),
            "y": (Y_BITS, new.y_origin, {ROW: new.y_row_step, KY: new.y_ky_step}),
        }
        values = []
        for name, (width, origin, strides) in walks.items():
            walk = StridedWalk(width=width, strided=strides, levels=N_TILE + 1)
            m.submodules[f"{name}_walk"] = walk
            m.d.comb += [
                walk.start.eq(nest.start),
                walk.step.eq(nest.step),
                walk.level.eq(nest.level),
                walk.origin.eq(origin),
                *walk.set_strides(strides),
            ]
            values.append(walk.value)
        return values

    def _select_lanes(self, m, row, walks, k, fields):
        """Lanes ``low`` up to ``high`` are valid: inside the run of k, x and y.

        Whether a byte of theirs is beyond the buffer.
        """
        address, x, y = walks[0], walks[1].as_signed(), walks[2].as_signed()
        lanes = (1 << self._rows) - 1
        low = Signal(range(self._rows + 1))
        high = Signal(range(self._rows + 1))
        count = Signal(range(self._rows + 1))
        room = fields.x_limit - x
        with m.If(x < -self._rows):
            m.d.comb += low.eq(self._rows)
        with m.Elif(x < 0):
            m.d.comb += low.eq(-x)
        with m.If(room < k):
            m.d.comb += high.eq(Mux(room < 0, 0, room))
        with m.Else():
            m.d.comb += high.eq(k)
        m.d.comb += [row.address.eq(address + low), row.lanes.skip.eq(low)]
        with m.If((y >= 0) & (y < fields.y_limit) & (low < high)):
            m.d.comb += [
                count.eq(high - low),
                row.lanes.valid.eq((lanes << low) & ~(lanes << high)),
            ]
        beyond = overruns(row.address, count, self._buffer_bytes)
        m.d.comb += row.count.eq(Mux(beyond, 0, count))
        return beyond

    def _follow_accumulators(self, m, result, nest, tile_end, fields):
        """Vectors follow one another in an n tile, and start again for each of its k tiles."""
        address = Signal.like(result.address)
        n_begin = Signal.like(result.address)
        first_pass = Signal()
        n_end = tile_end & nest.last[K_TILE:N_TILE].all()
        with m.If(nest.start):
            start = self.i.payload.fields.accumulator_address
            m.d.sync += [address.eq(start), n_begin.eq(start), first_pass.eq(1)]
        with m.Elif(nest.step):
            m.d.sync += address.eq(next_vector(address))
            with m.If(n_end):
                m.d.sync += [n_begin.eq(next_vector(address)), first_pass.eq(1)]
            with m.Elif(tile_end):
                m.d.sync += [address.eq(n_begin), first_pass.eq(0)]
        m.d.comb += [
            result.address.eq(address),
            result.half.eq(fields.accumulator_half),
            result.exists.eq(address < self._depth),
            result.accumulate.eq(~first_pass | fields.accumulate),
            result.maximum.eq(result.accumulate & fields.maximum),
            result.last.eq(nest.last.all()),
        ]
