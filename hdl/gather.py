"""Runs that an index list places in DRAM (I-01, T-LD-07)."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from arch.config import INDEX_ENTRIES
from hdl.dma_address import DMA_LAYOUT, LOAD_LAYOUT
from hdl.ports import MemoryRead


class Gather(wiring.Component):
    """Makes an instruction of one run of each run of a LOAD with ``gather``.

    A run takes GATHER_CYCLES: its index is read, multiplied by the stride, and added to the address
    (mod 2^32); it is offered in the last of them. The first one begins in the cycle after
    ``start``, each further one in the first cycle with ``ready``.

    Members
    -------
    start : In(1)
        Take ``word``; only while not ``busy``.
    word : In(LOAD_LAYOUT)
    busy : Out(1)
        Not all runs have been offered.
    ready : In(1)
        The run before is done with; stays high until a run is offered.
    load : Out(1)
        ``run`` is offered in this cycle.
    run : Out(DMA_LAYOUT)
    index : Out(MemoryRead)
    """

    def __init__(self):
        super().__init__(
            {
                "start": In(1),
                "word": In(LOAD_LAYOUT),
                "busy": Out(1),
                "ready": In(1),
                "load": Out(1),
                "run": Out(DMA_LAYOUT),
                "index": Out(MemoryRead(depth=INDEX_ENTRIES, width=32)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        word = Signal(LOAD_LAYOUT)
        left = Signal.like(word.runs)
        offset = Signal(32)
        m.d.comb += [
            self.busy.eq(left != 0),
            self.index.address.eq(word.index_address),
            self.run.run_bytes.eq(word.run_bytes),
            self.run.runs.eq(1),
            self.run.planes.eq(1),
            self.run.dram_address.eq(word.dram_address + offset),
            self.run.buffer_address.eq(word.buffer_address),
        ]
        with m.If(self.start):
            m.d.sync += [word.eq(self.word), left.eq(self.word.runs)]
        with m.FSM():
            with m.State("Read"), m.If(self.busy & self.ready):
                m.d.comb += self.index.enable.eq(1)
                m.next = "Multiply"
            with m.State("Multiply"):
                m.d.sync += offset.eq(self.index.data * word.run_dram_stride)
                m.next = "Add"
            with m.State("Add"):
                m.d.comb += self.load.eq(1)
                m.d.sync += [
                    left.eq(left - 1),
                    word.index_address.eq(word.index_address + 1),
                    word.buffer_address.eq(word.buffer_address + word.run_buffer_stride),
                ]
                m.next = "Read"
        return m
