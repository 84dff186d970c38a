"""Lists of places to the fewest DMA instructions: runs, runs of runs, and planes of those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

_RUN_BYTES_LIMIT = (1 << 20) - 1
_COUNT_LIMIT = (1 << 16) - 1


@dataclass(frozen=True)
class Segment:
    """Fields of a DMA instruction; strides may be negative."""

    dram_address: int
    buffer_address: int
    run_bytes: int
    runs: int = 1
    run_dram_stride: int = 0
    run_buffer_stride: int = 0
    planes: int = 1
    plane_dram_stride: int = 0
    plane_buffer_stride: int = 0


def segments(sources: NDArray[np.int64], places: NDArray[np.int64], size: int) -> list[Segment]:
    """Instructions that copy elements of `size` bytes from DRAM addresses to buffer addresses.

    Elements go in order; those that touch on both sides make a run.
    """
    joined = (np.diff(sources) == size) & (np.diff(places) == size)
    starts = np.flatnonzero(np.concatenate([[True], ~joined]))
    lengths = np.diff(np.concatenate([starts, [len(sources)]])) * size
    runs = [
        Segment(int(dram), int(place), int(length))
        for dram, place, length in zip(sources[starts], places[starts], lengths, strict=True)
    ]
    return _planes(_strided(runs))


def _strided(runs: Sequence[Segment]) -> list[Segment]:
    """Neighbours of one length and equal distances become one."""
    result: list[Segment] = []
    for run in runs:
        last = result[-1] if result else None
        if last is not None and last.run_bytes == run.run_bytes and last.runs < _COUNT_LIMIT:
            dram = run.dram_address - last.dram_address
            place = run.buffer_address - last.buffer_address
            count = last.runs
            if count == 1:
                result[-1] = replace(last, runs=2, run_dram_stride=dram, run_buffer_stride=place)
                continue
            if (dram, place) == (count * last.run_dram_stride, count * last.run_buffer_stride):
                result[-1] = replace(last, runs=count + 1)
                continue
        result.append(run)
    return result


def _planes(strided: Sequence[Segment]) -> list[Segment]:
    """Neighbours that are alike and at equal distances become one."""
    result: list[Segment] = []
    for segment in strided:
        last = result[-1] if result else None
        if last is not None and _alike(last, segment) and last.planes < _COUNT_LIMIT:
            dram = segment.dram_address - last.dram_address
            place = segment.buffer_address - last.buffer_address
            count = last.planes
            if count == 1:
                result[-1] = replace(
                    last, planes=2, plane_dram_stride=dram, plane_buffer_stride=place
                )
                continue
            if (dram, place) == (count * last.plane_dram_stride, count * last.plane_buffer_stride):
                result[-1] = replace(last, planes=count + 1)
                continue
        result.append(segment)
    return result


def _alike(one: Segment, other: Segment) -> bool:
    return (one.run_bytes, one.runs, one.run_dram_stride, one.run_buffer_stride) == (
        other.run_bytes,
        other.runs,
        other.run_dram_stride,
        other.run_buffer_stride,
    )
