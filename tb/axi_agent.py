"""Memory and protocol checker on the accelerator's AXI4 port, under cocotb."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge

from tb import run_files
from tb.axi_behaviour import AxiBehaviour
from tb.axi_channels import driven_bytes, join_driven, splitter
from tb.axi_checker import AxiChecker
from tb.axi_memory import AxiMemory


class AxiAgent:
    """The memory of an ``axi_port``, from the first :meth:`load` on.

    Parameters
    ----------
    port, clock
        Handles of the module and of its clock.
    folder
        Where the files of ``assay_top.sv`` are.
    """

    def __init__(self, port: Any, clock: Any, folder: Path) -> None:
        self._observed, self._driven, self._clock = port.observed, port.driven, clock
        self._folder = folder
        self._axi_bytes = driven_bytes(len(port.driven))
        self._programs = 0
        self._checker = AxiChecker(self._axi_bytes)
        self._memory: AxiMemory

    @property
    def outside_beats(self) -> int:
        """Beats beyond the memory since it was loaded."""
        return self._memory.store.outside_beats

    def load(self, behaviour: AxiBehaviour) -> None:
        """Start over, with the files of the next program."""
        if self._programs == 0:
            cocotb.start_soon(self._serve())
        elif self._memory.silent:
            # A dead bus is reset on both sides, whatever it was in.
            self._checker.finish(at_rest=False)
        contents = bytearray(run_files.read_dram(self._folder, self._programs, self._axi_bytes))
        faults = run_files.read_faults(self._folder, self._programs)
        self._memory = AxiMemory(contents, self._axi_bytes, behaviour, faults)
        self._programs += 1

    def finish(self) -> tuple[str, ...]:
        """Write what the program left; violations, in words (at rest, unless the bus is dead)."""
        run_files.write_dram_out(self._folder, self._programs - 1, self._memory.store.contents)
        return tuple(map(str, self._checker.finish(at_rest=not self._memory.silent)))

    async def _serve(self) -> None:
        split = splitter(self._axi_bytes)
        middle_of_cycle = FallingEdge(self._clock)
        driven = ""
        while True:
            await middle_of_cycle
            cycle = split(str(self._observed.value))
            self._checker.step(cycle)
            text = join_driven(self._memory.step(cycle), self._axi_bytes)
            if text != driven:
                self._driven.set(Immediate(text))
                driven = text
