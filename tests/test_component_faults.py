"""Every component's bench notices the faults that are planted in the component."""

from __future__ import annotations

import re

import pytest
from component_faults import Case
from component_simulator import on, planted
from control_faults import CONTROL_FAULTS, RESETS_REMOVED
from engine_faults import ENGINE_FAULTS

from arch.errors import AssayError
from flow.testbench import UnknownValueError
from flow.toolchain import Simulator, check_simulator

FAULTS = ENGINE_FAULTS | CONTROL_FAULTS

BENCHES = {(case.bench, repr(case.arguments)): case for case in (FAULTS | RESETS_REMOVED).values()}
"""One case for each call of a bench."""

HARNESS = re.compile("the simulator says|not done after")
"""A program that crashes, or a testbench without end, is no verdict of the bench."""


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    """Icarus, which has little to build, where it is installed."""
    try:
        check_simulator("icarus")
    except AssayError:
        return "verilator"
    return "icarus"


@pytest.mark.parametrize("case", BENCHES.values(), ids=lambda case: case.bench.__name__)
def test_the_benches_pass_without_a_fault(case: Case, simulator: Simulator) -> None:
    with on(simulator):
        case.bench(*case.arguments)


@pytest.mark.parametrize("case", FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_fails_the_bench(case: Case, simulator: Simulator) -> None:
    with planted(case.fault), on(simulator), pytest.raises(AssertionError) as failure:
        case.bench(*case.arguments)
    assert not HARNESS.search(str(failure.value))


@pytest.mark.usefixtures("icarus")
@pytest.mark.parametrize("case", RESETS_REMOVED.values(), ids=RESETS_REMOVED)
def test_a_register_without_its_reset_is_seen_as_unknown(case: Case) -> None:
    """Section 2: what reaches an output or a state machine is reset."""
    with planted(case.fault), pytest.raises(UnknownValueError):
        case.bench(*case.arguments)
