"""The reference memory keeps rules T-DRAM-01 to T-DRAM-05 to the cycle.

The expectation is computed from the text of the rules, with all bursts known beforehand.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flow.build import Sources, build
from flow.toolchain import Simulator
from tb.run_files import DECERR, OKAY, SLVERR

ROOT = Path(__file__).resolve().parent.parent
DATA_BYTES = 8


@dataclass(frozen=True)
class Burst:
    """An address presented in cycle ``at``; a write's beats from the cycles in ``beats_at`` on."""

    at: int
    write: bool
    address: int
    beats: int
    id: int = 0
    beats_at: tuple[int, ...] = field(default=())


def simulate(
    simulator: Simulator,
    folder: Path,
    bursts: list[Burst],
    *,
    latency: int = 20,
    rate: int = 8,
    last_cycle: int = 2000,
    **plusargs: int,
) -> dict[str, list[tuple[int, ...]]]:
    """Handshakes by channel, each a tuple that starts with its cycle."""
    if simulator == "icarus" and shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed")
    paths = [ROOT / "tb" / "reference_memory.sv", ROOT / "tests" / "reference_memory_bench.sv"]
    sources = Sources(
        top="reference_memory_bench",
        files={path.name: path.read_text() for path in paths},
        parameters={"DATA_BYTES": DATA_BYTES},
        cocotb=False,
    )
    program = build(sources, simulator).folder
    script = []
    for burst in bursts:
        kind = "AW" if burst.write else "AR"
        script.append(f"{burst.at} {kind} {burst.address} {burst.beats} {burst.id}")
        for beat, at in enumerate(burst.beats_at):
            script.append(f"{at} W {beat} {int(beat == burst.beats - 1)} 0")
    (folder / "script.txt").write_text("\n".join(script) + "\n")
    arguments = {"script": "script.txt", "last_cycle": last_cycle, "dram_latency_cycles": latency}
    arguments |= {"dram_bytes_per_cycle": rate, **plusargs}
    start = ["vvp", str(program / "sim.vvp")]
    if simulator == "verilator":
        start = [str(program / sources.top)]
    command = start + [f"+{name}={value}" for name, value in arguments.items()]
    output = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    events = defaultdict(list)
    for line in output.splitlines():
        kind, *values = line.split()
        if kind in {"AR", "AW", "W", "R", "B", "PROTOCOL", "OUTSIDE", "HELD"}:
            events[kind].append(tuple(map(int, values)))
    return events


