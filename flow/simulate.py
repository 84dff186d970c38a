"""Programs through the simulator: files in, cocotb, files out."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import Icarus, Runner, Verilator
from numpy.typing import NDArray

from arch.config import Config
from arch.image import Image
from arch.isa import INSTRUCTION_BYTES
from arch.registers import register_map
from flow import toolchain
from flow.build import Build, Sources, build
from flow.cache import SIM_BUILD
from flow.elaborate import elaborate
from flow.memory import Memory
from flow.toolchain import Simulator
from flow.waves.record import (
    Recording,
    Trace,
    collect,
    runner_environment,
    trace_file,
    trace_format,
)
from tb import memory_layout, run_files
from tb.axi_behaviour import AxiBehaviour
from tb.exchange import (
    REQUEST_FILE,
    RUN_DIRECTORY_VARIABLE,
    Action,
    Outcome,
    ProgramRequest,
    Request,
    outcome_file,
)
from tb.run_files import NO_FAULTS, Memories, MemoryFaults
from tb.scoreboard import DRAM

_TB = Path(__file__).resolve().parent.parent / "tb"
_TOP = "assay_top"
_LOG = "simulation.log"
_IDENTITY = ("ID", "VERSION")


class SimulationError(Exception):
    """The simulation itself failed; the message names its log."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One program of a sequence on the same accelerator, and what happens around it.

    Attributes
    ----------
    image
        Laid into DRAM before the program; everything else there holds garbage made from ``seed``.
    seed
        Of the garbage in DRAM and buffers.
    timeout_cycles, reset, reset_memory, actions, read_trace
        As in :class:`tb.exchange.ProgramRequest`.
    keep_buffers
        The buffers keep what the program before has left, instead of garbage.
    watchdog_cycles
        Of the hardware; None for the value after power-up.
    faults
        What the reference memory does wrong.
    address, length
        Where hardware is told to find the program, if not where the image has it.
    axi
        What the memory in Python does, where the build has it.
    """

    image: Image
    timeout_cycles: int
    seed: int = 0
    keep_buffers: bool = False
    reset: bool = False
    reset_memory: bool = False
    actions: tuple[Action, ...] = ()
    read_trace: bool = False
    watchdog_cycles: int | None = None
    faults: MemoryFaults = NO_FAULTS
    address: int | None = None
    length: int | None = None
    axi: AxiBehaviour | None = None


@dataclass(frozen=True)
class Simulation:
    """What a run left.

    Attributes
    ----------
    outcome
        Counters, error and times.
    before, after
        Bytes (uint8) of DRAM and of every buffer, before and after the run.
    retired
        Array of ``tb.run_files.RETIRE_RECORD``, in order of retirement.
    log
        What the simulator printed, if the run's folder was kept.
    trace
        Of a traced run.
    """

    outcome: Outcome
    before: Memories
    after: Memories
    retired: NDArray[Any]
    log: Path
    trace: Trace | None = None


class _RelocatedVerilator(Verilator):
    """Programs are built without the path of cocotb's libraries, which may have spaces."""

    def _set_env_test(self) -> None:
        super()._set_env_test()
        paths = [str(toolchain.cocotb_libraries()), self.env.get("LD_LIBRARY_PATH", "")]
        self.env["LD_LIBRARY_PATH"] = ":".join(filter(None, paths))


def build_simulation(
    config: Config,
    simulator: Simulator,
    root: Path = SIM_BUILD,
    *,
    memory: Memory = "fast",
    traced: bool = False,
) -> Build:
    """The accelerator of a configuration with its testbench, ready to run any image.

    There are two kinds of builds: with the reference memory, and with a port for Python. Either
    can be built to leave a trace, which makes it slower.
    """
    rtl = elaborate(config, root)
    names, include = ["assay_top.sv", "reference_memory.sv"], rtl.include
    if memory != "fast":
        names, include = ["assay_top.sv", "axi_port.sv"], f"`define AXI_AGENT\n{include}"
    elif simulator == "verilator" and not traced:
        names.append("bare.cpp")
    form = trace_format(simulator) if traced else None
    if form:
        names.append("waves.sv")
        include = f'`define WAVES_FILE "{trace_file(form)}"\n{include}'
    files = {name: (_TB / name).read_text() for name in names}
    files |= {"accelerator.v": rtl.verilog, "accelerator.svh": include}
    words = config.dram_bytes // config.axi_bytes
    sources = Sources(top=_TOP, files=files, parameters={"MEMORY_WORDS": words}, trace=form)
    return build(sources, simulator, root)


def simulate(
    image: Image,
    config: Config,
    simulator: Simulator,
    program: Build,
    *,
    seed: int,
    timeout_cycles: int,
    axi: AxiBehaviour | None = None,
    waves: Recording | None = None,
    root: Path = SIM_BUILD,
) -> Simulation:
    """Run an image. Everything the image does not fill holds garbage made from ``seed``.

    With ``waves`` the build must be a traced one.

    Raises
    ------
    SimulationError
        The testbench stopped; its folder is kept.
    """
    step = Step(image=image, seed=seed, timeout_cycles=timeout_cycles, axi=axi)
    [simulation] = simulate_sequence(
        [step], config, simulator, program, keep_unfinished=True, waves=waves, root=root
    )
    return simulation


