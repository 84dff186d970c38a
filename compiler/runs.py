"""Fields of DMA instructions."""

from __future__ import annotations

from typing import TypedDict

_RUN_BYTES_LIMIT = (1 << 20) - 1
_RUNS_LIMIT = (1 << 16) - 1


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


class Planes(Runs):
    """Fields of a DMA instruction."""

    planes: int
    plane_dram_stride: int
    plane_buffer_stride: int


Loop = tuple[int, int, int]
"""Count, and bytes from one to the next in DRAM and in the buffer."""


def merge_planes(run_bytes: int, inner: Loop, outer: Loop) -> Planes:
    """Two loops over runs, with as few runs as it takes."""
    count, dram_stride, buffer_stride = inner
    if count == 1 or (
        dram_stride == buffer_stride == run_bytes and run_bytes * count <= _RUN_BYTES_LIMIT
    ):
        runs = merge_runs(run_bytes * count, *outer)
        return {**runs, "planes": 1, "plane_dram_stride": 0, "plane_buffer_stride": 0}
    planes, plane_dram_stride, plane_buffer_stride = outer
    if planes == 1 or (
        (plane_dram_stride, plane_buffer_stride) == (count * dram_stride, count * buffer_stride)
        and count * planes <= _RUNS_LIMIT
    ):
        runs = merge_runs(run_bytes, count * planes, dram_stride, buffer_stride)
        return {**runs, "planes": 1, "plane_dram_stride": 0, "plane_buffer_stride": 0}
    return {
        "run_bytes": run_bytes,
        "runs": count,
        "run_dram_stride": dram_stride,
        "run_buffer_stride": buffer_stride,
        "planes": planes,
        "plane_dram_stride": plane_dram_stride,
        "plane_buffer_stride": plane_buffer_stride,
    }
