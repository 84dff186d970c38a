"""The program image: one binary file that holds everything a run needs.

Layout, little-endian::

    0   8  magic  b"ASSAYIMG"
    8   4  version
    12  4  number of sections
    16  8  hardware hash of the configuration it was compiled for
    24  8  bytes of DRAM the program may touch, from address 0
    32  4  CRC-32 of the header (with this field zero) and the section table
    36  4  zero
    40  -  section table, 96 bytes each:
           0  64  name, UTF-8, zero-padded
           64  4  kind (SectionKind)
           68  4  CRC-32 of the data
           72  8  address in DRAM (kind DEBUG: zero)
           80  8  offset in the file
           88  8  length in bytes
        -  section data, each at a multiple of 64
"""

from __future__ import annotations

import enum
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from arch.config import Config
from arch.errors import AssayError
from arch.isa import INSTRUCTION_BYTES, Instruction, decode_program

MAGIC = b"ASSAYIMG"
VERSION = 3
PROGRAM_ALIGNMENT_BYTES = 256

_HEADER = struct.Struct("<8sIIQQII")
_ENTRY = struct.Struct("<64sIIQQQ")
_SECTION_ALIGNMENT_BYTES = 64


class SectionKind(enum.IntEnum):
    """What a section holds."""

    PROGRAM = 0
    DATA = 1
    DEBUG = 2


@dataclass(frozen=True)
class Section:
    """Bytes of the image, and where they go in DRAM."""

    name: str
    kind: SectionKind
    address: int
    data: bytes


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TensorPlace(_Model):
    """Where a tensor lies: ``rows`` x ``cols`` elements, ``row_bytes`` from row to row.

    ``complete`` is the index of the instruction with whose end it is there; -1: from the start.
    """

    name: str
    role: Literal["input", "constant", "output", "intermediate"]
    element_type: Literal["int8", "uint8", "int16", "int32"]
    rows: int
    cols: int
    memory: Literal["dram", "activation", "weight"] = "dram"
    address: int
    row_bytes: int
    complete: int = -1


class OperatorInfo(_Model):
    """An operator of the source graph and the least that the hardware has to do for it.

    What stands before the first dot of ``name`` is its layer.

    Attributes
    ----------
    read_bytes
        Bytes that its own LOADs bring from DRAM, each counted once however often it is loaded.
        What lies on chip already, or was loaded for another operator, is not among them.
    write_bytes
        Bytes that its own STOREs bring to DRAM, each counted once. What stays on chip is not among
        them.
    matrix_rows
        Rows that its MATRIX instructions issue (rows of all their tiles), which take a cycle each.
    vector_rows
        Rows that its VECTOR instructions issue (n tiles times rows), which take a cycle each or
        more.
    """

    name: str
    kind: str
    macs: int
    read_bytes: int
    write_bytes: int
    matrix_rows: int = 0
    vector_rows: int = 0
    outputs: tuple[str, ...]

    @property
    def layer(self) -> str:
        return self.name.partition(".")[0]


class DebugInfo(_Model):
    """Maps instructions to operators and tensors to places.

    ``operator_of[i]`` is the index in ``operators`` of instruction ``i``, -1 for END.
    """

    workload: str
    operators: tuple[OperatorInfo, ...]
    operator_of: tuple[int, ...]
    tensors: tuple[TensorPlace, ...]


@dataclass(frozen=True)
class Image:
    """A compiled program with its data."""

    hardware_hash: int
    dram_bytes: int
    sections: tuple[Section, ...]

    @cached_property
    def program_section(self) -> Section:
        return next(s for s in self.sections if s.kind is SectionKind.PROGRAM)

    @cached_property
    def program(self) -> list[Instruction]:
        """The decoded instructions."""
        return decode_program(self.program_section.data)

    @cached_property
    def debug(self) -> DebugInfo:
        section = next(s for s in self.sections if s.kind is SectionKind.DEBUG)
        return DebugInfo.model_validate_json(section.data)

    def dram(self, fill: bytes | bytearray) -> bytearray:
        """DRAM before the run: ``fill`` (of ``dram_bytes``) with every section laid over it."""
        memory = bytearray(fill)
        for section in self.sections:
            if section.kind is not SectionKind.DEBUG:
                memory[section.address : section.address + len(section.data)] = section.data
        return memory

    def check_config(self, config: Config) -> None:
        """Refuse to run on another configuration than the image was compiled for."""
        if self.hardware_hash != config.hardware_hash:
            raise AssayError(
                f"the image was compiled for hardware {self.hardware_hash:016x}, configuration "
                f"'{config.name}' is {config.hardware_hash:016x}: compile it again for it"
            )
        if self.dram_bytes > config.dram_bytes:
            raise AssayError(
                f"the image needs {self.dram_bytes} bytes of DRAM, configuration '{config.name}' "
                f"has {config.dram_bytes}: raise dram_mib"
            )

    def to_bytes(self) -> bytes:
        """Serialise to the file format above."""
        offset = _align(_HEADER.size + _ENTRY.size * len(self.sections))
        table, body = bytearray(), bytearray()
        for section in self.sections:
            body.extend(bytes(_align(len(body)) - len(body)))
            table += _ENTRY.pack(
                section.name.encode(),
                section.kind,
                zlib.crc32(section.data),
                section.address,
                offset + len(body),
                len(section.data),
            )
            body += section.data
        fields = (MAGIC, VERSION, len(self.sections), self.hardware_hash, self.dram_bytes)
        crc = zlib.crc32(_HEADER.pack(*fields, 0, 0) + table)
        head = _HEADER.pack(*fields, crc, 0) + table
        return head + bytes(offset - len(head)) + bytes(body)

    def save(self, path: Path) -> None:
        path.write_bytes(self.to_bytes())


