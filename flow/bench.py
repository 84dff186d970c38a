"""Simulated speed: under cocotb, and of the same verilated model in a bare C++ loop."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from arch.config import Config
from arch.registers import register_map
from flow.build import BARE_PROGRAM, Build
from flow.run import Program, predict_program
from flow.simulate import (
    SimulationError,
    Step,
    build_simulation,
    memory_plusargs,
    prepare,
    simulate,
)
from flow.toolchain import check_simulator

TARGET_KHZ = 200.0
TARGET_ADDED_MICROSECONDS = 0.5


def bench(program: Program, config: Config, *, seed: int, runs: int, to: Console) -> None:
    """Run a program ``runs`` times each way, alternating, and print medians and targets."""
    simulator = check_simulator("verilator")
    image = program.image
    image.check_config(config)
    predicted, _ = predict_program(image, config)
    build = build_simulation(config, simulator)
    timeout_cycles = 4 * predicted.timeline.cycles + 20_000
    cocotb_khz, bare_khz = [], []
    for _ in range(runs):
        outcome = simulate(
            image, config, simulator, build, seed=seed, timeout_cycles=timeout_cycles
        ).outcome
        cocotb_khz.append(outcome.simulated_cycles / outcome.run_seconds / 1e3)
        step = Step(image=image, seed=seed, timeout_cycles=timeout_cycles)
        bare_khz.append(_bare_khz(step, config, build))
    cocotb, bare = statistics.median(cocotb_khz), statistics.median(bare_khz)
    added = 1e3 / cocotb - 1e3 / bare
    to.print(f"machine: {_processor()}, {os.cpu_count()} cores, load {_load()}")
    to.print(f"{program.name} on {config.name}: {predicted.timeline.cycles:,} cycles, {runs} runs")
    table = Table("", width=60)
    for column in ("median", "least", "most", "target"):
        table.add_column(column, justify="right")
    for name, khz, target in (
        ("cocotb, kHz", cocotb_khz, f">= {TARGET_KHZ:.0f}"),
        ("bare C++ loop, kHz", bare_khz, ""),
    ):
        values = (statistics.median(khz), min(khz), max(khz))
        table.add_row(name, *(f"{value:,.0f}" for value in values), target)
    table.add_row(
        "cocotb adds, us a cycle", f"{added:.3f}", "", "", f"<= {TARGET_ADDED_MICROSECONDS}"
    )
    to.print(table)


def _bare_khz(step: Step, config: Config, build: Build) -> float:
    """Speed of one run without cocotb, from START to the interrupt."""
    image = step.image
    registers = register_map().registers
    writes = {
        "PROGRAM_ADDRESS": image.program_section.address,
        "PROGRAM_LENGTH": len(image.program),
        "INTERRUPT_ENABLE": 1 << registers["INTERRUPT_ENABLE"].fields["DONE"].low,
        "CONTROL": 1 << registers["CONTROL"].fields["START"].low,
    }
    arguments = [f"+write={registers[name].offset_bytes}:{value}" for name, value in writes.items()]
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name), 0, step, config)
        command = [str(build.folder / BARE_PROGRAM), *arguments, *memory_plusargs(config)]
        result = subprocess.run(command, cwd=name, capture_output=True, text=True)
    for line in result.stdout.splitlines():
        if line.startswith("bare "):
            cycles, seconds = line.split()[1:]
            return float(cycles) / float(seconds) / 1e3
    raise SimulationError(f"the bare program failed: {(result.stderr or result.stdout).strip()}")


def _processor() -> str:
    description = Path("/proc/cpuinfo")
    if description.is_file():
        for line in description.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())
