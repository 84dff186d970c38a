"""A planted fault of each kind makes a run fail; without it the same run passes."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Signal

import compiler
import flow.elaborate
import flow.run
import flow.simulate
import golden.machine
import hdl.requantize
from arch.config import load_config
from arch.errors import AssayError
from arch.image import SectionKind
from arch.isa import ElementType, Engine, encode_program
from flow.result import Result
from flow.run import Program, run
from hdl.accelerator import Accelerator
from hdl.semaphores import Semaphores
from workloads.graph import Graph, Linear, Tensor
from workloads.registry import Workload

CONFIG = load_config("tiny").model_copy(update={"dram_mib": 1})
SIMULATOR = "icarus" if shutil.which("iverilog") else "verilator"


def program() -> Program:
    """A layer whose scale of one half makes every odd accumulator a tie."""
    generator = np.random.default_rng(5)
    x = Tensor("x", 12, 8, ElementType.INT8)
    layer = Linear(
        name="half",
        input=x,
        weight=generator.integers(-3, 4, (8, 8), np.int8),
        bias=generator.integers(-9, 10, 8, np.int32),
        scale=np.full(8, 0.5, np.float32),
        output=Tensor("y", 12, 8, ElementType.INT8),
    )
    graph = Graph("half", (x,), (layer,), (layer.output,))
    inputs = {"x": generator.integers(-8, 8, (12, 8), np.int8)}
    return Program("half", compiler.compile(graph, inputs, CONFIG), Workload("half", graph, inputs))


def judge(subject: Program) -> Result:
    return run(subject, CONFIG, SIMULATOR, seed=1, notify=lambda text: None).result


@pytest.fixture
def mutable_rtl(monkeypatch):
    """Elaborate anew, so that patched hardware is what is built."""
    monkeypatch.setattr(
        flow.simulate, "elaborate", lambda config, root: flow.elaborate.convert(config)
    )
    return monkeypatch


def test_without_a_fault_the_run_passes(mutable_rtl):
    result = judge(program())
    assert result.failures == []
    assert result.passed


def test_rounding_halves_up_instead_of_to_even_is_caught(mutable_rtl):
    def round_half_up(value, *, drop):
        return (value + (1 << (drop - 1)))[drop:]

    mutable_rtl.setattr(hdl.requantize, "round_half_even", round_half_up)
    result = judge(program())
    assert not result.passed
    assert result.mismatches > 0
    assert any("tensor y" in failure for failure in result.failures)


def test_a_counter_that_misses_one_event_is_caught(mutable_rtl):
    count = Accelerator._count

    def count_but_the_first(self, m, counters, control, load, matrix, vector, store, port):
        count(self, m, counters, control, load, matrix, vector, store, port)
        seen = Signal(name="seen")
        m.d.sync += seen.eq(seen | vector.row)
        m.d.comb += counters.add.vector_rows.eq(vector.row & seen)

    mutable_rtl.setattr(Accelerator, "_count", count_but_the_first)
    result = judge(program())
    assert result.mismatches == 0
    rows = result.predicted.timeline.counters["vector_rows"]
    assert result.failures == [f"counter vector_rows: measured {rows - 1}, predicted {rows}"]


def test_hardware_that_does_not_wait_for_a_semaphore_is_caught(mutable_rtl):
    elaborate = Semaphores.elaborate

    def never_wait_for_load(self, platform):
        m = elaborate(self, platform)
        for consumer in (Engine.MATRIX, Engine.VECTOR):
            m.d.comb += self.engine[consumer].lacks[Engine.LOAD].eq(0)
        return m

    mutable_rtl.setattr(Semaphores, "elaborate", never_wait_for_load)
    result = judge(program())
    assert not result.passed
    assert result.mismatches > 0


def test_a_program_that_forgets_a_wait_is_rejected():
    subject = program()
    instructions = list(subject.image.program)
    index = next(i for i, one in enumerate(instructions) if one.wait_load)
    instructions[index] = replace(instructions[index], wait_load=0)
    sections = tuple(
        replace(section, data=encode_program(instructions))
        if section.kind is SectionKind.PROGRAM
        else section
        for section in subject.image.sections
    )
    forgetful = replace(subject, image=replace(subject.image, sections=sections))
    with pytest.raises(AssayError, match=f"instruction {index} "):
        judge(forgetful)


def test_a_corrupted_golden_value_is_caught(monkeypatch):
    genuine = golden.machine.run

    def corrupted(image, config, seed):
        state = genuine(image, config, seed)
        place = next(place for place in image.debug.tensors if place.role == "output")
        dram = state.dram.copy()
        dram[place.address] ^= 1
        return replace(state, dram=dram)

    monkeypatch.setattr(golden.machine, "run", corrupted)
    result = judge(program())
    assert not result.passed
    assert result.mismatches == 1
    # The mathematics of the operators disagrees with the machine too.
    assert any("output y [0, 0]: the operators give" in failure for failure in result.failures)
