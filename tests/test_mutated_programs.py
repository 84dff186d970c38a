"""Golden model and hardware agree on which programs are legal, and on the error where not.

Each program is a legal one with one field of one instruction changed. Golden meets errors in the
order of the program and hardware in the order of time; of one changed field there is one error.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

import pytest
from four_engines import FourEngines, image_of
from golden_support import with_fields
from sequence_bench import (
    TINY,
    assert_as_after_power_up,
    assert_bit_exact,
    assert_clean,
    assert_completed,
    legal,
    legal_image,
    run_steps,
)

import golden.machine
from arch.errors import AssayError
from arch.image import Image, SectionKind, build_image
from arch.isa import INSTRUCTION_BYTES, LAYOUTS, ErrorCode, Opcode
from flow.simulate import Simulation, Step
from golden.errors import ProgramError
from golden.machine import MachineState

MUTANTS = 60
SEEDS = range(4)
TIMEOUT_CYCLES = 20_000
WATCHDOG_CYCLES = 2_000
MOST_WORK = 4_000
"""Bytes or rows that an instruction moves at most, so that a run ends before the time is out."""

_COUNTS = ("run_bytes", "runs", "planes", "output_rows", "output_columns", "ky_count", "kx_count")
_MORE_COUNTS = ("k_tiles", "n_tiles", "rows")


@dataclass(frozen=True)
class Mutant:
    """``what`` was changed, and what golden makes of it: the memories, or why it refuses."""

    what: str
    image: Image
    golden: MachineState | AssayError


def mutated(rng: Random, image: Image) -> tuple[str, bytes]:
    """The program with another value of one field, and what was changed."""
    program = image.program_section.data
    while True:
        index = rng.randrange(len(program) // INSTRUCTION_BYTES)
        start = index * INSTRUCTION_BYTES
        word = int.from_bytes(program[start : start + INSTRUCTION_BYTES], "little")
        layout = LAYOUTS[Opcode(word & 0xFF)]
        field = rng.choice(layout)
        shift = sum(other.bits for other in layout[: layout.index(field)])
        mask = (1 << field.bits) - 1
        old = word >> shift & mask
        near, bit = rng.choice((-4, -1, 1, 4)), 1 << rng.randrange(field.bits)
        new = rng.choice((0, 1, old + near, old ^ bit, old ^ bit, 2 * old, mask)) & mask
        word ^= (old ^ new) << shift
        changed = word.to_bytes(INSTRUCTION_BYTES, "little")
        if new != old and _work(changed) <= MOST_WORK:
            what = f"instruction {index}: {field.name} = {new:#x}, was {old:#x}"
            return what, program[:start] + changed + program[start + INSTRUCTION_BYTES :]


def _work(data: bytes) -> int:
    """The product of all counts, whether the instruction is legal or not."""
    word = int.from_bytes(data, "little")
    if word & 0xFF not in list(Opcode):
        return 0
    work = 1
    for field in LAYOUTS[Opcode(word & 0xFF)]:
        if field.name in (*_COUNTS, *_MORE_COUNTS):
            work *= word & (1 << field.bits) - 1
        word >>= field.bits
    return work


def mutants(seed: int) -> list[Mutant]:
    """Of compiled programs and of one with every kind of instruction."""
    rng = Random(seed)
    base = FourEngines(TINY)
    kinds = [base.prologue[-2], base.add_int16, base.mapped, base.transposed]
    kinds += [with_fields(base.matrix, weight_zero_row=1)]
    images = [legal_image("gemm:5x7x9"), legal_image("gemm:17x9x12")]
    images += [image_of(base.around(kind), TINY) for kind in kinds]
    found = []
    for _ in range(MUTANTS):
        image = rng.choice(images)
        what, program = mutated(rng, image)
        changed = _with_program(image, program)
        found.append(Mutant(what, changed, _golden(changed)))
    return found


def _with_program(image: Image, program: bytes) -> Image:
    data = [(s.name, s.address, s.data) for s in image.sections if s.kind is SectionKind.DATA]
    address = image.program_section.address
    return build_image(TINY, address, program, data, image.dram_bytes, image.debug)


def _golden(image: Image) -> MachineState | AssayError:
    try:
        return golden.machine.run(image, TINY)
    except AssayError as error:
        return error


def _check(mutant: Mutant, simulation: Simulation) -> str:
    """The kind of agreement."""
    outcome = simulation.outcome
    assert not outcome.timed_out
    assert_clean(simulation)
    if isinstance(mutant.golden, MachineState):
        assert_completed(simulation)
        assert_bit_exact(simulation, mutant.image, mutant.golden)
        return "legal"
    if isinstance(mutant.golden, ProgramError):
        reported = ErrorCode(outcome.error_code).name, outcome.error_instruction
        assert reported == (mutant.golden.code.name, mutant.golden.instruction), mutant.golden
        return mutant.golden.code.name
    # Races, unwritten bytes, waits that are not served: hardware may do anything but hang.
    return "refused by golden alone"


@pytest.mark.parametrize("seed", SEEDS)
def test_golden_and_hardware_agree_on_programs_with_one_field_changed(seed):
    """E-01 to E-07; and whatever the program did, a legal one runs as ever after a reset (E-09)."""
    found = mutants(seed)
    steps = []
    for mutant in found:
        step = Step(
            image=mutant.image, timeout_cycles=TIMEOUT_CYCLES, watchdog_cycles=WATCHDOG_CYCLES
        )
        steps += [step, legal(reset=True, keep_buffers=True)]
    simulations = run_steps(steps)
    kinds: Counter[str] = Counter()
    for mutant, simulation, recovered in zip(
        found, simulations[::2], simulations[1::2], strict=True
    ):
        try:
            kinds[_check(mutant, simulation)] += 1
            assert_as_after_power_up(recovered)
        except AssertionError as error:
            raise AssertionError(f"{mutant.what}: golden: {mutant.golden}: {error}") from None
    assert kinds["legal"] >= MUTANTS // 10
    assert kinds["ILLEGAL_FIELD"] >= MUTANTS // 10
    assert kinds["BUFFER_OVERRUN"] > 0
    assert kinds["refused by golden alone"] <= MUTANTS // 2
