"""The interface of a compute tile, the same for every style of building one."""

from amaranth.hdl import Cat, signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out, Signature

from arch.timing import MATRIX_PIPELINE_CYCLES

OPERAND_BITS = 9
"""An int8 or uint8 less a zero point of its type."""

SUM_BITS = 32
"""Of an accumulator; sums wrap (N-04)."""

READ_TO_TILE_CYCLES = 2
"""From the issue of a row, or the read of weights, to the tile."""

COMPUTE_TILE_CYCLES = MATRIX_PIPELINE_CYCLES - READ_TO_TILE_CYCLES
"""From a row of operands at the tile to its sums, which are written in that cycle (T-MX-05)."""


def to_operand(byte, is_signed, zero_point):
    """The operand of a byte, ``signed(OPERAND_BITS)`` and wrapping (I-03)."""
    extended = Cat(byte, byte[-1] & is_signed).as_signed()
    return (extended - zero_point)[:OPERAND_BITS].as_signed()


class TileLoad(Signature):
    """One row or one column of weights for the tile's spare register.

    A tile is all its rows in order, or all its columns in order.

    Members
    -------
    valid : Out(1)
    transposed : Out(1)
        ``weights`` are a column, else a row.
    weights : Out(max(rows, cols) of signed(9))
    """

    def __init__(self, *, rows: int, cols: int):
        lanes = max(rows, cols)
        super().__init__(
            {
                "valid": Out(1),
                "transposed": Out(1),
                "weights": Out(data.ArrayLayout(signed(OPERAND_BITS), lanes)),
            }
        )


class TileRow(Signature):
    """One row of activations.

    Members
    -------
    valid : Out(1)
    swap : Out(1)
        First row of a weight tile: from this row on the weights are those of the spare register
        before this cycle. A load in the same cycle belongs to the next tile.
    operands : Out(rows of signed(9))
    """

    def __init__(self, *, rows: int):
        super().__init__(
            {
                "valid": Out(1),
                "swap": Out(1),
                "operands": Out(data.ArrayLayout(signed(OPERAND_BITS), rows)),
            }
        )


class ComputeTile(Signature):
    """What drives a tile of ``rows`` x ``cols`` multipliers.

    Members
    -------
    load : Out(TileLoad)
    row : Out(TileRow)
    sums : In(cols of signed(SUM_BITS))
        ``sum over j of operands[j] * weights[j][c]`` for each column ``c``, in cycle
        ``t + COMPUTE_TILE_CYCLES`` for a row in cycle ``t``.
    """

    def __init__(self, *, rows: int, cols: int):
        super().__init__(
            {
                "load": Out(TileLoad(rows=rows, cols=cols)),
                "row": Out(TileRow(rows=rows)),
                "sums": In(data.ArrayLayout(signed(SUM_BITS), cols)),
            }
        )