def simulate_sequence(
    steps: Sequence[Step],
    config: Config,
    simulator: Simulator,
    program: Build,
    *,
    keep_unfinished: bool = False,
    waves: Recording | None = None,
    root: Path = SIM_BUILD,
) -> list[Simulation]:
    """Run images one after the other, without a hardware reset between them.

    With ``keep_unfinished`` the run's folder stays where a program did not complete. With ``waves``
    the build must be a traced one; a window is one of the first run.

    Raises
    ------
    SimulationError
        The testbench stopped; its folder is kept.
    """
    runs = root / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{config.name}-{simulator}-", dir=runs))
    before = [prepare(folder, number, step, config) for number, step in enumerate(steps)]
    registers = register_map().registers
    constants = {
        name: register.reset_value(config)
        for name, register in registers.items()
        if register.config_value is not None or name in _IDENTITY
    }
    watchdog_cycles = registers["WATCHDOG_CYCLES"].reset_value(config)
    programs = tuple(_request(step, watchdog_cycles) for step in steps)
    request = Request(constants=constants, programs=programs)
    (folder / REQUEST_FILE).write_text(request.model_dump_json(indent=2))
    plusargs = memory_plusargs(config)
    plusargs += waves.window.plusargs() if waves else []
    traced = waves is not None
    _run_cocotb(folder, simulator, program.folder, plusargs, steps[0].seed, traced)
    trace = collect(folder, trace_format(simulator), waves.folder) if waves else None
    simulations = []
    for number, step in enumerate(steps):
        kept = run_files.read_kept_buffers(folder, number, config) if step.keep_buffers else {}
        outcome = (folder / outcome_file(number)).read_bytes()
        simulations.append(
            Simulation(
                outcome=Outcome.model_validate_json(outcome),
                before={**before[number], **kept},
                after=run_files.read_memories(folder, number, config),
                retired=run_files.read_retired(folder, number),
                log=folder / _LOG,
                trace=trace,
            )
        )
    if not keep_unfinished or all(simulation.outcome.completed for simulation in simulations):
        shutil.rmtree(folder)
    return simulations


def prepare(folder: Path, number: int, step: Step, config: Config) -> Memories:
    """Write the files that the simulator loads before a program; returns what they hold."""
    # Another stream than the golden model's, whose generator is seeded with the seed alone.
    generator = np.random.default_rng([step.seed, 1])
    buffers = memory_layout.random_buffers(config, generator)
    image = step.image
    dram = np.frombuffer(image.dram(generator.bytes(image.dram_bytes)), np.uint8)
    run_files.write_memory_settings(
        folder, number, image.dram_bytes, step.faults, step.keep_buffers
    )
    run_files.write_dram(folder, number, dram, config)
    run_files.write_buffers(folder, number, buffers, config)
    return {DRAM: dram, **buffers}


def memory_plusargs(config: Config) -> list[str]:
    """Arguments that tell the reference memory its timing."""
    return [
        f"+dram_latency_cycles={config.dram_latency_cycles}",
        f"+dram_bytes_per_cycle={config.dram_bytes_per_cycle}",
    ]


def _request(step: Step, watchdog_cycles: int) -> ProgramRequest:
    section = step.image.program_section
    length = len(section.data) // INSTRUCTION_BYTES
    return ProgramRequest(
        address=section.address if step.address is None else step.address,
        length=length if step.length is None else step.length,
        watchdog_cycles=watchdog_cycles if step.watchdog_cycles is None else step.watchdog_cycles,
        timeout_cycles=step.timeout_cycles,
        reset=step.reset,
        reset_memory=step.reset_memory,
        actions=step.actions,
        read_trace=step.read_trace,
        axi=step.axi,
    )


def _run_cocotb(
    folder: Path,
    simulator: Simulator,
    program: Path,
    plusargs: list[str],
    seed: int,
    traced: bool,
) -> None:
    runner: Runner
    if simulator == "icarus":
        runner = Icarus()
    else:
        runner = _RelocatedVerilator()
        plusargs = [*plusargs, *toolchain.power_up_arguments(seed)]
    results = folder / "results.xml"
    try:
        with runner_environment():
            runner.test(
                test_module="tb.run_test",
                hdl_toplevel=_TOP,
                hdl_toplevel_lang="verilog",
                build_dir=program,
                test_dir=folder,
                results_xml=str(results),
                plusargs=plusargs,
                seed=seed,
                # To Icarus it says that files are FST; to Verilator, to trace in its own way.
                waves=traced and simulator == "icarus",
                # Rewriting assertions takes longer than most runs, and says no more than ours do.
                extra_env={
                    RUN_DIRECTORY_VARIABLE: str(folder),
                    "COCOTB_REWRITE_ASSERTION_FILES": "",
                },
                log_file=folder / _LOG,
            )
        tests, failed = get_results(results)
    except (RuntimeError, SystemExit):
        # The runner exits where it finds failures under pytest, and raises where none were written.
        tests, failed = 0, 1
    if tests != 1 or failed:
        raise SimulationError(_first_error(folder / _LOG))


def _first_error(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    said = [line.strip() for line in lines if "Error" in line or "error" in line]
    return f"the simulation failed: {said[-1] if said else 'it said nothing'}: see {log}"
