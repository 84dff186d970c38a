"""The compute tile as broadcast activations and adder trees."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib.wiring import Component, In

from hdl.compute_tile import COMPUTE_TILE_CYCLES, OPERAND_BITS, SUM_BITS, ComputeTile

RADIX = 4
"""Terms that one pipeline stage adds."""


class DotProduct(Component):
    """Every row of operands meets all weights at once; a column is a pipelined adder tree.

    The stages after the operand register: products added in groups of four, then four sums a
    stage, then plain registers until the latency is COMPUTE_TILE_CYCLES. Stages without a row hold
    still. A row may enter in every cycle, also at a swap: the weights in use are a copy that is
    taken from the spare register together with the first row's operands (T-MX-02, T-MX-03).

    Parameters
    ----------
    rows : int
        Terms of each sum, 4 to 64.
    cols : int
        Sums.

    Members
    -------
    tile : In(ComputeTile)
    """

    def __init__(self, *, rows: int, cols: int):
        self._rows = rows
        self._cols = cols
        super().__init__({"tile": In(ComputeTile(rows=rows, cols=cols))})

    def elaborate(self, platform):
        m = Module()
        weights = self._weights(m)
        row = self.tile.row
        operands = _registers("operand", self._rows, OPERAND_BITS)
        with m.If(row.valid):
            m.d.sync += [operand.eq(row.operands[j]) for j, operand in enumerate(operands)]
        operands = _extend(m, operands)
        valid = Signal(COMPUTE_TILE_CYCLES - 1)
        m.d.sync += valid.eq(Cat(row.valid, valid))
        for c in range(self._cols):
            terms = [
                (operands[j] * weights[j][c].as_unsigned())[:SUM_BITS] for j in range(self._rows)
            ]
            bits = 2 * OPERAND_BITS
            for stage in range(COMPUTE_TILE_CYCLES - 1):
                bits += min(len(terms), RADIX).bit_length() - 1
                terms = self._stage(m, f"sum_{c}_{stage}", valid[stage], terms, bits)
            (total,) = terms
            m.d.comb += self.tile.sums[c].eq(total)
        return m

    def _weights(self, m):
        """Weights in use, filled from a spare register that shifts rows up or columns left."""
        load, row = self.tile.load, self.tile.row
        spare = [_registers(f"spare_{j}", self._cols, OPERAND_BITS) for j in range(self._rows)]
        used = [_registers(f"used_{j}", self._cols, SUM_BITS) for j in range(self._rows)]
        for j in range(self._rows):
            for c in range(self._cols):
                below = load.weights[c] if j == self._rows - 1 else spare[j + 1][c]
                right = load.weights[j] if c == self._cols - 1 else spare[j][c + 1]
                with m.If(load.valid):
                    m.d.sync += spare[j][c].eq(Mux(load.transposed, right, below))
                with m.If(row.valid & row.swap):
                    m.d.sync += used[j][c].eq(_wide(spare[j][c]))
        return used

    def _stage(self, m, name, enable, terms, bits):
        """Registers that hold the sums of RADIX ``terms`` each."""
        groups = [terms[i : i + RADIX] for i in range(0, len(terms), RADIX)]
        registers = _registers(name, len(groups), bits)
        with m.If(enable):
            m.d.sync += [
                register.eq(_add(group)) for register, group in zip(registers, groups, strict=True)
            ]
        return _extend(m, registers)


def _registers(name, count, bits):
    return [Signal(signed(bits), name=f"{name}_{i}", reset_less=True) for i in range(count)]


def _wide(narrow):
    """A signed value at the width of the sums.

    All arithmetic is modulo 2**SUM_BITS, which simulators do in machine words; synthesis finds the
    sign bits and builds the narrow registers, multipliers and adders. The zero makes the extension
    an operator: an assignment would make it a list of sign bits, evaluated one by one.
    """
    return narrow + Const(0, signed(SUM_BITS - 1))


def _extend(m, registers):
    extended = [Signal(SUM_BITS, name=f"{register.name}_extended") for register in registers]
    m.d.comb += [wide.eq(_wide(narrow)) for wide, narrow in zip(extended, registers, strict=True)]
    return extended


def _add(terms):
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return (_add(terms[:half]) + _add(terms[half:]))[:SUM_BITS]
