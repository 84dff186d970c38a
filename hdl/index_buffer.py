"""The buffer of indices that LOAD gathers by."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In
from amaranth.utils import exact_log2

from arch.config import INDEX_ENTRIES
from arch.isa import ElementType
from hdl.ports import MemoryRead, MemoryWrite

INDEX_BUFFER_BYTES = INDEX_ENTRIES * ElementType.INT32.bytes


def index_write(*, axi_bytes: int) -> MemoryWrite:
    """The write port of the index buffer: a beat, and one bit of ``enable`` for each byte."""
    return MemoryWrite(depth=INDEX_BUFFER_BYTES // axi_bytes, width=8 * axi_bytes, granularity=8)


class IndexBuffer(wiring.Component):
    """``INDEX_ENTRIES`` numbers of 32 bits; written in words of a beat, read one by one (B-09).

    A number read in the cycle in which it is written is the old one.

    Parameters
    ----------
    axi_bytes : int
        Bytes of a beat, and of a word.

    Members
    -------
    write : In(MemoryWrite)
    read : In(MemoryRead)
    """

    def __init__(self, *, axi_bytes: int):
        self._axi_bytes = axi_bytes
        entry_bits = 8 * ElementType.INT32.bytes
        super().__init__(
            {
                "write": In(index_write(axi_bytes=axi_bytes)),
                "read": In(MemoryRead(depth=INDEX_ENTRIES, width=entry_bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        width, entry_bits = 8 * self._axi_bytes, len(self.read.data)
        m.submodules.memory = memory = Memory(
            shape=width, depth=INDEX_BUFFER_BYTES // self._axi_bytes, init=[]
        )
        write = memory.write_port(granularity=8)
        read = memory.read_port()
        place_bits = exact_log2(width // entry_bits)
        place = Signal(place_bits)
        with m.If(self.read.enable):
            m.d.sync += place.eq(self.read.address)
        m.d.comb += [
            write.en.eq(self.write.enable),
            write.addr.eq(self.write.address),
            write.data.eq(self.write.data),
            read.en.eq(self.read.enable),
            read.addr.eq(self.read.address[place_bits:]),
            self.read.data.eq(read.data.word_select(place, entry_bits)),
        ]
        return m
