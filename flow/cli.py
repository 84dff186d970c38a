"""The ``assay`` command.

Exit status: 0 pass; 1 mismatch, a counter out of its bound, or a fault of the tools; 2 bad input,
said in one line on stderr.
"""

from __future__ import annotations

import shlex
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from arch.config import Config, load_config, parse_override
from arch.errors import AssayError
from arch.image import load_image
from compiler.verify import CompilerError
from flow import report
from flow.correlate.command import correlate_command
from flow.files import check_writable, write_arrays
from flow.memory import check_memory
from flow.regress.command import regress_command
from flow.run import Program, Run, compile_workload, predict_program, run
from flow.simulate import SimulationError
from flow.timelines import write_timelines
from flow.toolchain import check_simulator
from flow.waves import last
from flow.waves.record import EVERYTHING, LAST_RUN, Recording, parse_window
from model.timeline import predict
from workloads import registry
from workloads.sentences import read_sentences

IMAGE_SUFFIX = ".assay"

_PASS, _FAIL, _BAD_INPUT = 0, 1, 2

app = typer.Typer(
    help="Puts an AI accelerator to the test: RTL against golden model and analytical model.",
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
)

_Name = Annotated[
    str,
    typer.Argument(metavar="WORKLOAD", help="A workload, a model (*.onnx) or an image (*.assay)."),
]
_ConfigName = Annotated[
    str, typer.Option("--config", metavar="NAME|FILE", help="A named configuration or TOML file.")
]
_Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a field of the configuration; repeatable."
    ),
]
_Seed = Annotated[int, typer.Option(min=0, help="Of seeded numbers and of garbage in memories.")]
_Inputs = Annotated[Path | None, typer.Option(metavar="FILE.npz", help="Graph inputs, by name.")]
_Sentences = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Text for minilm:N, a sentence in each line.")
]


@app.command("run")
def run_command(
    workload: _Name,
    config: _ConfigName = "base",
    changes: _Set = None,
    sim: Annotated[str, typer.Option(metavar="verilator|icarus")] = "verilator",
    memory: Annotated[
        str, typer.Option(metavar="fast|axi|axi-random", help="The memory model.")
    ] = "fast",
    seed: _Seed = 0,
    inputs: _Inputs = None,
    sentences: _Sentences = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the result here.")
    ] = None,
    outputs: Annotated[
        Path | None, typer.Option(metavar="FILE.npz", help="Write what the RTL computed here.")
    ] = None,
    timeline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write what engines did, for Perfetto or Chrome."),
    ] = None,
    waves: Annotated[
        str | None,
        typer.Option(metavar="[FROM:TO]", help="Record waveforms, of these cycles or of all."),
    ] = None,
) -> None:
    """Run a workload through RTL; compare every byte and every counter."""
    chosen = _config(config, changes)
    simulator = check_simulator(sim)
    memory_kind = check_memory(memory)
    recording = None if waves is None else Recording(parse_window(waves), LAST_RUN)
    messages = report.console(stderr=True)
    for path in (json, outputs, timeline):
        check_writable(path)
    program = _program(workload, chosen, seed, inputs, sentences)
    finished = run(
        program,
        chosen,
        simulator,
        seed=seed,
        notify=lambda text: messages.print(f"... {text}"),
        memory=memory_kind,
        waves=recording,
    )
    if json is not None:
        json.write_text(finished.result.model_dump_json(indent=2) + "\n")
    if outputs is not None:
        write_arrays(outputs, _outputs(program, finished))
    if timeline is not None:
        write_timelines(timeline, program.image, finished.retired, predict(program.image, chosen))
    again = ["assay", "run", workload, "--config", config]
    again += [part for change in changes or [] for part in ("--set", change)]
    again += ["--sim", sim, "--memory", memory, "--seed", str(seed)]
    for option, value in (("--waves", waves), ("--inputs", inputs), ("--sentences", sentences)):
        again += [] if value is None else [option, str(value)]
    _print_similarities(program, finished)
    report.print_result(finished.result, report.console(), shlex.join(again))
    if recording is not None:
        last.tell(recording.folder, finished.divergence, typer.echo)
    raise typer.Exit(_PASS if finished.result.passed else _FAIL)


def _outputs(program: Program, finished: Run) -> registry.Arrays:
    """What the RTL computed, as the user of a workload sees it."""
    workload = program.workload
    return finished.outputs if workload is None else workload.outside(finished.outputs)


def _print_similarities(program: Program, finished: Run) -> None:
    """Where sentences ran, and to their end."""
    workload = program.workload
    if workload is None or workload.similarities is None or finished.result.accuracy is None:
        return
    similarities = workload.similarities(finished.outputs)
    report.print_similarities(similarities, finished.result, report.console())


@app.command("predict")
def predict_command(
    workload: _Name,
    config: _ConfigName = "base",
    changes: _Set = None,
    seed: _Seed = 0,
    sentences: _Sentences = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the prediction here.")
    ] = None,
) -> None:
    """Predict cycles, counters and ledger of a workload without any RTL."""
    chosen = _config(config, changes)
    check_writable(json)
    predicted, _ = predict_program(_program(workload, chosen, seed, None, sentences).image, chosen)
    if json is not None:
        json.write_text(predicted.model_dump_json(indent=2) + "\n")
    report.print_prediction(predicted, report.console())


