"""One program through the simulator: files in, cocotb, files out."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import Icarus, Runner, Verilator
from numpy.typing import NDArray

from arch.config import Config
from arch.image import Image
from arch.registers import register_map
from flow import toolchain
from flow.build import Build, Sources, build
from flow.cache import SIM_BUILD
from flow.elaborate import elaborate
from flow.toolchain import Simulator
from tb import memory_layout
from tb.exchange import OUTCOME_FILE, REQUEST_FILE, RUN_DIRECTORY_VARIABLE, Outcome, Request
from tb.scoreboard import DRAM

_TB = Path(__file__).resolve().parent.parent / "tb"
_TOP = "assay_top"
_LOG = "simulation.log"
_IDENTITY = ("ID", "VERSION")

RETIRE_RECORD = np.dtype(
    [("engine", "<u4"), ("instruction", "<u4"), ("start", "<u8"), ("end", "<u8")]
)


class SimulationError(Exception):
    """The simulation itself failed; the message names its log."""


@dataclass(frozen=True)
class Simulation:
    """What a run left.

    Attributes
    ----------
    outcome
        Counters and times.
    before, after
        Bytes (uint8) of DRAM and of every buffer, before and after the run.
    retired
        Array of ``RETIRE_RECORD``, in order of retirement.
    log
        What the simulator printed; kept, with the run's folder, only where the run went wrong.
    """

    outcome: Outcome
    before: dict[str, NDArray[np.uint8]]
    after: dict[str, NDArray[np.uint8]]
    retired: NDArray[Any]
    log: Path


class _RelocatedVerilator(Verilator):
    """Programs are built without the path of cocotb's libraries, which may have spaces."""

    def _set_env_test(self) -> None:
        super()._set_env_test()
        paths = [str(toolchain.cocotb_libraries()), self.env.get("LD_LIBRARY_PATH", "")]
        self.env["LD_LIBRARY_PATH"] = ":".join(filter(None, paths))


def build_simulation(config: Config, simulator: Simulator, root: Path = SIM_BUILD) -> Build:
    """The accelerator of a configuration with its testbench, ready to run any image."""
    rtl = elaborate(config, root)
    files = {name: (_TB / name).read_text() for name in ("assay_top.sv", "reference_memory.sv")}
    files |= {"accelerator.v": rtl.verilog, "accelerator.svh": rtl.include}
    if simulator == "verilator":
        files["bare.cpp"] = (_TB / "bare.cpp").read_text()
    words = config.dram_bytes // config.axi_bytes
    sources = Sources(top=_TOP, files=files, parameters={"MEMORY_WORDS": words})
    return build(sources, simulator, root)


def simulate(
    image: Image,
    config: Config,
    simulator: Simulator,
    program: Build,
    *,
    seed: int,
    watchdog_cycles: int,
    root: Path = SIM_BUILD,
) -> Simulation:
    """Run an image. Everything the image does not fill holds garbage made from ``seed``.

    Raises
    ------
    SimulationError
        The testbench stopped; its folder is kept.
    """
    runs = root / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{config.name}-{simulator}-", dir=runs))
    before = prepare(folder, image, config, seed=seed)
    request = Request(
        constants={
            name: register.reset_value(config)
            for name, register in register_map().registers.items()
            if register.config_value is not None or name in _IDENTITY
        },
        program_address=image.program_section.address,
        program_length=len(image.program),
        watchdog_cycles=watchdog_cycles,
    )
    (folder / REQUEST_FILE).write_text(request.model_dump_json(indent=2))
    _run_cocotb(folder, simulator, program.folder, memory_plusargs(image, config), seed)
    simulation = Simulation(
        outcome=Outcome.model_validate_json((folder / OUTCOME_FILE).read_bytes()),
        before=before,
        after=_read_memories(folder, config),
        retired=np.fromfile(folder / "retire.bin", RETIRE_RECORD),
        log=folder / _LOG,
    )
    if not (simulation.outcome.timed_out or simulation.outcome.memory_error):
        shutil.rmtree(folder)
    return simulation


def prepare(
    folder: Path, image: Image, config: Config, *, seed: int
) -> dict[str, NDArray[np.uint8]]:
    """Write the files that the simulator loads; returns what they hold."""
    # Another stream than the golden model's, whose generator is seeded with the seed alone.
    generator = np.random.default_rng([seed, 1])
    memories = memory_layout.random_buffers(config, generator)
    dram = np.frombuffer(image.dram(generator.bytes(image.dram_bytes)), np.uint8)
    padding = np.zeros(-dram.size % config.axi_bytes, np.uint8)
    words = np.concatenate([dram, padding]).reshape(-1, config.axi_bytes)
    (folder / "dram_in.bin").write_bytes(words[:, ::-1].tobytes())
    (folder / "memories_in.bin").write_bytes(memory_layout.split(config, memories))
    return {DRAM: dram, **memories}


def memory_plusargs(image: Image, config: Config) -> list[str]:
    """Arguments that tell the reference memory its timing and its end."""
    return [
        f"+dram_latency_cycles={config.dram_latency_cycles}",
        f"+dram_bytes_per_cycle={config.dram_bytes_per_cycle}",
        f"+dram_limit_bytes={image.dram_bytes}",
    ]


def _read_memories(folder: Path, config: Config) -> dict[str, NDArray[np.uint8]]:
    dump = (folder / "memories_out.bin").read_bytes()
    dram = np.fromfile(folder / "dram_out.bin", np.uint8)
    return {DRAM: dram, **memory_layout.join(config, dump)}


def _run_cocotb(
    folder: Path, simulator: Simulator, program: Path, plusargs: list[str], seed: int
) -> None:
    runner: Runner = _RelocatedVerilator() if simulator == "verilator" else Icarus()
    results = folder / "results.xml"
    try:
        runner.test(
            test_module="tb.run_test",
            hdl_toplevel=_TOP,
            hdl_toplevel_lang="verilog",
            build_dir=program,
            test_dir=folder,
            results_xml=str(results),
            plusargs=plusargs,
            seed=seed,
            # Rewriting assertions takes longer than most runs, and says no more than ours do.
            extra_env={RUN_DIRECTORY_VARIABLE: str(folder), "COCOTB_REWRITE_ASSERTION_FILES": ""},
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
