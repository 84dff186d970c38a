"""Collects the steps of a graph, and knows what lies in the buffers while it does.

A *lowering* (such as :class:`compiler.linear.LinearLowering`) turns one operator into steps: it
asks for operands, which are loaded unless they are there, and appends instructions. The order of
the calls must be a legal sequential execution; it is also the order within each engine. What an
operand's address holds stays until half of its ring was asked for again.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from arch.config import Config
from arch.errors import AssayError
from arch.isa import Buffer, Destination, Load, Store
from compiler.constants import Constants
from compiler.layout import Layout
from compiler.operand import Operand, cut, even_cuts
from compiler.placement import Placement
from compiler.ring import Ring
from compiler.runs import merge_runs
from compiler.staging import ROLES, Staging, activation_reads
from compiler.step import Region
from model.tiling import Partition, ceil_div, round_up
from workloads.epilogue import Accumulated, Residual
from workloads.operators import Operator
from workloads.tensor import Tensor

_TILES_LIMIT = (1 << 12) - 1
"""What the fields `k_tiles` and `n_tiles` hold."""
_ROWS_LIMIT = (1 << 16) - 1
"""What the fields `rows` and `runs` hold."""


class Emitter(Constants):
    """Steps in the plain order, each load right before its first use.

    Operators are emitted one after another; buffers go on where the last one left, so that the
    loads of the next operator run ahead into room that the last one no longer needs.

    Attributes
    ----------
    placement
        Homes of tensors, and the rings of each operator.
    last_writes
        For each tensor the step that was the last when it was finished.
    half
        Accumulator half of the block that is being emitted; flip it (``^= 1``) behind each.
    """

    def __init__(self, config: Config, layout: Layout, placement: Placement) -> None:
        super().__init__(config, layout)
        self.placement = placement
        self.last_writes: dict[str, int] = {}
        self.half = 0
        self._pair_bytes = 2 * config.word_bytes
        self._reads: tuple[Tensor, ...] = ()
        self._staging = Staging(())
        self._rings: dict[str, Ring] = {}
        self._weights = Ring(0, placement.weight_ring_bytes, config.word_bytes)
        self._statistics = Ring(0, config.accumulator_depth, 1)

    def begin(self, index: int, operator: Operator) -> None:
        """Go on to operator `index` of the graph."""
        self.index = index
        self._reads = activation_reads(operator)
        staging = self.placement.staging[index]
        if staging != self._staging:
            self._staging = staging
            self._rings = {role: Ring(*span, self._pair_bytes) for role, span in staging.rings}

    def source(self, tensor: Tensor, rows: range, columns: range) -> Operand:
        """Elements of a tensor in the activation buffer, loaded if it lives in DRAM.

        `columns` begins at a multiple of ``cols``.
        """
        if not self.streams(tensor):
            return self._resident(tensor, rows, columns)
        multiple = self.config.cols * tensor.element_type.bytes
        ring = self.ring(tensor)
        return self._load(tensor, rows, columns, ring, Buffer.ACTIVATION, multiple)

    def weights(self, tensor: Tensor, rows: range, columns: range) -> Operand:
        """Elements of an 8-bit tensor in the weight buffer, row by row, loaded if it is in DRAM.

        Address and row stride are multiples of ``rows`` and ``cols`` where `columns` begins at one.
        """
        if not self.streams(tensor):
            return self._resident(tensor, rows, columns)
        multiple = max(self.config.rows, self.config.cols)
        return self._load(tensor, rows, columns, self._weights, Buffer.WEIGHT, multiple)

    def weight_tiles(
        self, key: Hashable, dram_address: int, run_bytes: int, runs: int, dram_stride: int
    ) -> tuple[int, Region]:
        """Address and region of weights in tiles (D-02), loaded unless they are there."""
        size = run_bytes * runs
        address, is_new = self._weights.place((self.index, key), size)
        region = Region("weight buffer", address, size)
        if is_new:
            self.append(
                Load(
                    buffer=Buffer.WEIGHT,
                    buffer_address=address,
                    dram_address=dram_address,
                    **merge_runs(run_bytes, runs, dram_stride, run_bytes),
                ),
                writes=(region,),
            )
        return address, region

    def target(self, tensor: Tensor, rows: range, columns: range) -> Operand:
        """Where a block of a tensor has to be written: at home, or staged if that is in DRAM.

        `columns` begins at a multiple of ``cols``. Call :meth:`finish` with the same block behind
        the instructions that write it.
        """
        if not self.streams(tensor):
            return self._resident(tensor, rows, columns)
        width = round_up(len(columns), self.config.cols) * tensor.element_type.bytes
        return self._staged("output", (tensor.name, rows, columns), len(rows), width)

    def finish(self, tensor: Tensor, rows: range, columns: range) -> None:
        """Store the block if the tensor lives in DRAM; to be called right behind its last write."""
        if self.streams(tensor):
            self.store(tensor, rows, columns, self.target(tensor, rows, columns))
        self.last_writes[tensor.name] = len(self.steps) - 1

    def store(self, tensor: Tensor, rows: range, columns: range, operand: Operand) -> None:
        """Store an operand as a block of a tensor that lives in DRAM."""
        address, region = self._in_dram(tensor, rows, columns)
        row_bytes = self.placement.homes[tensor.name].row_bytes
        self.append(
            Store(
                buffer=Buffer.ACTIVATION,
                buffer_address=operand.address,
                dram_address=address,
                **merge_runs(region.size, len(rows), row_bytes, operand.row_stride),
            ),
            reads=(operand.region,),
            writes=(region,),
        )
        self.last_writes[tensor.name] = len(self.steps) - 1

    def scratch(self, key: Hashable, rows: int, row_bytes: int) -> Operand:
        """Memory of this operator in the activation buffer, the same for the same `key`."""
        return self._staged("scratch", key, rows, round_up(row_bytes, self._pair_bytes))

    def ones(self, count: int) -> Operand:
        """A row of `count` bytes 1 in scratch memory, loaded unless it is there."""
        address, is_new = self._rings["scratch"].place((self.index, "ones", count), count)
        region = Region("activation buffer", address, count)
        if is_new:
            name = f"ones.{count}"
            self.append(
                Load(
                    buffer=Buffer.ACTIVATION,
                    buffer_address=address,
                    dram_address=self.layout.constant(name, np.ones(count, np.uint8).tobytes),
                    run_bytes=count,
                ),
                writes=(region,),
            )
        return Operand(address, count, region, Destination.ACTIVATION)

    def statistics(self, key: Hashable, rows: int) -> tuple[int, Region, bool]:
        """First entry and region of `rows` entries of the statistics file, and if they are new.

        They stay with their key, for later operators too, until others need the room.
        """
        first, is_new = self._statistics.place(key, rows)
        return first, Region("statistics", first, rows), is_new

    def accumulators(self, half: int) -> Region:
        """A half, as one: whoever works in it needs its ports alone (B-06)."""
        return Region(f"accumulator half {half}", 0, 1)

    def blocks(
        self, reads: Sequence[Tensor], writes: Sequence[Tensor], most: int | None = None
    ) -> Iterator[tuple[range, range]]:
        """Rows and columns of blocks in order: those of :meth:`row_blocks`, cut to columns."""
        for rows in self.row_blocks(reads, writes, most):
            for columns in self.column_blocks(reads, writes, rows):
                yield rows, columns

    def row_blocks(
        self, reads: Sequence[Tensor], writes: Sequence[Tensor], most: int | None = None
    ) -> list[range]:
        """Even cuts of the rows, at most `most` each, of which the rings hold two for each tensor.

        Where the rings do not even hold two rows a block is one row.
        """
        tensors = (*reads, *writes)
        total = tensors[0].rows
        limits = [self._room(role) // width for role, width in self._row_bytes(tensors).items()]
        size = max(1, min([total, most or total, _ROWS_LIMIT, *limits]))
        return even_cuts(total, ceil_div(total, size))

    def column_blocks(
        self,
        reads: Sequence[Tensor],
        writes: Sequence[Tensor],
        rows: range,
        shared: Sequence[Tensor] = (),
    ) -> list[range]:
        """Cuts of the columns of a block of rows, of which rings and parameter buffer hold two.

        All but the last have a multiple of ``cols`` columns. Of `shared` operands one row serves
        the block.

        Raises
        ------
        AssayError
            Not even ``cols`` columns fit.
        """
        tensors = (*reads, *writes)
        total, cols = tensors[0].cols, self.config.cols
        most = min(self.config.parameter_buffer_bytes // 16, self.most_n) // cols
        for tiles in range(min(ceil_div(total, cols), most), 0, -1):
            sizes = self._row_bytes(shared, tiles * cols)
            for role, width in self._row_bytes(tensors, tiles * cols).items():
                sizes[role] = sizes.get(role, 0) + len(rows) * width
            if all(size <= self._room(role) for role, size in sizes.items()):
                return cut(total, tiles * cols)
        raise AssayError(
            f"{cols} columns of '{tensors[0].name}' do not fit what is left of the activation "
            f"buffer of configuration '{self.config.name}': raise activation_buffer_kib"
        )

    def weight_rows(self, tensor: Tensor, columns: int) -> int:
        """The most rows of `columns` elements to ask :meth:`weights` for at once."""
        if not self.streams(tensor):
            return tensor.rows
        width = round_up(columns, max(self.config.rows, self.config.cols))
        return self.placement.weight_ring_bytes // 4 // width

    @property
    def space(self) -> Partition:
        """What the operator has of each buffer for what streams."""
        size = self._staging.size
        return Partition(
            activation=size("activation"),
            residual=size("residual"),
            output=size("output"),
            weight=self.placement.weight_ring_bytes,
            parameter=self.config.parameter_buffer_bytes,
        )

    @property
    def most_k(self) -> int:
        """The most k of a run that one instruction goes over."""
        return _TILES_LIMIT * self.config.rows

    @property
    def most_n(self) -> int:
        """The most columns that one instruction goes over."""
        return _TILES_LIMIT * self.config.cols

    @property
    def scratch_bytes(self) -> int:
        """Bytes of scratch memory that the operator has."""
        return self._staging.size("scratch")

    def streamed_bytes(self, tensor: Tensor) -> int:
        """Bytes of an element of a tensor that lives in DRAM, else 0."""
        return tensor.element_type.bytes if self.streams(tensor) else 0

    def output_bytes(self, operator: Operator) -> int:
        """Of a column of an operator's output if that lives in DRAM, else 0.

        The two halves of raw sums are staged at one time.
        """
        halves = 2 if isinstance(operator, Accumulated) and operator.raw else 1
        return halves * self.streamed_bytes(operator.outputs[0])

    def residual_bytes(self, residual: Residual | None) -> int:
        """Of an element of a residual that is loaded block by block, else 0."""
        if residual is None or residual.tensor.rows == 1:
            return 0
        return self.streamed_bytes(residual.tensor)

    def streams(self, tensor: Tensor) -> bool:
        """Whether it lives in DRAM."""
        return self.placement.homes[tensor.name].memory == "dram"

    def ring(self, tensor: Tensor) -> Ring:
        """Where an operand or result goes that lives in DRAM."""
        return self._rings[self._role(tensor)]

    def _role(self, tensor: Tensor) -> str:
        """The ring of an operand or result that lives in DRAM."""
        if tensor not in self._reads:
            return "output"
        return ROLES[min(self._reads.index(tensor), 1)]

    def _room(self, role: str) -> int:
        """Bytes of half of a ring."""
        return self._staging.size(role) // 2 // self._pair_bytes * self._pair_bytes

    def _row_bytes(self, tensors: Sequence[Tensor], columns: int | None = None) -> dict[str, int]:
        """What a row of `columns` (default: all) of those that stream takes of each ring."""
        widths: dict[str, int] = {}
        for tensor in tensors:
            if self.streams(tensor):
                role = self._role(tensor)
                elements = round_up(min(columns or tensor.cols, tensor.cols), self.config.cols)
                width = round_up(elements * tensor.element_type.bytes, self._pair_bytes)
                widths[role] = widths.get(role, 0) + width
        return widths

    def _resident(self, tensor: Tensor, rows: range, columns: range) -> Operand:
        home, size = self.placement.homes[tensor.name], tensor.element_type.bytes
        address = home.address + rows.start * home.row_bytes + columns.start * size
        region = Region(
            f"{home.memory} buffer", address, len(columns) * size, len(rows), home.row_bytes
        )
        return Operand(address, home.row_bytes, region, Destination[home.memory.upper()])

    def _in_dram(self, tensor: Tensor, rows: range, columns: range) -> tuple[int, Region]:
        """Address and region of a block of a tensor that lives in DRAM."""
        home, size = self.placement.homes[tensor.name], tensor.element_type.bytes
        offset = rows.start * home.row_bytes + columns.start * size
        region = Region(
            f"dram {home.origin}",
            home.address + offset,
            len(columns) * size,
            len(rows),
            home.row_bytes,
        )
        return self.layout.address(tensor.name) + offset, region

    def _load(
        self,
        tensor: Tensor,
        rows: range,
        columns: range,
        ring: Ring,
        buffer: Buffer,
        multiple: int,
    ) -> Operand:
        """A block in a ring, its row stride a multiple; loaded unless it is there."""
        dram_address, source = self._in_dram(tensor, rows, columns)
        stride = round_up(source.size, multiple)
        key = (self.index, tensor.name, rows, columns)
        address, is_new = ring.place(key, len(rows) * stride)
        region = Region(f"{buffer.name.lower()} buffer", address, source.size, len(rows), stride)
        if is_new:
            row_bytes = self.placement.homes[tensor.name].row_bytes
            self.append(
                Load(
                    buffer=buffer,
                    buffer_address=address,
                    dram_address=dram_address,
                    **merge_runs(source.size, len(rows), row_bytes, stride),
                ),
                reads=(source,),
                writes=(region,),
            )
        return Operand(address, stride, region, Destination[buffer.name])

    def _staged(self, role: str, key: Hashable, rows: int, row_bytes: int) -> Operand:
        address, _ = self._rings[role].place((self.index, key), rows * row_bytes)
        region = Region("activation buffer", address, row_bytes, rows, row_bytes)
        return Operand(address, row_bytes, region, Destination.ACTIVATION)
