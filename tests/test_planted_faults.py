"""A fault in RTL, golden model or program makes `assay run` fail, and it says what differs.

The faults of the RTL are planted in the generated Verilog, all in one build; a plus argument wakes
one of them.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from golden_support import with_fields

import flow.reference
import flow.simulate
import golden.machine
from arch.config import load_config
from arch.image import Image, SectionKind
from arch.isa import ElementType, Engine, encode_program
from arch.registers import register_map
from compiler.synchronize import synchronize
from flow import cli
from flow.elaborate import elaborate
from flow.result import Result
from flow.run import compile_workload
from workloads.graph import Graph
from workloads.linear import Linear
from workloads.registry import Workload, load
from workloads.tensor import Tensor

TINY = load_config("tiny")
SMALL = "gemm:16x16x16"

COUNTERS = [counter.name for counter in register_map().counters]
SEMAPHORES = [f"{p.name}_to_{c.name}".lower() for p in Engine for c in Engine if p is not c]
FAULTS = ["none", "rounding", *COUNTERS, *SEMAPHORES]
"""A plus argument gives the place of a fault here."""

_SELECTION = """
  integer fault;
  initial if (!$value$plusargs("fault=%d", fault)) fault = 0;
"""


def with_faults(verilog: str) -> str:
    """The same modules with every fault of FAULTS, asleep."""
    # Half up, in lane 0: a bit behind those that are dropped makes a tie more than one half.
    rounding = (r"(rounded_0 << places_0)", rf"(\1) | {_awake('rounding')}")
    verilog = _edit(verilog, "accelerator.vector.lanes.requantize", *rounding, count=1)
    counting = (r"assign (\S+) += (\w+) \+ (.*);", _miss_first_event)
    verilog = _edit(verilog, "accelerator.counters", *counting, count=len(COUNTERS))
    waiting = (r"assign engine__(\d)__lacks\[(\d)\] = (\\\S+) ;", _ignore)
    return _edit(verilog, "accelerator.control.semaphores", *waiting, count=len(SEMAPHORES))


def _miss_first_event(match: re.Match[str]) -> str:
    total, name, event = match.groups()
    return (
        f"reg missed_{name} = 1'b0;\n"
        # What starts unknown may look like an event before the reset.
        f"  always @(posedge clk) missed_{name} <= !rst && (missed_{name} || enable && {event});\n"
        f"  assign {total} = {name} + ({_awake(name)} && !missed_{name} ? 1'b0 : {event});"
    )


def _ignore(match: re.Match[str]) -> str:
    consumer, producer, lacks = Engine(int(match[1])), Engine(int(match[2])), match[3]
    name = f"{producer.name}_to_{consumer.name}".lower()
    return f"assign engine__{consumer}__lacks[{producer}] = {lacks} && !{_awake(name)};"


def _awake(fault: str) -> str:
    return f"(fault == {FAULTS.index(fault)})"


def _edit(
    verilog: str, module: str, old: str, new: str | Callable[[re.Match[str]], str], count: int
) -> str:
    """Replace in one module, exactly `count` times."""
    start = verilog.index(f"module \\{module} (")
    body_start = verilog.index(";", start) + 1
    end = verilog.index("\nendmodule", start)
    body, replaced = re.subn(old, new, verilog[body_start:end])
    assert replaced == count, f"{module}: {replaced} places look like {old}, not {count}"
    return verilog[:body_start] + _SELECTION + body + verilog[end:]


@pytest.fixture
def wake(monkeypatch):
    """Replaces the RTL by that with faults, and wakes one."""
    plusargs = flow.simulate.memory_plusargs

    def faulty(config, root):
        rtl = elaborate(config, root)
        return replace(rtl, verilog=with_faults(rtl.verilog))

    def wake_fault(fault: str) -> None:
        chosen = f"+fault={FAULTS.index(fault)}"
        monkeypatch.setattr(flow.simulate, "elaborate", faulty)
        monkeypatch.setattr(flow.simulate, "memory_plusargs", lambda *a: [*plusargs(*a), chosen])

    return wake_fault


@pytest.fixture
def assay_run(monkeypatch, capsys, tmp_path):
    """`assay run` on `tiny`: exit status, failures it wrote as JSON, and what it printed."""

    def call(program: str | Path) -> tuple[int, list[str], str]:
        json = tmp_path / "result.json"
        json.unlink(missing_ok=True)
        arguments = ["assay", "run", str(program), "--config", "tiny", "--json", str(json)]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        printed = " ".join((captured.out + captured.err).split())
        if not json.exists():
            return ended.value.code, [], printed
        result = Result.model_validate_json(json.read_bytes())
        assert result.passed == (ended.value.code == 0)
        assert all(f"FAIL {failure}" in printed for failure in result.failures)
        return ended.value.code, result.failures, printed

    return call


@pytest.fixture
def ties(tmp_path) -> Path:
    """An image that halves small integers: rounding half up differs in a quarter of them."""
    rng = np.random.default_rng(0)
    x, y = (Tensor(name, 16, 8, ElementType.INT8) for name in ("x", "y"))
    operator = Linear(
        name="halve",
        input=x,
        weight=rng.integers(-2, 3, (8, 8), dtype=np.int8),
        bias=rng.integers(-9, 10, 8, dtype=np.int32),
        scale=np.full(8, 0.5, np.float32),
        output=y,
    )
    inputs = {"x": rng.integers(-5, 6, (16, 8), dtype=np.int8)}
    workload = Workload("ties", Graph("ties", (x,), (operator,), (y,)), inputs)
    return saved(compile_workload(workload, TINY).image, tmp_path)


def saved(image: Image, folder: Path) -> Path:
    path = folder / "program.assay"
    image.save(path)
    return path


def test_no_fault_is_found_where_all_sleep(wake, assay_run, ties):
    wake("none")
    status, failures, printed = assay_run(ties)
    assert (status, failures) == (0, [])
    assert "PASS bit-exact" in printed


def test_a_wrong_rounding_is_found(wake, assay_run, ties):
    wake("rounding")
    status, failures, _ = assay_run(ties)
    assert status == 1
    places = "|".join(("dram byte .*tensor y", "activation byte"))
    assert len(failures) == 2
    for failure in failures:
        found = re.match(rf"({places}).*: expected 0x(..), got 0x(..)$", failure)
        expected, got = int(found[2], 16), int(found[3], 16)
        assert (got - expected) % 256 in (1, 255)


EVENTS = ("instructions", "macs", "load_beats", "load_bytes", "store_bursts", "vector_rows")


@pytest.mark.parametrize("counter", EVENTS)
def test_a_counter_that_misses_one_event_is_found(wake, assay_run, counter):
    wake(counter)
    status, failures, _ = assay_run(SMALL)
    assert status == 1
    assert len(failures) == 1
    found = re.fullmatch(rf"counter {counter}: measured (\d+), predicted (\d+)", failures[0])
    assert 1 <= int(found[2]) - int(found[1]) <= TINY.rows * TINY.cols


def test_a_missed_cycle_is_found(wake, assay_run):
    wake("cycles")
    status, failures, _ = assay_run(SMALL)
    assert status == 1
    assert [failure.split(":")[0] for failure in failures] == [
        f"ledger of {engine.name.lower()}" for engine in Engine
    ]


def test_a_cycle_missed_in_the_ledger_is_found(wake, assay_run):
    wake("ledger_matrix_fill")
    status, failures, _ = assay_run(SMALL)
    assert status == 1
    assert len(failures) == 1
    assert re.fullmatch(r"ledger of matrix: its states sum to \d+, not \d+ cycles", failures[0])


@pytest.mark.parametrize(
    ("semaphore", "workload"),
    [
        ("load_to_vector", "gemm:64x4x256"),
        ("load_to_matrix", "gemm:64x4x256"),
        ("matrix_to_vector", "gemm:64x4x256"),
        ("vector_to_matrix", "gemm:64x4x256"),
        ("vector_to_store", "gemm:64x4x256"),
        ("store_to_vector", "gemm:64x4x256"),
        ("matrix_to_load", "gemm:40x256x128"),
    ],
)
def test_a_semaphore_that_is_not_waited_for_is_found(wake, assay_run, semaphore, workload):
    """Taken all the same it falls below zero, which hardware itself takes for an overflow."""
    wake(semaphore)
    status, failures, _ = assay_run(workload)
    assert status == 1
    assert failures[0].startswith("hardware stopped the program: semaphore overflow"), failures


WAITED = "gemm:24x64x80"


def test_a_program_that_does_not_wait_is_rejected_before_it_runs(assay_run, tmp_path):
    workload = load(WAITED)
    image = compile_workload(workload, TINY).image
    waits = [
        (index, f"wait_{engine.name.lower()}")
        for index, instruction in enumerate(image.program)
        for engine in Engine
        if instruction.waits[engine]
    ]
    assert len(waits) > 20
    for index, wait in waits:
        with pytest.raises(golden.machine.GoldenError, match="no semaphore orders the two"):
            golden.machine.run(without_wait(image, index, wait), TINY)
    path = saved(without_wait(image, *waits[0]), tmp_path)
    status, _, printed = assay_run(path)
    assert status == 2
    assert "no semaphore orders the two" in printed


def without_wait(image: Image, index: int, wait: str) -> Image:
    program = list(image.program)
    program[index] = with_fields(program[index], **{wait: 0})
    code = encode_program(program)
    sections = tuple(
        replace(section, data=code) if section.kind is SectionKind.PROGRAM else section
        for section in image.sections
    )
    return replace(image, sections=sections)


@pytest.mark.parametrize("producer", [Engine.LOAD, Engine.MATRIX, Engine.VECTOR])
def test_a_compiler_that_forgets_a_wait_is_found(monkeypatch, assay_run, producer):
    wait = f"wait_{producer.name.lower()}"

    def forget(*arguments):
        program = synchronize(*arguments)
        index = next(i for i, instruction in enumerate(program) if instruction.waits[producer])
        program[index] = with_fields(program[index], **{wait: 0})
        return program

    monkeypatch.setattr("compiler.pipeline.synchronize", forget)
    status, _, printed = assay_run(WAITED)
    assert status == 1
    assert re.search(r"race: instruction \d+ \(.*\) does not wait for instruction \d+", printed)


@pytest.mark.parametrize("memory", ["dram", "accumulator"])
def test_a_corrupted_golden_byte_is_found(monkeypatch, assay_run, memory):
    honest = golden.machine.run
    planted = []

    def corrupted(*arguments):
        state = honest(*arguments)
        buffer = state.buffers.get(memory)
        data = state.dram if buffer is None else buffer.data
        written = state.dram_written if buffer is None else buffer.written
        place = int(np.flatnonzero(written)[-1])
        planted.append((place, int(data[place]) ^ 0x10, int(data[place])))
        data[place] ^= 0x10
        return state

    monkeypatch.setattr(golden.machine, "run", corrupted)
    status, failures, _ = assay_run(SMALL)
    assert status == 1
    ((place, expected, got),) = planted
    named = [failure for failure in failures if failure.startswith(f"{memory} byte {place:#x} (")]
    assert len(named) == 1
    assert named[0].endswith(f"expected {expected:#04x}, got {got:#04x}")


def test_a_corrupted_value_of_the_operators_is_found(monkeypatch, assay_run):
    honest = flow.reference.evaluate

    def corrupted(*arguments):
        tensors = honest(*arguments)
        tensors["output"][3, 5] ^= 1
        return tensors

    monkeypatch.setattr(flow.reference, "evaluate", corrupted)
    status, failures, _ = assay_run(SMALL)
    assert status == 1
    assert len(failures) == 1
    assert re.match(r"output output \[3, 5\]: the operators give -?\d+, .*1 elements", failures[0])
