"""Graphs of one operator over seeded numbers, its tensors in DRAM or in buffers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from random_graphs import random_tensor

from arch.isa import ElementType
from workloads.epilogue import KEEP, Narrow
from workloads.graph import Constant, Graph
from workloads.operators import (
    Add,
    Append,
    Attention,
    Gather,
    Multiply,
    Normalize,
    Rotary,
    Segment,
    SumRows,
)
from workloads.tensor import Tensor

INT8, UINT8, INT16, INT32 = ElementType


@dataclass
class Surroundings:
    """Makes the graph around an operator.

    Parameters
    ----------
    seed
        Of all numbers.
    resident
        An operator in front makes each tensor that the one in question reads, and one behind reads
        what that makes, so that the compiler may keep them in buffers. Otherwise they are graph
        inputs and outputs, which live in DRAM.
    """

    seed: int
    resident: bool
    rng: np.random.Generator = field(init=False)
    inputs: dict = field(default_factory=dict)
    before: list = field(default_factory=list)
    constants: list = field(default_factory=list)

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)

    def given(self, name, rows, cols, element_type=INT16):
        """A graph input."""
        tensor = Tensor(name, rows, cols, element_type)
        self.inputs[tensor] = random_tensor(self.rng, tensor)
        return tensor

    def made(self, name, rows, cols, element_type=INT16):
        """A graph input, or where `resident` a sum of two."""
        if not self.resident:
            return self.given(name, rows, cols, element_type)
        terms = [self.given(f"{name}.{term}", rows, cols) for term in ("left", "right")]
        output = Tensor(name, rows, cols, element_type)
        narrow = Narrow() if element_type is INT16 else Narrow(8, self._zero_point(element_type))
        self.before.append(Add(f"make.{name}", *terms, output, narrow))
        return output

    def constant(self, name, rows, cols, element_type=INT16):
        tensor = Tensor(name, rows, cols, element_type)
        self.constants.append(Constant(tensor, random_tensor(self.rng, tensor)))
        return tensor

    def graph(self, operator):
        """The graph, and its inputs by name."""
        outputs, behind = operator.outputs, []
        if self.resident and not isinstance(operator, Append):
            behind = [self._reader(tensor) for tensor in operator.outputs]
            outputs = tuple(reader.output for reader in behind)
        graph = Graph(
            operator.kind,
            tuple(self.inputs),
            (*self.before, operator, *behind),
            outputs,
            tuple(self.constants),
        )
        return graph, {tensor.name: values for tensor, values in self.inputs.items()}

    def _reader(self, tensor):
        name, shape = f"read.{tensor.name}", (tensor.rows, tensor.cols)
        output = Tensor(f"{name}.out", *shape, INT8)
        if tensor.element_type is INT16:
            return Add(name, tensor, self.given(f"{name}.right", *shape), output, Narrow(7, 3))
        other = self.given(f"{name}.right", *shape, INT8)
        return Multiply(name, tensor, other, 1 / 100, output)

    def _zero_point(self, element_type):
        return 128 if element_type is UINT8 else 0


def add(around, rows, cols, element_type=INT16, narrow=KEEP):
    left, right = (around.made(name, rows, cols) for name in ("left", "right"))
    return Add("add", left, right, Tensor("sum", rows, cols, element_type), narrow)


def multiply(around, rows, cols, types=(INT8, INT8, INT8)):
    left, right = (
        around.made(name, rows, cols, element_type)
        for name, element_type in zip(("left", "right"), types[:2], strict=True)
    )
    zero_points = (0 if element_type is INT16 else 5 for element_type in types)
    output = Tensor("product", rows, cols, types[2])
    scale = 100.0 / (2.0 ** (8 * (types[0].bytes + types[1].bytes - types[2].bytes)))
    left_zero, right_zero, output_zero = zero_points
    return Multiply("multiply", left, right, scale, output, left_zero, right_zero, output_zero)


def normalize(around, rows, cols, centre=True, wide=True):
    factor = cols if centre else np.sqrt(cols)
    return Normalize(
        name="normalize",
        input=around.made("x", rows, cols),
        centre=centre,
        scale=(around.rng.uniform(0.5, 2.0, cols) * 8000 * factor / cols).astype(np.float32),
        offset=around.rng.integers(-3000, 3000, cols).astype(np.int32),
        epsilon=int(around.rng.integers(0, 1 << 20)),
        output=Tensor("normal", rows, cols, INT8),
        narrow=Narrow(7, -9),
        wide=Tensor("wide", rows, cols, INT16) if wide else None,
    )


def attention(around, segments, heads, head_size, kv_heads=None, causal=False, kinds=(INT8,) * 4):
    """`segments` are pairs of rows and keys, one behind the other."""
    kv_heads = kv_heads or heads
    queries, keys = (sum(segment[i] for segment in segments) for i in range(2))
    starts = np.cumsum([(0, 0), *segments], axis=0)
    query, key, value = (
        around.made(name, rows, count * head_size, kind)
        for name, rows, count, kind in zip(
            ("query", "key", "value"),
            (queries, keys, keys),
            (heads, kv_heads, kv_heads),
            kinds,
            strict=False,
        )
    )
    return Attention(
        name="attention",
        query=query,
        key=key,
        value=value,
        output=Tensor("attended", queries, heads * head_size, kinds[3]),
        heads=heads,
        kv_heads=kv_heads,
        head_size=head_size,
        score_scale=100.0 / np.sqrt(head_size),
        output_scale=2.0**26 / 255 * 1.5,
        segments=tuple(
            Segment(int(start[0]), count, int(start[1]), seen)
            for start, (count, seen) in zip(starts, segments, strict=False)
        ),
        causal=causal,
        query_zero_point=3,
        key_zero_point=7,
        value_zero_point=11,
        output_zero_point=5,
    )


def rotary(around, rows, heads, head_size):
    return Rotary(
        name="rotary",
        input=around.made("x", rows, heads * head_size),
        cosine=around.constant("cosine", rows, head_size),
        sine=around.constant("sine", rows, head_size),
        head_size=head_size,
        scale=0.7 / 32767,
        output=Tensor("turned", rows, heads * head_size, INT8),
        narrow=Narrow(7, 12),
    )


def sum_rows(around, counts, cols, element_type=INT8):
    starts = np.cumsum([0, *counts])
    return SumRows(
        name="sum_rows",
        input=around.made("x", int(starts[-1]), cols, element_type),
        segments=tuple((int(start), count) for start, count in zip(starts, counts, strict=False)),
        scale=tuple(100.0 / count for count in counts),
        output=Tensor("sums", len(counts), cols, INT16),
        input_zero_point=4,
    )


def gather(around, count, entries, width, element_type=INT16):
    indices = Tensor("indices", 1, count, INT32)
    around.inputs[indices] = around.rng.integers(0, entries, (1, count)).astype(np.int32)
    table = random_tensor(around.rng, Tensor("table", entries, width, element_type))
    return Gather("gather", indices, table, Tensor("rows", count, width, element_type))


def append(around, cached, rows, cols):
    return Append(
        "append",
        around.given("cache", cached, cols, INT8),
        around.made("rows", rows, cols, INT8),
        Tensor("all", cached + rows, cols, INT8),
    )