def expected(bursts: list[Burst], latency: int, rate: int) -> dict[str, list[int]]:
    """Cycles of R, W and B handshakes by the rules, with R and B always ready."""
    cycles: dict[str, list[int]] = {"R": [], "W": [], "B": []}
    free = w_free = b_free = r_free = 0
    for burst in sorted(bursts, key=lambda burst: (burst.at, burst.write)):
        start = max(burst.at + 1, free)  # T-DRAM-02
        free = start + -(-burst.beats * DATA_BYTES // rate)
        for beat in range(burst.beats):
            served = start + beat * DATA_BYTES // rate
            if burst.write:  # T-DRAM-04
                w_free = max(served, burst.beats_at[beat], w_free)
                cycles["W"].append(w_free)
                w_free += 1
            else:  # T-DRAM-03
                r_free = max(served - 1 + latency, r_free)
                cycles["R"].append(r_free)
                r_free += 1
        if burst.write:
            last = cycles["W"][-1]
            free = max(free, last + 1)
            b_free = max(last + latency, b_free)  # T-DRAM-05
            cycles["B"].append(b_free)
            b_free += 1
    return cycles


def check(events: dict[str, list[tuple[int, ...]]], bursts: list[Burst], latency: int, rate: int):
    cycles = expected(bursts, latency, rate)
    for channel in ("R", "W", "B"):
        assert [event[0] for event in events[channel]] == cycles[channel], channel
    assert len(cycles["R"]) + len(cycles["W"]) > 0
    assert events["PROTOCOL"] == [(0,)]
    assert events["OUTSIDE"] == [(0,)]


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_first_read_beat_comes_latency_cycles_after_acceptance(simulator, tmp_path):
    """T-DRAM-01, T-DRAM-02, T-DRAM-03."""
    events = simulate(simulator, tmp_path, [Burst(5, False, 64, 4, id=1)])
    assert events["AR"] == [(5,)]
    assert events["R"] == [
        (25, 1, 0, 0, 64),
        (26, 1, 0, 0, 72),
        (27, 1, 0, 0, 80),
        (28, 1, 1, 0, 88),
    ]


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_read_goes_before_write_of_the_same_cycle(simulator, tmp_path):
    """T-DRAM-02, T-DRAM-04, T-DRAM-05: the write is served after the four read beats."""
    bursts = [Burst(5, False, 0, 4), Burst(5, True, 256, 2, beats_at=(5, 5))]
    events = simulate(simulator, tmp_path, bursts)
    assert [event[0] for event in events["W"]] == [10, 11]
    assert events["B"] == [(31, 0, 0)]


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_late_write_data_holds_the_server(simulator, tmp_path):
    """T-DRAM-04: a read behind the write starts after the late last beat in cycle 40."""
    bursts = [Burst(5, True, 0, 1, beats_at=(40,)), Burst(6, False, 0, 1)]
    events = simulate(simulator, tmp_path, bursts)
    assert [event[0] for event in events["W"]] == [40]
    assert [event[0] for event in events["R"]] == [40 + 20]
    check(events, bursts, 20, 8)


@pytest.mark.parametrize("rate", [1, 3, 5, 8])
@pytest.mark.parametrize("seed", range(4))
def test_random_traffic_keeps_every_rule(seed, rate, tmp_path):
    """T-DRAM-01 to T-DRAM-05 under reads and writes of both IDs."""
    generator = random.Random(seed)
    bursts, read_at, write_at, data_at = [], 0, 0, 0
    for _ in range(60):
        beats = generator.choice([1, 1, 2, 7, 16])
        address = generator.randrange(7) * 4096 + generator.randrange(256) * DATA_BYTES
        if generator.random() < 0.5:
            read_at += generator.choice([1, 1, 2, 30])
            bursts.append(Burst(read_at, False, address, beats, generator.randrange(2)))
        else:
            write_at += generator.choice([1, 1, 2, 30])
            times = []
            data_at = max(data_at, write_at)
            for _ in range(beats):
                data_at += generator.choice([1, 1, 1, 9])
                times.append(data_at)
            bursts.append(Burst(write_at, True, address, beats, 0, tuple(times)))
    latency = generator.choice([4, 20, 100])
    events = simulate("verilator", tmp_path, bursts, latency=latency, rate=rate, last_cycle=12000)
    check(events, bursts, latency, rate)


def test_read_data_waits_for_ready_without_holding_the_server(tmp_path):
    """T-DRAM-03: every beat once, in order, although R is ready in one cycle of four."""
    bursts = [Burst(5, False, 0, 8), Burst(6, True, 512, 1, beats_at=(6,))]
    events = simulate("verilator", tmp_path, bursts, rready_gap=3)
    assert [event[4] for event in events["R"]] == list(range(0, 64, 8))
    assert [event[0] for event in events["R"]] == list(range(28, 28 + 32, 4))
    assert [event[0] for event in events["W"]] == [5 + 1 + 8]


def test_beats_beyond_the_limit_answer_decerr_and_are_counted(tmp_path):
    bursts = [Burst(5, False, 1024 - 8, 2), Burst(60, True, 1024, 1, beats_at=(60,))]
    events = simulate("verilator", tmp_path, bursts, limit_bytes=1024)
    assert [event[3] for event in events["R"]] == [OKAY, DECERR]
    assert events["B"][0][2] == DECERR
    assert events["OUTSIDE"] == [(2,)]
    assert events["PROTOCOL"] == [(0,)]


def test_burst_across_4_kib_is_a_protocol_error(tmp_path):
    events = simulate("verilator", tmp_path, [Burst(5, False, 4096 - 8, 2)])
    assert events["PROTOCOL"] == [(1,)]


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_injected_responses_change_no_cycle_and_are_no_protocol_error(simulator, tmp_path):
    bursts = [Burst(5, False, 56, 4), Burst(6, True, 0, 2, beats_at=(6, 7))]
    faults = {"fault_first": 64, "fault_last": 79, "read_fault": SLVERR, "write_fault": DECERR}
    events = simulate(simulator, tmp_path, bursts, **faults)
    assert [event[3] for event in events["R"]] == [OKAY, SLVERR, SLVERR, OKAY]
    assert events["B"][0][2] == OKAY
    check(events, bursts, 20, 8)


def test_a_refused_write_changes_nothing(tmp_path):
    """The beat in the range is dropped, the other one is not; one response for both."""
    bursts = [Burst(5, True, 0, 2, beats_at=(5, 6))]
    before = simulate("verilator", tmp_path, [Burst(5, False, 0, 1)])["HELD"][0]
    faults = {"fault_first": 0, "fault_last": 0, "write_fault": SLVERR}
    events = simulate("verilator", tmp_path, bursts, **faults)
    assert events["B"][0][2] == SLVERR
    assert events["HELD"][0][0] == before[0]
    assert events["HELD"][0][1] != before[1]


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_a_silent_memory_accepts_and_presents_nothing_more(simulator, tmp_path):
    """In the cycle after it accepted the second burst, in the middle of the first."""
    bursts = [
        Burst(5, False, 0, 8),
        Burst(28, True, 512, 1, beats_at=(28,)),
        Burst(29, False, 64, 1),
        Burst(40, True, 520, 1, beats_at=(40,)),
    ]
    events = simulate(simulator, tmp_path, bursts, answered_bursts=2)
    assert [event[0] for event in events["R"]] == [25, 26, 27, 28]
    assert [event[0] for event in events["AR"]] == [5]
    assert [event[0] for event in events["AW"]] == [28]
    assert events["B"] == []
    assert events["W"] == []
