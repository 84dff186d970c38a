"""The lookup memories of the vector unit."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.ports import MemoryWrite

ENTRIES = 256
WORD_BITS = 32


class Lookup(wiring.Component):
    """A table of 256 entries, read by every lane in every cycle (rule B-07).

    ``entry`` holds the entry at ``index`` one cycle after ``enable``. The table is written in
    32-bit words, the entry with the lowest index in the lowest bits.

    Parameters
    ----------
    lanes : int
    entry_bits : int
        8 (the unary table) or 32 (the wide table).

    Members
    -------
    write : In(MemoryWrite)
    enable : In(1)
    index : In(8).array(lanes)
    entry : Out(entry_bits).array(lanes)
    """

    def __init__(self, *, lanes: int, entry_bits: int):
        if entry_bits not in (8, WORD_BITS):
            raise ValueError(f"entry_bits = {entry_bits} must be 8 or {WORD_BITS}")
        self.lanes = lanes
        self.entry_bits = entry_bits
        self.depth = ENTRIES * entry_bits // WORD_BITS
        super().__init__(
            {
                "write": In(MemoryWrite(depth=self.depth, width=WORD_BITS)),
                "enable": In(1),
                "index": In(8).array(lanes),
                "entry": Out(entry_bits).array(lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=WORD_BITS, depth=self.depth, init=[])
        write = memory.write_port()
        m.d.comb += [
            write.en.eq(self.write.enable),
            write.addr.eq(self.write.address),
            write.data.eq(self.write.data),
        ]
        entry_index_bits = (WORD_BITS // self.entry_bits).bit_length() - 1
        for lane in range(self.lanes):
            read = memory.read_port()
            index = self.index[lane]
            entry_index = Signal(entry_index_bits, name=f"entry_index_{lane}", reset_less=True)
            with m.If(self.enable):
                m.d.sync += entry_index.eq(index)
            m.d.comb += [
                read.en.eq(self.enable),
                read.addr.eq(index[entry_index_bits:]),
                self.entry[lane].eq(read.data.word_select(entry_index, self.entry_bits)),
            ]
        return m
