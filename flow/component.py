"""A component alone, as a program that either simulator runs: lines of bits in, lines of bits out.

The program is the component's Verilog in ``tb/component_server.sv``, where the protocol is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from amaranth.back import verilog
from amaranth.hdl import Signal, Value, ValueCastable
from amaranth.lib import wiring

from flow.build import ICARUS_PROGRAM, Sources, build
from flow.cache import SIM_BUILD
from flow.toolchain import Simulator
from flow.verilog import for_simulation, ports

TOP = "component"
"""Name of the component's own module; those below it are ``component.engine`` and so on."""

_SERVER = Path(__file__).resolve().parent.parent / "tb" / "component_server.sv"

Edit = Callable[[str], str]
"""A change of the Verilog before it is built."""


@dataclass(frozen=True)
class Place:
    """Where a port is in the vector of all inputs or of all outputs."""

    name: str
    is_input: bool
    start_bit: int
    width_bits: int
    signal: Any


@dataclass(frozen=True)
class Component:
    """A converted component.

    Attributes
    ----------
    verilog
        Its modules, without power-up values.
    places
        Where each port is, by name; ``rst`` is an input like any other, ``clk`` is none of them.
    reset
        Stands for the port ``rst``; None where the component has no clock.
    """

    verilog: str
    places: dict[str, Place]
    reset: Any

    def include(self) -> str:
        """SystemVerilog for the inside of ``tb/component_server.sv``."""
        connections = [
            f".{place.name}({'inputs' if place.is_input else 'outputs'}"
            f"[{place.start_bit} +: {place.width_bits}])"
            for place in self.places.values()
        ]
        if self.reset is not None:
            connections.append(".clk(clk)")
        widths = {
            name: sum(p.width_bits for p in self.places.values() if p.is_input == is_input)
            for name, is_input in (("INPUT_BITS", True), ("OUTPUT_BITS", False))
        }
        lines = [f"localparam integer {name} = {max(1, bits)};" for name, bits in widths.items()]
        return "\n".join([*lines, "`define CONNECTIONS " + ", ".join(connections), ""])

    def program(
        self, simulator: Simulator, edits: tuple[Edit, ...] = (), root: Path = SIM_BUILD
    ) -> list[str]:
        """Command that runs it, built or from the cache."""
        text = self.verilog
        for edit in edits:
            text = edit(text)
        files = {
            _SERVER.name: _SERVER.read_text(),
            f"{TOP}.v": text,
            f"{TOP}.svh": self.include(),
        }
        sources = Sources(top=_SERVER.stem, files=files, cocotb=False, quick=True)
        folder = build(sources, simulator, root).folder
        if simulator == "icarus":
            return ["vvp", "-n", str(folder / ICARUS_PROGRAM)]
        return [str(folder / sources.top)]


_converted: WeakKeyDictionary[Any, Component] = WeakKeyDictionary()


def convert(dut: Any) -> Component:
    """Verilog of an elaboratable, once for each object.

    Its ports are those of its signature or, where it has none, those of the components that it
    holds as attributes: what it leaves undriven is an input.
    """
    if dut not in _converted:
        signals = dict(_ports(dut))
        named = {name: (signal, None) for name, signal in signals.items()}
        text = verilog.convert(
            dut,
            name=TOP,
            ports=None if isinstance(dut, wiring.Component) else named,
            strip_internal_attrs=True,
            emit_src=False,
        )
        _converted[dut] = _place(for_simulation(text), signals)
    return _converted[dut]


def _ports(dut: Any) -> Iterator[tuple[str, Signal]]:
    if isinstance(dut, wiring.Component):
        parts = {"": dut}
    else:
        held = vars(dut).items()
        parts = {f"{name}__": p for name, p in held if isinstance(p, wiring.Component)}
    for prefix, part in parts.items():
        for path, _, value in part.signature.flatten(part):
            signal = value.as_value() if isinstance(value, ValueCastable) else Value.cast(value)
            if len(signal):
                yield prefix + "__".join(map(str, path)), signal


def _place(text: str, signals: dict[str, Signal]) -> Component:
    found = {port.name: port for port in ports(text, TOP)}
    reset = Signal(name="rst") if found.pop("clk", None) else None
    places, bits = {}, {True: 0, False: 0}
    for name, port in found.items():
        start = bits[port.is_input]
        signal = reset if name == "rst" else signals[name]
        places[name] = Place(name, port.is_input, start, port.width_bits, signal)
        bits[port.is_input] += port.width_bits
    return Component(text, places, reset)
