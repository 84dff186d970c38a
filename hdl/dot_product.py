"""The compute tile as broadcast activations and adder trees."""

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib.wiring import Component, In

from hdl.compute_tile import COMPUTE_TILE_CYCLES, OPERAND_BITS, ComputeTile

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
        spare = self._weights("spare")
        active = self._weights("active")
        load, row = self.tile.load, self.tile.row
        row_writes = Signal(self._rows)
        column_writes = Signal(self._cols)
        with m.If(load.valid & load.transposed):
            m.d.comb += column_writes.eq(1 << load.index)
        with m.Elif(load.valid):
            m.d.comb += row_writes.eq(1 << load.index)
        for j in range(self._rows):
            for c in range(self._cols):
                with m.If(row_writes[j]):
                    m.d.sync += spare[j][c].eq(load.weights[c])
                with m.Elif(column_writes[c]):
                    m.d.sync += spare[j][c].eq(load.weights[j])
                with m.If(row.valid & row.swap):
                    m.d.sync += active[j][c].eq(spare[j][c])
        operands = [
            Signal(signed(OPERAND_BITS), name=f"operand_{j}", reset_less=True)
            for j in range(self._rows)
        ]
        with m.If(row.valid):
            m.d.sync += [operand.eq(row.operands[j]) for j, operand in enumerate(operands)]
        valid = Signal(COMPUTE_TILE_CYCLES - 1)
        m.d.sync += valid.eq(Cat(row.valid, valid))
        for c in range(self._cols):
            terms = [operands[j] * active[j][c] for j in range(self._rows)]
            for stage in range(COMPUTE_TILE_CYCLES - 1):
                terms = self._stage(m, valid[stage], terms, f"sum_{stage}_{c}")
            m.d.comb += self.tile.sums[c].eq(terms[0])
        return m

    def _weights(self, name):
        return [
            [
                Signal(signed(OPERAND_BITS), name=f"{name}_{j}_{c}", reset_less=True)
                for c in range(self._cols)
            ]
            for j in range(self._rows)
        ]

    def _stage(self, m, enable, terms, name):
        """Registers that hold the sums of RADIX ``terms`` each."""
        sums = []
        for first in range(0, len(terms), RADIX):
            total = _tree(terms[first : first + RADIX])
            register = Signal(total.shape(), name=f"{name}_{first}", reset_less=True)
            with m.If(enable):
                m.d.sync += register.eq(total)
            sums.append(register)
        return sums


def _tree(terms):
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return _tree(terms[:half]) + _tree(terms[half:])
