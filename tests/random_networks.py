"""Small random networks of every operator, with scales that keep most codes off their limits."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from arch.isa import Addition, ElementType
from workloads.attention import EXPONENT_STEPS, PROBABILITY_STEPS
from workloads.epilogue import Narrow, Residual
from workloads.graph import Constant, Graph
from workloads.linear import Linear
from workloads.operators import (
    Add,
    Append,
    Attention,
    Gather,
    Multiply,
    Normalize,
    Operator,
    Rotary,
    Segment,
    SumRows,
)
from workloads.tensor import Tensor

INT8, UINT8, INT16, INT32 = ElementType
Codes = dict[str, NDArray[np.generic]]

_DEVIATION = 40
"""Of int8 codes; int16 codes deviate 100 times as much."""


class _Network:
    """Operators one after the other, by the numbers of one generator."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.inputs: list[Tensor] = []
        self.values: Codes = {}
        self.constants: list[Constant] = []
        self.operators: list[Operator] = []

    def number(self, low: int, high: int) -> int:
        """A random integer from `low` to `high`."""
        return int(self.rng.integers(low, high + 1))

    def name(self, stem: str) -> str:
        return f"{len(self.operators)}.{stem}"

    def tensor(self, stem: str, rows: int, cols: int, kind: ElementType) -> Tensor:
        return Tensor(f"{self.name(stem)}_t", rows, cols, kind)

    def codes(self, rows: int, cols: int, kind: ElementType) -> NDArray[np.generic]:
        deviation = _DEVIATION * (100 if kind is INT16 else 1)
        values = self.rng.normal(100 if kind is UINT8 else 0, deviation, (rows, cols))
        dtype = {INT8: np.int8, UINT8: np.uint8, INT16: np.int16}[kind]
        return np.clip(np.rint(values), kind.low, kind.high).astype(dtype)

    def given(self, stem: str, rows: int, cols: int, kind: ElementType) -> Tensor:
        """A graph input."""
        tensor = Tensor(f"{stem}{len(self.inputs)}", rows, cols, kind)
        self.inputs.append(tensor)
        self.values[tensor.name] = self.codes(rows, cols, kind)
        return tensor

    def constant(self, stem: str, values: NDArray[np.int16]) -> Tensor:
        tensor = Tensor(f"{stem}{len(self.constants)}", *values.shape, INT16)
        self.constants.append(Constant(tensor, values))
        return tensor

    def add(self, operator: Operator) -> Tensor:
        self.operators.append(operator)
        return operator.outputs[0]

    def embed(self, rows: int, cols: int) -> Tensor:
        """Rows of a table by index, plus a constant."""
        entries = self.number(1, 50)
        indices = Tensor("indices", 1, rows, INT32)
        self.inputs.append(indices)
        self.values["indices"] = self.rng.integers(0, entries, (1, rows), dtype=np.int32)
        table = self.codes(entries, cols, INT16)
        output = self.tensor("rows", rows, cols, INT16)
        gathered = self.add(Gather(self.name("gather"), indices, table, output))
        positions = self.constant("positions", self.codes(rows, cols, INT16))
        output = self.tensor("sum", rows, cols, INT16)
        return self.add(Add(self.name("add"), gathered, positions, output))

    def normalize(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """An 8-bit operand and an int16 residual."""
        gain = self.rng.uniform(0.7, 1.3, x.cols) * math.sqrt(x.cols) * _DEVIATION * 64
        wide = self.tensor("wide", x.rows, x.cols, INT16)
        kind = (INT8, UINT8)[self.number(0, 1)]
        output = self.tensor("normal", x.rows, x.cols, kind)
        centre = bool(self.number(0, 1))
        self.add(
            Normalize(
                name=self.name("norm"),
                input=x,
                centre=centre,
                scale=gain.astype(np.float32),
                offset=self.rng.integers(-2000, 2001, x.cols).astype(np.int32),
                epsilon=self.number(0, 1000),
                output=output,
                narrow=Narrow(6, 100 if kind is UINT8 else self.number(-20, 20)),
                wide=wide,
            )
        )
        return output, wide

    def linear(
        self,
        x: Tensor,
        cols: int,
        kind: ElementType = INT8,
        residual: Tensor | None = None,
        interpolated: bool = False,
    ) -> Tensor:
        deviation = _DEVIATION * math.sqrt(x.cols) * 40
        wide = kind is INT16 or interpolated
        target = _DEVIATION * (100 if wide else 1)
        grid = np.arange(-128, 129) / 5
        curve = np.rint(20 * _DEVIATION * grid / (1 + np.exp(-grid))).astype(np.int16)
        return self.add(
            Linear(
                name=self.name("linear"),
                input=x,
                weight=self.codes(x.cols, cols, INT8),
                bias=np.rint(self.rng.normal(0, deviation / 4, cols)).astype(np.int32),
                scale=(self.rng.uniform(0.7, 1.3, cols) * target / deviation).astype(np.float32),
                output=self.tensor("y", x.rows, cols, kind),
                input_zero_point=100 if x.element_type is UINT8 else self.number(-9, 9),
                residual=None if residual is None else Residual(residual, Addition.INT16),
                interpolation=curve if interpolated else None,
                narrow=Narrow(5, self.number(-30, 30)) if interpolated else Narrow(),
            )
        )

    def rotate(self, x: Tensor, head_size: int) -> Tensor:
        angles = self.rng.uniform(0, 7, (x.rows, head_size))
        tables = (np.rint(32767 * wave(angles)).astype(np.int16) for wave in (np.cos, np.sin))
        cosine, sine = (self.constant("wave", table) for table in tables)
        return self.add(
            Rotary(
                name=self.name("rotary"),
                input=x,
                cosine=cosine,
                sine=sine,
                head_size=head_size,
                scale=0.6 / 32767,
                output=self.tensor("turned", x.rows, x.cols, INT8),
                narrow=Narrow(6, self.number(-9, 9)),
            )
        )

    def attend(self, x: Tensor, head_size: int) -> Tensor:
        """Projections, now and then rotated or behind a cache, and attention of segments."""
        kv_heads = self.number(1, 2)
        heads = kv_heads * self.number(1, 2)
        query = self.linear(x, heads * head_size, INT16)
        query = self.rotate(query, head_size)
        key, value = (self.linear(x, kv_heads * head_size) for _ in range(2))
        cached = self.number(0, 1) * self.number(1, 20)
        if cached:
            key, value = (self._behind_cache(rows, cached) for rows in (key, value))
        split = self.number(0, x.rows - 1) if not cached else 0
        cuts = [(0, split), (split, x.rows)] if split else [(0, x.rows)]
        segments = tuple(Segment(low, high - low, low, high - low) for low, high in cuts)
        if cached:
            segments = (Segment(0, x.rows, 0, key.rows),)
        return self.add(
            Attention(
                name=self.name("attention"),
                query=query,
                key=key,
                value=value,
                output=self.tensor("mixed", x.rows, heads * head_size, INT8),
                heads=heads,
                kv_heads=kv_heads,
                head_size=head_size,
                score_scale=EXPONENT_STEPS / (1600 * math.sqrt(head_size)),
                output_scale=PROBABILITY_STEPS,
                segments=segments,
                causal=bool(self.number(0, 1)),
                query_zero_point=self.number(-9, 9),
                key_zero_point=self.number(-9, 9),
                value_zero_point=self.number(-9, 9),
                output_zero_point=self.number(-9, 9),
            )
        )

    def _behind_cache(self, rows: Tensor, cached: int) -> Tensor:
        cache = self.given("cache", cached, rows.cols, INT8)
        output = self.tensor("all", cached + rows.rows, rows.cols, INT8)
        return self.add(Append(self.name("append"), cache, rows, output))

    def multiply(self, left: Tensor, right: Tensor) -> Tensor:
        return self.add(
            Multiply(
                name=self.name("multiply"),
                left=left,
                right=right,
                scale=1 / _DEVIATION,
                output=self.tensor("product", left.rows, left.cols, INT8),
                left_zero_point=self.number(-9, 9),
                right_zero_point=self.number(-9, 9),
                output_zero_point=self.number(-9, 9),
            )
        )

    def pool(self, x: Tensor) -> Tensor:
        """Sums of two pieces, then the unit norm."""
        split = self.number(0, x.rows - 1)
        pieces = [(0, split), (split, x.rows - split)] if split else [(0, x.rows)]
        total = self.add(
            SumRows(
                name=self.name("sum"),
                input=x,
                segments=tuple(pieces),
                scale=tuple(50 / count for _, count in pieces),
                output=self.tensor("total", len(pieces), x.cols, INT16),
                input_zero_point=100 if x.element_type is UINT8 else 3,
            )
        )
        return self.add(
            Normalize(
                name=self.name("unit"),
                input=total,
                centre=False,
                scale=np.full(x.cols, 32767, np.float32),
                offset=np.zeros(x.cols, np.int32),
                epsilon=0,
                output=self.tensor("unit", total.rows, x.cols, INT16),
            )
        )


def random_network(seed: int) -> tuple[Graph, Codes]:
    """Graph and inputs of a block as in a transformer, a few rows and columns wide."""
    net = _Network(seed)
    head_size = 8 * net.number(1, 2)
    rows, cols = net.number(1, 33), net.number(2, 40)
    x = net.embed(rows, cols) if net.number(0, 1) else net.given("x", rows, cols, INT16)
    operand, _ = net.normalize(x)
    mixed = net.attend(operand, head_size)
    x = net.linear(mixed, cols, INT16, residual=x)
    operand, wide = net.normalize(x)
    inner = net.number(1, 60)
    activated = net.linear(operand, inner, interpolated=True)
    product = net.multiply(activated, net.linear(operand, inner))
    x = net.linear(product, cols, INT16, residual=wide)
    operand, _ = net.normalize(x)
    unit = net.pool(operand)
    return (
        Graph(
            f"network {seed}",
            tuple(net.inputs),
            tuple(net.operators),
            (x, unit),
            tuple(net.constants),
        ),
        net.values,
    )