def _align(value: int) -> int:
    return -(-value // _SECTION_ALIGNMENT_BYTES) * _SECTION_ALIGNMENT_BYTES


def build_image(
    config: Config,
    program_address: int,
    program: bytes,
    data: Sequence[tuple[str, int, bytes]],
    dram_bytes: int,
    debug: DebugInfo,
) -> Image:
    """Assemble an image; ``data`` is (name, DRAM address, bytes)."""
    sections = (
        Section("program", SectionKind.PROGRAM, program_address, program),
        *(Section(name, SectionKind.DATA, address, content) for name, address, content in data),
        Section("debug", SectionKind.DEBUG, 0, debug.model_dump_json().encode()),
    )
    image = Image(config.hardware_hash, dram_bytes, sections)
    _check_sections(image, "image")
    return image


def load_image(path: Path) -> Image:
    """Read an image file.

    Raises
    ------
    AssayError
        The file is missing, not an image, of another version, cut off or damaged.
    """
    try:
        return parse_image(path.read_bytes(), str(path))
    except OSError as error:
        raise AssayError(f"{path}: cannot be read: {error.strerror}") from None


def parse_image(raw: bytes, name: str = "image") -> Image:
    """Parse the bytes of an image file; errors as in :func:`load_image`."""
    if len(raw) < _HEADER.size or raw[:8] != MAGIC:
        raise AssayError(f"{name}: not a program image: it does not start with {MAGIC.decode()}")
    magic, version, count, hardware_hash, dram_bytes, crc, _ = _HEADER.unpack_from(raw)
    if version != VERSION:
        raise AssayError(f"{name}: image version {version}, expected {VERSION}: compile it again")
    table_end = _HEADER.size + count * _ENTRY.size
    if table_end > len(raw):
        raise AssayError(f"{name}: cut off in the section table: compile it again")
    table = raw[_HEADER.size : table_end]
    head = _HEADER.pack(magic, version, count, hardware_hash, dram_bytes, 0, 0)
    if zlib.crc32(head + table) != crc:
        raise AssayError(f"{name}: the header is damaged (CRC-32 differs): compile it again")
    sections = []
    for raw_name, kind, data_crc, address, offset, length in _ENTRY.iter_unpack(table):
        section_name = raw_name.rstrip(b"\0").decode()
        data = raw[offset : offset + length]
        if len(data) != length or zlib.crc32(data) != data_crc:
            raise AssayError(
                f"{name}: section '{section_name}' is damaged or cut off (CRC-32 differs): "
                "compile it again"
            )
        sections.append(Section(section_name, SectionKind(kind), address, data))
    image = Image(hardware_hash, dram_bytes, tuple(sections))
    _check_sections(image, name)
    return image


def _check_sections(image: Image, name: str) -> None:
    kinds = [section.kind for section in image.sections]
    if kinds.count(SectionKind.PROGRAM) != 1 or kinds.count(SectionKind.DEBUG) != 1:
        raise AssayError(f"{name}: it must hold exactly one program and one debug section")
    address = image.program_section.address
    if address % PROGRAM_ALIGNMENT_BYTES:
        raise AssayError(
            f"{name}: program address {address:#x} is not a multiple of {PROGRAM_ALIGNMENT_BYTES}"
        )
    if len(image.program_section.data) % INSTRUCTION_BYTES:
        raise AssayError(f"{name}: the program is no multiple of {INSTRUCTION_BYTES} bytes")
    end = 0
    for section in sorted(image.sections, key=lambda s: s.address):
        if section.kind is SectionKind.DEBUG:
            continue
        if section.address < end:
            raise AssayError(f"{name}: section '{section.name}' overlaps the one before it")
        end = section.address + len(section.data)
        if end > image.dram_bytes:
            raise AssayError(
                f"{name}: section '{section.name}' ends at {end}, beyond the {image.dram_bytes} "
                "bytes of DRAM of the image"
            )
    try:
        _ = image.debug
    except ValidationError as error:
        raise AssayError(f"{name}: debug section: {error.errors()[0]['msg']}") from None
