"""Waveforms: what is recorded, and what the viewer is given to show of it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from system_bench import run_named
from trace_reader import TraceReader

import flow.run
import flow.waves.markers
import flow.waves.record
from arch.config import load_config
from arch.errors import AssayError
from arch.image import Image, SectionKind
from arch.isa import INSTRUCTION_BYTES, Engine, ErrorCode, Opcode
from arch.registers import register_map
from flow import cli
from flow.run import Run, compile_workload
from flow.simulate import Simulation
from flow.toolchain import Simulator
from flow.waves import last
from flow.waves.names import name_map
from flow.waves.record import CYCLE_STEPS, Recording, Window, parse_window
from flow.waves.session import SESSION_FILE
from workloads.registry import load

TINY = load_config("tiny")
NAME = "gemm:9x21x10"
WINDOW = Window(100, 300)
MEGABYTE = 1_000_000
CYCLE = "assay_top.dut.cycle"


@dataclass(frozen=True)
class Recorded:
    """A run, and the folder of its trace."""

    run: Run
    folder: Path
    simulator: Simulator

    @property
    def about(self) -> dict:
        return json.loads((self.folder / last.TRACE_FILE).read_text())

    @property
    def trace(self) -> TraceReader:
        return TraceReader(self.folder / self.about["file"])


def record(
    folder: Path, simulator: Simulator = "icarus", window: Window = WINDOW, config=TINY, name=NAME
) -> Recorded:
    if simulator == "icarus" and shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed")
    program = compile_workload(load(name, 0), config)
    run = flow.run.run(
        program,
        config,
        simulator,
        seed=0,
        notify=lambda text: None,
        waves=Recording(window, folder),
    )
    return Recorded(run, folder, simulator)


@pytest.fixture(scope="module", params=["verilator", "verilator vcd", "icarus"])
def windowed(request: pytest.FixtureRequest, tmp_path_factory) -> Recorded:
    simulator, *form = request.param.split()
    with pytest.MonkeyPatch.context() as patch:
        if form:
            patch.setattr(flow.waves.record, "_fst_compiles", lambda: False)
        recorded = record(tmp_path_factory.mktemp("windowed"), simulator)
    assert recorded.about["file"] == f"waves.{'vcd' if form else 'fst'}"
    return recorded


@pytest.fixture(scope="module", params=["verilator", "icarus"])
def whole(request: pytest.FixtureRequest, tmp_path_factory) -> Recorded:
    return record(tmp_path_factory.mktemp("whole"), request.param, Window())


def test_a_window_is_read():
    assert parse_window("100:300") == WINDOW
    assert parse_window("all") == Window()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("9:3", "the window is empty"),
        ("3:3", "the window is empty"),
        ("a:b", "give all or FROM:TO"),
        ("-1:3", "give all or FROM:TO"),
        ("3:", "give all or FROM:TO"),
        ("3", "give all or FROM:TO"),
    ],
)
def test_a_bad_window_is_told_in_one_line(text, rule, capsys):
    assert cli._main(["run", NAME, f"--waves={text}"]) == 2
    assert re.fullmatch(rf"assay: --waves {text}: .*{rule}.*\n", capsys.readouterr().err)


def test_a_window_behind_the_run_is_told(tmp_path):
    with pytest.raises(AssayError, match=r"--waves 9000:9100 records nothing: .* after 708 cycles"):
        record(tmp_path / "last", window=Window(9000, 9100))


@pytest.mark.parametrize(
    ("arguments", "filled"),
    [
        (["run", "x", "--waves"], ["run", "x", "--waves", "all"]),
        (["run", "x", "--waves", "--seed", "1"], ["run", "x", "--waves", "all", "--seed", "1"]),
        (["run", "x", "--waves", "1:2"], ["run", "x", "--waves", "1:2"]),
        (["run", "x"], ["run", "x"]),
    ],
)
def test_without_a_window_everything_is_recorded(arguments, filled):
    assert cli._with_window(arguments) == filled


def test_the_trace_holds_the_cycles_asked_for(windowed):
    changes = windowed.trace.changes(CYCLE)
    known = [(time, value) for time, value in changes if isinstance(value, int)]
    start = windowed.about["start"]
    # From the edge that begins the first to the edge that ends the last.
    assert known == [(start + CYCLE_STEPS * cycle, cycle) for cycle in range(100, 301)]


def test_the_whole_run_is_recorded_with_what_is_around_it(whole):
    trace, about = whole.trace, whole.about
    assert trace.changes("assay_top.reset")[0][0] == 0
    running = [time for time, value in trace.changes("assay_top.waves.running") if value == 1]
    assert running == [about["start"]]
    assert about["end"] == about["start"] + CYCLE_STEPS * whole.run.result.cycles
    assert trace.at("assay_top.interrupt", [about["end"] - 1, about["end"]]) == [0, 1]


def test_ledger_and_counters_of_the_trace_are_those_of_the_run(whole):
    result, trace, names = whole.run.result, whole.trace, name_map(TINY)
    times = [whole.about["start"] + CYCLE_STEPS * cycle for cycle in range(result.cycles)]
    for engine, states in register_map().ledger_states.items():
        path = names[f"control.ledger_{engine.name.lower()}"].path(whole.simulator)
        seen = trace.at(path, times)
        counts = {state: seen.count(1 << index) for index, state in enumerate(states)}
        assert counts == result.ledger[engine.name.lower()]
    for name in ("macs", "load_bytes", "store_bytes"):
        path = names[f"counters.{name}"].path(whole.simulator)
        assert trace.at(path, [whole.about["end"]]) == [result.counters[name]]


def test_heads_of_queues_and_instructions_in_flight_are_those_of_the_program(whole):
    program = compile_workload(load(NAME, 0), TINY).image.program
    trace, start, end = whole.trace, whole.about["start"], whole.about["end"]
    times = list(range(start, end))
    for engine in Engine:
        own = [index for index, each in enumerate(program) if each.engine is engine]
        scope = f"assay_top.waves.{engine.name.lower()}"
        heads = list(
            zip(*(trace.at(f"{scope}.{n}", times) for n in ("next", "opcode")), strict=True)
        )
        assert set(heads) == {(0xFFFF_FFFF, 0xFF), *((i, int(program[i].OPCODE)) for i in own)}
        flying = [value for value in trace.at(f"{scope}.current", times) if value != 0xFFFF_FFFF]
        assert list(dict.fromkeys(flying)) == own


def test_recording_changes_no_cycle(windowed):
    plain = run_named(NAME, TINY, simulator=windowed.simulator)
    result = windowed.run.result
    assert result.passed
    assert (result.counters, result.ledger) == (plain.counters, plain.ledger)


def test_every_signal_of_the_source_is_in_the_trace(windowed):
    entries = json.loads((windowed.folder / last.NAMES_FILE).read_text())
    variables = windowed.trace.variables
    assert len(entries) > 2000
    for name, entry in entries.items():
        assert entry["trace"] in variables, name
        assert variables[entry["trace"]].bitwidth in (entry["width_bits"], None), name


def test_the_name_map_knows_interfaces_fields_and_words():
    names = name_map(TINY)
    assert names["control.issue_load.issue.index"].width_bits == 32
    assert names["matrix.streamer.i.payload.lanes.zero_point"].width_bits == 9
    assert names["load.fault.code"].values == {int(code): code.name for code in ErrorCode}
    states = {0: "IDLE", 1: "PARAMETERS", 2: "ROWS"}
    assert names["vector.rows.fsm_state"].values == states


def session_lines(folder: Path) -> Iterator[str]:
    yield from (folder / SESSION_FILE).read_text().splitlines()


def test_every_signal_of_the_session_is_in_the_trace(windowed):
    shown = 0
    for line in session_lines(windowed.folder):
        if match := re.fullmatch(r"\+\{[^}]+\} (.+)", line):
            path = re.sub(r"\[\d+:0\]$", "", match[1])
            assert path in windowed.trace.variables
            shown += 1
        elif match := re.fullmatch(r"\^\d+ (.+)", line):
            assert Path(match[1]).is_file()
    assert shown > 100


def test_groups_of_the_session_are_the_parts_of_the_accelerator(windowed):
    titles = [line[1:] for line in session_lines(windowed.folder) if line.startswith("-")]
    for part in ("Front end", "LOAD", "MATRIX", "VECTOR", "STORE", "AXI AR", "CSR", "Counters"):
        assert titles.count(part) == 2


def test_markers_are_at_start_and_end_and_the_window_is_shown(windowed):
    markers = next(line for line in session_lines(windowed.folder) if line.startswith("*"))
    _, primary, a, b, c = markers.split()[:5]
    start, cycles = windowed.about["start"], windowed.run.result.cycles
    assert (int(primary), int(a), int(b)) == (start, start, -1)
    assert int(c) == start + CYCLE_STEPS * cycles
    assert f"[timestart] {start + CYCLE_STEPS * WINDOW.first}" in session_lines(windowed.folder)


def words(folder: Path, table: str) -> dict[int, str]:
    lines = (folder / "words" / f"{table}.txt").read_text().splitlines()
    pairs = (line.split(" ", 1) for line in lines)
    return {int(value): re.sub(r"^\?[^?]+\?", "", word) for value, word in pairs}


def test_words_are_there_for_every_opcode_state_error_and_instruction(windowed):
    folder = windowed.folder
    assert words(folder, "opcodes").items() >= {(int(code), code.name) for code in Opcode}
    assert set(words(folder, "errors")) == {int(code) for code in ErrorCode}
    for engine, states in register_map().ledger_states.items():
        table = words(folder, f"ledger_{engine.name.lower()}")
        assert table == {1 << index: state for index, state in enumerate(states)}
    assert words(folder, "vector.rows.fsm_state")[2] == "ROWS"
    assert words(folder, "responses")[2] == "SLVERR"
    assert words(folder, "instructions")[3] == "3 MATRIX gemm"


def test_the_result_is_beside_the_trace(windowed):
    result = json.loads((windowed.folder / last.RESULT_FILE).read_text())
    assert result["counters"] == windowed.run.result.counters


def spoil(monkeypatch, change: Callable[[Callable], Callable[..., Simulation]]) -> None:
    monkeypatch.setattr(flow.run, "simulate", change(flow.run.simulate))


def test_marker_b_is_the_retirement_that_left_the_first_wrong_byte(monkeypatch, tmp_path):
    ends = {}

    def change(simulate):
        def changed(image, *arguments, **options):
            simulation = simulate(image, *arguments, **options)
            store = simulation.retired[simulation.retired["engine"] == Engine.STORE][-1]
            ends["store"] = int(store["end"])
            dram = simulation.after["dram"].copy()
            output = image.debug.tensors[-1]
            dram[output.address] ^= 1
            return replace(simulation, after={**simulation.after, "dram": dram})

        return changed

    spoil(monkeypatch, change)
    recorded = record(tmp_path / "last")
    assert not recorded.run.result.passed
    divergence = recorded.about["divergence"]
    assert divergence["cycle"] == ends["store"]
    assert divergence["time"] == recorded.about["start"] + CYCLE_STEPS * ends["store"]
    assert re.search(r"instruction 5 retires: dram byte .* expected", divergence["reason"])
    markers = next(line for line in session_lines(recorded.folder) if line.startswith("*"))
    assert markers.split()[1] == markers.split()[3] == str(divergence["time"])


def with_opcode(image: Image, index: int, opcode: int) -> Image:
    """The image with another opcode in an instruction."""
    sections = []
    for section in image.sections:
        data = bytearray(section.data)
        if section.kind is SectionKind.PROGRAM:
            data[index * INSTRUCTION_BYTES] = opcode
        sections.append(replace(section, data=bytes(data)))
    return replace(image, sections=tuple(sections))


def test_marker_b_is_the_error_of_the_hardware(monkeypatch, tmp_path):
    def change(simulate):
        return lambda image, *arguments, **options: simulate(
            with_opcode(image, 3, 0x77), *arguments, **options
        )

    spoil(monkeypatch, change)
    recorded = record(tmp_path / "last", window=Window())
    divergence = recorded.about["divergence"]
    assert divergence["reason"] == "ILLEGAL_OPCODE of instruction 3"
    fault = name_map(TINY)["control.front_end.fault.valid"].path("icarus")
    time = divergence["time"]
    assert recorded.trace.at(fault, [time - CYCLE_STEPS, time]) == [0, 1]


def test_marker_b_is_where_timing_first_parts_from_the_prediction(monkeypatch, tmp_path):
    honest = flow.run.predict

    def late(image, config):
        prediction = honest(image, config)
        moved = [
            replace(timing, end=timing.end + 40) if timing.index >= 3 else timing
            for timing in prediction.instructions
        ]
        return replace(prediction, cycles=prediction.cycles + 40, instructions=moved)

    monkeypatch.setattr(flow.run, "predict", late)
    monkeypatch.setattr(flow.waves.markers, "predict", late)
    recorded = record(tmp_path / "last")
    reason = recorded.about["divergence"]["reason"]
    assert reason.startswith("end of instruction 3 (MATRIX): measured ")


def test_a_window_of_a_minilm_layer_is_small(tmp_path):
    config = load_config("base")
    recorded = record(tmp_path / "last", "verilator", Window(1000, 1200), config, "minilm_linear")
    assert recorded.run.result.passed
    assert (recorded.folder / recorded.about["file"]).stat().st_size < 5 * MEGABYTE


def test_a_variable_of_cocotb_does_not_reach_its_runner(monkeypatch):
    monkeypatch.setenv("WAVES", "1")
    assert run_named(NAME, TINY).passed


def test_viewing_tells_what_is_missing(tmp_path, monkeypatch):
    with pytest.raises(AssayError, match="no run with waveforms yet: assay run WORKLOAD --waves"):
        last.view(tmp_path)
    (tmp_path / SESSION_FILE).touch()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        AssayError, match=rf"install the package gtkwave; the files are in {tmp_path}"
    ):
        last.view(tmp_path)
    viewer = tmp_path / "gtkwave"
    viewer.write_text(f"#!/bin/sh\necho $1 > {tmp_path}/opened\n")
    viewer.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(AssayError, match=f"no display for gtkwave: open {tmp_path}/{SESSION_FILE}"):
        last.view(tmp_path)
    monkeypatch.setenv("DISPLAY", ":0")
    assert last.view(tmp_path) == 0
    assert (tmp_path / "opened").read_text() == f"{tmp_path}/{SESSION_FILE}\n"
