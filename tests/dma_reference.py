"""What LOAD and STORE must move, straight from I-01 and I-02, and the bursts of T-LD-01."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from arch.config import Config
from arch.isa import Buffer, Load, Store

DRAM_BYTES = 1 << 17


def load_of(**changes: int) -> Load:
    values = {"buffer": Buffer.ACTIVATION, "buffer_address": 0, "dram_address": 0, "run_bytes": 8}
    return Load(**{**values, **changes})


def store_of(**changes: int) -> Store:
    values = {"buffer": Buffer.ACTIVATION, "buffer_address": 0, "dram_address": 0, "run_bytes": 8}
    return Store(**{**values, **changes})


@dataclass
class Contents:
    """DRAM and buffers."""

    dram: bytearray
    buffers: dict[Buffer, bytearray]


def buffer_sizes(config: Config) -> dict[Buffer, int]:
    return {
        Buffer.ACTIVATION: config.activation_buffer_bytes,
        Buffer.WEIGHT: config.weight_buffer_bytes,
        Buffer.PARAMETER: config.parameter_buffer_bytes,
    }


def seeded_contents(config: Config, seed: int) -> Contents:
    noise = random.Random(seed)
    dram = bytearray(noise.randbytes(DRAM_BYTES))
    sizes = buffer_sizes(config)
    return Contents(dram, {key: bytearray(noise.randbytes(size)) for key, size in sizes.items()})


def addresses(instruction: Load | Store) -> list[tuple[int, int]]:
    """(DRAM address, buffer address) of each run (I-01)."""
    return [
        (
            (
                instruction.dram_address
                + plane * instruction.plane_dram_stride
                + run * instruction.run_dram_stride
            )
            % 2**32,
            (
                instruction.buffer_address
                + plane * instruction.plane_buffer_stride
                + run * instruction.run_buffer_stride
            )
            % 2**24,
        )
        for plane in range(instruction.planes)
        for run in range(instruction.runs)
    ]


def bursts(instruction: Load | Store, config: Config) -> list[tuple[int, int]]:
    """(aligned address, beats) of each burst (T-LD-01)."""
    found = []
    for dram, _ in addresses(instruction):
        end = dram + instruction.run_bytes
        while dram < end:
            stop = min(end, (dram // config.burst_bytes + 1) * config.burst_bytes)
            first = dram // config.axi_bytes
            found.append((first * config.axi_bytes, -(-stop // config.axi_bytes) - first))
            dram = stop
    return found


def random_program(kind: type[Load] | type[Store], noise: random.Random) -> list[Load | Store]:
    """Twelve instructions that stay inside DRAM and buffers, for an 8-byte port."""
    return [_random_instruction(kind, noise) for _ in range(12)]


def _random_instruction(kind: type[Load] | type[Store], noise: random.Random) -> Load | Store:
    values = {
        "buffer_address": noise.randrange(900),
        "dram_address": noise.randrange(8192),
        "run_bytes": noise.randrange(1, 100),
        "run_dram_stride": noise.randrange(4096),
        "run_buffer_stride": noise.randrange(100, 300),
        "plane_dram_stride": noise.randrange(8192),
        "plane_buffer_stride": noise.randrange(300, 1200),
    }
    repeats = {"runs": noise.randrange(1, 4), "planes": noise.randrange(1, 4)}
    if kind is Store:
        return Store(buffer=Buffer.ACTIVATION, **values, **repeats)
    buffer = noise.choice(list(Buffer))
    if buffer is Buffer.PARAMETER:  # B-05
        values = {name: 8 * -(-value // 8) for name, value in values.items()}
    pad = {"pad_bytes": noise.choice([0, 0, 3, 20]), "pad_value": noise.randrange(256)}
    return Load(buffer=buffer, **values, **repeats, **pad)


def byte_moves(instruction: Load | Store) -> Iterator[tuple[int | None, int]]:
    """(DRAM address, buffer address) of each byte in order; padding has no DRAM address (I-01)."""
    pad_bytes = instruction.pad_bytes if isinstance(instruction, Load) else 0
    for dram, base in addresses(instruction):
        for offset in range(instruction.run_bytes + pad_bytes):
            source = (dram + offset) % 2**32 if offset < instruction.run_bytes else None
            yield source, (base + offset) % 2**24


def expected(
    config: Config, program: Sequence[Load | Store], seed: int = 0, moved: int | None = None
) -> Contents:
    """What I-01 and I-02 make of the seeded contents; with ``moved`` the first so many bytes."""
    contents = seeded_contents(config, seed)
    moves = [(instruction, *move) for instruction in program for move in byte_moves(instruction)]
    for instruction, dram, base in moves[:moved]:
        buffer = contents.buffers[Buffer(instruction.buffer)]
        if isinstance(instruction, Store):
            assert dram is not None
            contents.dram[dram] = buffer[base]
        else:
            buffer[base] = instruction.pad_value if dram is None else contents.dram[dram]
    return contents


def first_move(
    program: Sequence[Load | Store], wrong: Callable[[Load | Store, int | None, int], bool]
) -> tuple[int, int] | None:
    """Which instruction has the first byte for which ``wrong``, and how many bytes precede it."""
    preceding = 0
    for position, instruction in enumerate(program):
        for dram, base in byte_moves(instruction):
            if wrong(instruction, dram, base):
                return position, preceding
            preceding += 1
    return None


def first_overrun(config: Config, program: Sequence[Load | Store]) -> tuple[int, int] | None:
    """``first_move`` that leaves its buffer (E-03)."""
    sizes = buffer_sizes(config)
    return first_move(
        program, lambda instruction, dram, base: base >= sizes[Buffer(instruction.buffer)]
    )
