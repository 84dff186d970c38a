"""Issues the rows of a VECTOR instruction and addresses everything they read and write."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from arch.config import Config
from arch.isa import Addition, Buffer, ElementType, Opcode
from arch.timing import VECTOR_PARAMETER_CYCLES
from hdl.accumulator import AccumulatorRead
from hdl.bounds import VECTOR_BITS, next_vector, overruns
from hdl.instruction import instruction_layout
from hdl.ports import BUFFER_ADDRESS_BITS, BufferRead, MemoryRead
from hdl.row_walk import RowWalk

BIAS_CYCLE = 1
SCALE_CYCLE = 2
"""Cycles, of the ``VECTOR_PARAMETER_CYCLES``, in which the words are read. In cycle 0 the first
addresses settle. Rows of the n tile before are still in the lanes: each has used its bias one cycle
after its issue and its scale four cycles after, before the next value is there."""


class RowSequencer(wiring.Component):
    """One VECTOR instruction (rule I-04): parameters, then a row in each cycle, n tile by n tile.

    Rules T-VX-02 and T-VX-03. The lanes get accumulators and residual of a row one cycle after its
    issue, and report when they write one. What would reach beyond the end of a memory is not read
    or written (E-03), and the instruction goes on.

    Parameters
    ----------
    config : Config

    Members
    -------
    start : In(1)
        The next cycle is the first of the parameter cycles.
    fields : In
        The instruction, from the cycle after ``start`` to ``done``.
    parameters : Out(MemoryRead)
    bias_valid, scale_valid : Out(1)
        The parameter buffer answers with biases, with scales in this cycle.
    accumulator : Out(AccumulatorRead)
    residual : Out(BufferRead)
    row : Out(1)
        A row is issued in this cycle.
    denied : Out(1)
        A row waits for the residual's read port in this cycle.
    write : In(1)
        The lanes write a row in this cycle.
    write_valid : Out(1)
        And all of it lies in the buffer.
    write_address : Out(24)
        Where to, in bytes.
    write_enable : Out(2 * word_bytes)
        Which bytes.
    done : Out(1)
        The last row is written in this cycle.
    overrun : Out(1)
        An access is not made in this cycle because it reaches beyond the end of its memory.
    """

    def __init__(self, config: Config):
        self.config = config
        self.lanes = config.cols
        self.parameter_depth = config.parameter_buffer_bytes // config.parameter_word_bytes
        super().__init__(
            {
                "start": In(1),
                "fields": In(instruction_layout(Opcode.VECTOR)),
                "parameters": Out(MemoryRead(depth=self.parameter_depth, width=32 * self.lanes)),
                "bias_valid": Out(1),
                "scale_valid": Out(1),
                "accumulator": Out(
                    AccumulatorRead(depth=config.accumulator_depth, lanes=self.lanes)
                ),
                "residual": Out(BufferRead(word_bytes=config.word_bytes)),
                "row": Out(1),
                "denied": Out(1),
                "write": In(1),
                "write_valid": Out(1),
                "write_address": Out(BUFFER_ADDRESS_BITS),
                "write_enable": Out(2 * config.word_bytes),
                "done": Out(1),
                "overrun": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        first_cycle = Signal()
        m.d.sync += first_cycle.eq(self.start)
        m.submodules.read_walk = read_walk = RowWalk()
        m.submodules.write_walk = write_walk = RowWalk()
        for walk in (read_walk, write_walk):
            m.d.comb += [
                walk.start.eq(first_cycle),
                walk.rows.eq(self.fields.rows),
                walk.n_tiles.eq(self.fields.n_tiles),
            ]

        fetch = Signal()
        at_row = Signal()
        cycle = Signal(range(VECTOR_PARAMETER_CYCLES))
        with m.FSM():
            with m.State("IDLE"), m.If(self.start):
                m.next = "PARAMETERS"
            with m.State("PARAMETERS"):
                m.d.comb += fetch.eq(1)
                m.d.sync += cycle.eq(cycle + 1)
                with m.If(cycle == VECTOR_PARAMETER_CYCLES - 1):
                    m.d.sync += cycle.eq(0)
                    m.next = "ROWS"
            with m.State("ROWS"):
                m.d.comb += at_row.eq(1)
                with m.If(self.row & read_walk.last_row):
                    m.next = "PARAMETERS"
                    with m.If(read_walk.last_tile):
                        m.next = "IDLE"

        fetch_overrun = self._fetch_parameters(m, first_cycle, fetch, cycle)
        read_overrun = self._read_rows(m, first_cycle, at_row, read_walk)
        write_overrun = self._write_rows(m, write_walk)
        m.d.comb += self.overrun.eq(fetch_overrun | read_overrun | write_overrun)
        return m

    def _fetch_parameters(self, m, first_cycle, fetch, cycle):
        """Biases, then scales, of one n tile after the other (rules B-05, T-VX-02)."""
        word_bytes_log2 = exact_log2(4 * self.lanes)
        next_word = Signal(BUFFER_ADDRESS_BITS - word_bytes_log2)
        read_bias = Signal()
        read_scale = Signal()
        fetching = read_bias | read_scale
        beyond = next_word >= self.parameter_depth
        m.d.comb += [
            read_bias.eq(fetch & (cycle == BIAS_CYCLE)),
            read_scale.eq(fetch & (cycle == SCALE_CYCLE)),
            self.parameters.enable.eq(fetching & ~beyond),
            self.parameters.address.eq(next_word),
        ]
        m.d.sync += [self.bias_valid.eq(read_bias), self.scale_valid.eq(read_scale)]
        with m.If(first_cycle):
            m.d.sync += next_word.eq(self.fields.parameter_address[word_bytes_log2:])
        with m.Elif(fetching):
            m.d.sync += next_word.eq(next_word + 1)
        return fetching & beyond

    def _read_rows(self, m, first_cycle, at_row, walk):
        """Accumulators lie one after the other, residuals by their strides (rule T-VX-03)."""
        vector = Signal(VECTOR_BITS)
        with m.If(first_cycle):
            m.d.sync += vector.eq(self.fields.accumulator_address)
        with m.Elif(self.row):
            m.d.sync += vector.eq(next_vector(vector))
        exists = vector < self.config.accumulator_depth
        m.d.comb += [
            self.accumulator.enable.eq(self.row & exists),
            self.accumulator.half.eq(self.fields.accumulator_half),
            self.accumulator.address.eq(vector),
        ]

        element_log2 = self.fields.addition == Addition.INT16
        m.d.comb += [
            walk.step.eq(self.row),
            walk.origin.eq(self.fields.residual_address),
            walk.row_stride.eq(self.fields.residual_row_stride),
            walk.tile_stride.eq(self.lanes << element_log2),
            self.residual.address.eq(walk.address),
            self.residual.count.eq(self._valid_lanes(walk) << element_log2),
        ]
        beyond = overruns(
            self.residual.address, self.residual.count, self.config.activation_buffer_bytes
        )
        wanted = self.fields.addition != Addition.NONE
        m.d.comb += [
            self.residual.valid.eq(at_row & wanted & ~beyond),
            self.denied.eq(self.residual.valid & ~self.residual.ready),
            self.row.eq(at_row & ~self.denied),
        ]
        return self.row & ((wanted & beyond) | ~exists)

    def _write_rows(self, m, walk):
        """Rule T-VX-05: the write of the last row ends the instruction."""
        element_log2 = self.fields.element_type == ElementType.INT16
        written = self._valid_lanes(walk) << element_log2
        size = Mux(
            self.fields.output_buffer == Buffer.WEIGHT,
            self.config.weight_buffer_bytes,
            self.config.activation_buffer_bytes,
        )
        beyond = overruns(walk.address, written, size)
        all_bytes = Const((1 << len(self.write_enable)) - 1)
        masked = Signal(range(len(self.write_enable)))
        m.d.comb += [
            walk.step.eq(self.write),
            walk.origin.eq(self.fields.output_address),
            walk.row_stride.eq(self.fields.output_row_stride),
            walk.tile_stride.eq(self.lanes << element_log2),
            self.write_valid.eq(self.write & ~beyond),
            self.write_address.eq(walk.address),
            masked.eq(len(self.write_enable) - written),
            self.write_enable.eq(all_bytes >> masked),
            self.done.eq(self.write & walk.last_row & walk.last_tile),
        ]
        return self.write & beyond

    def _valid_lanes(self, walk):
        return Mux(walk.last_tile, self.fields.last_n, self.lanes)
