"""Graphs of one operator of a convolutional network over seeded numbers (see operator_graphs)."""

from __future__ import annotations

import numpy as np
from operator_graphs import INT8, INT16, UINT8
from random_graphs import random_tensor

from arch.isa import Addition
from workloads.epilogue import Residual, UnaryTable
from workloads.linear import Linear
from workloads.operators import (
    AveragePool,
    Concat,
    Conv,
    Map,
    MatMul,
    MaxPool,
    Move,
    Multiply,
    Softmax,
)
from workloads.tensor import Tensor
from workloads.window import Image, Window


def zero_point(kind):
    return 131 if kind is UINT8 else -7


def unary_table(rng, source, result):
    codes = random_tensor(rng, Tensor("t", 1, 256, result))
    return UnaryTable(codes[0], source)


def residual(around, name, rows, cols, kind=INT8, clamp=None):
    table = around.rng.uniform(-90, 90, 256).astype(np.float32)
    return Residual(around.made(name, rows, cols, kind), Addition.TABLE, 0.37, table, clamp)


def scales(rng, outputs, taps):
    """So that sums use the range of a byte."""
    deviation = 74.0**2 * np.sqrt(taps)
    return (rng.uniform(0.3, 1.5, outputs) * 45 / deviation).astype(np.float32)


def weights(rng, shape, signed):
    low, high = (-128, 128) if signed else (0, 256)
    return rng.integers(low, high, shape).astype(np.int8 if signed else np.uint8)


def conv(
    around,
    image,
    window,
    outputs,
    groups=1,
    kinds=(INT8, INT8),
    in_rows=False,
    signed=True,
    zero_points=0,
    follow=(),
    raw=False,
):
    """`follow` names what comes behind the sums: table, residual, clamp."""
    image = Image(*image)
    made = window.over(image, outputs)
    shape = (*window.kernel, image.channels // groups, outputs)
    if in_rows:
        source = around.given(
            "x", image.batch * image.height, image.width * image.channels, kinds[0]
        )
    else:
        source = around.made("x", image.pixels, image.channels, kinds[0])
    options = {}
    if "table" in follow:
        options["table"] = unary_table(around.rng, INT8, kinds[1])
    if "residual" in follow:
        clamp = (kinds[1].low + 9, kinds[1].high - 40)
        options["residual"] = residual(around, "r", made.pixels, outputs, kinds[1], clamp)
    if "row" in follow:
        options["residual"] = residual(around, "r", 1, outputs, kinds[1])
    if "clamp" in follow:
        options["clamp"] = (kinds[1].low + 40, kinds[1].high - 30)
    if raw:
        options["raw"] = True
    return Conv(
        name="conv",
        input=source,
        image=image,
        window=window,
        groups=groups,
        weight=weights(around.rng, shape, signed),
        weight_zero_point=zero_points,
        bias=around.rng.integers(-3000, 3000, outputs).astype(np.int32),
        scale=scales(around.rng, outputs, np.prod(shape[:3])),
        output=Tensor("y", made.pixels * (1 + raw), outputs, INT16 if raw else kinds[1]),
        input_zero_point=zero_point(kinds[0]),
        output_zero_point=0 if raw else 3,
        **options,
    )


def linear(around, m, k, n, kind=UINT8, signed=True, zero_points=0, raw=False):
    return Linear(
        name="linear",
        input=around.made("x", m, k, kind),
        weight=weights(around.rng, (k, n), signed),
        weight_zero_point=zero_points,
        bias=around.rng.integers(-3000, 3000, n).astype(np.int32),
        scale=scales(around.rng, n, k),
        output=Tensor("y", m * (1 + raw), n, INT16 if raw else INT8),
        input_zero_point=zero_point(kind),
        raw=raw,
    )


def max_pool(around, image, window, kind=INT8):
    image = Image(*image)
    made = window.over(image, image.channels)
    return MaxPool(
        name="pool",
        input=around.made("x", image.pixels, image.channels, kind),
        image=image,
        window=window,
        output=Tensor("y", made.pixels, image.channels, kind),
    )


def average_pool(around, image, window, kinds=(INT8, INT8), include=False):
    image = Image(*image)
    made = window.over(image, image.channels)
    return AveragePool(
        name="pool",
        input=around.made("x", image.pixels, image.channels, kinds[0]),
        image=image,
        window=window,
        scale=1.7,
        count_include_pad=include,
        input_zero_point=zero_point(kinds[0]),
        output_zero_point=zero_point(kinds[1]),
        output=Tensor("y", made.pixels, image.channels, kinds[1]),
    )


def mapped(around, rows, cols, kinds=(INT8, INT8), table=True, added=0):
    """`added` rows of a residual, 0 for none."""
    options = {}
    if table:
        options["table"] = unary_table(around.rng, kinds[0], kinds[1])
    if added:
        options["residual"] = residual(around, "r", added, cols)
    return Map(
        name="map",
        input=around.made("x", rows, cols, kinds[0]),
        output=Tensor("y", rows, cols, kinds[1]),
        **options,
    )


def multiply(around, rows, cols, repeated):
    """The right operand has `repeated` rows."""
    return Multiply(
        "multiply",
        around.made("left", rows, cols, INT8),
        around.made("right", repeated, cols, UINT8),
        1 / 90,
        Tensor("y", rows, cols, UINT8),
        -3,
        120,
        100,
    )


def matmul(around, batch, m, k, n, transposed=False, kinds=(INT8, UINT8), added=False):
    rows, cols = (n, k) if transposed else (k, n)
    left = around.made("left", batch * m, k, kinds[0])
    options = {"residual": residual(around, "r", batch * m, n)} if added else {}
    return MatMul(
        name="matmul",
        input=left,
        right=around.made("right", batch * rows, cols, kinds[1]),
        batch=batch,
        transposed=transposed,
        bias=np.zeros(n, np.int32),
        scale=np.full(n, 45 / (74.0**2 * np.sqrt(k)), np.float32),
        input_zero_point=zero_point(kinds[0]),
        right_zero_point=zero_point(kinds[1]),
        output=Tensor("y", batch * m, n, INT8),
        **options,
    )


def softmax(around, rows, cols, kinds=(INT8, UINT8)):
    return Softmax(
        name="softmax",
        input=around.made("x", rows, cols, kinds[0]),
        output=Tensor("y", rows, cols, kinds[1]),
        scale=0.05 * np.log2(np.e) * 2**18,
        output_scale=2.0**26 / 32767 * 256 * kinds[1].bytes ** 4,
        output_zero_point=kinds[1].low if kinds[1] is INT8 else 0,
    )


def concat(around, rows, widths, kind=INT8):
    parts = tuple(around.made(f"x{i}", rows, width, kind) for i, width in enumerate(widths))
    return Concat("concat", parts, Tensor("y", rows, sum(widths), kind))


def move(around, shapes, index, fill=0, kind=INT8):
    """`index` of all elements of tensors of these shapes."""
    parts = tuple(around.made(f"x{i}", *shape, kind) for i, shape in enumerate(shapes))
    return Move("move", parts, index.astype(np.int64), Tensor("y", *index.shape, kind), fill)


WINDOW = Window((3, 3), padding=(1, 1, 1, 1))
