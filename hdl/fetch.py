"""Instruction fetch: the program from DRAM, ahead of dispatch (rules T-FE)."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from arch.isa import INSTRUCTION_BYTES
from arch.timing import FETCH_BURST_INSTRUCTIONS, PREFETCH_INSTRUCTIONS
from hdl.ports import BURST_REQUEST, DISPATCHED, INDEX_BITS, read_beat_layout


class Fetch(wiring.Component):
    """Asks for bursts (T-FE-01) while PREFETCH_INSTRUCTIONS are not exceeded (T-FE-02).

    An instruction is on ``o`` two cycles after the handshake of its last beat: one in which its
    memory word is read, and the next, in which it can be dispatched. ``o`` gives one a cycle
    (T-FE-03).

    Parameters
    ----------
    axi_bytes : int
        Bytes of a beat.

    Members
    -------
    start : In(1)
        Fetch ``length`` instructions from ``address``; the first request is made two cycles later.
    address : In(32)
        A multiple of 256.
    length : In(32)
        Instructions, 1 up.
    halt : In(1)
        Ask for nothing further; a request already made stays until it is taken (E-08).
    request : Out(stream of BURST_REQUEST)
    beats : In(stream of read_beat_layout)
        Always ready: room is reserved before asking.
    o : Out(stream of DISPATCHED)
        The index is that of the next instruction also while none is there.
    response : Out(2)
        Of the first beat of ``o`` that failed; OKAY or EXOKAY where none did (E-05).
    aligned : Out(1)
        The address is a multiple of 256.
    exhausted : Out(1)
        All ``length`` instructions have left by ``o``.
    idle : Out(1)
        Nothing is outstanding, and nothing asked for.
    """

    def __init__(self, *, axi_bytes: int):
        self._axi_bytes = axi_bytes
        super().__init__(
            {
                "start": In(1),
                "address": In(32),
                "length": In(INDEX_BITS),
                "halt": In(1),
                "request": Out(stream.Signature(BURST_REQUEST)),
                "beats": In(stream.Signature(read_beat_layout(axi_bytes=axi_bytes))),
                "o": Out(stream.Signature(DISPATCHED)),
                "response": Out(2),
                "aligned": Out(1),
                "exhausted": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        beats_each = INSTRUCTION_BYTES // self._axi_bytes
        ahead = Signal(range(PREFETCH_INSTRUCTIONS + 1))  # requested and not dispatched
        complete = Signal.like(ahead)  # of these, wholly received
        remaining = Signal(INDEX_BITS)
        burst = Signal(range(FETCH_BURST_INSTRUCTIONS + 1))
        opening = Signal()
        held = Signal()
        asked, received, dispatched = Signal(), Signal(), Signal()
        m.d.comb += [
            burst.eq(
                Mux(remaining < FETCH_BURST_INSTRUCTIONS, remaining, FETCH_BURST_INSTRUCTIONS)
            ),
            self.request.valid.eq(
                (burst != 0)
                & ~opening
                & (ahead + burst <= PREFETCH_INSTRUCTIONS)
                & (~self.halt | held)
            ),
            self.request.p.beats.eq(burst * beats_each),
            asked.eq(self.request.valid & self.request.ready),
            dispatched.eq(self.o.valid & self.o.ready),
            # Requests go from 256 to 256 bytes.
            self.aligned.eq(self.request.p.address[:8] == 0),
            self.exhausted.eq((remaining == 0) & (ahead == 0)),
            self.idle.eq(~self.request.valid & (ahead == complete)),
        ]
        m.d.sync += [opening.eq(self.start), held.eq(self.request.valid & ~self.request.ready)]
        with m.If(self.start):
            m.d.sync += [
                self.request.p.address.eq(self.address),
                remaining.eq(self.length),
                ahead.eq(0),
                complete.eq(0),
                self.o.valid.eq(0),
                self.o.p.index.eq(0),
            ]
        with m.Else():
            m.d.sync += [
                ahead.eq(ahead + Mux(asked, burst, 0) - dispatched),
                complete.eq(complete + received - dispatched),
                self.o.valid.eq(complete != dispatched),
                self.o.p.index.eq(self.o.p.index + dispatched),
            ]
            with m.If(asked):
                m.d.sync += [
                    self.request.p.address.eq(
                        self.request.p.address + FETCH_BURST_INSTRUCTIONS * INSTRUCTION_BYTES
                    ),
                    remaining.eq(remaining - burst),
                ]
        self._store(m, received, dispatched, complete)
        return m

    def _store(self, m, received, dispatched, complete):
        """Beats into the memory word of their instruction; the next one to dispatch out of it."""
        beats_each = INSTRUCTION_BYTES // self._axi_bytes
        m.submodules.memory = memory = Memory(
            shape=8 * INSTRUCTION_BYTES, depth=PREFETCH_INSTRUCTIONS, init=[]
        )
        write = memory.write_port(granularity=8 * self._axi_bytes)
        read = memory.read_port()
        beat = Signal(range(beats_each))
        tail = Signal(range(PREFETCH_INSTRUCTIONS))
        head = Signal.like(tail)
        taken = self.beats.valid & self.beats.ready
        m.d.comb += [
            self.beats.ready.eq(1),
            received.eq(taken & (beat == beats_each - 1)),
            write.addr.eq(tail),
            write.data.eq(self.beats.p.data.replicate(beats_each)),
            write.en.eq(taken << beat),
            read.addr.eq(head + dispatched),
            read.en.eq(complete != dispatched),
            self.o.p.word.eq(read.data),
        ]
        with m.If(taken):
            m.d.sync += beat.eq(Mux(received, 0, beat + 1))
        with m.If(self.start):
            m.d.sync += [head.eq(0), tail.eq(0)]
        with m.Else():
            m.d.sync += [head.eq(head + dispatched), tail.eq(tail + received)]

        m.submodules.responses = responses = Memory(shape=2, depth=PREFETCH_INSTRUCTIONS, init=[])
        response_write, response_read = responses.write_port(), responses.read_port()
        earlier = Signal(2)
        m.d.comb += [
            response_write.addr.eq(tail),
            response_write.data.eq(Mux(earlier[1], earlier, self.beats.p.response)),
            response_write.en.eq(received),
            response_read.addr.eq(read.addr),
            response_read.en.eq(read.en),
            self.response.eq(response_read.data),
        ]
        with m.If(taken):
            m.d.sync += earlier.eq(Mux(received, 0, response_write.data))
