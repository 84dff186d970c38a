"""Address generation of both DMAs: runs to bursts (T-LD-01, T-ST-01), bursts to beats."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from arch.isa import Opcode
from hdl.instruction import instruction_layout
from hdl.ports import BUFFER_ADDRESS_BITS, BURST_REQUEST

DMA_LAYOUT = instruction_layout(Opcode.STORE)
"""What LOAD and STORE have in common: LOAD's layout begins with the same fields."""
LOAD_LAYOUT = instruction_layout(Opcode.LOAD)


def piece_layout(*, axi_bytes: int, burst_bytes: int) -> data.StructLayout:
    """The bytes of one burst: of a run, contiguous in DRAM and in the buffer.

    ``lane`` is the lane of the first byte in the first beat; ``last`` marks the last burst of the
    instruction.

    Raises
    ------
    ValueError
        A size is no power of two, or a burst is shorter than a beat.
    """
    if axi_bytes.bit_count() != 1 or burst_bytes.bit_count() != 1 or burst_bytes < axi_bytes:
        raise ValueError(
            f"axi_bytes = {axi_bytes} and burst_bytes = {burst_bytes} must be powers of two, the "
            "second not below the first"
        )
    return data.StructLayout(
        {
            "buffer_address": BUFFER_ADDRESS_BITS,
            "lane": range(axi_bytes),
            "bytes": range(burst_bytes + 1),
            "last_of_run": 1,
            "last": 1,
        }
    )


def burst_layout(*, axi_bytes: int, burst_bytes: int) -> data.StructLayout:
    """A burst: what goes on the address channel, and its bytes."""
    return data.StructLayout(
        {
            "request": BURST_REQUEST,
            "piece": piece_layout(axi_bytes=axi_bytes, burst_bytes=burst_bytes),
        }
    )


def beat_layout(*, axi_bytes: int) -> data.StructLayout:
    """The bytes of one beat: ``bytes`` lanes from ``lane`` up belong to ``buffer_address`` up."""
    return data.StructLayout(
        {
            "buffer_address": BUFFER_ADDRESS_BITS,
            "lane": range(axi_bytes),
            "bytes": range(axi_bytes + 1),
            "first_of_burst": 1,
            "last_of_burst": 1,
            "last_of_run": 1,
            "last": 1,
        }
    )


