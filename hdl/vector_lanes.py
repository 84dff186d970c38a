"""The lanes of the vector unit: what happens to a row between its reads and its write."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from arch.isa import Addition, Opcode, Operation, Raw, Statistic, Table
from hdl.addition import AddResidual
from hdl.exponential import Exponential
from hdl.gated import gated
from hdl.instruction import instruction_layout
from hdl.interpolation import Interpolate
from hdl.lane_parameters import LaneParameters
from hdl.lane_value import LaneValue
from hdl.lookup import Lookup
from hdl.narrow import Narrow
from hdl.ports import MemoryWrite
from hdl.reduction import SUM_BITS, RowReduction
from hdl.requantize import SCALE_CYCLE, Requantize
from hdl.row_delay import RowDelay
from hdl.row_scale import RowScale

# When a row is where, in cycles after its issue.
ARRIVED = 1
VALUE = ARRIVED + LaneValue.CYCLES
SCALE = VALUE + SCALE_CYCLE - RowScale.CYCLES
INTEGER = VALUE + Requantize.INTEGER_CYCLE
CODE = VALUE + Requantize.CYCLES
LOOKED_UP = CODE + 1
FRACTION = INTEGER + Exponential.FRACTION_CYCLE
MAPPED = LOOKED_UP + Interpolate.CYCLES
LATE_CODE = LOOKED_UP + AddResidual.LATE_CYCLE
RESULT = LOOKED_UP + AddResidual.CYCLES
WRITTEN = RESULT + Narrow.CYCLES
REDUCED = VALUE + RowReduction.VALUE_CYCLES


class VectorLanes(wiring.Component):
    """One row a cycle through rule I-04, from what was read to what is written and kept.

    Every row takes the same way, whatever the options (rule T-VX-04). The value that is scaled is
    made in ``LaneValue``; ``Requantize``, tables and ``AddResidual`` follow. ``Interpolate`` and
    ``Exponential`` go beside the addition of floats, which is not combined with them.

    Parameters
    ----------
    lanes : int

    Members
    -------
    fields : In
        The instruction; constant from the issue of its first row to ``REDUCED`` cycles after that
        of its last one.
    row : In(1)
        A row is issued: the following inputs hold it in the next cycle.
    accumulators : In(32 * lanes)
    source, operand : In(16 * lanes)
        The first ``lanes`` bytes, or int16, are elements of the source, of residual or multiplier.
    counts : In(lanes)
        Lanes that are valid and count.
    maximum, row_sum : In(signed(32))
    row_scale : In(32)
        Statistics of the row.
    parameters : In(32 * lanes)
    bias_valid, scale_valid : In(1)
        ``parameters`` holds biases, scales. Rows issued up to three (biases) or four (scales)
        cycles before still have the last ones, rows issued from the next cycle on these.
    unary, wide : In(MemoryWrite)
        Word writes of the tables.
    result : Out(16 * lanes)
        ``lanes`` bytes, or int16, in the cycle of ``result_valid``.
    result_valid : Out(1)
        The row issued ``CYCLES`` before is written in this cycle.
    reduced_valid : Out(1)
        What the instruction keeps of the row issued ``CYCLES + 1`` before is there.
    reduced_maximum : Out(signed(32))
    reduced_sum, reduced_squares : Out(signed(48))
    """

    CYCLES = WRITTEN

    def __init__(self, *, lanes: int):
        self.lanes = lanes
        super().__init__(
            {
                "fields": In(instruction_layout(Opcode.VECTOR)),
                "row": In(1),
                "accumulators": In(32 * lanes),
                "source": In(16 * lanes),
                "operand": In(16 * lanes),
                "counts": In(lanes),
                "maximum": In(signed(32)),
                "row_sum": In(signed(32)),
                "row_scale": In(32),
                "parameters": In(32 * lanes),
                "bias_valid": In(1),
                "scale_valid": In(1),
                "unary": In(MemoryWrite(depth=Table.UNARY.words, width=32)),
                "wide": In(MemoryWrite(depth=Table.WIDE.words, width=32)),
                "result": Out(16 * lanes),
                "result_valid": Out(1),
                "reduced_valid": Out(1),
                "reduced_maximum": Out(signed(32)),
                "reduced_sum": Out(signed(SUM_BITS)),
                "reduced_squares": Out(signed(SUM_BITS)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # Instruction and rows are some cycles apart, so the options may take another register on
        # their way to every lane.
        options = Signal.like(self.fields)
        at = Signal(REDUCED + 1)
        m.d.sync += [options.eq(self.fields), at[1:].eq(at)]
        m.d.comb += at[0].eq(self.row)
        counts = self._delay_counts(m, at)
        value, requantize = self._scale(m, options, at)
        raw = self._delay_raw(m, options, at, value)
        codes, entries, residual = self._look_up(m, options, at, requantize, raw)
        late_code, fractions = self._map(m, options, at, requantize, codes, entries)
        results = self._add(m, options, at, counts[LATE_CODE], codes, entries, residual, late_code)
        self._write(m, options, at, results)
        self._reduce(m, options, at, counts, value.value, fractions, results)
        return m

    def _delay_counts(self, m, at):
        """The lanes that count, by the cycle in which the row is."""
        later = Signal((LATE_CODE - ARRIVED) * self.lanes, reset_less=True)
        every_row = Cat(self.counts, later)
        with m.If(at[ARRIVED:].any()):
            m.d.sync += later.eq(every_row)
        return {
            cycle: every_row.word_select(cycle - ARRIVED, self.lanes)
            for cycle in (VALUE, FRACTION, LATE_CODE)
        }

    def _scale(self, m, options, at):
        """Up to ``CODE``."""
        m.submodules.lane_parameters = parameters = LaneParameters(lanes=self.lanes)
        m.submodules.value = value = LaneValue(lanes=self.lanes)
        m.submodules.lane_scale = row_scale = RowScale(lanes=self.lanes)
        m.submodules.requantize = requantize = Requantize(lanes=self.lanes)
        m.d.comb += [
            parameters.fields.eq(options),
            parameters.parameters.eq(self.parameters),
            parameters.bias_valid.eq(self.bias_valid),
            parameters.scale_valid.eq(self.scale_valid),
            value.fields.eq(options),
            value.valid.eq(at[ARRIVED]),
            value.accumulators.eq(self.accumulators),
            value.elements.eq(self.source),
            value.operands.eq(self.operand),
            value.maximum.eq(self.maximum),
            value.row_sum.eq(self.row_sum),
            row_scale.valid.eq(at[SCALE]),
            row_scale.used.eq(options.row_scale),
            requantize.valid.eq(at[VALUE]),
            requantize.zero_point.eq(options.zero_point),
            requantize.low.eq(options.clamp_low),
            requantize.high.eq(options.clamp_high),
        ]
        with m.If(options.row_scale):
            delayed = self.row_scale
            for cycle in range(ARRIVED, SCALE):
                previous, delayed = delayed, Signal(32, name=f"row_scale_{cycle}", reset_less=True)
                m.d.sync += delayed.eq(previous)
            m.d.comb += row_scale.row_scale.eq(delayed)
        for lane in range(self.lanes):
            m.d.comb += [
                value.bias[lane].eq(parameters.bias[lane]),
                row_scale.scale[lane].eq(parameters.scale[lane]),
                requantize.value[lane].eq(value.value[lane]),
                requantize.scale[lane].eq(row_scale.combined[lane]),
                requantize.after[lane].eq(parameters.after[lane]),
            ]
        return value, requantize

    def _delay_raw(self, m, options, at, value):
        """At ``CODE``: the half of the value that goes on as it is, beside the requantiser."""
        m.submodules.raw = raw = RowDelay(width=16 * self.lanes, depth=8)
        high = options.raw == Raw.HIGH
        halves = [Mux(high, value[16:], value[:16]) for value in value.value]
        m.d.comb += [
            raw.valid.eq(at[VALUE] & (options.raw != Raw.NONE)),
            raw.row.eq(Cat(halves)),
            raw.cycles.eq(CODE - VALUE),
            raw.wanted.eq(at[CODE - 1] & (options.raw != Raw.NONE)),
        ]
        return raw.delayed

    def _look_up(self, m, options, at, requantize, raw):
        """At ``LOOKED_UP``: the code, which the unary table replaces, and entries of the other.

        A residual waits for the code to which it, or its entry, is added.
        """
        m.submodules.unary_table = unary_table = Lookup(lanes=self.lanes, entry_bits=8)
        m.submodules.wide_table = wide_table = Lookup(lanes=self.lanes, entry_bits=32)
        m.submodules.residual = residual = RowDelay(width=16 * self.lanes, depth=16)
        wiring.connect(m, wiring.flipped(self.unary), unary_table.write)
        wiring.connect(m, wiring.flipped(self.wide), wide_table.write)
        adds_float = options.addition == Addition.TABLE
        adds_integer = options.addition == Addition.INT16
        m.d.comb += [
            residual.valid.eq(at[ARRIVED] & (adds_float | adds_integer)),
            residual.row.eq(self.operand),
            residual.cycles.eq(Mux(adds_integer, LATE_CODE, CODE) - ARRIVED),
            residual.wanted.eq((at[CODE - 1] & adds_float) | (at[LATE_CODE - 1] & adds_integer)),
            unary_table.enable.eq(at[CODE] & options.unary_table),
            wide_table.enable.eq(at[CODE] & (adds_float | options.interpolate)),
        ]
        codes = []
        for lane in range(self.lanes):
            code = Signal(signed(16), name=f"code_{lane}", reset_less=True)
            with m.If(at[CODE]):
                half = raw.word_select(lane, 16).as_signed()
                m.d.sync += code.eq(Mux(options.raw == Raw.NONE, requantize.code[lane], half))
            entry = unary_table.entry[lane]
            # The sum makes the extension an operator, which simulators do in a machine word.
            extended = Mux(options.unary_signed, entry.as_signed() + Const(0, signed(16)), entry)
            looked_up = gated(signed(16), name=f"looked_up_{lane}")
            codes.append(looked_up)
            with m.If(at[LOOKED_UP] & options.unary_table):
                m.d.comb += looked_up.eq(extended)
            with m.Elif(at[LOOKED_UP]):
                m.d.comb += looked_up.eq(code)
            m.d.comb += [
                unary_table.index[lane].eq(requantize.code[lane]),
                wide_table.index[lane].eq(
                    Mux(
                        options.interpolate,
                        requantize.code[lane][8:],
                        residual.delayed.word_select(lane, 8),
                    )
                ),
            ]
        return codes, wide_table.entry, residual.delayed

    def _map(self, m, options, at, requantize, codes, entries):
        """At ``LATE_CODE``: the code, or what interpolation or the exponential makes."""
        m.submodules.interpolate = interpolate = Interpolate(lanes=self.lanes)
        m.submodules.exponential = exponential = Exponential(lanes=self.lanes)
        m.submodules.late_code = late_code = RowDelay(width=16 * self.lanes, depth=4)
        exponent = options.operation == Operation.EXPONENT
        mapped = exponent | options.interpolate
        m.d.comb += [
            interpolate.valid.eq(at[LOOKED_UP] & options.interpolate),
            exponential.valid.eq(at[INTEGER] & exponent),
            exponential.element_type.eq(options.element_type),
            late_code.valid.eq(Mux(mapped, at[MAPPED], at[LOOKED_UP])),
            late_code.cycles.eq(LATE_CODE - Mux(mapped, MAPPED, LOOKED_UP)),
            late_code.wanted.eq(at[LATE_CODE - 1]),
        ]
        row = []
        for lane in range(self.lanes):
            m.d.comb += [
                interpolate.place[lane].eq(codes[lane]),
                interpolate.entry[lane].eq(entries[lane]),
                exponential.exponent[lane].eq(requantize.integer[lane]),
            ]
            special = Mux(exponent, exponential.code[lane], interpolate.result[lane])
            row.append(Mux(mapped, special, codes[lane]))
        m.d.comb += late_code.row.eq(Cat(row))
        return late_code.delayed, exponential.fraction

    def _add(self, m, options, at, counts, codes, entries, residual, late_code):
        """At ``RESULT``."""
        m.submodules.add_residual = add_residual = AddResidual(lanes=self.lanes)
        m.d.comb += [
            add_residual.valid.eq(at[LOOKED_UP]),
            add_residual.kind.eq(options.addition),
            add_residual.scale.eq(options.addition_scale),
            add_residual.low.eq(options.sum_low),
            add_residual.high.eq(options.sum_high),
            add_residual.counts.eq(counts),
        ]
        for lane in range(self.lanes):
            m.d.comb += [
                add_residual.code[lane].eq(codes[lane]),
                add_residual.term[lane].eq(entries[lane]),
                add_residual.late_code[lane].eq(late_code.word_select(lane, 16)),
                add_residual.residual[lane].eq(residual.word_select(lane, 16)),
            ]
        return add_residual.result

    def _write(self, m, options, at, results):
        m.submodules.narrow = narrow = Narrow(lanes=self.lanes)
        m.d.comb += [
            narrow.valid.eq(at[RESULT]),
            narrow.shift.eq(options.output_shift),
            narrow.zero_point.eq(options.output_zero_point),
            narrow.element_type.eq(options.element_type),
            self.result.eq(narrow.elements),
            self.result_valid.eq(at[WRITTEN]),
        ]
        m.d.comb += [narrow.value[lane].eq(results[lane]) for lane in range(self.lanes)]

    def _reduce(self, m, options, at, counts, values, fractions, results):
        m.submodules.reduction = reduction = RowReduction(lanes=self.lanes)
        exponent = options.operation == Operation.EXPONENT
        summed = options.statistic == Statistic.SUM
        m.d.comb += [
            reduction.value_valid.eq(at[VALUE] & (options.statistic == Statistic.MAXIMUM)),
            reduction.value_counts.eq(counts[VALUE]),
            reduction.fraction_valid.eq(at[FRACTION] & summed & exponent),
            reduction.fraction_counts.eq(counts[FRACTION]),
            reduction.result_valid.eq(at[RESULT] & summed & ~exponent),
            reduction.of_fractions.eq(exponent),
            self.reduced_valid.eq(at[REDUCED] & (options.statistic != Statistic.NONE)),
            self.reduced_maximum.eq(reduction.maximum),
            self.reduced_sum.eq(reduction.sum),
            self.reduced_squares.eq(reduction.squares),
        ]
        for lane in range(self.lanes):
            m.d.comb += [
                reduction.value[lane].eq(values[lane]),
                reduction.fraction[lane].eq(fractions[lane]),
                reduction.result[lane].eq(results[lane]),
            ]
