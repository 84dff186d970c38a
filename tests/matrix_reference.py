"""What the document says MATRIX must do: values of I-03, cycles of T-MX, errors of E-03."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from arch.config import Config
from arch.isa import Matrix
from arch.timing import MATRIX_PIPELINE_CYCLES, MATRIX_WEIGHT_BANKS

INDEX_STEP = 3
"""Instruction ``i`` of a program is said to be at ``INDEX_STEP * i``, as others lie between."""


@dataclass
class Trace:
    """Cycles of events, counted from the first offer, and the accumulators of both halves.

    ``faults`` has the cycle of each error and the index of the instruction to blame.
    """

    issues: list[int] = field(default_factory=list)
    weight_reads: list[int] = field(default_factory=list)
    tiles: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    macs: list[int] = field(default_factory=list)
    activation_reads: list[int] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)
    retirements: list[int] = field(default_factory=list)
    in_flight: list[int] = field(default_factory=list)
    faults: list[tuple[int, int]] = field(default_factory=list)
    accumulators: np.ndarray | None = None


@dataclass(frozen=True)
class Tile:
    """The ``number``-th weight tile of an instruction; ``valid_k`` x ``valid_n`` are weights."""

    number: int
    n: int
    ky: int
    kx: int
    t: int
    valid_k: int
    valid_n: int

    @property
    def first_of_n(self) -> bool:
        return self.ky == self.kx == self.t == 0


def _tiles(config: Config, i: Matrix) -> Iterator[Tile]:
    places = np.ndindex(i.n_tiles, i.ky_count, i.kx_count, i.k_tiles)
    for number, (n, ky, kx, t) in enumerate(places):
        valid_k = i.last_k if t == i.k_tiles - 1 else config.rows
        valid_n = i.last_n if n == i.n_tiles - 1 else config.cols
        yield Tile(number, n, ky, kx, t, valid_k, valid_n)


def _lanes(config: Config, i: Matrix, tile: Tile, oy: int, ox: int) -> dict[int, int]:
    """Valid lanes of a row and the addresses of their bytes."""
    y = i.y_origin + oy * i.y_row_step + tile.ky * i.y_ky_step
    x = i.x_origin + ox * i.column_stride + tile.kx * i.kx_stride
    x += tile.n * i.n_stride + tile.t * config.rows
    base = i.activation_address + oy * i.row_stride + tile.ky * i.ky_stride + x
    return {
        j: (base + j) % (1 << 24)
        for j in range(tile.valid_k)
        if 0 <= y < i.y_limit and 0 <= x + j < i.x_limit
    }


def _reads(config: Config, i: Matrix, tile: Tile) -> Iterator[tuple[int, int, bool]]:
    """Of each read of a tile: address, bytes that count, whether E-03 applies to it."""
    rows, cols = config.rows, config.cols
    if i.weight_transposed:
        for c in range(cols):
            column = (tile.n * cols + c) * i.weight_stride + tile.t * rows
            yield (i.weight_address + column) % (1 << 24), tile.valid_k, c < tile.valid_n
        return
    if i.weight_row_major:
        for j in range(rows):
            row = (tile.t * rows + j) * i.weight_stride + tile.n * cols
            yield (i.weight_address + row) % (1 << 24), cols, j < tile.valid_k
        return
    if i.weight_diagonal:
        place = (tile.n * i.ky_count + tile.ky) * i.kx_count + tile.kx
        for _ in range(rows):
            yield (i.weight_address + place * cols) % (1 << 24), cols, True
        return
    if i.weight_zero_row and tile.first_of_n:
        yield _zero_row_address(config, i, tile), cols, True
    zero_rows = (tile.n + 1) * i.weight_zero_row
    address = i.weight_address + (tile.number * rows + zero_rows) * cols
    for j in range(rows):
        yield (address + j * cols) % (1 << 24), cols, True


def _zero_row_address(config: Config, i: Matrix, tile: Tile) -> int:
    tiles_of_n = i.ky_count * i.kx_count * i.k_tiles
    bytes_of_n = (tiles_of_n * config.rows + 1) * config.cols
    return (i.weight_address + tile.n * bytes_of_n) % (1 << 24)


def _vector(i: Matrix, tile: Tile, row: int) -> int:
    return i.accumulator_address + tile.n * i.output_rows * i.output_columns + row


def _weights_missing(config: Config, i: Matrix, tile: Tile) -> bool:
    reads = [(address, count) for address, count, matters in _reads(config, i, tile) if matters]
    if i.weight_zero_row:
        reads.append((_zero_row_address(config, i, tile), config.cols))
    return any(address + count > config.weight_buffer_bytes for address, count in reads)


def expected_accumulators(
    config: Config,
    program: list[Matrix],
    activations: np.ndarray,
    weights: np.ndarray,
    accumulators: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """I-03, element by element: int32 [half, vector, lane], and [half, vector] where it is defined.

    Vectors that no instruction writes stay as they are in ``accumulators``; what is made of bytes
    that are not there (E-03) is not defined.
    """
    vectors = accumulators.astype(np.int64)
    defined = np.ones(vectors.shape[:2], bool)
    for i in program:
        for tile in _tiles(config, i):
            missing = _weights_missing(config, i, tile)
            w = None if missing else _weights(config, i, weights, tile)
            fresh = tile.first_of_n and not i.accumulate
            for row, (oy, ox) in enumerate(np.ndindex(i.output_rows, i.output_columns)):
                place = i.accumulator_half, _vector(i, tile, row)
                if place[1] >= config.accumulator_depth:
                    continue
                lanes = _lanes(config, i, tile, oy, ox)
                if fresh:
                    vectors[place], defined[place] = 0, True
                if missing or any(a >= config.activation_buffer_bytes for a in lanes.values()):
                    defined[place] = False
                else:
                    sums = _operands(config, i, activations, lanes) @ w
                    if i.maximum and not fresh:
                        sums = np.maximum(vectors[place].astype(np.int32), sums) - vectors[place]
                    vectors[place] += sums
    return vectors.astype(np.int32), defined


def _operands(config, i, activations, lanes):
    operands = np.zeros(config.rows, np.int64)
    for j, address in lanes.items():
        operands[j] = _value(activations[address], i.activation_signed) - i.activation_zero_point
    return operands


def _weights(config, i, weights, tile):
    w = np.zeros((config.rows, config.cols), np.int64)
    reads = list(_reads(config, i, tile))[-(config.cols if i.weight_transposed else config.rows) :]
    zero_points = np.full(config.cols, i.weight_zero_point)
    if i.weight_zero_row:
        address = _zero_row_address(config, i, tile)
        for c in range(config.cols):
            zero_points[c] = _value(weights[address + c], i.weight_signed)
    for j, c in np.ndindex(tile.valid_k, tile.valid_n):
        if i.weight_diagonal and tile.t * config.rows + j != c:
            continue
        address = reads[c][0] + j if i.weight_transposed else reads[j][0] + c
        w[j, c] = _value(weights[address], i.weight_signed) - zero_points[c]
    return w


def _value(byte, is_signed):
    return int(byte.view(np.int8)) if is_signed else int(byte)


def _macs(i: Matrix, tile: Tile) -> int:
    """What each row of a tile adds to the counter of that name (section 8)."""
    if i.maximum:
        return 0
    if i.mac_k == 0:
        return tile.valid_k * tile.valid_n
    return i.mac_k * tile.valid_n if tile.t == i.k_tiles - 1 else 0


def expected_trace(
    config: Config, program: list[Matrix], offers: dict[int, int] | None = None
) -> Trace:
    """The cycles of rules T-MX-01 to T-MX-05, which errors and checks do not change (E-10)."""
    trace = Trace()
    loader_faults: dict[int, int] = {}
    row_faults: dict[int, int] = {}
    last_rows = [-1] * MATRIX_WEIGHT_BANKS
    free = -1
    for number, i in enumerate(program):
        index = INDEX_STEP * number
        before = trace.issues[-1] if trace.issues else -1
        issue = max(free, before + 1, (offers or {}).get(number, 0))
        trace.issues.append(issue)
        read = issue + 1
        for tile in _tiles(config, i):
            begin = max(read, last_rows[-MATRIX_WEIGHT_BANKS] + 1)
            read = _read_weights(config, i, tile, begin, index, trace, loader_faults)
            trace.tiles.append(read - 1)
            row = max(read, last_rows[-1] + 1)
            row = _issue_rows(config, i, tile, row, index, trace, row_faults)
            last_rows.append(row - 1)
        free = read - 1
        trace.retirements.append(last_rows[-1] + MATRIX_PIPELINE_CYCLES)
    spans = zip(trace.issues, trace.retirements, strict=True)
    trace.in_flight = sorted({c for begin, end in spans for c in range(begin + 1, end + 1)})
    trace.faults = sorted((loader_faults | row_faults).items())
    return trace


def _read_weights(config, i, tile, cycle, index, trace, faults):
    """Log the reads of a tile; the cycle behind the last."""
    for address, count, matters in _reads(config, i, tile):
        if address + count <= config.weight_buffer_bytes:
            trace.weight_reads.append(cycle)
        elif matters:
            faults[cycle] = index
        cycle += 1
    return cycle


def _issue_rows(config, i, tile, cycle, index, trace, faults):
    """Log the rows of a tile; the cycle behind the last."""
    for row, (oy, ox) in enumerate(np.ndindex(i.output_rows, i.output_columns)):
        addresses = _lanes(config, i, tile, oy, ox).values()
        exists = _vector(i, tile, row) < config.accumulator_depth
        inside = all(address < config.activation_buffer_bytes for address in addresses)
        trace.rows.append(cycle)
        trace.macs.append(_macs(i, tile))
        if addresses and inside:
            trace.activation_reads.append(cycle)
        if exists:
            trace.writes.append(cycle + MATRIX_PIPELINE_CYCLES)
        if not (exists and inside):
            faults[cycle] = index
        cycle += 1
    return cycle
