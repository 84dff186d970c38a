"""The accumulator buffer (rule B-06)."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out, Signature

from arch.config import ACCUMULATOR_HALVES


class AccumulatorRead(Signature):
    """Read of one vector of ``lanes`` int32.

    ``data`` answers in the cycle after ``enable``; it is zero in other cycles.
    """

    def __init__(self, *, depth: int, lanes: int):
        super().__init__(
            {
                "enable": Out(1),
                "half": Out(range(ACCUMULATOR_HALVES)),
                "address": Out(range(depth)),
                "data": In(32 * lanes),
            }
        )


class AccumulatorWrite(Signature):
    """Write of one vector of ``lanes`` int32."""

    def __init__(self, *, depth: int, lanes: int):
        super().__init__(
            {
                "enable": Out(1),
                "half": Out(range(ACCUMULATOR_HALVES)),
                "address": Out(range(depth)),
                "data": Out(32 * lanes),
            }
        )


class Accumulator(Component):
    """Two halves of ``depth`` vectors, each half with one read and one write port.

    A half belongs to MATRIX or to VECTOR, by the program's semaphores (B-06). Where both read one
    half in the same cycle MATRIX gets its vector and VECTOR gets the same one. A read in the cycle
    of a write to the same vector returns the new one, so MATRIX may revisit a vector at once
    (T-MX-05).

    Parameters
    ----------
    depth : int
        Vectors in each half.
    lanes : int
        int32 values of a vector.

    Members
    -------
    matrix_read, vector_read : In(AccumulatorRead)
    matrix_write : In(AccumulatorWrite)
    """

    def __init__(self, *, depth: int, lanes: int):
        self._depth = depth
        self._lanes = lanes
        super().__init__(
            {
                "matrix_read": In(AccumulatorRead(depth=depth, lanes=lanes)),
                "matrix_write": In(AccumulatorWrite(depth=depth, lanes=lanes)),
                "vector_read": In(AccumulatorRead(depth=depth, lanes=lanes)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        vectors = []
        for half in range(ACCUMULATOR_HALVES):
            memory = Memory(shape=unsigned(32 * self._lanes), depth=self._depth, init=[])
            m.submodules[f"half_{half}"] = memory
            write = memory.write_port()
            read = memory.read_port(transparent_for=(write,))
            for_matrix = self.matrix_read.enable & (self.matrix_read.half == half)
            for_vector = self.vector_read.enable & (self.vector_read.half == half)
            m.d.comb += [
                write.en.eq(self.matrix_write.enable & (self.matrix_write.half == half)),
                write.addr.eq(self.matrix_write.address),
                write.data.eq(self.matrix_write.data),
                read.en.eq(for_matrix | for_vector),
                read.addr.eq(Mux(for_matrix, self.matrix_read.address, self.vector_read.address)),
            ]
            vectors.append(read.data)
        for client in (self.matrix_read, self.vector_read):
            answering = Signal()
            half = Signal.like(client.half)
            m.d.sync += [answering.eq(client.enable), half.eq(client.half)]
            with m.If(answering):
                m.d.comb += client.data.eq(Mux(half, vectors[1], vectors[0]))
        return m
