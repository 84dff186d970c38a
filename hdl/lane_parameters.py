"""The bias and the scale of each lane."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from arch.isa import Opcode
from arch.timing import VECTOR_PARAMETER_CYCLES
from hdl.instruction import instruction_layout

AFTER_CYCLES = 1 + VECTOR_PARAMETER_CYCLES
"""From a bias to its use behind the scale. It is the shortest time from the parameters of an n tile
to the next ones, so the bias is still there to be copied; the rows before have used theirs."""


class LaneParameters(wiring.Component):
    """Keeps the parameters of the n tile whose rows are issued (rules B-05, T-VX-02).

    Parameters
    ----------
    lanes : int

    Members
    -------
    fields : In
        The instruction; constant while rows are in flight.
    parameters : In(32 * lanes)
    bias_valid, scale_valid : In(1)
        ``parameters`` holds biases, scales of the next n tile.
    bias : Out(signed(32)).array(lanes)
    scale : Out(32).array(lanes)
        From the next cycle on.
    after : Out(signed(16)).array(lanes)
        What is added behind the scale, from ``AFTER_CYCLES`` after the next cycle on.
    """

    def __init__(self, *, lanes: int):
        self.lanes = lanes
        super().__init__(
            {
                "fields": In(instruction_layout(Opcode.VECTOR)),
                "parameters": In(32 * lanes),
                "bias_valid": In(1),
                "scale_valid": In(1),
                "bias": Out(signed(32)).array(lanes),
                "scale": Out(32).array(lanes),
                "after": Out(signed(16)).array(lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        biases = Signal(32 * self.lanes, reset_less=True)
        scales = Signal(32 * self.lanes, reset_less=True)
        late_biases = Signal(16 * self.lanes, reset_less=True)
        bias_age = Signal(AFTER_CYCLES)
        m.d.sync += bias_age.eq(Cat(self.bias_valid, bias_age))
        with m.If(self.bias_valid):
            m.d.sync += biases.eq(self.parameters)
        with m.If(self.scale_valid):
            m.d.sync += scales.eq(self.parameters)
        with m.If(bias_age[-1] & self.fields.bias_after):
            m.d.sync += late_biases.eq(
                Cat(biases.word_select(lane, 32)[:16] for lane in range(self.lanes))
            )

        has_bias = Signal()
        has_after = Signal()
        m.d.comb += [
            has_bias.eq(~self.fields.tensor_scale & ~self.fields.bias_after),
            has_after.eq(~self.fields.tensor_scale & self.fields.bias_after),
        ]
        for lane in range(self.lanes):
            after = late_biases.word_select(lane, 16)
            scale = scales.word_select(lane, 32)
            m.d.comb += [
                self.bias[lane].eq(Mux(has_bias, biases.word_select(lane, 32), 0)),
                self.scale[lane].eq(Mux(self.fields.tensor_scale, self.fields.scale, scale)),
                self.after[lane].eq(Mux(has_after, after.as_signed(), 0)),
            ]
        return m
