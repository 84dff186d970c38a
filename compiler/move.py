"""Elements in another order to steps: LOAD alone does it, from DRAM to their new places (I-01)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arch.config import INDEX_ENTRIES
from arch.isa import Buffer, Load
from compiler.emitter import Emitter
from compiler.operand import Operand, cut
from compiler.segments import Segment, segments
from compiler.step import Region
from model.tiling import ceil_div
from workloads.operators import Concat, Move

_ADDRESSES = NDArray[np.int64]


def as_move(operator: Concat) -> Move:
    """The same by indices."""
    parts, first = [], 0
    for tensor in operator.inputs:
        count = tensor.rows * tensor.cols
        parts.append(np.arange(first, first + count, dtype=np.int64).reshape(tensor.rows, -1))
        first += count
    return Move(operator.name, operator.inputs, np.concatenate(parts, axis=1), operator.output)


def lower_concat(emitter: Emitter, operator: Concat) -> None:
    """Emit all steps: none where the inputs were made in their places."""
    if operator.name not in emitter.placement.joined:
        lower_move(emitter, as_move(operator))
        return
    writes = emitter.last_writes
    writes[operator.output.name] = max(writes[tensor.name] for tensor in operator.inputs)


def lower_move(emitter: Emitter, operator: Move) -> None:
    """Emit all steps, block by block of rows."""
    output = operator.output
    for rows, columns in emitter.blocks((), (output,)):
        target = emitter.target(output, rows, columns)
        _Block(emitter, operator, rows, columns, target).run()
        emitter.finish(output, rows, columns)


@dataclass(frozen=True, eq=False)
class _Block:
    """Rows and columns of the output, and where they go."""

    emitter: Emitter
    operator: Move
    rows: range
    columns: range
    target: Operand

    def run(self) -> None:
        """Emit all loads."""
        size = self.operator.output.element_type.bytes
        sources = self._sources()
        rows = np.arange(len(self.rows), dtype=np.int64)[:, None] * self.target.row_stride
        places = self.target.address + rows + np.arange(len(self.columns)) * size
        found = segments(sources.reshape(-1), places.reshape(-1), size)
        if self.target.row_stride == len(self.columns) * size:
            sources, places = sources.reshape(1, -1), places.reshape(1, -1)
        length = _common_run(sources, size)
        count = sources.shape[1] * size // length
        gathers = len(sources) * ceil_div(count, INDEX_ENTRIES)
        if len(found) > 2 * gathers:
            self._gather(sources[:, :: length // size], places[:, 0], length)
            return
        for segment in found:
            self._load(segment)

    def _sources(self) -> _ADDRESSES:
        """The address in DRAM of each element."""
        operator, layout = self.operator, self.emitter.layout
        rows = slice(self.rows.start, self.rows.stop)
        columns = slice(self.columns.start, self.columns.stop)
        index = operator.index[rows, columns]
        size = operator.output.element_type.bytes
        addresses = np.empty(index.shape, np.int64)
        first = 0
        for tensor in operator.inputs:
            count = tensor.rows * tensor.cols
            own = (index >= first) & (index < first + count)
            row, column = np.divmod(index[own] - first, tensor.cols)
            row_bytes = self.emitter.placement.homes[tensor.name].row_bytes
            addresses[own] = layout.address(tensor.name) + row * row_bytes + column * size
            first += count
        filled = index < 0
        if filled.any():
            base = layout.constant(f"fill.{operator.name}", self._fill)
            addresses[filled] = (base + np.arange(index.shape[1]) * size)[np.nonzero(filled)[1]]
        return addresses

    def _fill(self) -> bytes:
        """A row of the code that fills."""
        size = self.operator.output.element_type.bytes
        return self.operator.fill.to_bytes(size, "little", signed=self.operator.fill < 0) * (
            self.operator.output.cols
        )

    @property
    def _reads(self) -> tuple[Region, ...]:
        """All inputs: what moves is not looked at piece by piece."""
        regions = []
        for tensor in self.operator.inputs:
            home = self.emitter.placement.homes[tensor.name]
            size = tensor.cols * tensor.element_type.bytes
            regions.append(
                Region(f"dram {home.origin}", home.address, size, tensor.rows, home.row_bytes)
            )
        return tuple(regions)

    @property
    def _buffer(self) -> Buffer:
        return Buffer[self.target.destination.name]

    def _load(self, segment: Segment) -> None:
        self.emitter.append(
            Load(
                buffer=self._buffer,
                buffer_address=segment.buffer_address,
                dram_address=segment.dram_address,
                run_bytes=segment.run_bytes,
                runs=segment.runs,
                run_dram_stride=segment.run_dram_stride % (1 << 32),
                run_buffer_stride=segment.run_buffer_stride % (1 << 24),
                planes=segment.planes,
                plane_dram_stride=segment.plane_dram_stride % (1 << 32),
                plane_buffer_stride=segment.plane_buffer_stride % (1 << 24),
            ),
            reads=self._reads,
            writes=(self.target.region,),
        )

    def _gather(self, starts: _ADDRESSES, places: _ADDRESSES, length: int) -> None:
        """Runs of one length by a list of their addresses, row by row."""
        for row, place in zip(starts, places.tolist(), strict=True):
            for some in cut(len(row), INDEX_ENTRIES):
                own = row[some.start : some.stop]
                self._gather_row(own, place + some.start * length, length)

    def _gather_row(self, starts: _ADDRESSES, address: int, length: int) -> None:
        indices = self.emitter.constant_indices(starts.astype("<u4").tobytes())
        self.emitter.append(
            Load(
                buffer=self._buffer,
                buffer_address=address,
                dram_address=0,
                run_bytes=length,
                runs=len(starts),
                run_dram_stride=1,
                run_buffer_stride=length,
                gather=1,
                index_address=indices.address // 4,
            ),
            reads=(*self._reads, indices.region),
            writes=(self.target.region,),
        )


def _common_run(sources: _ADDRESSES, size: int) -> int:
    """Bytes that every run, row by row, is a multiple of."""
    breaks = np.diff(sources, axis=1) != size
    columns = np.flatnonzero(breaks.any(axis=0)) + 1
    return int(np.gcd.reduce([sources.shape[1], *columns.tolist()])) * size
