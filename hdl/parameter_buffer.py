"""The buffer of biases, scales and tables."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In

from hdl.ports import MemoryRead, MemoryWrite


class ParameterBuffer(wiring.Component):
    """Words of one 32-bit number for each lane; LOAD writes bytes, VECTOR reads words (rule B-05).

    A word read in the cycle in which it is written is the old one.

    Parameters
    ----------
    depth : int
        Words.
    lanes : int
        32-bit numbers of a word.

    Members
    -------
    write : In(MemoryWrite)
        One bit of ``enable`` for each byte.
    read : In(MemoryRead)
    """

    def __init__(self, *, depth: int, lanes: int):
        self.depth = depth
        self.width = 32 * lanes
        super().__init__(
            {
                "write": In(MemoryWrite(depth=depth, width=self.width, granularity=8)),
                "read": In(MemoryRead(depth=depth, width=self.width)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.width, depth=self.depth, init=[])
        write = memory.write_port(granularity=8)
        read = memory.read_port()
        m.d.comb += [
            write.en.eq(self.write.enable),
            write.addr.eq(self.write.address),
            write.data.eq(self.write.data),
            read.en.eq(self.read.enable),
            read.addr.eq(self.read.address),
            self.read.data.eq(read.data),
        ]
        return m
