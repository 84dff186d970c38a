"""Counters that disagree although every instruction went as predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from arch.config import Config
from arch.isa import End, Engine, Instruction
from arch.registers import register_map
from flow.correlate.parting import FRONT_END
from flow.correlate.schema import CounterFault, Pair
from model.timeline import predict_program

_RULES = {
    "cycles": ("T-RUN-01", "T-RUN-02"),
    "instructions": ("T-FE-03",),
    "load_instructions": ("T-SEM-02", "T-LD-06"),
    "matrix_instructions": ("T-SEM-02", "T-MX-05"),
    "vector_instructions": ("T-SEM-02", "T-VX-05", "T-VX-06", "T-VX-07"),
    "store_instructions": ("T-SEM-02", "T-ST-05"),
    "macs": ("T-MX-03",),
    "mac_slots": ("T-MX-03",),
    "matrix_rows": ("T-MX-03",),
    "weight_tiles": ("T-MX-01", "T-MX-02"),
    "vector_rows": ("T-VX-03",),
    "fetch_bursts": ("T-FE-01", "T-FE-02"),
    "fetch_beats": ("T-FE-01", "T-DRAM-03"),
    "load_bursts": ("T-LD-01", "T-LD-03"),
    "load_beats": ("T-LD-01", "T-LD-04"),
    "load_bytes": ("T-LD-04",),
    "pad_bytes": ("T-LD-05",),
    "store_bursts": ("T-ST-01", "T-ST-04"),
    "store_beats": ("T-ST-01", "T-ST-04"),
    "store_bytes": ("T-ST-04",),
}
"""The rules that say when the events of a counter happen."""
_DEFINITION = "section 8"
_LEDGER_RULES = ("section 7", "L-01")

_ENGINES = {
    "macs": Engine.MATRIX,
    "mac_slots": Engine.MATRIX,
    "weight_tiles": Engine.MATRIX,
    "pad_bytes": Engine.LOAD,
}


def counter_faults(
    program: Sequence[Instruction],
    counters: Mapping[str, Pair],
    config: Config,
    *,
    parted: bool,
) -> list[CounterFault]:
    """Faults of counting, told apart from consequences of timing.

    Event counters do not depend on timing, those of fetch aside: what lies behind END may arrive
    after the run. The others follow from the timeline, so they are judged only where no instruction
    ``parted``.
    """
    faults = []
    for counter in register_map().counters:
        pair = counters[counter.name]
        timed = not pair.exact or counter.name.startswith("fetch_")
        if pair.error and not (parted and timed):
            faults.append(_fault(counter.name, counter.description, pair, program, config))
    return faults


def _fault(
    name: str, description: str, pair: Pair, program: Sequence[Instruction], config: Config
) -> CounterFault:
    engine = _engine(name)
    counts = _counts(name, engine, program, config)
    rules = list(_LEDGER_RULES) if name.startswith("ledger_") else [_DEFINITION, *_RULES[name]]
    first = next((index for index, count in counts if count), None)
    return CounterFault(
        counter=name,
        engine=FRONT_END if engine is None else engine.name,
        measured=pair.measured,
        predicted=pair.predicted,
        description=description,
        rules=rules,
        first_instruction=first,
        latest_instruction=_exceeding(counts, pair) if pair.exact else None,
        disassembly="" if first is None else program[first].disassemble(),
    )


def _engine(counter: str) -> Engine | None:
    """The engine that a counter belongs to; None for the front end."""
    for engine in Engine:
        if counter.startswith((f"{engine.name.lower()}_", f"ledger_{engine.name.lower()}_")):
            return engine
    return _ENGINES.get(counter)


def _counts(
    counter: str, engine: Engine | None, program: Sequence[Instruction], config: Config
) -> list[tuple[int, int]]:
    """Index of each instruction of an engine, and what it adds to a counter.

    An instruction alone in a program leaves its own counts. What is counted in cycles or by the
    front end depends on the whole program: every instruction may add to it.
    """
    own = [
        (index, instruction)
        for index, instruction in enumerate(program)
        if engine is None or instruction.engine is engine
    ]
    if engine is None or counter.startswith("ledger_"):
        return [(index, 1) for index, _ in own]
    alone = {"signal": 0, **{f"wait_{each.name.lower()}": 0 for each in Engine}}
    return [
        (index, predict_program([replace(each, **alone), End()], config).counters[counter])
        for index, each in own
    ]


def _exceeding(counts: Sequence[tuple[int, int]], pair: Pair) -> int | None:
    """The first instruction by which the prediction exceeds everything that RTL counted."""
    if sum(count for _, count in counts) != pair.predicted:
        return None
    total = 0
    for index, count in counts:
        total += count
        if total > pair.measured:
            return index
    return None
