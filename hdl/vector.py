"""The VECTOR engine: passes over rows of the accumulator or of the activation buffer."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from arch.config import Config
from arch.isa import Destination, ErrorCode, Opcode
from hdl.accumulator import AccumulatorRead
from hdl.instruction import instruction_layout
from hdl.ports import BufferRead, BufferWrite, EngineStatus, Fault, Issue, MemoryRead
from hdl.row_reads import RowReads
from hdl.row_sequencer import RowSequencer
from hdl.row_writes import RowWrites
from hdl.scale_rows import ScaleRows
from hdl.statistics import Statistics
from hdl.table_fill import TableFill
from hdl.vector_lanes import VectorLanes


class VectorEngine(wiring.Component):
    """Executes VECTOR, TABLE and SCALE, one at a time (I-04, I-05, I-07, T-VX-01 to T-VX-07).

    Each kind of instruction has a sequencer, which starts in the cycle after the issue and ends
    with ``done``. A row of VECTOR goes from ``RowReads`` through ``VectorLanes`` to ``RowWrites``
    and the statistics file. What would reach beyond the end of a memory is not read or written,
    and an error (E-03).

    Parameters
    ----------
    config : Config

    Members
    -------
    issue : In(Issue())
    status : Out(EngineStatus())
    fault : Out(Fault())
    accumulator : Out(AccumulatorRead)
    parameters : Out(MemoryRead)
        Of the parameter buffer.
    activation_read : Out(BufferRead)
        Sources, residuals and multipliers.
    activation_write, weight_write : Out(BufferWrite)
        VECTOR is the first of the writers (rule B-04), so ``ready`` is not looked at.
    row : Out(1)
        A row is issued in this cycle.
    """

    def __init__(self, config: Config):
        self.config = config
        self.parameter_depth = config.parameter_buffer_bytes // config.parameter_word_bytes
        parameter_bits = 8 * config.parameter_word_bytes
        super().__init__(
            {
                "issue": In(Issue()),
                "status": Out(EngineStatus()),
                "fault": Out(Fault()),
                "accumulator": Out(
                    AccumulatorRead(depth=config.accumulator_depth, lanes=config.cols)
                ),
                "parameters": Out(MemoryRead(depth=self.parameter_depth, width=parameter_bits)),
                "activation_read": Out(BufferRead(word_bytes=config.word_bytes)),
                "activation_write": Out(BufferWrite(word_bytes=config.word_bytes)),
                "weight_write": Out(BufferWrite(word_bytes=config.word_bytes)),
                "row": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        parameter = {"parameter_depth": self.parameter_depth, "lanes": self.config.cols}
        entries = self.config.accumulator_depth
        m.submodules.rows = rows = RowSequencer(**parameter)
        m.submodules.reads = reads = RowReads(self.config)
        m.submodules.writes = writes = RowWrites(self.config)
        m.submodules.table_fill = table_fill = TableFill(**parameter)
        m.submodules.scale_rows = scale_rows = ScaleRows(depth=entries)
        m.submodules.lanes = lanes = VectorLanes(lanes=self.config.cols)
        m.submodules.statistics = statistics = Statistics(depth=entries)

        word, index = self._hold_instruction(m, rows, table_fill, scale_rows)
        m.d.comb += [
            unit.fields.eq(word) for unit in (rows, reads, writes, table_fill, scale_rows, lanes)
        ]
        sequencers = (writes, table_fill, scale_rows)
        faulty = (rows, reads, writes, table_fill, scale_rows)
        m.d.comb += [
            self.row.eq(reads.row),
            self.status.working.eq(reads.reading | table_fill.reading | scale_rows.reading),
            self.status.wait_port.eq(reads.denied),
            self.status.retire.eq(_any(unit.done for unit in sequencers)),
            self.fault.valid.eq(_any(unit.overrun for unit in faulty)),
            self.fault.code.eq(ErrorCode.BUFFER_OVERRUN),
            self.fault.instruction.eq(index),
        ]
        self._connect_parameters(m, rows, table_fill, lanes)
        self._connect_reads(m, rows, reads, lanes)
        self._connect_writes(m, rows, writes, lanes)
        self._connect_statistics(m, reads, writes, scale_rows, lanes, statistics)
        return m

    def _hold_instruction(self, m, rows, table_fill, scale_rows):
        """The instruction in flight and its index (rules T-VX-01, T-VX-05)."""
        word = Signal.like(self.issue.word)
        index = Signal.like(self.issue.index)
        accept = self.issue.valid & self.issue.ready
        opcode = data.View(instruction_layout(Opcode.END), self.issue.word).opcode
        with m.If(accept):
            m.d.sync += [
                word.eq(self.issue.word),
                index.eq(self.issue.index),
                self.status.in_flight.eq(1),
            ]
        with m.Elif(self.status.retire):
            m.d.sync += self.status.in_flight.eq(0)
        m.d.comb += [
            self.issue.ready.eq(~self.status.in_flight),
            rows.start.eq(accept & (opcode == Opcode.VECTOR)),
            table_fill.start.eq(accept & (opcode == Opcode.TABLE)),
            scale_rows.start.eq(accept & (opcode == Opcode.SCALE)),
        ]
        return word, index

    def _connect_parameters(self, m, rows, table_fill, lanes):
        connect(m, table_fill.unary, lanes.unary)
        connect(m, table_fill.wide, lanes.wide)
        table = table_fill.parameters
        m.d.comb += [
            self.parameters.enable.eq(rows.parameters.enable | table.enable),
            self.parameters.address.eq(Mux(table.enable, table.address, rows.parameters.address)),
            table.data.eq(self.parameters.data),
            lanes.parameters.eq(self.parameters.data),
            lanes.bias_valid.eq(rows.bias_valid),
            lanes.scale_valid.eq(rows.scale_valid),
        ]

    def _connect_reads(self, m, rows, reads, lanes):
        connect(m, reads.buffer, flipped(self.activation_read))
        connect(m, reads.accumulator, flipped(self.accumulator))
        m.d.comb += [
            reads.start.eq(rows.first_cycle),
            reads.at_row.eq(rows.at_row),
            rows.row.eq(reads.row),
            rows.last_row.eq(reads.last_row),
            rows.last_tile.eq(reads.last_tile),
            lanes.row.eq(reads.row),
            lanes.accumulators.eq(self.accumulator.data),
            lanes.source.eq(reads.source),
            lanes.operand.eq(reads.operand),
            lanes.counts.eq(reads.counts),
        ]

    def _connect_writes(self, m, rows, writes, lanes):
        m.d.comb += [writes.start.eq(rows.first_cycle), writes.row.eq(lanes.result_valid)]
        for buffer, port in (
            (Destination.ACTIVATION, self.activation_write),
            (Destination.WEIGHT, self.weight_write),
        ):
            m.d.comb += [
                port.valid.eq(writes.valid & (writes.fields.output_buffer == buffer)),
                port.address.eq(writes.address),
                port.data.eq(lanes.result),
                port.enable.eq(writes.enable),
            ]

    def _connect_statistics(self, m, reads, writes, scale_rows, lanes, statistics):
        connect(m, writes.update, statistics.update)
        connect(m, scale_rows.scale, statistics.scale)
        scaled = scale_rows.statistics
        m.d.comb += [
            statistics.read.enable.eq(reads.use_entry | scaled.enable),
            statistics.read.entry.eq(Mux(scaled.enable, scaled.entry, reads.entry)),
            scaled.sum.eq(statistics.read.sum),
            scaled.squares.eq(statistics.read.squares),
            lanes.maximum.eq(statistics.read.maximum),
            lanes.row_sum.eq(statistics.read.sum),
            lanes.row_scale.eq(statistics.read.scale),
            statistics.reduced_valid.eq(lanes.reduced_valid),
            statistics.reduced_maximum.eq(lanes.reduced_maximum),
            statistics.reduced_sum.eq(lanes.reduced_sum),
            statistics.reduced_squares.eq(lanes.reduced_squares),
        ]


def _any(conditions):
    """Whether one of them holds."""
    return Cat(conditions).any()