class BurstGenerator(wiring.Component):
    """Walks the planes and runs of an instruction and offers its bursts, one a cycle.

    The first burst is offered in the cycle after ``load``, the next in the cycle after a handshake,
    without a gap between bursts, runs or planes. Free while ``o.valid`` is low. Addresses wrap
    (I-01).

    Parameters
    ----------
    axi_bytes : int
        Bytes of a beat.
    burst_bytes : int
        No burst crosses a multiple of this in DRAM.

    Members
    -------
    load : In(1)
        Take ``word``; only while free.
    word : In(DMA_LAYOUT)
    o : Out(stream of burst_layout)
    """

    def __init__(self, *, axi_bytes: int, burst_bytes: int):
        self._axi_bytes = axi_bytes
        self._burst_bytes = burst_bytes
        layout = burst_layout(axi_bytes=axi_bytes, burst_bytes=burst_bytes)
        super().__init__(
            {"load": In(1), "word": In(DMA_LAYOUT), "o": Out(stream.Signature(layout))}
        )

    def elaborate(self, platform):
        m = Module()
        word = Signal(DMA_LAYOUT)
        dram = Signal(32)
        buffer = Signal(BUFFER_ADDRESS_BITS)
        left = Signal.like(word.run_bytes)
        run_dram, plane_dram = Signal.like(dram), Signal.like(dram)
        run_buffer, plane_buffer = Signal.like(buffer), Signal.like(buffer)
        runs_behind = Signal.like(word.runs)
        planes_behind = Signal.like(word.planes)

        to_boundary = Signal(range(self._burst_bytes + 1))
        lane = dram[: exact_log2(self._axi_bytes)]
        piece = self.o.p.piece
        m.d.comb += [
            to_boundary.eq(self._burst_bytes - dram[: exact_log2(self._burst_bytes)]),
            piece.buffer_address.eq(buffer),
            piece.lane.eq(lane),
            piece.last_of_run.eq(left <= to_boundary),
            piece.bytes.eq(Mux(piece.last_of_run, left, to_boundary)),
            piece.last.eq(piece.last_of_run & (runs_behind == 0) & (planes_behind == 0)),
            self.o.p.request.address.eq(dram & ~(self._axi_bytes - 1)),
            self.o.p.request.beats.eq(
                (lane + piece.bytes + (self._axi_bytes - 1)) >> exact_log2(self._axi_bytes)
            ),
        ]

        next_dram, next_buffer = Signal.like(dram), Signal.like(buffer)
        with m.If(runs_behind != 0):
            m.d.comb += [
                next_dram.eq(run_dram + word.run_dram_stride),
                next_buffer.eq(run_buffer + word.run_buffer_stride),
            ]
        with m.Else():
            m.d.comb += [
                next_dram.eq(plane_dram + word.plane_dram_stride),
                next_buffer.eq(plane_buffer + word.plane_buffer_stride),
            ]

        with m.If(self.load):
            m.d.sync += [
                self.o.valid.eq(1),
                word.eq(self.word),
                left.eq(self.word.run_bytes),
                runs_behind.eq(self.word.runs - 1),
                planes_behind.eq(self.word.planes - 1),
            ]
            m.d.sync += [base.eq(self.word.dram_address) for base in (dram, run_dram, plane_dram)]
            m.d.sync += [
                base.eq(self.word.buffer_address) for base in (buffer, run_buffer, plane_buffer)
            ]
        with m.Elif(self.o.valid & self.o.ready):
            with m.If(piece.last_of_run):
                m.d.sync += [
                    self.o.valid.eq(~piece.last),
                    left.eq(word.run_bytes),
                    dram.eq(next_dram),
                    run_dram.eq(next_dram),
                    buffer.eq(next_buffer),
                    run_buffer.eq(next_buffer),
                ]
                with m.If(runs_behind != 0):
                    m.d.sync += runs_behind.eq(runs_behind - 1)
                with m.Else():
                    m.d.sync += [
                        runs_behind.eq(word.runs - 1),
                        planes_behind.eq(planes_behind - 1),
                        plane_dram.eq(next_dram),
                        plane_buffer.eq(next_buffer),
                    ]
            with m.Else():
                m.d.sync += [
                    left.eq(left - to_boundary),
                    dram.eq(dram + to_boundary),
                    buffer.eq(buffer + to_boundary),
                ]
        return m


class BeatWalker(wiring.Component):
    """Cuts the bytes of a burst into beats; ``i`` is taken with the last beat, so without a gap.

    Parameters
    ----------
    axi_bytes : int
        Bytes of a beat.
    burst_bytes : int
        Bytes of a burst, at most.

    Members
    -------
    i : In(stream of piece_layout)
    o : Out(stream of beat_layout)
    """

    def __init__(self, *, axi_bytes: int, burst_bytes: int):
        self._axi_bytes = axi_bytes
        self._burst_bytes = burst_bytes
        piece = piece_layout(axi_bytes=axi_bytes, burst_bytes=burst_bytes)
        beat = beat_layout(axi_bytes=axi_bytes)
        super().__init__({"i": In(stream.Signature(piece)), "o": Out(stream.Signature(beat))})

    def elaborate(self, platform):
        m = Module()
        walked = Signal(range(self._burst_bytes))
        left = Signal(range(self._burst_bytes + 1))
        lanes = Signal(range(self._axi_bytes + 1))
        piece, beat = self.i.p, self.o.p
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            beat.first_of_burst.eq(walked == 0),
            beat.lane.eq(Mux(beat.first_of_burst, piece.lane, 0)),
            beat.buffer_address.eq(piece.buffer_address + walked),
            left.eq(piece.bytes - walked),
            lanes.eq(self._axi_bytes - beat.lane),
            beat.last_of_burst.eq(left <= lanes),
            beat.bytes.eq(Mux(beat.last_of_burst, left, lanes)),
            beat.last_of_run.eq(beat.last_of_burst & piece.last_of_run),
            beat.last.eq(beat.last_of_burst & piece.last),
            self.i.ready.eq(self.o.ready & beat.last_of_burst),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += walked.eq(Mux(beat.last_of_burst, 0, walked + beat.bytes))
        return m
