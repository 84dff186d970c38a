"""Collects the steps of a graph, and knows what lies in the buffers while it does."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypedDict

from arch.config import Config
from arch.isa import Buffer, Instruction, Load
from compiler.layout import Layout
from compiler.ring import Ring
from compiler.step import Region, Step
from model.tiling import Partition

_RUN_BYTES_LIMIT = (1 << 20) - 1


class Runs(TypedDict):
    """Fields of a DMA instruction of one plane."""

    run_bytes: int
    runs: int
    run_dram_stride: int
    run_buffer_stride: int


def merge_runs(run_bytes: int, runs: int, dram_stride: int, buffer_stride: int) -> Runs:
    """Runs `..._stride` apart; those that touch on both sides become one."""
    if dram_stride == buffer_stride == run_bytes and run_bytes * runs <= _RUN_BYTES_LIMIT:
        run_bytes, runs = run_bytes * runs, 1
    if runs == 1:
        dram_stride = buffer_stride = 0
    return {
        "run_bytes": run_bytes,
        "runs": runs,
        "run_dram_stride": dram_stride,
        "run_buffer_stride": buffer_stride,
    }


def buffer_region(buffer: Buffer, address: int, size: int) -> Region:
    """`size` bytes of a buffer."""
    return Region(f"{buffer.name.lower()} buffer", address, address + size)


class Emitter:
    """Steps in the plain order, each load right before its first use.

    Operators are emitted one after another; buffers go on where the last one left, so that the
    loads of the next operator run ahead into room that the last one no longer needs.

    Attributes
    ----------
    config, layout, space
        Sizes, DRAM addresses, and how the buffers are dealt out, for the whole graph.
    steps
        What was emitted so far.
    operator
        Index of the operator that is being emitted.
    half
        Accumulator half of the block that is being emitted.
    """

    def __init__(self, config: Config, layout: Layout, space: Partition) -> None:
        self.config = config
        self.layout = layout
        self.space = space
        self.steps: list[Step] = []
        self.operator = 0
        self.half = 0
        alignment = 2 * config.word_bytes
        self.activations = Ring(0, space.activation, alignment)
        self.residuals = Ring(space.activation, space.residual, alignment)
        self.outputs = Ring(space.activation + space.residual, space.output, alignment)
        self.weights = Ring(0, space.weight, config.word_bytes)
        self._parameters = Ring(0, space.parameter, config.parameter_word_bytes)

    def append(
        self,
        instruction: Instruction,
        reads: tuple[Region, ...] = (),
        writes: tuple[Region, ...] = (),
    ) -> None:
        """Emit an instruction with the regions that it touches."""
        self.steps.append(Step(instruction, reads, writes, self.operator))

    def load_rows(
        self, ring: Ring, tensor: str, rows: range, columns: range, stride: int
    ) -> tuple[int, Region]:
        """Bytes `columns` of `rows` of a tensor, `stride` apart in the activation buffer.

        Loaded unless they are there.

        Returns
        -------
        Their address and region.
        """
        size = len(rows) * stride
        address, is_new = ring.place((self.operator, rows, columns), size)
        region = buffer_region(Buffer.ACTIVATION, address, size)
        if is_new:
            place = self.layout.tensors[tensor]
            self.append(
                Load(
                    buffer=Buffer.ACTIVATION,
                    buffer_address=address,
                    dram_address=place.address + rows.start * place.row_bytes + columns.start,
                    **merge_runs(len(columns), len(rows), place.row_bytes, stride),
                ),
                reads=(tensor_region(tensor, rows, columns),),
                writes=(region,),
            )
        return address, region

    def load_constants(self, key: Hashable, dram_address: int, size: int) -> int:
        """Address in the parameter buffer of `size` bytes of DRAM, loaded unless they are there."""
        address, is_new = self._parameters.place((self.operator, key), size)
        if is_new:
            self.append(
                Load(
                    buffer=Buffer.PARAMETER,
                    buffer_address=address,
                    dram_address=dram_address,
                    run_bytes=size,
                ),
                writes=(buffer_region(Buffer.PARAMETER, address, size),),
            )
        return address


def tensor_region(tensor: str, rows: range, columns: range) -> Region:
    """Bytes `columns` of `rows` of a tensor in DRAM."""
    return Region(f"dram {tensor}", columns.start, columns.stop, rows.start, rows.stop)
