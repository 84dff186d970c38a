"""How attention is cut into blocks of rows, and in which order things happen to them.

A block is some rows of one head. Six things happen to it, in turn: `scores` (MATRIX), `maximum`,
`exponent` and `scale` (VECTOR), `values` (MATRIX), `requantize` (VECTOR). Both engines never work
in one accumulator half at a time (B-06), so MATRIX goes from half to half and VECTOR works in the
other one: blocks take turns in the halves, and each does something for another block meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

from arch.config import Config
from arch.errors import AssayError
from compiler.operand import even_cuts
from model.tiling import ceil_div, round_up
from workloads.operators import Attention, Segment

Turns = tuple[tuple[tuple[str, int], ...], ...]
"""What is done, and for which block, counted from the first one of a pair; by phases."""

SHARED_HALVES: Turns = (
    (("scores", 0), ("maximum", -1), ("scale", -2)),
    (("values", -3), ("maximum", 0), ("scale", -3)),
    (("values", -2), ("exponent", -1), ("requantize", -3)),
    (("scores", 1), ("exponent", 0), ("requantize", -2)),
)
"""The turns of a pair of blocks. In each phase MATRIX does the first thing in one half while VECTOR
does the others in the other one, about as much in each phase. A half holds the scores of one block
while it takes the values of the one before."""

FULL_HALVES: Turns = (
    (("scores", 0), ("scale", -1), ("requantize", -1)),
    (("scores", 1), ("maximum", 0), ("exponent", 0)),
    (("values", 0), ("maximum", 1), ("exponent", 1)),
    (("values", 1), ("scale", 0), ("requantize", 0)),
)
"""The same where scores fill a half: values take their place."""

REACH = 3
"""Blocks that a phase goes back at most."""


@dataclass(frozen=True)
class Block:
    """Rows of one head, or where there is one row all heads that share its keys.

    Attributes
    ----------
    index
        Its number; the last bit chooses its half, and what else it has beside the other half's.
    rows
        Of the query tensor.
    heads
        One, or all that share their keys.
    keys
        Rows of the key tensor.
    visible
        How many of them any row of the block sees.
    mask_origin
        How many its first row sees, each further one sees one more; None: all see all.
    """

    index: int
    rows: range
    heads: range
    keys: range
    visible: int
    mask_origin: int | None

    @property
    def count(self) -> int:
        """Rows as MATRIX and VECTOR count them."""
        return len(self.rows) * len(self.heads)


@dataclass(frozen=True)
class Plan:
    """How an operator is cut.

    Attributes
    ----------
    turns
        ``SHARED_HALVES`` or ``FULL_HALVES``.
    most_rows
        Of a block.
    row_bytes
        For the probabilities of a row, a multiple of two words.
    blocks
        Segment by segment and head by head, so that keys and values are loaded once.
    """

    turns: Turns
    most_rows: int
    row_bytes: int
    blocks: tuple[Block, ...]


def plan(operator: Attention, config: Config, scratch_bytes: int) -> Plan:
    """Cut into blocks as large as accumulators, statistics and scratch memory hold.

    Scores share a half with values unless a block then had fewer rows than its weights take cycles.

    Raises
    ------
    AssayError
        Heads do not begin at whole tiles, or a row has too many keys.
    """
    tile = max(config.rows, config.cols)
    if operator.head_size % tile:
        raise AssayError(
            f"operator '{operator.name}': heads of {operator.head_size} columns do not begin at "
            f"whole tiles of {tile} (configuration '{config.name}'): choose a multiple, or a "
            "smaller array"
        )
    depth, keys = config.accumulator_depth, max(each.key_count for each in operator.segments)
    row_bytes = round_up(keys, 2 * config.word_bytes)
    key_tiles, head_tiles = ceil_div(keys, config.cols), operator.head_size // config.cols
    useful = max(each.query_count for each in operator.segments)
    most = min(
        max(useful, operator.heads // operator.kv_heads),
        depth // 2,
        scratch_bytes // (2 * row_bytes),
    )
    shared, full = depth // (key_tiles + head_tiles), depth // max(key_tiles, head_tiles)
    is_shared = shared >= min(most, config.rows)
    most = min(most, shared if is_shared else full)
    if not most:
        raise AssayError(
            f"operator '{operator.name}': accumulators or activation buffer of configuration "
            f"'{config.name}' do not hold a row of {keys} keys: raise accumulator_kib or "
            "activation_buffer_kib"
        )
    turns = SHARED_HALVES if is_shared else FULL_HALVES
    return Plan(turns, most, row_bytes, tuple(_blocks(operator, most)))


def _blocks(operator: Attention, most_rows: int) -> list[Block]:
    group = operator.heads // operator.kv_heads
    blocks: list[Block] = []
    for segment in operator.segments:
        heads = group if segment.query_count == 1 and group <= most_rows else 1
        cuts = even_cuts(segment.query_count, ceil_div(segment.query_count, most_rows))
        for head in range(0, operator.heads, heads):
            for rows in cuts:
                block = _block(operator, len(blocks), segment, rows, range(head, head + heads))
                blocks.append(block)
    return blocks


def _block(operator: Attention, index: int, segment: Segment, rows: range, heads: range) -> Block:
    """A block of `rows`, counted within the segment."""
    visible, mask_origin = segment.key_count, None
    if operator.causal:
        first = rows.start + segment.key_count - segment.query_count + 1
        # At least one key is there for rows that see none; it does not count.
        visible = min(max(first + len(rows) - 1, 1), visible)
        mask_origin = first if first < visible else None
    start = segment.query_start
    return Block(
        index=index,
        rows=range(start + rows.start, start + rows.stop),
        heads=heads,
        keys=range(segment.key_start, segment.key_start + segment.key_count),
        visible=visible,
        mask_origin=mask_origin,
    )
