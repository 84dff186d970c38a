"""Reads weight tiles from the weight buffer into the compute tile."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out
from amaranth.utils import exact_log2

from arch.isa import Opcode
from hdl.bounds import overruns
from hdl.compute_tile import OPERAND_BITS, READ_TO_TILE_CYCLES, TileLoad, to_operand
from hdl.instruction import instruction_layout
from hdl.loop_nest import LoopNest, StridedWalk
from hdl.ports import BUFFER_ADDRESS_BITS, BufferRead

READ, K_TILE, KX, KY, N_TILE = range(5)
"""Loops over the reads of an instruction, innermost first."""


class MatrixLoader(Component):
    """Fills weight tiles, one read a cycle, in the order of I-03.

    A tile takes ``rows`` reads, or ``cols`` where transposed, and one more for its row of zero
    points (T-MX-01). Reads are never held (B-04). The tile register is written two cycles after
    the read, like the operands of a row read in the same cycle. Weights of rows and columns that
    are not valid are zero, whatever was read. Where tiles are read from a matrix (transposed or
    row-major), columns or rows that are not valid are no error beyond the buffer (E-03), only not
    read. Where tiles are diagonal, all rows of a run of k are read from the same place.

    Parameters
    ----------
    rows, cols : int
        Extent of the compute tile, powers of two.
    word_bytes : int
        Of the weight buffer, ``max(rows, cols)`` at least.
    buffer_bytes : int
        Size of the weight buffer.

    Members
    -------
    instruction : In(MATRIX)
    start : In(1)
        Take the instruction; only with ``free``.
    free : Out(1)
        Nothing to read, or this is the last read (T-MX-01).
    room : In(1)
        The first read of a tile may happen in this cycle (T-MX-02).
    tile_begin, tile_end : Out(1)
        First and last read of a tile.
    overrun : Out(1)
        A read is not made because it reaches beyond the buffer (E-03).
    read : Out(BufferRead)
    load : Out(TileLoad)
    """

    def __init__(self, *, rows: int, cols: int, word_bytes: int, buffer_bytes: int):
        self._rows = rows
        self._cols = cols
        self._buffer_bytes = buffer_bytes
        self._lanes = max(rows, cols)
        super().__init__(
            {
                "instruction": In(instruction_layout(Opcode.MATRIX)),
                "start": In(1),
                "free": Out(1),
                "room": In(1),
                "tile_begin": Out(1),
                "tile_end": Out(1),
                "overrun": Out(1),
                "read": Out(BufferRead(word_bytes=word_bytes)),
                "load": Out(TileLoad(rows=rows, cols=cols)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        options = self._options(m)
        straight = ~(options.transposed | options.row_major)
        run_end = Signal()
        m.submodules.nest = nest = self._nest(m)
        m.submodules.walk = walk = self._walk(m)
        busy = Signal()
        in_tile = Signal()
        zero_due = Signal()
        reading = Signal()
        reading_weights = reading & ~zero_due
        m.d.comb += [
            reading.eq(busy & (in_tile | self.room)),
            self.tile_begin.eq(reading & ~in_tile),
            self.tile_end.eq(reading_weights & nest.last[READ]),
            self.free.eq(~busy | (self.tile_end & nest.last.all())),
            run_end.eq(self.tile_end & nest.last[K_TILE]),
            nest.step.eq(reading_weights),
            walk.step.eq(reading & (~options.diagonal | run_end)),
            walk.level.eq(Mux(straight, READ, nest.level)),
        ]
        with m.If(reading):
            m.d.sync += [in_tile.eq(~self.tile_end), zero_due.eq(0)]
        with m.If(self.tile_end & nest.last[K_TILE:N_TILE].all()):
            m.d.sync += zero_due.eq(options.zero_row)
        with m.If(self.start):
            m.d.sync += [busy.eq(1), zero_due.eq(self.instruction.weight_zero_row)]
        with m.Elif(self.free):
            m.d.sync += busy.eq(0)

        index = Signal(range(self._lanes))
        with m.If(reading_weights):
            m.d.sync += index.eq(Mux(self.tile_end, 0, index + 1))
        # Behind the last column there is no diagonal, however long the run of k.
        on_diagonal = Signal(self._cols, init=1)
        with m.If(run_end):
            m.d.sync += on_diagonal.eq(1)
        with m.Elif(reading_weights):
            m.d.sync += on_diagonal.eq(on_diagonal << 1)
        k = Mux(nest.last[K_TILE], options.last_k, self._rows)
        n = Mux(nest.last[N_TILE], options.last_n, self._cols)
        across, along = Mux(options.transposed, n, k), Mux(options.transposed, k, n)
        fetched = Signal(self._fetch_layout())
        m.d.comb += [
            fetched.options.eq(options),
            fetched.zero_points.eq(zero_due),
            fetched.lanes.eq(Mux(index < across, along, 0)),
            fetched.on_diagonal.eq(on_diagonal),
            self.read.address.eq(walk.value),
            self.read.count.eq(Mux(options.transposed, self._rows, self._cols)),
        ]
        beyond = overruns(walk.value, self.read.count, self._buffer_bytes)
        needed = straight | (index < across)
        m.d.comb += [
            self.read.valid.eq(reading & ~beyond),
            self.overrun.eq(reading & beyond & needed),
        ]
        self._convert(m, reading, fetched)
        return m

    def _options(self, m):
        """Fields of the instruction that hold for all its tiles."""
        options = Signal(self._options_layout(), reset_less=True)
        new = self.instruction
        with m.If(self.start):
            m.d.sync += [
                options.transposed.eq(new.weight_transposed),
                options.is_signed.eq(new.weight_signed),
                options.zero_row.eq(new.weight_zero_row),
                options.zero_point.eq(new.weight_zero_point),
                options.last_k.eq(new.last_k),
                options.last_n.eq(new.last_n),
                options.row_major.eq(new.weight_row_major),
                options.diagonal.eq(new.weight_diagonal),
            ]
        return options

    def _nest(self, m):
        new = self.instruction
        counts = (
            Mux(new.weight_transposed, self._cols, self._rows),
            new.k_tiles,
            new.kx_count,
            new.ky_count,
            new.n_tiles,
        )
        nest = LoopNest(widths=[len(count) for count in counts])
        m.d.comb += [nest.start.eq(self.start), *nest.set_counts(counts)]
        return nest

    def _walk(self, m):
        """Straight tiles lie one behind the other: every read is a step of the innermost level.

        Where they are diagonal, the last read of a run of k is such a step, and no other is one.
        A read of the others is of one row of a matrix, so that tiles in one direction lie ``rows``
        or ``cols`` rows apart, and those in the other ``rows`` or ``cols`` bytes.
        """
        new = self.instruction
        from_matrix = new.weight_transposed | new.weight_row_major
        strides = {
            READ: Mux(from_matrix, new.weight_stride, self._cols),
            K_TILE: Mux(
                new.weight_transposed, self._rows, new.weight_stride << exact_log2(self._rows)
            ),
            N_TILE: Mux(
                new.weight_transposed, new.weight_stride << exact_log2(self._cols), self._cols
            ),
        }
        walk = StridedWalk(width=BUFFER_ADDRESS_BITS, strided=strides, levels=N_TILE + 1)
        m.d.comb += [
            walk.start.eq(self.start),
            walk.origin.eq(new.weight_address),
            *walk.set_strides(strides),
        ]
        return walk

    def _convert(self, m, reading, fetched):
        """From the cycle of a read to the load two cycles later."""
        lanes = self._lanes
        valid = Signal(READ_TO_TILE_CYCLES)
        answered = Signal(fetched.shape(), reset_less=True)
        loading = Signal(fetched.shape(), reset_less=True)
        window = Signal(data.ArrayLayout(8, lanes), reset_less=True)
        zero_points = Signal(data.ArrayLayout(signed(OPERAND_BITS), lanes), reset_less=True)
        m.d.sync += valid.eq(Cat(reading, valid))
        with m.If(reading):
            m.d.sync += answered.eq(fetched)
        every = Const((1 << lanes) - 1, lanes)
        chosen = Signal(lanes, reset_less=True)
        with m.If(valid[0]):
            kept = Mux(answered.options.diagonal, answered.on_diagonal, every)
            m.d.sync += [
                loading.eq(answered),
                window.eq(self.read.data),
                chosen.eq(kept & (every >> (lanes - answered.lanes).as_unsigned())),
            ]
        options = loading.options
        m.d.comb += [
            self.load.valid.eq(valid[1] & ~loading.zero_points),
            self.load.transposed.eq(options.transposed),
        ]
        with m.If(valid[1] & loading.zero_points):
            m.d.sync += [
                zero_points[lane].eq(to_operand(window[lane], options.is_signed, 0))
                for lane in range(lanes)
            ]
        with m.If(self.load.valid):
            for lane in range(lanes):
                zero_point = Mux(options.zero_row, zero_points[lane], options.zero_point)
                operand = to_operand(window[lane], options.is_signed, zero_point)
                with m.If(chosen[lane]):
                    m.d.comb += self.load.weights[lane].eq(operand)

    def _options_layout(self):
        return data.StructLayout(
            {
                "transposed": 1,
                "is_signed": 1,
                "zero_row": 1,
                "zero_point": signed(OPERAND_BITS),
                "last_k": range(self._rows + 1),
                "last_n": range(self._cols + 1),
                "row_major": 1,
                "diagonal": 1,
            }
        )

    def _fetch_layout(self):
        """What goes with a read: is it the zero points, of how many ``lanes`` are weights valid.

        Where the tile is diagonal, only the lane ``on_diagonal``, if any, has one.
        """
        return data.StructLayout(
            {
                "zero_points": 1,
                "lanes": range(self._lanes + 1),
                "on_diagonal": self._cols,
                "options": self._options_layout(),
            }
        )
