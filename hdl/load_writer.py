"""The writing half of LOAD: beats and padding into the buffers (rules T-LD)."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from arch.config import Config
from arch.isa import Buffer, ErrorCode
from hdl.dma_address import LOAD_LAYOUT, beat_layout
from hdl.index_buffer import INDEX_BUFFER_BYTES, index_write
from hdl.ports import (
    BUFFER_ADDRESS_BITS,
    INDEX_BITS,
    BufferWrite,
    Fault,
    MemoryWrite,
    read_beat_layout,
)

TARGET_FIELDS = ("buffer", "pad_bytes", "pad_value")

TARGET_LAYOUT = data.StructLayout(
    {name: LOAD_LAYOUT[name].shape for name in TARGET_FIELDS} | {"index": INDEX_BITS}
)
"""What the writing half needs of an instruction: these fields, and its index in the program."""


def parameter_write(config: Config) -> MemoryWrite:
    """The write port of the parameter buffer."""
    return MemoryWrite(
        depth=config.parameter_buffer_bytes // config.parameter_word_bytes,
        width=8 * config.parameter_word_bytes,
        granularity=8,
    )


class LoadWriter(wiring.Component):
    """One register stage: a beat taken in t is written in t+1 (T-LD-04).

    The padding of a run follows in the cycles after its last beat; the next beat is taken with the
    last write of padding (T-LD-05). The last write of an instruction retires it (T-LD-06).

    A write that would leave the buffer (E-03), or whose beat carries an error (E-05), is not made:
    it is a fault and holds the stage. Halted, beats are taken and nothing is written (E-08).

    Parameters
    ----------
    config : Config

    Members
    -------
    valid, ready : In(1), Out(1)
        A beat is taken in a cycle with both.
    beat : In(beat_layout)
    data : In(read_beat_layout)
    halt : In(1)
    target : In(TARGET_LAYOUT)
        Of the instruction whose bytes are being written; the next one from the cycle after
        ``retire``.
    activation, weight : Out(BufferWrite(...))
    parameter, index : Out(MemoryWrite(...))
    written, waiting : Out(1)
        A write happens in this cycle, is denied by a conflict.
    written_bytes, pad_bytes : Out(range(axi_bytes + 1))
        Bytes of data and of padding written in this cycle.
    retire : Out(1)
        The last write of the instruction happens in this cycle.
    fault : Out(Fault())
        Of the write that is due.
    """

    def __init__(self, config: Config):
        self._config = config
        beat_bytes = range(config.axi_bytes + 1)
        super().__init__(
            {
                "valid": In(1),
                "ready": Out(1),
                "beat": In(beat_layout(axi_bytes=config.axi_bytes)),
                "data": In(read_beat_layout(axi_bytes=config.axi_bytes)),
                "halt": In(1),
                "target": In(TARGET_LAYOUT),
                "activation": Out(BufferWrite(word_bytes=config.word_bytes)),
                "weight": Out(BufferWrite(word_bytes=config.word_bytes)),
                "parameter": Out(parameter_write(config)),
                "index": Out(index_write(axi_bytes=config.axi_bytes)),
                "written": Out(1),
                "waiting": Out(1),
                "written_bytes": Out(beat_bytes),
                "pad_bytes": Out(beat_bytes),
                "retire": Out(1),
                "fault": Out(Fault()),
            }
        )

    def elaborate(self, platform):
        m = Module()
        axi_bytes = self._config.axi_bytes
        stage = Signal(
            data.StructLayout(
                {
                    "valid": 1,
                    "padding": 1,
                    "address": BUFFER_ADDRESS_BITS,
                    "end": BUFFER_ADDRESS_BITS + 1,
                    "bytes": range(axi_bytes + 1),
                    "enable": axi_bytes,
                    "response": 2,
                    "last_of_run": 1,
                    "last": 1,
                }
            )
        )
        stage_data = Signal(self._config.axi_data_bits)
        pad_left = Signal.like(self.target.pad_bytes)
        pad_behind = Signal.like(self.target.pad_bytes)
        due = self._check(m, stage)
        granted = self._write(m, due, stage, stage_data)
        with m.If(stage.padding):
            m.d.comb += pad_behind.eq(pad_left)
        with m.Elif(stage.last_of_run):
            m.d.comb += pad_behind.eq(self.target.pad_bytes)
        more = pad_behind != 0
        m.d.comb += [
            self.written.eq(due & granted),
            self.waiting.eq(due & ~granted),
            self.ready.eq(~stage.valid | (self.written & ~more) | self.halt),
            self.retire.eq(self.written & stage.last & ~more),
            self.written_bytes.eq(Mux(self.written & ~stage.padding, stage.bytes, 0)),
            self.pad_bytes.eq(Mux(self.written & stage.padding, stage.bytes, 0)),
        ]

        beat = self.beat
        with m.If(self.valid & self.ready):
            # The address is that of lane 0, so that lanes need no shifting; the bytes enabled lie
            # in its word or the next one, since a beat is no longer than a word.
            m.d.sync += [
                stage.valid.eq(1),
                stage.padding.eq(0),
                stage.address.eq(beat.buffer_address - beat.lane),
                stage.end.eq(beat.buffer_address + beat.bytes),
                stage.bytes.eq(beat.bytes),
                stage.enable.eq(((1 << beat.bytes) - 1) << beat.lane),
                stage.response.eq(self.data.response),
                stage.last_of_run.eq(beat.last_of_run),
                stage.last.eq(beat.last),
                stage_data.eq(self.data.data),
            ]
        with m.Elif(self.written & more):
            pad = Signal(range(axi_bytes + 1))
            m.d.comb += pad.eq(Mux(pad_behind < axi_bytes, pad_behind, axi_bytes))
            m.d.sync += [
                stage.padding.eq(1),
                stage.address.eq(stage.end),
                stage.end.eq(stage.end + pad),
                stage.bytes.eq(pad),
                stage.enable.eq((1 << pad) - 1),
                stage_data.eq(self.target.pad_value.replicate(axi_bytes)),
                pad_left.eq(pad_behind - pad),
            ]
        with m.Elif(self.written):
            m.d.sync += stage.valid.eq(0)
        return m

    def _check(self, m, stage):
        """Raise the fault of what is in the stage; returns whether a write is due."""
        sizes = {
            Buffer.ACTIVATION: self._config.activation_buffer_bytes,
            Buffer.WEIGHT: self._config.weight_buffer_bytes,
            Buffer.PARAMETER: self._config.parameter_buffer_bytes,
            Buffer.INDEX: INDEX_BUFFER_BYTES,
        }
        overrun, refused, due = Signal(), Signal(), Signal()
        with m.Switch(self.target.buffer):
            for buffer, size in sizes.items():
                with m.Case(buffer):
                    m.d.comb += overrun.eq(stage.end > size)
        m.d.comb += [
            refused.eq(stage.response[1]),
            due.eq(stage.valid & ~refused & ~overrun & ~self.halt),
            self.fault.valid.eq(stage.valid & (refused | overrun) & ~self.halt),
            self.fault.instruction.eq(self.target.index),
        ]
        with m.If(refused):
            m.d.comb += self.fault.code.eq(
                Mux(stage.response[0], ErrorCode.READ_DECERR, ErrorCode.READ_SLVERR)
            )
        with m.Else():
            m.d.comb += self.fault.code.eq(ErrorCode.BUFFER_OVERRUN)
        return due

    def _write(self, m, due, stage, stage_data):
        """Drive the write ports from the stage; returns whether a write that is due happens."""
        granted = Signal()
        for port in (self.activation, self.weight):
            m.d.comb += [
                port.address.eq(stage.address),
                port.data.eq(stage_data),
                port.enable.eq(stage.enable),
            ]
        # B-05: a beat is an aligned part of a parameter word, and a word of the index buffer.
        parts = self._config.parameter_word_bytes // self._config.axi_bytes
        offset_bits = exact_log2(self._config.parameter_word_bytes)
        beat = stage.address[exact_log2(self._config.axi_bytes) :]
        part = stage.address[exact_log2(self._config.axi_bytes) : offset_bits]
        m.d.comb += [
            self.parameter.address.eq(stage.address[offset_bits:]),
            self.parameter.data.eq(stage_data.replicate(parts)),
            self.index.address.eq(beat),
            self.index.data.eq(stage_data),
        ]
        with m.Switch(self.target.buffer):
            with m.Case(Buffer.ACTIVATION):
                m.d.comb += [
                    self.activation.valid.eq(due),
                    granted.eq(self.activation.ready),
                ]
            with m.Case(Buffer.WEIGHT):
                m.d.comb += [self.weight.valid.eq(due), granted.eq(self.weight.ready)]
            with m.Case(Buffer.PARAMETER):
                m.d.comb += granted.eq(1)
                with m.If(due):
                    m.d.comb += self.parameter.enable.word_select(part, self._config.axi_bytes).eq(
                        stage.enable
                    )
            with m.Case(Buffer.INDEX):
                m.d.comb += granted.eq(1)
                with m.If(due):
                    m.d.comb += self.index.enable.eq(stage.enable)
        return granted
