"""The weights of a window: which MATRIX instructions they make, and how they lie in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from arch.config import Config
from compiler.packing import Weights, zero_points
from model.tiling import ceil_div
from workloads.operators import AveragePool, Conv, MaxPool

WindowOperator = Conv | MaxPool | AveragePool


@dataclass(frozen=True)
class Part:
    """n tiles that one MATRIX can go over.

    Attributes
    ----------
    columns
        Output channels, from a multiple of ``cols`` on.
    channels
        Input channels that the first n tile reads.
    n_stride
        Channels from n tile to n tile; 0 where all read the same.
    macs
        Input channels that count in each output channel; 0 where that is all.
    diagonal
        Output channel c is of input channel c alone.
    """

    columns: range
    channels: range
    n_stride: int = 0
    macs: int = 0
    diagonal: bool = False


@dataclass(frozen=True)
class Chunk:
    """Kernel rows, and k tiles of each of their runs, that one MATRIX goes over."""

    rows: range
    tiles: range


@dataclass(frozen=True, eq=False)
class Kernel:
    """Parts with their weights.

    Attributes
    ----------
    parts
        In the order of their columns.
    folded
        A kernel row is one run of ``kernel columns * channels`` bytes; else each tap is a run.
    """

    operator: WindowOperator
    config: Config
    parts: tuple[Part, ...]
    folded: bool

    @property
    def kernel_columns(self) -> int:
        """Runs in a kernel row."""
        return 1 if self.folded else self.operator.window.kernel[1]

    def run(self, part: Part) -> int:
        """K of a run."""
        return len(part.channels) * (self.operator.window.kernel[1] if self.folded else 1)

    def k_tiles(self, part: Part) -> int:
        """Of a run."""
        return ceil_div(self.run(part), self.config.rows)

    def mac_k(self, part: Part) -> int:
        """K of a run that counts as MACs; 0 where that is all."""
        return part.macs * (self.operator.window.kernel[1] if self.folded else 1)

    @property
    def tiles(self) -> int:
        """Weight tiles of an n tile, the most of any part."""
        runs = self.operator.window.kernel[0] * self.kernel_columns
        return runs * max(self.k_tiles(part) for part in self.parts)

    @property
    def own_channels(self) -> int:
        """Channels that an n tile has to itself, the most of any part; 0 where all read all.

        Those on a diagonal are its own too: they share one row of weights, and are not cut.
        """
        if len(self.parts) == 1 and not self.parts[0].n_stride and not self.parts[0].diagonal:
            return 0
        return max(len(part.channels) for part in self.parts)

    @property
    def weight_bytes(self) -> int:
        """Of an n tile, the most of any part."""
        return max(self.chunk_bytes(part, self.whole(part)) for part in self.parts)

    def whole(self, part: Part) -> Chunk:
        """All weights of a part."""
        return Chunk(range(self.operator.window.kernel[0]), range(self.k_tiles(part)))

    def chunk_bytes(self, part: Part, chunk: Chunk) -> int:
        """Bytes of a chunk of one n tile."""
        runs = len(chunk.rows) * self.kernel_columns
        if part.diagonal:
            return runs * self.config.cols
        zero_row = self.config.cols if self.zero_points[1] is not None else 0
        return runs * len(chunk.tiles) * self.config.rows * self.config.cols + zero_row

    @cached_property
    def zero_points(self) -> tuple[int, NDArray[np.int32] | None]:
        """That of all weights, or one for each output channel."""
        if isinstance(self.operator, Conv):
            return zero_points(self.operator.weight_zero_point, self.operator.output.cols)
        return 0, None

    @property
    def signed(self) -> bool:
        return not isinstance(self.operator, Conv) or self.operator.weight.dtype == np.int8

    def pack(self, part: Part, chunks: list[Chunk]) -> NDArray[np.uint8]:
        """The chunks of each n tile, one behind the other, [n tiles, bytes] (rule D-02)."""
        rows, cols = self.config.rows, self.config.cols
        n_tiles = ceil_div(len(part.columns), cols)
        weights = self._weights(part)
        kernel_rows, runs, k, columns = weights.shape
        height = k if part.diagonal else self.k_tiles(part) * rows
        padded = np.zeros((kernel_rows, runs, height, n_tiles * cols), weights.dtype)
        padded[:, :, :k, :columns] = weights
        by_tile = padded.reshape(kernel_rows, runs, height, n_tiles, cols).transpose(3, 0, 1, 2, 4)
        zero_row = self._zero_row(part, n_tiles)
        pieces = []
        for chunk in chunks:
            k_range = slice(0, 1) if part.diagonal else _k_of(chunk, rows)
            piece = by_tile[:, chunk.rows.start : chunk.rows.stop, :, k_range]
            pieces += [*zero_row, piece.reshape(n_tiles, -1)]
        return np.concatenate(pieces, axis=1).view(np.uint8)

    def _zero_row(self, part: Part, n_tiles: int) -> list[Weights]:
        row = self.zero_points[1]
        if row is None:
            return []
        zeros: Weights = np.zeros(n_tiles * self.config.cols, self._dtype)
        zeros[: len(part.columns)] = row[part.columns.start : part.columns.stop]
        return [zeros.reshape(n_tiles, -1)]

    @property
    def _dtype(self) -> type[np.int8] | type[np.uint8]:
        return np.int8 if self.signed else np.uint8

    def _weights(self, part: Part) -> Weights:
        """[kernel rows, runs, k, columns]; k is 1 where diagonal."""
        operator, window = self.operator, self.operator.window
        columns = slice(part.columns.start, part.columns.stop)
        if not isinstance(operator, Conv):
            return np.ones((*window.kernel, 1, len(part.columns)), np.int8)
        if part.diagonal or operator.groups == 1:
            weights: Weights = operator.weight[..., columns]
        else:
            weights = self._spread(operator, part)
        if self.folded:
            return weights.reshape(window.kernel[0], 1, -1, len(part.columns))
        return weights

    def _spread(self, operator: Conv, part: Part) -> Weights:
        """Weights of all channels that a part reads; those of other groups are zero."""
        own_inputs = operator.weight.shape[2]
        own_outputs = operator.output.cols // operator.groups
        columns = slice(part.columns.start, part.columns.stop)
        zeros = np.broadcast_to(operator.weight_zero_point, operator.output.cols)[columns]
        shape = (*operator.window.kernel, len(part.channels), len(part.columns))
        weights: Weights = np.broadcast_to(zeros, shape).astype(self._dtype)
        for index, column in enumerate(part.columns):
            tile = index // self.config.cols
            base = part.channels.start + tile * part.n_stride
            first = column // own_outputs * own_inputs - base
            weights[:, :, first : first + own_inputs, index] = operator.weight[..., column]
        return weights


def _k_of(chunk: Chunk, rows: int) -> slice:
    return slice(chunk.tiles.start * rows, chunk.tiles.stop * rows)


def kernels_of(operator: WindowOperator, config: Config, tight: bool) -> list[Kernel]:
    """The parts of an operator, folded too where that saves tiles.

    `tight` says that pixels touch in the buffer.
    """
    parts = tuple(_parts(operator, config))
    window, channels = operator.window, operator.image.channels
    tiles = window.kernel[1] * ceil_div(channels, config.rows)
    foldable = (
        tight
        and window.dilation[1] == 1
        and len(parts) == 1
        and not parts[0].diagonal
        and parts[0].channels == range(channels)
        and ceil_div(window.kernel[1] * channels, config.rows) < tiles
    )
    kernels = [Kernel(operator, config, parts, False)]
    return [Kernel(operator, config, parts, True), *kernels] if foldable else kernels


def _parts(operator: WindowOperator, config: Config) -> Iterator[Part]:
    channels, outputs, cols = operator.image.channels, operator.output.cols, config.cols
    if not isinstance(operator, Conv):
        yield from _depthwise(outputs, cols)
        return
    own_inputs, own_outputs = channels // operator.groups, outputs // operator.groups
    uniform = zero_points(operator.weight_zero_point, outputs)[1] is None
    if operator.groups == 1:
        yield Part(range(outputs), range(channels))
    elif own_inputs == own_outputs == 1 and uniform:
        yield from _depthwise(outputs, cols)
    elif own_outputs % cols == 0:
        for group in range(operator.groups):
            yield Part(
                range(group * own_outputs, (group + 1) * own_outputs),
                range(group * own_inputs, (group + 1) * own_inputs),
            )
    else:
        yield from _mixed(own_inputs, own_outputs, outputs, cols)


def _depthwise(outputs: int, cols: int) -> Iterator[Part]:
    """All whole n tiles, and the rest, which has fewer channels."""
    whole = outputs // cols * cols
    if whole:
        stride = cols if whole > cols else 0
        yield Part(range(whole), range(cols), stride, 1, True)
    if whole < outputs:
        yield Part(range(whole, outputs), range(whole, outputs), 0, 1, True)


def _mixed(own_inputs: int, own_outputs: int, outputs: int, cols: int) -> Iterator[Part]:
    """N tiles that hold output channels of several groups, or parts of groups."""
    whole = outputs // cols * cols if cols % own_outputs == 0 else 0
    if whole:
        groups = cols // own_outputs
        stride = groups * own_inputs if whole > cols else 0
        macs = own_inputs if groups > 1 else 0
        yield Part(range(whole), range(groups * own_inputs), stride, macs)
    for first in range(whole, outputs, cols):
        columns = range(first, min(first + cols, outputs))
        low, high = columns.start // own_outputs, (columns.stop - 1) // own_outputs
        inputs = range(low * own_inputs, (high + 1) * own_inputs)
        yield Part(columns, inputs, 0, own_inputs if high > low else 0)
