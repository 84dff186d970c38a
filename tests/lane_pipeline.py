"""Builds the lanes of the vector unit with Verilator and runs batches of rows through them."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from amaranth.back import verilog

from arch.isa import Vector
from flow.build import Sources, build
from hdl.vector_lanes import VectorLanes

LANES = 16
_BENCH = Path(__file__).with_name("lane_pipeline_bench.sv")


@dataclass(frozen=True)
class Batch:
    """Rows that share an instruction, scales and tables.

    ``accumulators`` is int32 [rows, LANES], ``residual`` [rows, LANES] of the residual's type.
    """

    instruction: Vector
    accumulators: np.ndarray
    scales: np.ndarray = field(default_factory=lambda: np.ones(LANES, np.float32))
    biases: np.ndarray = field(default_factory=lambda: np.zeros(LANES, np.int32))
    residual: np.ndarray | None = None
    unary: np.ndarray = field(default_factory=lambda: np.zeros(256, np.uint8))
    addition: np.ndarray = field(default_factory=lambda: np.zeros(256, np.float32))

    def to_bytes(self) -> bytes:
        """The layout that lane_pipeline_bench.sv reads."""
        rows = len(self.accumulators)
        body = np.zeros((rows, 6 * LANES), np.uint8)
        body[:, : 4 * LANES] = self.accumulators.astype("<i4").view(np.uint8).reshape(rows, -1)
        if self.residual is not None:
            residual = np.ascontiguousarray(self.residual).view(np.uint8).reshape(rows, -1)
            body[:, 4 * LANES : 4 * LANES + residual.shape[1]] = residual
        header = [np.array([rows], "<u4"), np.frombuffer(self.instruction.encode(), np.uint8)]
        tables = [self.biases, self.scales, self.unary, self.addition]
        return b"".join(part.tobytes() for part in (*header, *tables, body))


class LanePipeline:
    """The lanes as a program; ``folder`` is for the files it reads and writes."""

    def __init__(self, folder: Path):
        self._folder = folder
        files = {
            "lanes.v": verilog.convert(VectorLanes(lanes=LANES), name="lanes", emit_src=False),
            _BENCH.name: _BENCH.read_text(),
        }
        sources = Sources(top=_BENCH.stem, files=files, cocotb=False)
        self._program = build(sources, "verilator").folder / _BENCH.stem

    def run(self, batches: Sequence[Batch]) -> list[np.ndarray]:
        """The int16 results of every batch, [rows, LANES]."""
        operands, results = self._folder / "operands.bin", self._folder / "results.bin"
        operands.write_bytes(b"".join(batch.to_bytes() for batch in batches))
        arguments = [f"+operands={operands}", f"+results={results}"]
        subprocess.run([self._program, *arguments], check=True, stdout=subprocess.DEVNULL)
        rows = np.fromfile(results, "<i2").reshape(-1, LANES)
        return np.split(rows, np.cumsum([len(batch.accumulators) for batch in batches])[:-1])