@app.command("compile")
def compile_command(
    workload: _Name,
    image: Annotated[Path, typer.Argument(metavar="IMAGE.assay", help="The file to write.")],
    config: _ConfigName = "base",
    changes: _Set = None,
    seed: _Seed = 0,
    inputs: _Inputs = None,
    sentences: _Sentences = None,
) -> None:
    """Compile a workload to a program image, to run or predict it later."""
    check_writable(image)
    _program(workload, _config(config, changes), seed, inputs, sentences).image.save(image)


@app.command("docs")
def docs_command(
    check: Annotated[bool, typer.Option(help="Only tell which pages are stale.")] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write browsable register pages here.")
    ] = None,
) -> None:
    """Write the reference pages that are made from the contract."""
    from flow import documents

    if check:
        if names := documents.stale():
            raise AssayError(f"docs/generated: {', '.join(names)} stale: run make docs")
        return
    documents.write()
    if html is not None:
        documents.write_html(html)


@app.command("waves")
def waves_command() -> None:
    """Open GTKWave on the last run with waveforms."""
    raise typer.Exit(last.view(LAST_RUN))


@app.command("workloads")
def workloads_command() -> None:
    """List the workloads."""
    names = registry.names()
    width = max(map(len, names))
    for name, description in names.items():
        typer.echo(f"{name:{width}} {description}")


@app.command("bench")
def bench_command(
    workload: _Name = "gemm:128x768x768",
    config: _ConfigName = "base",
    seed: _Seed = 0,
    runs: Annotated[int, typer.Option(min=1, help="Of each kind, alternating.")] = 5,
) -> None:
    """Measure simulated kHz under cocotb and of the same model in a bare C++ loop."""
    # Imported here: nothing else needs it.
    from flow.bench import bench

    chosen = load_config(config)
    program = _program(workload, chosen, seed, None, None)
    bench(program, chosen, seed=seed, runs=runs, to=report.console())


@app.command("accuracy")
def accuracy_command(
    rows: Annotated[int, typer.Option(min=1, help="Of softmax and of each norm.")] = 1_000_000,
    seed: Annotated[int, typer.Option(min=0, help="Of rows and scales.")] = 0,
) -> None:
    """Set softmax, normalisations, GELU and SiLU in integers against float64."""
    # Imported here: nothing else needs it.
    from flow.accuracy import measure, print_agreements

    agreements = list(measure(rows, seed))
    print_agreements(agreements, report.console())
    raise typer.Exit(_PASS if all(a.passed for a in agreements) else _FAIL)


def _config(name: str, changes: list[str] | None) -> Config:
    return load_config(name, dict(parse_override(change) for change in changes or []))


def _program(
    name: str, config: Config, seed: int, inputs: Path | None, sentences: Path | None
) -> Program:
    if name.endswith(IMAGE_SUFFIX):
        if inputs is not None or sentences is not None:
            option = "--sentences" if inputs is None else "--inputs"
            raise AssayError(f"{option} is for workloads: an image holds its inputs already")
        return Program(name, load_image(Path(name)), None)
    lines = None if sentences is None else read_sentences(sentences)
    workload = registry.load(name, seed, lines)
    if inputs is not None:
        workload = workload.with_inputs(_read_arrays(inputs))
    return compile_workload(workload, config)


def _read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    mend = "write it with numpy.savez, an array for each input"
    try:
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except OSError as error:
        raise AssayError(f"{path}: not a readable .npz file: {error.strerror}: {mend}") from None
    except (ValueError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error):
        raise AssayError(
            f"{path}: not a readable .npz file, or only a part of one: {mend}"
        ) from None


app.command("correlate")(correlate_command)
app.command("regress")(regress_command)


def main() -> None:
    """Entry point: turns every error of the user into one line and status 2."""
    sys.exit(_main(sys.argv[1:]))


def _main(arguments: list[str]) -> int:
    try:
        status = app(_with_window(arguments), prog_name="assay", standalone_mode=False)
    except AssayError as error:
        return _complain(str(error), _BAD_INPUT)
    except typer.TyperException as error:
        return _complain(f"{error.format_message()} (see assay --help)", _BAD_INPUT)
    except (SimulationError, CompilerError) as error:
        return _complain(str(error), _FAIL)
    except (typer.Abort, KeyboardInterrupt):
        return _complain("interrupted", _FAIL)
    return status or _PASS


def _with_window(arguments: list[str]) -> list[str]:
    """``--waves`` without a window, which Typer's options cannot be, gets the window of all."""
    filled = []
    for argument, following in zip(arguments, [*arguments[1:], "--"], strict=True):
        filled.append(argument)
        if argument == "--waves" and following.startswith("-"):
            filled.append(EVERYTHING)
    return filled


def _complain(message: str, status: int) -> int:
    print(f"assay: {' '.join(message.split())}", file=sys.stderr)
    return status
