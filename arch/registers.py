"""The register map and the counters, compiled from ``registers.rdl``."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from systemrdl import RDLCompiler
from systemrdl.node import AddrmapNode, FieldNode, RegNode
from systemrdl.rdltypes import AccessType, OnWriteType

from arch.config import Config
from arch.isa import Engine

RDL_PATH = Path(__file__).with_name("registers.rdl")


@dataclass(frozen=True)
class RegisterField:
    """Bits ``low`` to ``low + bits - 1`` of a register; ``reset`` is the value before any write."""

    name: str
    low: int
    bits: int
    reset: int
    description: str


@dataclass(frozen=True)
class Register:
    """One 32-bit register.

    Attributes
    ----------
    access
        ``ro`` read only, ``rw`` read and write, ``w1c`` write 1 to clear, ``w1p`` write 1 for a
        pulse (reads as zero).
    config_value, config_shift_bits
        The attribute of :class:`arch.config.Config` that the register tells, and the number of its
        bits that come before; None where the register tells no such attribute.
    """

    name: str
    offset_bytes: int
    access: str
    fields: dict[str, RegisterField]
    description: str
    config_value: str | None
    config_shift_bits: int

    def reset_value(self, config: Config) -> int:
        """What the register reads before any write, in an accelerator of ``config``."""
        if self.config_value is not None:
            value = int(getattr(config, self.config_value))
            return value >> self.config_shift_bits & 0xFFFF_FFFF
        return sum(field.reset << field.low for field in self.fields.values())


@dataclass(frozen=True)
class Counter:
    """One 64-bit counter: low word at ``offset_bytes``, high word 4 bytes behind.

    ``exact`` says that a prediction must be equal; it is bounded otherwise.
    """

    name: str
    offset_bytes: int
    exact: bool
    description: str


@dataclass(frozen=True)
class RegisterMap:
    """Registers by name, counters in the order of their offsets."""

    registers: dict[str, Register]
    counters: tuple[Counter, ...]

    @functools.cached_property
    def ledger_states(self) -> dict[Engine, tuple[str, ...]]:
        """States of each engine, in the order in which they are decided."""
        return {
            engine: tuple(
                counter.name.removeprefix(prefix)
                for counter in self.counters
                if counter.name.startswith(prefix)
            )
            for engine in Engine
            for prefix in (ledger_counter(engine, ""),)
        }


def ledger_counter(engine: Engine, state: str) -> str:
    """Name of the counter of one state of the ledger."""
    return f"ledger_{engine.name.lower()}_{state}"


@functools.cache
def register_map() -> RegisterMap:
    """Compile ``registers.rdl``."""
    compiler = RDLCompiler()
    compiler.compile_file(str(RDL_PATH))
    registers: dict[str, Register] = {}
    counters: list[Counter] = []
    top = compiler.elaborate().top
    assert isinstance(top, AddrmapNode)
    for node in top.registers():
        kind = node.get_property("counter_kind")
        if kind is None:
            registers[node.inst_name] = _register(node)
        else:
            assert kind in ("event", "cycles"), kind
            counters.append(
                Counter(node.inst_name, node.address_offset, kind == "event", _text(node))
            )
    return RegisterMap(registers, tuple(counters))


def _text(node: RegNode | FieldNode) -> str:
    text = node.get_property("desc")
    assert text, f"{node.inst_name} has no description"
    return str(text)


def _register(node: RegNode) -> Register:
    accesses = {_access(field) for field in node.fields()}
    assert len(accesses) == 1, f"{node.inst_name} mixes {accesses}"
    return Register(
        node.inst_name,
        node.address_offset,
        accesses.pop(),
        {
            field.inst_name: RegisterField(
                field.inst_name,
                field.low,
                field.width,
                int(field.get_property("reset", default=0)),
                _text(field),
            )
            for field in node.fields()
        },
        _text(node),
        node.get_property("config_value"),
        int(node.get_property("config_shift_bits", default=0)),
    )


def _access(field: FieldNode) -> str:
    if field.get_property("singlepulse"):
        return "w1p"
    if field.get_property("onwrite") is OnWriteType.woclr:
        return "w1c"
    return "ro" if field.get_property("sw") is AccessType.r else "rw"
