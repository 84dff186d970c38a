"""The name map: where each signal of the Amaranth source is in the trace.

A signal's name is the path of the component that owns it and the name in there: of a member of its
interface as Python spells it (``control.issue_load.issue.index``), of other signals their own. A
field of a structure is a signal too.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from arch.config import Config
from flow.cache import SIM_BUILD, cached, digest
from flow.elaborate import recipe
from flow.toolchain import Simulator

_FILE = "names.json"
_PLAIN = re.compile(r"[A-Za-z_]\w*")
_DUT = ("assay_top", "dut")


@dataclass(frozen=True)
class Name:
    """A signal.

    Attributes
    ----------
    scope, name
        Modules below the accelerator, and the name in the last of them, as Verilog has them.
    width_bits, signed
        Of its value.
    values
        Words for values, where the source has them.
    """

    scope: tuple[str, ...]
    name: str
    width_bits: int
    signed: bool
    values: dict[int, str]

    def path(self, simulator: Simulator) -> str:
        """Its path in the trace."""
        return trace_path((*_DUT, *self.scope, self.name), simulator)

    def entry(self, simulator: Simulator) -> dict[str, object]:
        """It as JSON."""
        entry = {"trace": self.path(simulator), "width_bits": self.width_bits}
        entry |= {"signed": True} if self.signed else {}
        return entry | ({"values": self.values} if self.values else {})


def trace_path(parts: tuple[str, ...], simulator: Simulator) -> str:
    """A hierarchical name as the simulator writes it: Icarus marks escaped names of signals."""
    *scopes, name = parts
    escaped = simulator == "icarus" and not _PLAIN.fullmatch(name)
    return ".".join([*scopes, f"\\{name}" if escaped else name])


def name_map(config: Config, root: Path = SIM_BUILD) -> dict[str, Name]:
    """Every signal of the accelerator that reaches the trace, by its name; from the cache."""
    sources = {"names": Path(__file__).read_text(), **recipe(config)}

    def make(folder: Path) -> None:
        names = {name: asdict(signal) for name, signal in _find(config)}
        (folder / _FILE).write_text(json.dumps(names))

    entries = json.loads((cached(digest(sources), make, root) / _FILE).read_text())
    return {name: _read(entry) for name, entry in entries.items()}


def _read(entry: dict[str, Any]) -> Name:
    values = {int(value): word for value, word in entry["values"].items()}
    return Name(**{**entry, "scope": tuple(entry["scope"]), "values": values})


def _find(config: Config) -> Iterator[tuple[str, Name]]:
    """The names that Amaranth gives when it converts the accelerator."""
    # Amaranth is slow to import and needed only where nothing is cached.
    from amaranth.hdl import Fragment
    from amaranth.hdl._ir import PortDirection
    from amaranth.hdl._mem import MemoryInstance

    from hdl.accelerator import Accelerator

    accelerator = Accelerator(config)
    ports = {
        "__".join(map(str, path)): (
            signal,
            PortDirection.Input if member.flow.name == "In" else PortDirection.Output,
        )
        for path, member, signal in _members(accelerator)
    }
    design = Fragment.get(accelerator, None).prepare(ports=ports)
    owned = set()
    for component, fragment in design.elaboratables.items():
        info = design.fragments[fragment]
        for path, _, signal in _members(component):
            if signal in info.signal_names:
                owned.add(id(signal))
                name = info.signal_names[signal]
                yield from _names(_owner(info, _spell(path)), info.name[1:], name, signal)
    for signal, fragment in design.signal_lca.items():
        info = design.fragments[fragment]
        # A memory is no module of its own: what only it knows is nowhere.
        here = signal in info.signal_names and not isinstance(fragment, MemoryInstance)
        if here and id(signal) not in owned:
            name = info.signal_names[signal]
            yield from _names(_owner(info, name), info.name[1:], name, signal)


def _owner(info: Any, name: str) -> str:
    """A name in a component: what Amaranth appends to tell modules from signals is left out."""
    return ".".join([*(part.split("$")[0] for part in info.name[1:]), name])


def _members(component: Any) -> Iterator[tuple[tuple[str | int, ...], Any, Any]]:
    """Path, member and signal of every port that a component declares."""
    from amaranth.hdl import Signal, Value

    if hasattr(component, "signature"):
        for path, member, value in component.signature.flatten(component):
            signal = Value.cast(value)
            if isinstance(signal, Signal):
                yield path, member, signal


def _spell(path: tuple[str | int, ...]) -> str:
    """``issue[0].valid``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


def _names(
    owner: str, scope: tuple[str, ...], name: str, signal: Any
) -> Iterator[tuple[str, Name]]:
    """A signal and its fields, as Amaranth writes them out beside it."""

    def visit(path: tuple[str | int, ...], form: Any) -> Iterator[tuple[str, Name]]:
        value = form._chunks[0][0] if hasattr(form, "_chunks") else form._value
        shape = value.shape()
        suffix = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
        values = dict(getattr(form, "_variants", {})) or _states(signal)
        if shape.width:
            yield owner + suffix, Name(scope, name + suffix, shape.width, shape.signed, values)
        fields = getattr(form, "_fields", {})
        for key, field in fields.items() if isinstance(fields, dict) else enumerate(fields):
            yield from visit((*path, key), field)

    yield from visit((), signal._format)


def _states(signal: Any) -> dict[int, str]:
    """Words for the states of a state machine, by what Amaranth's decoder ("IDLE/0") knows."""
    states = {}
    if signal._decoder is not None:
        for value in range(1 << len(signal)):
            with contextlib.suppress(KeyError):
                states[value] = signal._decoder(value).split("/")[0]
    return states
