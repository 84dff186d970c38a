"""What the flow hands to the test inside the simulator, and what it gets back."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from tb.axi_behaviour import AxiBehaviour

RUN_DIRECTORY_VARIABLE = "ASSAY_RUN"
"""Environment variable that names the run's folder."""

REQUEST_FILE = "request.json"


def outcome_file(number: int) -> str:
    """Name of the file with the outcome of a program, counted from 0."""
    return f"outcome_{number}.json"


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Action(_Message):
    """What the host does while a program runs.

    Attributes
    ----------
    after_cycles
        Cycles between START, or the action before it, and this one.
    what
        ``read_counters`` takes a snapshot and reads every counter; ``start`` and ``reset`` write
        the bit of CONTROL. A ``reset`` is the last action, and the program has ended when it is
        done.
    """

    after_cycles: int
    what: Literal["read_counters", "start", "reset"]


class ProgramRequest(_Message):
    """One run of one program.

    Attributes
    ----------
    address, length
        Byte address in DRAM, and number of instructions.
    watchdog_cycles
        Written to the register of that name.
    timeout_cycles
        The program has timed out when no interrupt comes within so many cycles of START and of
        the last action.
    reset
        Write CONTROL.RESET before the memories are loaded.
    reset_memory
        Reset the reference memory with it (after BUS_STUCK).
    actions
        What to do while it runs, as far as it runs that long.
    read_trace
        Read the trace memory at the end; it takes longer than many runs.
    axi
        Of the memory in Python; None for the reference memory. The same kind for every program.
    """

    address: int
    length: int
    watchdog_cycles: int
    timeout_cycles: int
    reset: bool = False
    reset_memory: bool = False
    actions: tuple[Action, ...] = ()
    read_trace: bool = False
    axi: AxiBehaviour | None = None


class Request(_Message):
    """Programs, one after the other on one accelerator.

    Attributes
    ----------
    constants
        Registers, by name, and what they must read before anything else happens.
    programs
        What runs; contents of the memories are in the numbered files of ``assay_top.sv``.
    """

    constants: dict[str, int]
    programs: tuple[ProgramRequest, ...]


class Bus(_Message):
    """State of the memory port: bursts asked for and not completed, and whether it presents any."""

    open_reads: int
    open_writes: int
    presents: bool

    @property
    def idle(self) -> bool:
        """Nothing is outstanding or presented."""
        return not (self.open_reads or self.open_writes or self.presents)


class Trace(_Message):
    """The trace memory: records as (engine, instruction, start, end), and how many it dropped."""

    records: tuple[tuple[int, int, int, int], ...]
    dropped: int


class Outcome(_Message):
    """What a run did; the contents of the memories are in files beside it.

    Attributes
    ----------
    counters
        Every counter by name, from one snapshot at the end.
    status, interrupt_status
        Fields of STATUS and INTERRUPT_STATUS at the end, by name.
    error_code, error_instruction, error_address
        The ERROR registers at the end.
    timed_out
        No interrupt came, and nobody wrote RESET.
    trace
        The trace memory, if it was asked for.
    bus
        The memory port at the end.
    protocol_errors
        Violations of AXI4 that the reference memory saw; its words are in the simulation log.
    violations
        Those that the checker beside the memory in Python saw, in words.
    outside_beats
        Beats beyond the image's memory, which were answered DECERR.
    unknown_words
        Words of the memories that held an X at the end (4-state simulators).
    unknown_cycles
        Cycles since power-up with an X on the interrupt, a handshake or the retire port.
    simulated_cycles, run_seconds
        Cycles the simulator ran from START to the end, and the wall-clock time of that.
    """

    counters: dict[str, int]
    status: dict[str, bool]
    interrupt_status: dict[str, bool]
    error_code: int
    error_instruction: int
    error_address: int
    timed_out: bool
    trace: Trace | None
    bus: Bus
    protocol_errors: int
    violations: tuple[str, ...] = ()
    outside_beats: int
    unknown_words: int
    unknown_cycles: int
    simulated_cycles: int
    run_seconds: float

    @property
    def completed(self) -> bool:
        """The program ended as programs should, and nobody has cause to complain."""
        complaints = (
            *(self.protocol_errors, self.violations, self.outside_beats),
            *(self.unknown_words, self.unknown_cycles),
        )
        return self.status["DONE"] and not self.status["ERROR"] and not any(complaints)
