"""Fixtures of more than one test file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from component_simulator import on

from arch.errors import AssayError
from flow.toolchain import Simulator, check_simulator


@pytest.fixture
def icarus() -> Iterator[None]:
    """Components are simulated on Icarus."""
    try:
        check_simulator("icarus")
    except AssayError as error:
        pytest.skip(str(error))
    with on("icarus"):
        yield


@pytest.fixture(params=["verilator", "icarus"])
def each_simulator(request: pytest.FixtureRequest) -> Simulator:
    """Components are simulated on one simulator, then the test is run on the other."""
    if request.param == "icarus":
        request.getfixturevalue("icarus")
    simulator: Simulator = request.param
    return simulator
