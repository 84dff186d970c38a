"""Files that ``assay_top.sv`` reads before each program and writes behind it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.config import Config
from tb import memory_layout
from tb.scoreboard import DRAM

Memories = dict[str, NDArray[np.uint8]]
"""Bytes of DRAM and of every buffer, by name."""

RETIRE_RECORD = np.dtype(
    [("engine", "<u4"), ("instruction", "<u4"), ("start", "<u8"), ("end", "<u8")]
)

OKAY, EXOKAY, SLVERR, DECERR = range(4)
"""Responses of AXI4."""

_EVERY_BURST = 0xFFFF_FFFF


@dataclass(frozen=True)
class MemoryFaults:
    """What the reference memory does wrong.

    Attributes
    ----------
    addresses
        Beats whose address, rounded down to a whole beat, lies in here are answered with
    read, write
        these responses.
    answered_bursts
        After so many accepted bursts the memory falls silent; None for never.
    """

    addresses: range = range(0)
    read: int = OKAY
    write: int = OKAY
    answered_bursts: int | None = None


NO_FAULTS = MemoryFaults()


def write_memory_settings(
    folder: Path, number: int, limit_bytes: int, faults: MemoryFaults, keep_buffers: bool
) -> None:
    """How the reference memory behaves, and whether the buffers are loaded."""
    addresses = faults.addresses
    first, last = (addresses.start, addresses.stop - 1) if addresses else (_EVERY_BURST, 0)
    answered = _EVERY_BURST if faults.answered_bursts is None else faults.answered_bursts
    numbers = (int(keep_buffers), limit_bytes, answered, first, last, faults.read, faults.write)
    (folder / f"memory_{number}.txt").write_text(" ".join(map(str, numbers)))


def read_faults(folder: Path, number: int) -> MemoryFaults:
    """What :func:`write_memory_settings` wrote of them."""
    numbers = map(int, (folder / f"memory_{number}.txt").read_text().split()[2:])
    answered, first, last, read, write = numbers
    return MemoryFaults(
        range(first, last + 1), read, write, None if answered == _EVERY_BURST else answered
    )


def write_dram(folder: Path, number: int, dram: NDArray[np.uint8], config: Config) -> None:
    """DRAM before a program; ``$fread`` takes the last byte of a word first."""
    padding = np.zeros(-dram.size % config.axi_bytes, np.uint8)
    words = np.concatenate([dram, padding]).reshape(-1, config.axi_bytes)
    (folder / f"dram_in_{number}.bin").write_bytes(words[:, ::-1].tobytes())


def read_dram(folder: Path, number: int, axi_bytes: int) -> bytes:
    """What :func:`write_dram` wrote: whole words."""
    words = np.fromfile(folder / f"dram_in_{number}.bin", np.uint8).reshape(-1, axi_bytes)
    return words[:, ::-1].tobytes()


def write_dram_out(folder: Path, number: int, contents: bytes | bytearray) -> None:
    """DRAM behind a program."""
    (folder / f"dram_out_{number}.bin").write_bytes(contents)


def write_buffers(folder: Path, number: int, buffers: Memories, config: Config) -> None:
    """Every buffer before a program."""
    (folder / f"buffers_in_{number}.bin").write_bytes(memory_layout.split(config, buffers))


def read_kept_buffers(folder: Path, number: int, config: Config) -> Memories:
    """What the buffers held before a program that was to keep them."""
    return memory_layout.join(config, (folder / f"buffers_kept_{number}.bin").read_bytes())


def read_memories(folder: Path, number: int, config: Config) -> Memories:
    """What a program left."""
    dump = (folder / f"buffers_out_{number}.bin").read_bytes()
    dram = np.fromfile(folder / f"dram_out_{number}.bin", np.uint8)
    return {DRAM: dram, **memory_layout.join(config, dump)}


def read_retired(folder: Path, number: int) -> NDArray[Any]:
    """Array of ``RETIRE_RECORD``, in order of retirement."""
    return np.fromfile(folder / f"retire_{number}.bin", RETIRE_RECORD)
