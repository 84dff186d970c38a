"""Runs testbenches on the simulator that the test is at, with the fault that is planted."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from flow import testbench
from flow.component import TOP
from flow.testbench import Testbench
from flow.toolchain import Simulator
from flow.verilog import edited

_simulator: ContextVar[Simulator] = ContextVar("simulator", default="verilator")
_fault: ContextVar[Fault | None] = ContextVar("fault", default=None)


@dataclass(frozen=True)
class Fault:
    """A change of a component's Verilog.

    Attributes
    ----------
    module
        Path of the module below the component; empty for the component's own.
    pattern, replacement
        Regular expression, and what is put in place of each match.
    count
        The number of matches.
    """

    module: str
    pattern: str
    replacement: str
    count: int = 1

    def apply(self, verilog: str) -> str:
        module = ".".join(filter(None, (TOP, self.module)))
        return edited(verilog, module, self.pattern, self.replacement, self.count)


@contextmanager
def on(simulator: Simulator) -> Iterator[None]:
    """Simulate on another simulator than Verilator."""
    token = _simulator.set(simulator)
    try:
        yield
    finally:
        _simulator.reset(token)


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """Simulate with a fault, on Icarus, which has little to build."""
    token = _fault.set(fault)
    try:
        with on("icarus"):
            yield
    finally:
        _fault.reset(token)


def simulate_component(dut: Any, *testbenches: Testbench) -> None:
    """Run testbenches to their end; what Verilator starts with is different in every test."""
    fault = _fault.get()
    test = os.environ.get("PYTEST_CURRENT_TEST", "")
    testbench.simulate(
        dut,
        *testbenches,
        simulator=_simulator.get(),
        seed=zlib.crc32(test.encode()),
        edits=() if fault is None else (fault.apply,),
    )


def enabled_bytes(ctx: Any, data: Any, enable: int) -> list[tuple[int, int]]:
    """Lane and value of each byte of ``data`` that is enabled; the others may be unknown."""
    lanes = (lane for lane in range(enable.bit_length()) if enable >> lane & 1)
    return [(lane, ctx.get(data[8 * lane : 8 * lane + 8])) for lane in lanes]
