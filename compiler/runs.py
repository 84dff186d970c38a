"""Fields of DMA instructions."""

from __future__ import annotations

from typing import TypedDict

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
