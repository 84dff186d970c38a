"""What the flow hands to the test inside the simulator, and what it gets back."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

RUN_DIRECTORY_VARIABLE = "ASSAY_RUN"
"""Environment variable that names the run's folder."""

REQUEST_FILE = "request.json"
OUTCOME_FILE = "outcome.json"


class Request(BaseModel):
    """One run of one program.

    Attributes
    ----------
    constants
        Registers, by name, and what they must read before anything else happens.
    program_address, program_length
        Byte address in DRAM, and number of instructions.
    watchdog_cycles
        The run fails when the interrupt takes longer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    constants: dict[str, int]
    program_address: int
    program_length: int
    watchdog_cycles: int


class Outcome(BaseModel):
    """What the run did; the contents of the memories are in files beside it.

    Attributes
    ----------
    counters
        Every counter by name, from one snapshot after the interrupt (or at the time-out).
    timed_out
        The interrupt did not come.
    memory_error
        The reference memory saw a protocol error or an access beyond the image; its words are in
        the simulation log.
    simulated_cycles, run_seconds
        Cycles the simulator ran from START to the interrupt, and the wall-clock time of that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    counters: dict[str, int]
    timed_out: bool
    memory_error: bool
    simulated_cycles: int
    run_seconds: float
