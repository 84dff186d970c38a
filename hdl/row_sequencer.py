"""When the rows of a VECTOR instruction may be issued, and the parameters before them."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from arch.isa import Opcode
from arch.timing import VECTOR_PARAMETER_CYCLES, VECTOR_SETUP_CYCLES
from hdl.instruction import instruction_layout
from hdl.ports import BUFFER_ADDRESS_BITS, MemoryRead

BIAS_CYCLE = 1
SCALE_CYCLE = 2
"""Cycles, of the ``VECTOR_PARAMETER_CYCLES``, in which the words are read. In cycle 0 the first
addresses settle. The lanes still hold rows of the n tile before, and its parameters for them."""


class RowSequencer(wiring.Component):
    """The phases of one VECTOR instruction (rule T-VX-02).

    With ``tensor_scale`` there are no parameters, and rows follow one another over all n tiles.
    Parameter words beyond the end of the buffer are not read (E-03).

    Parameters
    ----------
    parameter_depth : int
        Words of the parameter buffer.
    lanes : int
        32-bit numbers of such a word.

    Members
    -------
    start : In(1)
        The next cycle is the first one of the instruction.
    fields : In
        The instruction, from the cycle after ``start`` on.
    first_cycle : Out(1)
    at_row : Out(1)
        Rows may be read and issued in this cycle.
    row, last_row, last_tile : In(1)
        One is issued in this cycle; it is the last of its n tile, of the last n tile.
    parameters : Out(MemoryRead)
    bias_valid, scale_valid : Out(1)
        The parameter buffer answers with biases, with scales in this cycle.
    overrun : Out(1)
        A parameter word is not read in this cycle because it lies beyond the buffer.
    """

    def __init__(self, *, parameter_depth: int, lanes: int):
        self.parameter_depth = parameter_depth
        self.lanes = lanes
        super().__init__(
            {
                "start": In(1),
                "fields": In(instruction_layout(Opcode.VECTOR)),
                "first_cycle": Out(1),
                "at_row": Out(1),
                "row": In(1),
                "last_row": In(1),
                "last_tile": In(1),
                "parameters": Out(MemoryRead(depth=parameter_depth, width=32 * lanes)),
                "bias_valid": Out(1),
                "scale_valid": Out(1),
                "overrun": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.first_cycle.eq(self.start)
        tensor_scale = self.fields.tensor_scale
        fetch = Signal()
        cycle = Signal(range(VECTOR_PARAMETER_CYCLES))
        cycles = Mux(tensor_scale, VECTOR_SETUP_CYCLES, VECTOR_PARAMETER_CYCLES)
        with m.FSM():
            with m.State("IDLE"), m.If(self.start):
                m.next = "PARAMETERS"
            with m.State("PARAMETERS"):
                m.d.comb += fetch.eq(~tensor_scale)
                m.d.sync += cycle.eq(cycle + 1)
                with m.If(cycle == cycles - 1):
                    m.d.sync += cycle.eq(0)
                    m.next = "ROWS"
            with m.State("ROWS"):
                m.d.comb += self.at_row.eq(1)
                with m.If(self.row & self.last_row):
                    with m.If(self.last_tile):
                        m.next = "IDLE"
                    with m.Elif(~tensor_scale):
                        m.next = "PARAMETERS"
        self._fetch_parameters(m, fetch, cycle)
        return m

    def _fetch_parameters(self, m, fetch, cycle):
        """Biases, then scales, of one n tile after the other (rule B-05)."""
        word_bytes_log2 = exact_log2(4 * self.lanes)
        next_word = Signal(BUFFER_ADDRESS_BITS - word_bytes_log2)
        read_bias = Signal()
        read_scale = Signal()
        fetching = read_bias | read_scale
        beyond = next_word >= self.parameter_depth
        m.d.comb += [
            read_bias.eq(fetch & (cycle == BIAS_CYCLE)),
            read_scale.eq(fetch & (cycle == SCALE_CYCLE)),
            self.parameters.enable.eq(fetching & ~beyond),
            self.parameters.address.eq(next_word),
            self.overrun.eq(fetching & beyond),
        ]
        m.d.sync += [self.bias_valid.eq(read_bias), self.scale_valid.eq(read_scale)]
        with m.If(self.first_cycle):
            m.d.sync += next_word.eq(self.fields.parameter_address[word_bytes_log2:])
        with m.Elif(fetching):
            m.d.sync += next_word.eq(next_word + 1)
