"""Operators that slide a window over images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from workloads.checks import (
    BYTES,
    check_output_zero_point,
    check_scale,
    check_source_zero_point,
    check_type,
    fail,
)
from workloads.epilogue import (
    Accumulated,
    Range,
    check_clamp,
    check_weight,
    check_weight_zero_point,
)
from workloads.tensor import Tensor, check_name
from workloads.window import Image, Window


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv(Accumulated):
    """Convolution, and what :class:`~workloads.epilogue.Accumulated` makes of its sums.

    Padding counts as the input's zero point, so it adds nothing.

    Attributes
    ----------
    input
        int8 or uint8 tensor of `image`, which may lie in image rows.
    weight
        int8 or uint8 [kernel rows, kernel columns, channels / groups, N].
    weight_zero_point
        One for all, or int32 [N].
    groups
        Output channels of group g are of the g-th part of the input's channels.
    output
        Tensor [output pixels, N].
    """

    image: Image
    window: Window
    weight: NDArray[np.int8] | NDArray[np.uint8]
    weight_zero_point: int | NDArray[np.int32] = 0
    groups: int = 1

    kind: ClassVar[str] = "conv"

    def __post_init__(self) -> None:
        channels, outputs = self.image.channels, self.output.cols
        if self.groups < 1 or channels % self.groups or outputs % self.groups:
            fail(
                self.name,
                f"groups = {self.groups} must divide the {channels} input channels and the "
                f"{outputs} output channels",
            )
        self.window.check(self.name, self.image)
        shape = (*self.window.kernel, channels // self.groups, outputs)
        check_weight(self.name, self.weight, shape)
        check_weight_zero_point(self.name, self.weight_zero_point, self.weight)
        self.image.check(self.name, "input", self.input, rows_allowed=True)
        made = self.output_image
        made = Image(made.batch * (1 + self.raw), made.height, made.width, made.channels)
        made.check(self.name, "output", self.output)
        super().__post_init__()

    @cached_property
    def output_image(self) -> Image:
        return self.window.over(self.image, self.output.cols)

    @property
    def macs(self) -> int:
        """Taps on the halo count."""
        return self.output_image.pixels * self.weight.size


@dataclass(frozen=True, eq=False, kw_only=True)
class _Pool:
    """A window that makes one code of those of a channel; tensors have a pixel in each row."""

    name: str
    input: Tensor
    image: Image
    window: Window
    output: Tensor

    def __post_init__(self) -> None:
        check_name("operator", self.name)
        check_type(self.name, "input", self.input, BYTES)
        self.window.check(self.name, self.image)
        sides = zip(("top", "left", "bottom", "right"), self.window.padding, strict=True)
        for side, pad in sides:
            if pad >= self.window.reach[side in ("left", "right")]:
                fail(self.name, f"padding {pad} at the {side} holds whole windows: make it smaller")
        self.image.check(self.name, "input", self.input)
        self.output_image.check(self.name, "output", self.output)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.input,)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.output,)

    @cached_property
    def output_image(self) -> Image:
        return self.window.over(self.image, self.image.channels)


@dataclass(frozen=True, eq=False, kw_only=True)
class MaxPool(_Pool):
    """The greatest code of each window; padding is never the greatest."""

    kind: ClassVar[str] = "max_pool"
    macs: ClassVar[int] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_type(self.name, "output", self.output, (self.input.element_type,))


@dataclass(frozen=True, eq=False, kw_only=True)
class AveragePool(_Pool):
    """``clamp(requantize(sum over the window of (input - zero), f32(scale / count)) + zero)``.

    Attributes
    ----------
    scale
        float32: input scale over output scale.
    count_include_pad
        Whether the divisor counts padding: taps of the kernel, or those inside the image.
    clamp
        By default the range of the output's type.
    """

    scale: float
    count_include_pad: bool = False
    input_zero_point: int = 0
    output_zero_point: int = 0
    clamp: Range | None = None

    kind: ClassVar[str] = "average_pool"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_type(self.name, "output", self.output, BYTES)
        check_source_zero_point(self.name, "input_zero_point", self.input_zero_point, self.input)
        kind = self.output.element_type
        check_output_zero_point(self.name, "output_zero_point", self.output_zero_point, kind)
        check_scale(self.name, "scale over taps", self.scale / self.window.taps)
        check_clamp(self.name, "clamp", self.clamp, kind)

    @property
    def macs(self) -> int:
        """Additions, one for each tap."""
        return self.output_image.pixels * self.image.channels * self.window.taps

    def counts(self) -> NDArray[np.int64]:
        """The divisors, [output height, output width]."""
        made, window = self.output_image, self.window
        if self.count_include_pad:
            return np.full((made.height, made.width), window.taps, np.int64)
        rows = _taps_inside(made.height, self.image.height, window, 0)
        columns = _taps_inside(made.width, self.image.width, window, 1)
        product: NDArray[np.int64] = rows[:, None] * columns
        return np.maximum(product, 1)


def _taps_inside(made: int, extent: int, window: Window, axis: int) -> NDArray[np.int64]:
    """Along an axis, taps of each of the `made` windows that lie in the image."""
    starts = np.arange(made, dtype=np.int64) * window.stride[axis] - window.padding[axis]
    at = starts[:, None] + np.arange(window.kernel[axis], dtype=np.int64) * window.dilation[axis]
    inside: NDArray[np.int64] = ((at >= 0) & (at < extent)).sum(axis=1)
    return inside
