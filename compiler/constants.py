"""Constants on their way from DRAM into the parameter and index buffers and the lookup memories."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from arch.config import INDEX_ENTRIES, Config
from arch.isa import Buffer, ElementType, FillTable, Instruction, Load, Table
from compiler.layout import Layout
from compiler.ring import Ring
from compiler.step import Region, Step
from model.tiling import ceil_div
from workloads.tensor import Tensor

_INDEX_BYTES = ElementType.INT32.bytes


@dataclass(frozen=True)
class Place:
    """Where something lies in the parameter or index buffer, and what is touched."""

    address: int
    region: Region


class Constants:
    """The steps of a graph, those among them that load constants in particular.

    Attributes
    ----------
    config, layout
        Sizes, addresses in DRAM.
    steps
        What was emitted so far.
    index
        That of the operator that is being emitted.
    """

    def __init__(self, config: Config, layout: Layout) -> None:
        self.config = config
        self.layout = layout
        self.steps: list[Step] = []
        self.index = 0
        self._small: dict[Buffer, Ring] = {
            Buffer.PARAMETER: Ring(0, config.parameter_buffer_bytes, config.parameter_word_bytes),
            Buffer.INDEX: Ring(0, _INDEX_BYTES * INDEX_ENTRIES, config.axi_bytes),
        }
        self._tables: dict[Table, str] = {}
        self._lists: dict[bytes, int] = {}

    def append(
        self,
        instruction: Instruction,
        reads: tuple[Region, ...] = (),
        writes: tuple[Region, ...] = (),
    ) -> None:
        """Emit an instruction with the regions that it touches."""
        self.steps.append(Step(instruction, reads, writes, self.index))

    def parameters(self, name: str, columns: range, batch: range | None = None) -> Place:
        """Bias and scale of columns of the operator `name`, loaded unless they are there.

        `columns` begins at a multiple of ``cols``. `batch` are the columns to load at once,
        `columns` among them; by default just those.
        """
        batch = batch or columns
        cols, tile_bytes = self.config.cols, 2 * self.config.parameter_word_bytes
        first = batch.start // cols
        place = self._load_small(
            Buffer.PARAMETER,
            ("parameters", batch),
            self.layout.parameters(name) + first * tile_bytes,
            (ceil_div(batch.stop, cols) - first) * tile_bytes,
        )
        address = place.address + (columns.start // cols - first) * tile_bytes
        size = ceil_div(len(columns), cols) * tile_bytes
        return Place(address, Region("parameter buffer", address, size))

    def table(self, table: Table, name: str, pack: Callable[[], bytes]) -> Region:
        """Fill a lookup memory unless it holds the constant `name`; the region is what reads it."""
        region = Region(f"{table.name.lower()} table", 0, 1)
        if self._tables.get(table) != name:
            self._tables[table] = name
            dram_address = self.layout.constant(name, pack)
            place = self._load_small(Buffer.PARAMETER, name, dram_address, 4 * table.words)
            self.append(
                FillTable(table=table, parameter_address=place.address),
                reads=(place.region,),
                writes=(region,),
            )
        return region

    def indices(self, tensor: Tensor, entries: range) -> Place:
        """Numbers of a graph input of one row, in the index buffer (B-09), loaded if needed.

        `entries` begins at a multiple of 16, so that both addresses agree mod A (B-05).
        """
        return self._load_small(
            Buffer.INDEX,
            (tensor.name, entries),
            self.layout.address(tensor.name) + entries.start * _INDEX_BYTES,
            len(entries) * _INDEX_BYTES,
        )

    def constant_indices(self, numbers: bytes) -> Place:
        """Numbers of the program itself, in the index buffer, loaded if needed."""
        if numbers not in self._lists:
            name = f"indices.{len(self._lists)}"
            self._lists[numbers] = self.layout.constant(name, lambda: numbers)
        return self._load_small(Buffer.INDEX, numbers, self._lists[numbers], len(numbers))

    def _load_small(self, buffer: Buffer, key: Hashable, dram_address: int, size: int) -> Place:
        address, is_new = self._small[buffer].place((self.index, key), size)
        region = Region(f"{buffer.name.lower()} buffer", address, size)
        if is_new:
            self.append(
                Load(
                    buffer=buffer,
                    buffer_address=address,
                    dram_address=dram_address,
                    run_bytes=size,
                ),
                writes=(region,),
            )
        return Place(address, region)
