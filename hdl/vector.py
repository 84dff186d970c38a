"""The VECTOR engine: from the accumulator to a buffer."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from arch.config import Config
from arch.isa import Buffer, ErrorCode, Opcode
from hdl.accumulator import AccumulatorRead
from hdl.instruction import instruction_layout
from hdl.ports import BufferRead, BufferWrite, EngineStatus, Fault, Issue, MemoryRead
from hdl.row_sequencer import RowSequencer
from hdl.table_fill import TableFill
from hdl.vector_lanes import VectorLanes


class VectorEngine(wiring.Component):
    """Executes VECTOR and TABLE, one at a time (rules I-04, I-05, T-VX-01 to T-VX-06).

    For each kind of instruction there is a sequencer, which starts in the cycle after the issue,
    drives the ports and ends with ``done``; rows go through ``VectorLanes``. What would reach
    beyond the end of a memory is not read or written, and an error in that cycle (E-03).

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
    residual : Out(BufferRead)
        Of the activation buffer.
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
                "residual": Out(BufferRead(word_bytes=config.word_bytes)),
                "activation_write": Out(BufferWrite(word_bytes=config.word_bytes)),
                "weight_write": Out(BufferWrite(word_bytes=config.word_bytes)),
                "row": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        lanes = self.config.cols
        m.submodules.rows = rows = RowSequencer(self.config)
        m.submodules.table_fill = table_fill = TableFill(
            parameter_depth=self.parameter_depth, lanes=lanes
        )
        m.submodules.lanes = vector_lanes = VectorLanes(lanes=lanes)

        self._issue(m, rows, table_fill, vector_lanes)
        wiring.connect(m, rows.accumulator, wiring.flipped(self.accumulator))
        wiring.connect(m, rows.residual, wiring.flipped(self.residual))
        wiring.connect(m, table_fill.unary, vector_lanes.unary)
        wiring.connect(m, table_fill.addition, vector_lanes.addition)
        m.d.comb += [
            self.parameters.enable.eq(rows.parameters.enable | table_fill.parameters.enable),
            self.parameters.address.eq(
                Mux(
                    table_fill.parameters.enable,
                    table_fill.parameters.address,
                    rows.parameters.address,
                )
            ),
            table_fill.parameters.data.eq(self.parameters.data),
            vector_lanes.parameters.eq(self.parameters.data),
            vector_lanes.bias_valid.eq(rows.bias_valid),
            vector_lanes.scale_valid.eq(rows.scale_valid),
            vector_lanes.row.eq(rows.row),
            vector_lanes.accumulators.eq(self.accumulator.data),
            vector_lanes.residual.eq(self.residual.data),
            self.row.eq(rows.row),
            rows.write.eq(vector_lanes.result_valid),
        ]
        for buffer, port in (
            (Buffer.ACTIVATION, self.activation_write),
            (Buffer.WEIGHT, self.weight_write),
        ):
            m.d.comb += [
                port.valid.eq(rows.write_valid & (rows.fields.output_buffer == buffer)),
                port.address.eq(rows.write_address),
                port.data.eq(vector_lanes.result),
                port.enable.eq(rows.write_enable),
            ]
        return m

    def _issue(self, m, rows, table_fill, vector_lanes):
        """Holds the instruction in flight (rules T-VX-01, T-VX-05) and tells the ledger."""
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
            rows.fields.eq(word),
            vector_lanes.fields.eq(word),
            table_fill.fields.eq(word),
            self.status.working.eq(rows.row | table_fill.reading),
            self.status.wait_port.eq(rows.denied),
            self.status.retire.eq(rows.done | table_fill.done),
            self.fault.valid.eq(rows.overrun | table_fill.overrun),
            self.fault.code.eq(ErrorCode.BUFFER_OVERRUN),
            self.fault.instruction.eq(index),
        ]
