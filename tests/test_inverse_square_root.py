# amaranth: UnusedElaboratable=no
"""The inverse square root and the reciprocal of rule N-06."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from component_simulator import simulate_component
from vector_arithmetic import inverse

from hdl.inverse_square_root import InverseSquareRoot

BOTH = pytest.mark.parametrize("square_root", [True, False], ids=["square root", "reciprocal"])
POWERS = [(1 << bit) + offset for bit in range(2, 64) for offset in (-1, 0, 1)]


def operands() -> list[int]:
    """Both sides of every power of two and of every line of the table, and any size."""
    rng = np.random.default_rng(21)
    lines = [(j << 56) + offset for j in range(64, 256) for offset in (-1, 0)]
    sizes = [int(rng.integers(1, 1 << 62)) >> int(rng.integers(62)) for _ in range(600)]
    return [0, 1, 2, *POWERS, *lines, *sizes, 2**64 - 1]


def run(numbers: list[int], square_root: bool) -> list[int]:
    """Results of numbers that follow one another without a gap."""
    dut = InverseSquareRoot()
    results = []

    async def testbench(ctx: Any) -> None:
        ctx.set(dut.reciprocal, not square_root)
        for cycle in range(len(numbers) + InverseSquareRoot.CYCLES):
            ctx.set(dut.x, numbers[cycle] if cycle < len(numbers) else 0)
            if cycle >= InverseSquareRoot.CYCLES:
                results.append(ctx.get(dut.result))
            await ctx.tick()

    simulate_component(dut, testbench)
    return results


@pytest.mark.usefixtures("each_simulator")
@BOTH
def test_one_number_a_cycle_is_exactly_that_of_the_rule(square_root: bool) -> None:
    """N-06: of 0, of perfect powers, where the table changes, and of any others."""
    numbers = operands()
    expected = [inverse(number, square_root=square_root) for number in numbers]
    assert run(numbers, square_root) == expected


@BOTH
def test_the_rule_is_close_to_the_exact_value(square_root: bool) -> None:
    """N-06: what the document calls it, to 22 bits."""
    for number in operands():
        value = Fraction(float(np.uint32(inverse(number, square_root=square_root)).view("f4")))
        product = value**2 * number if square_root else value * number
        assert number == 0 or abs(product - 1) < Fraction(1, 1 << 21)
