"""The configuration: every size of the accelerator and the timing of the reference memory.

A configuration is written once, as TOML, and read by RTL, golden, model, compiler and testbench.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from arch.errors import AssayError

CONFIG_DIR = Path(__file__).resolve().parent.parent / "configs"

ACCUMULATOR_HALVES = 2
ACTIVATION_BANKS = 4
WEIGHT_BANKS = 2
INDEX_ENTRIES = 1024
"""B-09: 32-bit numbers of the index buffer."""

_TIMING_ONLY = frozenset({"dram_latency_cycles", "dram_bytes_per_cycle", "dram_mib"})
"""Fields of the reference memory: they change cycles, not RTL."""

Extent = Annotated[int, Field(ge=4, le=64)]
Kib = Annotated[int, Field(ge=1, le=8192)]


def _is_power_of_two(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


class Config(BaseModel):
    """One accelerator and its reference memory.

    Attributes
    ----------
    rows, cols
        Extent of the compute tile: ``rows`` operands of the contraction (k) by ``cols`` output
        channels (n). Powers of two.
    style
        How the tile is built; ``dot_product`` broadcasts activations into adder trees.
    activation_buffer_kib, weight_buffer_kib, parameter_buffer_kib
        Scratchpad sizes.
    accumulator_kib
        Both halves together, ``cols`` int32 a vector.
    queue_depth
        Instructions that wait in front of each engine.
    max_outstanding_reads, max_outstanding_writes
        Bursts in flight of LOAD and of STORE.
    read_window_beats
        LOAD asks for a further burst only while fewer beats than this are outstanding.
    trace_depth
        Records of the trace memory.
    axi_data_bits
        Width of the memory port; by default the least that carries ``dram_bytes_per_cycle``.
    dram_latency_cycles, dram_bytes_per_cycle, dram_mib
        The reference memory (rules T-DRAM of docs/architecture.md).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    rows: Extent
    cols: Extent
    style: Literal["dot_product"] = "dot_product"
    activation_buffer_kib: Kib
    weight_buffer_kib: Kib
    parameter_buffer_kib: Kib
    accumulator_kib: Kib
    queue_depth: Annotated[int, Field(ge=2, le=64)] = 8
    max_outstanding_reads: Annotated[int, Field(ge=1, le=64)] = 32
    max_outstanding_writes: Annotated[int, Field(ge=1, le=64)] = 32
    read_window_beats: Annotated[int, Field(ge=1, le=4096)] = 256
    trace_depth: Annotated[int, Field(ge=1, le=65536)] = 256
    axi_data_bits: Literal[32, 64, 128, 256, 512] = 128
    dram_latency_cycles: Annotated[int, Field(ge=4, le=4096)]
    dram_bytes_per_cycle: Annotated[int, Field(ge=1, le=64)]
    dram_mib: Annotated[int, Field(ge=1, le=2048)] = 64

    @model_validator(mode="before")
    @classmethod
    def _derive_axi_width(cls, values: dict[str, Any]) -> dict[str, Any]:
        rate = values.get("dram_bytes_per_cycle")
        if "axi_data_bits" not in values and isinstance(rate, int) and 1 <= rate <= 64:
            values = {**values, "axi_data_bits": max(32, 8 << (rate - 1).bit_length())}
        return values

    @model_validator(mode="after")
    def _check_relations(self) -> Config:
        for key in ("rows", "cols"):
            value = getattr(self, key)
            if not _is_power_of_two(value):
                raise ValueError(f"{key} = {value} must be a power of two: 4, 8, 16, 32 or 64")
        if self.dram_bytes_per_cycle > self.axi_bytes:
            raise ValueError(
                f"dram_bytes_per_cycle = {self.dram_bytes_per_cycle} is more than the port of "
                f"axi_data_bits = {self.axi_data_bits} carries: raise axi_data_bits or leave it out"
            )
        if self.axi_bytes > 4 * self.cols:
            raise ValueError(
                f"axi_data_bits = {self.axi_data_bits} is wider than a parameter word of "
                f"{32 * self.cols} bits (32 x cols): lower axi_data_bits or raise cols"
            )
        if self.axi_bytes < 4:
            raise ValueError("axi_data_bits must be at least 32")
        if self.accumulator_depth < 16:
            raise ValueError(
                f"accumulator_kib = {self.accumulator_kib} holds {self.accumulator_depth} vectors "
                f"in each half, fewer than 16: raise it to {-(-128 * self.cols // 1024)} or more"
            )
        if self.accumulator_depth > 4096:
            raise ValueError(
                f"accumulator_kib = {self.accumulator_kib} holds {self.accumulator_depth} vectors "
                f"in each half, more than an instruction addresses (4096): lower it to "
                f"{32 * self.cols} or less"
            )
        tiles = self.weight_buffer_bytes // (self.rows * self.cols)
        if tiles < 4:
            raise ValueError(
                f"weight_buffer_kib = {self.weight_buffer_kib} holds {tiles} weight tiles, fewer "
                f"than 4: raise it to {-(-4 * self.rows * self.cols // 1024)} or more"
            )
        words = self.activation_buffer_bytes // self.word_bytes
        if words < 32:
            raise ValueError(
                f"activation_buffer_kib = {self.activation_buffer_kib} holds {words} words of "
                f"{self.word_bytes} bytes, fewer than 32: raise it"
            )
        if self.parameter_buffer_bytes < 2048:
            raise ValueError(
                f"parameter_buffer_kib = {self.parameter_buffer_kib} is too small for the tables "
                "(1280 bytes) beside the channel parameters: raise it to 2 or more"
            )
        return self

    @property
    def axi_bytes(self) -> int:
        """Bytes of one beat on the memory port."""
        return self.axi_data_bits // 8

    @property
    def word_bytes(self) -> int:
        """Bytes of one word of the activation and weight buffers."""
        return max(self.rows, self.cols, self.axi_bytes)

    @property
    def parameter_word_bytes(self) -> int:
        """Bytes of one word of the parameter buffer: one int32 for each column."""
        return 4 * self.cols

    @property
    def activation_buffer_bytes(self) -> int:
        return self.activation_buffer_kib * 1024

    @property
    def weight_buffer_bytes(self) -> int:
        return self.weight_buffer_kib * 1024

    @property
    def parameter_buffer_bytes(self) -> int:
        return self.parameter_buffer_kib * 1024

    @property
    def accumulator_depth(self) -> int:
        """Accumulator vectors (``cols`` int32) in each half."""
        return self.accumulator_kib * 1024 // (ACCUMULATOR_HALVES * 4 * self.cols)

    @property
    def dram_bytes(self) -> int:
        return self.dram_mib * 1024 * 1024

    @property
    def burst_bytes(self) -> int:
        """A burst never crosses a multiple of this: 4 KiB, or 256 beats where that is less."""
        return min(4096, 256 * self.axi_bytes)

    @cached_property
    def hardware_hash(self) -> int:
        """64-bit digest of every field that changes the RTL; image and CSRs carry it."""
        fields = self.model_dump(exclude={"name", *_TIMING_ONLY})
        digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).digest()
        return int.from_bytes(digest[:8], "little")


