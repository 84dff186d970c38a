"""The loop of a VECTOR instruction over rows and n tiles, and the addresses that move with it."""

from amaranth.hdl import Mux

from hdl.loop_nest import LoopNest, StridedWalk

ROW, TILE = range(2)
"""Levels of the loop, innermost first."""
ENTRY_BITS = 17
"""Of an entry of the statistics file that is walked to: ``statistic_address`` and a row."""


def row_nest(m, fields, *, start, step):
    """Row by row through an n tile, n tile by n tile; ``fields`` are those of the instruction."""
    m.submodules.nest = nest = LoopNest(widths=(16, 12))
    m.d.comb += [
        nest.start.eq(start),
        nest.step.eq(step),
        *nest.set_counts((fields.rows, fields.n_tiles)),
    ]
    return nest


def row_walk(m, nest, name, *, width, origin, strides):
    """A value that starts at ``origin``; ``strides`` is what it gains at each level it moves at."""
    walk = StridedWalk(width=width, strided=tuple(strides), levels=TILE + 1)
    m.submodules[f"{name}_walk"] = walk
    m.d.comb += [
        walk.start.eq(nest.start),
        walk.step.eq(nest.step),
        walk.level.eq(nest.level),
        walk.origin.eq(origin),
        *walk.set_strides(strides),
    ]
    return walk.value


def entry_walk(m, nest, fields):
    """The row's entry of the statistics file, the same in every n tile (rule B-08)."""
    origin = fields.statistic_address
    return row_walk(m, nest, "entry", width=ENTRY_BITS, origin=origin, strides={ROW: 1})


def valid_lanes(fields, nest, lanes):
    """How many lanes of the n tile are valid (rule I-04)."""
    return Mux(nest.last[TILE], fields.last_n, lanes)
