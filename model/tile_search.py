"""Which tilings of a linear layer a configuration allows, and which of them are best."""

from __future__ import annotations

from collections.abc import Iterator

from arch.config import Config
from model.tiling import Estimate, Partition, Shape, Tiling, ceil_div, round_up

_INSTRUCTION_CYCLES = 512
_INSTRUCTION_LATENCIES = 0.25
"""Work an instruction should bring, so that fetching it costs little: the larger of these."""
_RUN_BEATS = 8
"""Beats an activation run should have, so that outstanding bursts cover the latency."""
_RUN_BYTES_LIMIT = (1 << 20) - 1
_ROW_CANDIDATES = 24


def best_tilings(shape: Shape, config: Config, space: Partition, count: int) -> list[Tiling]:
    """The `count` tilings of least estimated cycles, best first; there is always one."""
    ranked = sorted(
        (
            (Estimate(shape, tiling, config, space).cycles, index, tiling)
            for index, tiling in enumerate(_candidates(shape, config, space))
        ),
        key=lambda entry: entry[:2],
    )
    return [tiling for _, _, tiling in ranked[:count]]


def _candidates(shape: Shape, config: Config, space: Partition) -> Iterator[Tiling]:
    n_tiles = ceil_div(shape.n, config.cols)
    for rows in _row_candidates(shape, config, space):
        limit = min(
            n_tiles,
            _group_rows(shape, config, space) // rows,
            space.parameter // (16 * config.cols),
        )
        groups = {limit} | {1 << bit for bit in range(limit.bit_length())}
        balanced = {ceil_div(n_tiles, ceil_div(n_tiles, group)) for group in groups}
        for group in sorted(balanced):
            chunk = _chunk_tiles(rows, shape, config, space)
            per_instruction = _instruction_tiles(rows, group, chunk, config, space)
            yield Tiling(rows, group, per_instruction, chunk, n_outer=False)
            if rows < shape.m and group < n_tiles:
                yield Tiling(rows, group, per_instruction, chunk, n_outer=True)


def _row_candidates(shape: Shape, config: Config, space: Partition) -> list[int]:
    """Even cuts of M that leave room for two of everything a block needs, largest first."""
    most = _group_rows(shape, config, space)
    if shape.input_bytes:
        most = min(most, space.activation // (2 * config.word_bytes))
    m = shape.m
    fewest_blocks = ceil_div(m, most)
    cuts: list[int] = []
    blocks = fewest_blocks
    while len(cuts) < _ROW_CANDIDATES and blocks <= m:
        rows = ceil_div(m, blocks)
        if not cuts or rows < cuts[-1]:
            cuts.append(rows)
        if rows <= config.rows // 2:
            break
        blocks = max(blocks + 1, blocks * 9 // 8)
    return cuts


def _group_rows(shape: Shape, config: Config, space: Partition) -> int:
    """Rows times n tiles that an accumulator half and half of output and residual space hold."""
    limits = [config.accumulator_depth]
    for size, element_bytes in (
        (space.output, shape.output_bytes),
        (space.residual, shape.residual_bytes),
    ):
        if element_bytes:
            limits.append(size // (2 * config.cols * element_bytes))
    return min(limits)


def _chunk_tiles(rows: int, shape: Shape, config: Config, space: Partition) -> int:
    k_tiles = ceil_div(shape.k, config.rows)
    tile_bytes = config.rows * config.cols
    step = config.word_bytes // config.rows
    wanted = max(
        ceil_div(_RUN_BEATS * config.axi_bytes, config.rows),
        ceil_div(_instruction_cycles(config), max(rows, config.rows)),
        step,
    )
    limit = min(space.weight // 4 // tile_bytes, _RUN_BYTES_LIMIT // tile_bytes)
    if shape.input_bytes:
        limit = min(limit, max(space.activation // 4 // rows // config.rows, step))
    chunk = min(k_tiles, wanted, limit)
    even = ceil_div(k_tiles, ceil_div(k_tiles, chunk))
    return min(round_up(even, step), chunk) if chunk >= step else even


def _instruction_tiles(rows: int, group: int, chunk: int, config: Config, space: Partition) -> int:
    """The largest divisor of `group` that the work wanted of an instruction asks for."""
    chunk_bytes = chunk * config.rows * config.cols
    wanted = min(
        ceil_div(_instruction_cycles(config), chunk * max(rows, config.rows)),
        max(1, space.weight // 4 // chunk_bytes),
    )
    return max(tiles for tiles in range(1, min(group, wanted) + 1) if group % tiles == 0)


def _instruction_cycles(config: Config) -> int:
    latencies = int(_INSTRUCTION_LATENCIES * config.dram_latency_cycles)
    return max(_INSTRUCTION_CYCLES, latencies)