def config_names() -> list[str]:
    """Names of the configurations that come with the project."""
    return sorted(path.stem for path in CONFIG_DIR.glob("*.toml"))


def load_config(name_or_path: str, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a named configuration or a TOML file.

    A file may say ``extends = "base"`` (a name, or a path beside it) and then give only what
    differs. ``overrides`` change fields of what was read; ``axi_data_bits`` stays as it was derived
    from the file, so that a slower memory does not change the hardware.

    Raises
    ------
    AssayError
        The file is missing or malformed, or a key breaks a rule; one line that names the key,
        the value and the rule.
    """
    path = _locate(name_or_path, Path.cwd())
    values = _read(path, ())
    values.setdefault("name", path.stem)
    config = _validated(values, str(path))
    if not overrides:
        return config
    changes = ", ".join(f"{key} = {value}" for key, value in overrides.items())
    return _validated({**config.model_dump(), **overrides}, f"{path} with {changes}")


def parse_override(text: str) -> tuple[str, Any]:
    """Read ``KEY=VALUE``, the value as in TOML; a word needs no quotes.

    Raises
    ------
    AssayError
        There is no key or no value.
    """
    key, _, value = (part.strip() for part in text.partition("="))
    if not key or not value:
        raise AssayError(f"'{text}' is no KEY=VALUE: give one such as dram_latency_cycles=200")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value


def _validated(values: dict[str, Any], source: str) -> Config:
    try:
        return Config(**values)
    except ValidationError as error:
        raise AssayError(f"{source}: {_one_line(error, values)}") from None


def _locate(name_or_path: str, folder: Path) -> Path:
    named = CONFIG_DIR / f"{name_or_path}.toml"
    if named.is_file():
        return named
    path = folder / name_or_path
    if path.is_file():
        return path
    raise AssayError(
        f"no configuration '{name_or_path}': give one of {', '.join(config_names())}, "
        "or the path of a TOML file"
    )


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path in seen:
        raise AssayError(f"{path}: 'extends' comes back to this file: extend another one")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise AssayError(f"{path}: not a readable TOML file: {error}") from None
    parent = values.pop("extends", None)
    if parent is None:
        return values
    if not isinstance(parent, str):
        raise AssayError(f"{path}: extends = {parent!r} must be the name or path of a file")
    inherited = _read(_locate(parent, path.parent).resolve(), (*seen, path.resolve()))
    inherited.pop("name", None)
    return {**inherited, **values}


def _one_line(error: ValidationError, values: dict[str, Any]) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key '{key}': the keys are {', '.join(Config.model_fields)}"
    if first["type"] == "missing":
        return f"key '{key}' is missing: add it, or extends = \"base\""
    message = first["msg"].removeprefix("Value error, ")
    return f"{key} = {values[key]!r}: {message}" if key in values else message
