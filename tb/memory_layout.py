"""Where the bytes of each on-chip buffer lie in the memories of the RTL.

A buffer is a flat array of bytes, as the architecture addresses it; an RTL memory is an array of
words. Files that the simulator reads and writes hold the memories one after the other in the order
of :func:`rtl_memories`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arch.config import (
    ACCUMULATOR_HALVES,
    ACTIVATION_BANKS,
    INDEX_ENTRIES,
    WEIGHT_BANKS,
    Config,
)
from arch.isa import Table

Bytes = NDArray[np.uint8]

STATISTIC_BYTES = {"maximum": 4, "sum": 6, "squares": 6, "scale": 4}
"""B-08: of an entry of each memory of the statistics file, which has a buffer of its own."""
INDEX_BYTES = 4 * INDEX_ENTRIES
DUMPED_BYTES = 4
"""The dump of a word is a multiple: the simulator puts zeros behind it."""


@dataclass(frozen=True)
class RtlMemory:
    """One memory of the RTL and the part of a buffer it holds.

    Attributes
    ----------
    path
        Instances from the accelerator down, then the memory's name; RTL may have further levels
        above the last two.
    buffer
        Name of the buffer.
    index
        Selects the memory's words [depth, word_bytes] in the buffer shaped by :func:`shapes`.
    depth, word_bytes
        Its size.
    """

    path: tuple[str, ...]
    buffer: str
    index: tuple[int | slice, ...]
    depth: int
    word_bytes: int


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Shape of each buffer's bytes, from the slowest index to the byte in a word."""

    def scratchpad(size_bytes: int, banks: int) -> tuple[int, ...]:
        word = config.word_bytes
        return (banks, size_bytes // (2 * banks * word), 2, word)  # B-01

    vector_bytes = config.parameter_word_bytes
    return {
        "activation": scratchpad(config.activation_buffer_bytes, ACTIVATION_BANKS),
        "weight": scratchpad(config.weight_buffer_bytes, WEIGHT_BANKS),
        "parameter": (config.parameter_buffer_bytes // vector_bytes, vector_bytes),  # B-05
        "accumulator": (ACCUMULATOR_HALVES, config.accumulator_depth, vector_bytes),  # B-06
        "unary_table": (Table.UNARY.words, 4),  # B-07
        "wide_table": (Table.WIDE.words, 4),
        **{
            f"statistic_{name}": (config.accumulator_depth, size)
            for name, size in STATISTIC_BYTES.items()
        },
        "index": (INDEX_BYTES // config.axi_bytes, config.axi_bytes),  # B-09
    }


def rtl_memories(config: Config) -> list[RtlMemory]:
    """Every memory that holds part of a buffer, in the order of the simulator's files."""
    every = slice(None)
    memories = []
    for buffer, shape in shapes(config).items():
        parts: dict[tuple[str, str], tuple[int | slice, ...]]
        if buffer in ("activation", "weight"):
            parts = {
                (f"{buffer}_buffer", f"bank_{bank}_{parity}"): (bank, every, odd, every)
                for bank in range(shape[0])
                for odd, parity in enumerate(("even", "odd"))
            }
            depth = shape[1]
        elif buffer == "accumulator":
            parts = {(buffer, f"half_{half}"): (half, every, every) for half in range(shape[0])}
            depth = shape[1]
        else:
            parts = {_path(buffer): (every, every)}
            depth = shape[0]
        memories += [
            RtlMemory(path, buffer, index, depth, shape[-1]) for path, index in parts.items()
        ]
    return memories


def _path(buffer: str) -> tuple[str, str]:
    """Of the memory that holds a whole buffer."""
    if buffer.startswith("statistic_"):
        return "statistics", buffer.removeprefix("statistic_")
    return f"{buffer}_buffer" if buffer in ("parameter", "index") else buffer, "memory"


def split(config: Config, buffers: Mapping[str, Bytes]) -> bytes:
    """Bytes of the file that preloads every memory.

    ``$fread`` puts the first byte of a file in the most significant byte of a word, so the bytes
    of each word are reversed here.
    """
    layout = shapes(config)
    parts = []
    for memory in rtl_memories(config):
        words = buffers[memory.buffer].reshape(layout[memory.buffer])[memory.index]
        parts.append(words[:, ::-1].tobytes())
    return b"".join(parts)


def join(config: Config, dump: bytes) -> dict[str, Bytes]:
    """The buffers from the file in which the simulator dumped every memory.

    Raises
    ------
    ValueError
        The file has not the size of all memories.
    """
    layout = shapes(config)
    buffers = {name: np.empty(shape, np.uint8) for name, shape in layout.items()}
    position = 0
    for memory in rtl_memories(config):
        word = -(-memory.word_bytes // DUMPED_BYTES) * DUMPED_BYTES
        words = np.frombuffer(dump, np.uint8, memory.depth * word, position)
        used = words.reshape(memory.depth, word)[:, : memory.word_bytes]
        buffers[memory.buffer][memory.index] = used
        position += words.size
    if position != len(dump):
        raise ValueError(f"the dump has {len(dump)} bytes, the memories hold {position}")
    return {name: array.reshape(-1) for name, array in buffers.items()}


def random_buffers(config: Config, generator: np.random.Generator) -> dict[str, Bytes]:
    """Garbage for every buffer, as flat bytes."""
    return {
        name: generator.integers(0, 256, int(np.prod(shape)), np.uint8)
        for name, shape in shapes(config).items()
    }


def describe(config: Config, buffer: str, address: int) -> str:
    """Where a byte of a buffer lies, in the terms of rules B-01 to B-09."""
    place = [int(i) for i in np.unravel_index(address, shapes(config)[buffer])]
    if buffer in ("activation", "weight"):
        bank, pair, odd, byte = place
        return f"bank {bank}, word {2 * pair + odd}, byte {byte}"
    if buffer == "accumulator":
        half, vector, byte = place
        return f"half {half}, vector {vector}, lane {byte // 4}, byte {byte % 4}"
    if buffer.startswith("statistic_"):
        return f"entry {place[0]}, byte {place[1]}"
    return f"word {place[0]}, byte {place[1]}"
