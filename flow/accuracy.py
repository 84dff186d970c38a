"""Integer functions against their definitions in float64, rounded once, on the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from arch.isa import ElementType
from flow.report import WIDTH
from flow.rows import batches
from golden.ops.exponent import FRACTION_BITS, FULL_BITS
from golden.ops.interpolate import interpolate, interpolation_words
from golden.ops.narrow import narrow
from golden.ops.normalize import normalize
from golden.ops.softmax import PEAK, softmax
from golden.ops.table import gelu
from workloads.interpolation import interpolation_table

Reals = NDArray[np.float64]

_SCORE_BITS = 31
"""Rows of softmax span less than 2^31, where EXPONENT would hold the difference (I-04)."""

TABLES = 40
"""Choices of scales for GELU and SiLU, each with all 65,536 inputs."""

_NARROW_BITS = 7
"""Dropped on the way from int16 to 8 bits: 512 steps, so that zero points do not saturate."""

_WIDEST = {"GELU": 14.0, "SiLU": 24.0}
"""Up to where int16 inputs reach, for int16 outputs as wide (workloads.interpolation)."""


@dataclass
class Agreement:
    """How far a function is from its definition.

    Attributes
    ----------
    rows, values
        How many were compared.
    worst
        The largest difference, in steps of the output.
    different
        Values with a difference.
    """

    function: str
    element_type: ElementType
    rows: int = 0
    values: int = 0
    worst: int = 0
    different: int = 0

    @property
    def allowed(self) -> int:
        """The largest difference that passes."""
        return 2 if self.element_type is ElementType.INT16 else 1

    @property
    def passed(self) -> bool:
        return self.values > 0 and self.worst <= self.allowed

    def add(self, codes: NDArray[np.integer], exact: Reals) -> None:
        """Compare results (rows, columns) with the definition in steps of the output."""
        element = self.element_type
        rounded = np.clip(np.rint(exact), element.low, element.high)
        difference = np.abs(codes - rounded)
        self.rows += len(codes)
        self.values += codes.size
        self.worst = max(self.worst, int(difference.max()))
        self.different += int(np.count_nonzero(difference))


def measure(rows: int, seed: int = 0) -> Iterator[Agreement]:
    """Compare every function.

    Parameters
    ----------
    rows
        Of softmax and of each normalisation, at least.
    seed
        Of rows and scales.
    """
    for element in (ElementType.UINT8, ElementType.INT16):
        yield _softmax(element, rows, np.random.default_rng(seed))
    for name, centre in (("LayerNorm", True), ("RMSNorm", False)):
        for element in (ElementType.INT8, ElementType.INT16):
            yield _normalize(name, centre, element, rows, np.random.default_rng(seed))
    for name, function in (("GELU", gelu_exactly), ("SiLU", silu_exactly)):
        for element in (ElementType.INT8, ElementType.INT16):
            yield _interpolate(name, function, element, np.random.default_rng(seed))


def print_agreements(agreements: list[Agreement], to: Console) -> None:
    """One line for each function and type; the worst difference "of" the largest that passes."""
    table = Table("function", "output", title="Integers against float64", width=WIDTH)
    for column in ("rows", "values", "worst", "different"):
        table.add_column(column, justify="right")
    for a in agreements:
        worst = f"{a.worst} of {a.allowed}"
        table.add_row(
            a.function,
            a.element_type.name.lower(),
            f"{a.rows:,}",
            f"{a.values:,}",
            worst if a.passed else f"[red]{worst}[/red]",
            f"{a.different / max(1, a.values):.4%}",
        )
    to.print(table)


def gelu_exactly(x: Reals) -> Reals:
    """``x * Phi(x)``."""
    return np.asarray(np.frompyfunc(gelu, 1, 1)(x), np.float64)


def silu_exactly(x: Reals) -> Reals:
    """``x / (1 + exp(-x))``."""
    return np.asarray(x / (1 + np.exp(-x)))


def softmax_exactly(x: Reals, counts: NDArray[np.bool_]) -> Reals:
    """``exp(x) / sum(exp(x))`` over what counts; 0 elsewhere, and where nothing does."""
    maximum = np.where(counts, x, -np.inf).max(axis=1, keepdims=True)
    powers = np.where(counts, np.exp(np.minimum(x - maximum, 0)), 0)
    return np.asarray(powers / np.maximum(powers.sum(axis=1, keepdims=True), 1))


def normalize_exactly(x: Reals, centre: bool, epsilon: float) -> Reals:
    """``x`` over its deviation or root mean square; 0 where that is 0."""
    centred = x - x.mean(axis=1, keepdims=True) if centre else x
    square = np.square(centred).mean(axis=1, keepdims=True) + epsilon
    return np.asarray(centred / np.sqrt(np.where(square > 0, square, 1)))


def _softmax(element: ElementType, rows: int, rng: np.random.Generator) -> Agreement:
    found = Agreement("softmax", element)
    for batch in batches(rows, rng, _SCORE_BITS):
        scale = float(np.exp2(rng.uniform(-4, 24) - _SCORE_BITS))
        steps = element.high + int(rng.integers(2))
        codes = softmax(
            batch.x,
            np.float32(scale * np.log2(np.e) * 2**FRACTION_BITS),
            2**FULL_BITS * steps / PEAK,
            0,
            element,
            batch.counts,
        )
        found.add(codes, softmax_exactly(batch.x.astype(np.float64) * scale, batch.counts) * steps)
    return found


def _normalize(
    name: str, centre: bool, element: ElementType, rows: int, rng: np.random.Generator
) -> Agreement:
    """The scales and offsets of channels are inputs too: integer and float32."""
    found = Agreement(name, element)
    bits = 0 if element is ElementType.INT16 else _NARROW_BITS
    zero_point = 0 if bits == 0 else int(rng.integers(-20, 21))
    for batch in batches(rows, rng, 16):
        n = batch.x.shape[1]
        peak = np.exp2(rng.uniform(6, 15))
        gain = (peak * rng.uniform(0.1, 1, n) / min(5, np.sqrt(n))).astype(np.float32)
        scale = gain if centre else (gain * np.sqrt(n)).astype(np.float32)
        offset = rng.integers(-(1 << 12), 1 << 12, n, np.int32)
        epsilon = int(rng.choice([0, 1, n * n, 1 << 31]))
        wide = normalize(batch.x.astype(np.int16), centre, scale, offset, epsilon)
        mean_epsilon = epsilon / (n * n if centre else n)
        normal = normalize_exactly(batch.x.astype(np.float64), centre, mean_epsilon)
        exact = normal * (scale if centre else scale / np.sqrt(n)) + offset
        found.add(narrow(wide, bits, zero_point, element), exact / 2**bits + zero_point)
    return found


def _interpolate(
    name: str,
    function: Callable[[Reals], Reals],
    element: ElementType,
    rng: np.random.Generator,
) -> Agreement:
    found = Agreement(name, element)
    codes = np.arange(ElementType.INT16.low, ElementType.INT16.high + 1)
    bits = 0 if element is ElementType.INT16 else _NARROW_BITS
    zero_point = 0 if bits == 0 else element.low + int(rng.integers(0, 64))
    for width in np.geomspace(0.5, _WIDEST[name], TABLES):
        source = width / -codes[0]
        target = source * rng.uniform(1, 1.5)
        nodes = interpolation_table(function, source, target)
        wide = interpolate(codes, interpolation_words(nodes))[None]
        exact = function(codes * source)[None] / target
        found.add(narrow(wide, bits, zero_point, element), exact / 2**bits + zero_point)
    return found
