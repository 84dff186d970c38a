"""What LOAD and STORE must move, straight from I-01 and I-02, and the bursts of T-LD-01."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from arch.config import INDEX_ENTRIES, Config
from arch.isa import Buffer, Load, Store

DRAM_BYTES = 1 << 17
INDICES = DRAM_BYTES - 4 * INDEX_ENTRIES
"""Where DRAM has indices below INDEX_LIMIT, as many as the index buffer holds."""
INDEX_LIMIT = 64


def load_of(**changes: int) -> Load:
    values = {"buffer": Buffer.ACTIVATION, "buffer_address": 0, "dram_address": 0, "run_bytes": 8}
    return Load(**{**values, **changes})


def store_of(**changes: int) -> Store:
    values = {"buffer": Buffer.ACTIVATION, "buffer_address": 0, "dram_address": 0, "run_bytes": 8}
    return Store(**{**values, **changes})


def indices(first: int, count: int) -> Load:
    """Fills entries of the index buffer with those of the same place in the table in DRAM."""
    at = {"buffer_address": 4 * first, "dram_address": INDICES + 4 * first}
    return Load(buffer=Buffer.INDEX, run_bytes=4 * count, **at)


def gather(**changes: int) -> Load:
    """Rows of 18 bytes."""
    values = {"buffer_address": 5, "dram_address": 331, "run_bytes": 18, "run_buffer_stride": 18}
    return Load(
        **{"buffer": Buffer.WEIGHT, "gather": 1, "run_dram_stride": 333, **values, **changes}
    )


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
        Buffer.INDEX: 4 * INDEX_ENTRIES,
    }


def seeded_contents(config: Config, seed: int) -> Contents:
    noise = random.Random(seed)
    dram = bytearray(noise.randbytes(INDICES))
    dram += b"".join(_number(noise.randrange(INDEX_LIMIT)) for _ in range(INDEX_ENTRIES))
    sizes = buffer_sizes(config)
    return Contents(dram, {key: bytearray(noise.randbytes(size)) for key, size in sizes.items()})


def addresses(instruction: Load | Store, index: bytes | bytearray = b"") -> list[tuple[int, int]]:
    """(DRAM address, buffer address) of each run (I-01); ``index`` is the index buffer."""
    return [
        (
            (
                instruction.dram_address
                + plane * instruction.plane_dram_stride
                + _row(instruction, run, index) * instruction.run_dram_stride
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


def _row(instruction: Load | Store, run: int, index: bytes | bytearray) -> int:
    if isinstance(instruction, Store) or not instruction.gather:
        return run
    entry = 4 * (instruction.index_address + run)
    return int.from_bytes(index[entry : entry + 4], "little")  # B-09


def _number(value: int) -> bytes:
    return value.to_bytes(4, "little")


def bursts(
    instruction: Load | Store, config: Config, index: bytes | bytearray = b""
) -> list[tuple[int, int]]:
    """(aligned address, beats) of each burst (T-LD-01)."""
    found = []
    for dram, _ in addresses(instruction, index):
        end = dram + instruction.run_bytes
        while dram < end:
            stop = min(end, (dram // config.burst_bytes + 1) * config.burst_bytes)
            first = dram // config.axi_bytes
            found.append((first * config.axi_bytes, -(-stop // config.axi_bytes) - first))
            dram = stop
    return found


def random_program(kind: type[Load] | type[Store], noise: random.Random) -> list[Load | Store]:
    """Twelve instructions that stay inside DRAM and buffers, for an 8-byte port.

    Before one that gathers comes another that loads its indices.
    """
    program: list[Load | Store] = []
    for _ in range(12):
        instruction = _random_instruction(kind, noise)
        if (
            isinstance(instruction, Load)
            and instruction.buffer <= Buffer.WEIGHT
            and noise.randrange(3) == 0
        ):
            program += _random_gather(instruction, noise)
        else:
            program.append(instruction)
    return program


def _random_gather(load: Load, noise: random.Random) -> list[Load | Store]:
    runs = noise.randrange(1, 7)
    first = noise.randrange(INDEX_ENTRIES + 1 - runs)
    fields = {"gather": 1, "index_address": first, "runs": runs, "planes": 1}
    stride = {"run_dram_stride": noise.randrange(1024), "pad_bytes": noise.choice([0, 0, 9])}
    return [indices(first, runs), replace(load, **fields, **stride)]


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
    if buffer in (Buffer.PARAMETER, Buffer.INDEX):  # B-05
        values = {name: 8 * -(-value // 8) for name, value in values.items()}
    pad = {"pad_bytes": noise.choice([0, 0, 3, 20]), "pad_value": noise.randrange(256)}
    return Load(buffer=buffer, **values, **repeats, **pad)


def moves(
    contents: Contents, program: Sequence[Load | Store]
) -> Iterator[tuple[int, int | None, int]]:
    """Which instruction moves a byte, its DRAM and its buffer address; padding has no DRAM address.

    Each is made in ``contents`` when the next one is asked for (I-01, I-02).
    """
    for position, instruction in enumerate(program):
        buffer = contents.buffers[Buffer(instruction.buffer)]
        pad_bytes = instruction.pad_bytes if isinstance(instruction, Load) else 0
        for run, base in addresses(instruction, contents.buffers[Buffer.INDEX]):
            for offset in range(instruction.run_bytes + pad_bytes):
                dram = (run + offset) % 2**32 if offset < instruction.run_bytes else None
                place = (base + offset) % 2**24
                yield position, dram, place
                if isinstance(instruction, Load):
                    buffer[place] = instruction.pad_value if dram is None else contents.dram[dram]
                elif dram is not None:
                    contents.dram[dram] = buffer[place]


def expected(
    config: Config, program: Sequence[Load | Store], seed: int = 0, moved: int | None = None
) -> Contents:
    """What I-01 and I-02 make of the seeded contents; with ``moved`` the first so many bytes."""
    contents = seeded_contents(config, seed)
    for preceding, _ in enumerate(moves(contents, program)):
        if preceding == moved:
            break
    return contents


def first_move(
    config: Config,
    program: Sequence[Load | Store],
    wrong: Callable[[Load | Store, int | None, int], bool],
    seed: int = 0,
) -> tuple[int, int] | None:
    """Which instruction has the first byte for which ``wrong``, and how many bytes precede it."""
    made = moves(seeded_contents(config, seed), program)
    for preceding, (position, dram, base) in enumerate(made):
        if wrong(program[position], dram, base):
            return position, preceding
    return None


def first_overrun(
    config: Config, program: Sequence[Load | Store], seed: int = 0
) -> tuple[int, int] | None:
    """``first_move`` that leaves its buffer (E-03)."""
    sizes = buffer_sizes(config)

    def beyond(instruction: Load | Store, dram: int | None, base: int) -> bool:
        return base >= sizes[Buffer(instruction.buffer)]

    return first_move(config, program, beyond, seed)
