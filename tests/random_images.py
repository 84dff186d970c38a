"""Random networks over images: windows of every kind, sums, products, joins and moves."""

from __future__ import annotations

import numpy as np
from network_graphs import scales, unary_table, weights
from operator_graphs import INT8, UINT8
from random_graphs import random_tensor

from arch.isa import Addition
from workloads.epilogue import Residual
from workloads.graph import Graph
from workloads.linear import Linear
from workloads.operators import AveragePool, Concat, Conv, Map, MaxPool, Move, Multiply, SumRows
from workloads.tensor import Tensor
from workloads.window import Image, Window

CHANNELS = (1, 3, 4, 5, 8, 12, 16)


class _Network:
    """Collects operators; `x` is what the last one made, an image of `shape`."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 6])
        self.operators: list = []
        height, width, channels = self._pick(5, 12), self._pick(4, 12), self._choice(CHANNELS)
        self.shape = Image(self._pick(1, 2), height, width, channels)
        self.in_rows = bool(self._pick(0, 1))
        rows, cols = self.shape.pixels, channels
        if self.in_rows:
            rows, cols = self.shape.batch * height, width * channels
        self.x = self.input = Tensor("x", rows, cols, self._kind())

    def _pick(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def _choice(self, values):
        return values[self._pick(0, len(values) - 1)]

    def _kind(self):
        return self._choice((INT8, UINT8))

    def _code(self, kind):
        return self._pick(kind.low, kind.high)

    def _name(self, kind):
        return f"{kind}{len(self.operators)}"

    def take(self, operator, shape=None):
        self.operators.append(operator)
        self.x = operator.output
        self.shape = shape or self.shape
        self.in_rows = False

    def _window(self, most=3):
        kernel = tuple(min(self._pick(1, most), extent) for extent in self._extents())
        padding = tuple(self._pick(0, kernel[side % 2] - 1) for side in range(4))
        stride = (self._pick(1, 2), self._pick(1, 2))
        return Window(kernel, stride, padding)

    def _extents(self):
        return self.shape.height, self.shape.width

    def conv(self):
        channels = self.shape.channels
        depthwise = self._pick(0, 2) == 0
        outputs = channels if depthwise else self._choice(CHANNELS)
        window = self._window()
        made, kind, name = window.over(self.shape, outputs), self._kind(), self._name("conv")
        groups = channels if depthwise else 1
        shape = (*window.kernel, channels // groups, outputs)
        options = {}
        if self._pick(0, 2) == 0:
            options["table"] = unary_table(self.rng, self._kind(), kind)
        elif made == self.shape and kind is self.x.element_type and not self.in_rows:
            table = self.rng.uniform(-90, 90, 256).astype(np.float32)
            options["residual"] = Residual(self.x, Addition.TABLE, 0.4, table)
        requantized = options["table"].source if "table" in options else kind
        self.take(
            Conv(
                name=name,
                input=self.x,
                image=self.shape,
                window=window,
                groups=groups,
                weight=weights(self.rng, shape, True),
                bias=self.rng.integers(-3000, 3000, outputs).astype(np.int32),
                scale=scales(self.rng, outputs, np.prod(shape[:3])),
                output=Tensor(f"{name}.y", made.pixels, outputs, kind),
                input_zero_point=self._code(self.x.element_type),
                output_zero_point=self._code(requantized),
                **options,
            ),
            made,
        )

    def pool(self):
        window, kind = self._window(), self.x.element_type
        made = window.over(self.shape, self.shape.channels)
        name = self._name("pool")
        common = {"name": name, "input": self.x, "image": self.shape, "window": window}
        output = Tensor(f"{name}.y", made.pixels, made.channels, kind)
        if self._pick(0, 1):
            self.take(MaxPool(output=output, **common), made)
        else:
            counted = bool(self._pick(0, 1))
            zero_point = self._code(kind)
            self.take(
                AveragePool(
                    output=output,
                    scale=1.3,
                    count_include_pad=counted,
                    input_zero_point=zero_point,
                    output_zero_point=self._code(kind),
                    **common,
                ),
                made,
            )

    def linear(self):
        outputs, kind, name = self._choice(CHANNELS), self._kind(), self._name("linear")
        shape = Image(self.shape.batch, *self._extents(), outputs)
        self.take(
            Linear(
                name=name,
                input=self.x,
                weight=weights(self.rng, (self.x.cols, outputs), True),
                bias=self.rng.integers(-3000, 3000, outputs).astype(np.int32),
                scale=scales(self.rng, outputs, self.x.cols),
                output=Tensor(f"{name}.y", self.x.rows, outputs, kind),
                input_zero_point=self._code(self.x.element_type),
            ),
            shape,
        )

    def map(self):
        name, kind = self._name("map"), self._kind()
        table = unary_table(self.rng, self.x.element_type, kind)
        made = Tensor(f"{name}.y", self.x.rows, self.x.cols, kind)
        self.take(Map(name=name, input=self.x, output=made, table=table))

    def gate(self):
        """Each image times the mean of its pixels."""
        name, image = self._name("mean"), self.shape.height * self.shape.width
        mean = Tensor(f"{name}.y", self.shape.batch, self.x.cols, UINT8)
        segments = tuple((index * image, image) for index in range(self.shape.batch))
        scale = (1.0 / image,) * len(segments)
        source = self.x
        self.operators.append(
            SumRows(name=name, input=source, segments=segments, scale=scale, output=mean)
        )
        name = self._name("gate")
        made = Tensor(f"{name}.y", source.rows, source.cols, INT8)
        self.take(Multiply(name, source, mean, 1 / 90, made))

    def join(self):
        """The image beside a table of it."""
        source, shape = self.x, self.shape
        self.map()
        if self.x.element_type is not source.element_type:
            return
        name = self._name("join")
        made = Tensor(f"{name}.y", source.rows, 2 * source.cols, source.element_type)
        wide = Image(shape.batch, shape.height, shape.width, 2 * shape.channels)
        self.take(Concat(name, (self.x, source), made), wide)

    def turn(self):
        """Rows and columns exchanged, the first channel last."""
        name, shape = self._name("turn"), self.shape
        index = np.arange(self.x.rows * self.x.cols, dtype=np.int64)
        index = index.reshape(shape.batch, shape.height, shape.width, shape.channels)
        index = np.roll(index.swapaxes(1, 2), 1, axis=3).reshape(self.x.rows, self.x.cols)
        made = Tensor(f"{name}.y", self.x.rows, self.x.cols, self.x.element_type)
        turned = Image(shape.batch, shape.width, shape.height, shape.channels)
        self.take(Move(name, (self.x,), index, made), turned)


def random_image_network(seed: int, most: int = 6):
    """Graph and inputs."""
    network = _Network(seed)
    network.conv()
    steps = ("conv", "conv", "pool", "linear", "map", "gate", "join", "turn")
    for _ in range(network._pick(1, most)):
        getattr(network, network._choice(steps))()
    graph = Graph("images", (network.input,), tuple(network.operators), (network.x,))
    return graph, {"x": random_tensor(network.rng, network.input)}
