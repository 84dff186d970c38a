"""Builds the lanes of the vector unit with Verilator and runs batches of rows through them."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from amaranth.back import verilog

from arch.isa import Statistic, Vector
from flow.build import Sources, build
from flow.verilog import for_simulation
from hdl.vector_lanes import VectorLanes

LANES = 16
_BENCH = Path(__file__).with_name("lane_pipeline_bench.sv")

OUTCOME = np.dtype(
    [("elements", "<i2", LANES), ("maximum", "<i4"), ("sum", "<i8"), ("squares", "<i8")]
)
"""What comes of a row: its elements are the first ``LANES`` int16, or bytes."""


def row_type(lanes: int) -> np.dtype:
    """What a row reads."""
    return np.dtype(
        [
            ("accumulators", "<i4", lanes),
            ("source", "<u1", 2 * lanes),
            ("operand", "<u1", 2 * lanes),
            ("counts", "<u4"),
            ("maximum", "<i4"),
            ("row_sum", "<i4"),
            ("row_scale", "<f4"),
        ]
    )


@dataclass(frozen=True)
class Batch:
    """Rows that share an instruction and tables.

    ``accumulators``, ``source`` and ``operand`` are [rows, lanes] of their types, ``counts`` bool
    [rows, lanes], ``scales`` and ``biases`` [n tiles, lanes], or [lanes] of one; every n tile has
    as many rows. What is left out is 0, and all lanes count. With ``gaps`` rows are some cycles
    apart.
    """

    instruction: Vector
    accumulators: np.ndarray | None = None
    source: np.ndarray | None = None
    operand: np.ndarray | None = None
    counts: np.ndarray | None = None
    maximum: np.ndarray | int = 0
    row_sum: np.ndarray | int = 0
    row_scale: np.ndarray | float = 0.0
    scales: np.ndarray = field(default_factory=lambda: np.ones((1, 1), np.float32))
    biases: np.ndarray = field(default_factory=lambda: np.zeros((1, 1), np.int32))
    unary: np.ndarray = field(default_factory=lambda: np.zeros(256, np.uint8))
    wide: np.ndarray = field(default_factory=lambda: np.zeros(256, np.uint32))
    gaps: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and lanes."""
        values = self.source if self.accumulators is None else self.accumulators
        assert values is not None
        rows, lanes = values.shape
        return rows, lanes

    @property
    def rows(self) -> int:
        return self.shape[0]

    @property
    def tiles(self) -> int:
        return max(len(np.atleast_2d(per_lane)) for per_lane in (self.biases, self.scales))

    @property
    def keeps(self) -> bool:
        """Statistics."""
        return self.instruction.statistic != Statistic.NONE

    def rows_read(self) -> np.ndarray:
        """What each row reads, ``row_type`` [rows]."""
        body = np.zeros(self.rows, row_type(self.shape[1]))
        if self.accumulators is not None:
            body["accumulators"] = self.accumulators
        for name in ("source", "operand"):
            elements = getattr(self, name)
            if elements is not None:
                as_bytes = np.ascontiguousarray(elements).view(np.uint8).reshape(self.rows, -1)
                body[name][:, : as_bytes.shape[1]] = as_bytes
        counts = np.ones(self.shape, bool) if self.counts is None else self.counts
        body["counts"] = counts @ (1 << np.arange(self.shape[1]))
        for name in ("maximum", "row_sum", "row_scale"):
            body[name] = getattr(self, name)
        return body

    def channels(self) -> np.ndarray:
        """Biases and the bits of scales, uint32 [n tiles, 2, lanes]."""
        channels = np.zeros((self.tiles, 2, self.shape[1]), np.uint32)
        channels[:, 0] = self.biases.astype(np.int32).view(np.uint32)
        channels[:, 1] = self.scales.astype(np.float32).view(np.uint32)
        return channels

    def to_bytes(self) -> bytes:
        """The layout that lane_pipeline_bench.sv reads."""
        header = np.array([self.tiles, self.rows // self.tiles, self.gaps, self.keeps], "<u4")
        parts = [header.tobytes(), self.instruction.encode(), self.unary.tobytes()]
        parts.append(self.wide.tobytes())
        body = np.split(self.rows_read(), self.tiles)
        for channel, rows in zip(self.channels(), body, strict=True):
            parts += [channel.tobytes(), rows.tobytes()]
        return b"".join(parts)


class LanePipeline:
    """The lanes as a program; ``folder`` is for the files it reads and writes."""

    def __init__(self, folder: Path):
        self._folder = folder
        lanes = verilog.convert(VectorLanes(lanes=LANES), name="lanes", emit_src=False)
        files = {"lanes.v": for_simulation(lanes), _BENCH.name: _BENCH.read_text()}
        sources = Sources(top=_BENCH.stem, files=files, cocotb=False)
        self._program = build(sources, "verilator").folder / _BENCH.stem

    def run(self, batches: Sequence[Batch]) -> list[np.ndarray]:
        """The outcomes of every batch, ``OUTCOME`` [rows]."""
        operands, results = self._folder / "operands.bin", self._folder / "results.bin"
        operands.write_bytes(b"".join(batch.to_bytes() for batch in batches))
        arguments = [f"+operands={operands}", f"+results={results}"]
        subprocess.run([self._program, *arguments], check=True, stdout=subprocess.DEVNULL)
        rows = np.fromfile(results, OUTCOME)
        assert len(rows) == sum(batch.rows for batch in batches)
        return np.split(rows, np.cumsum([batch.rows for batch in batches])[:-1])
