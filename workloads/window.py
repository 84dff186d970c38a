"""Images and the windows that slide over them: what convolution and pooling have in common."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from workloads.checks import check_range, check_shape, fail
from workloads.tensor import Tensor

_EXTENT_LIMIT = (1 << 15) - 1
"""Rows and columns of an image with its padding: y is a 16-bit number (I-03)."""
_STEP_LIMIT = 255
"""Of kernel extents, strides and dilations (I-03)."""


@dataclass(frozen=True)
class Image:
    """``batch`` images of ``height`` x ``width`` pixels of ``channels`` each.

    As a tensor a pixel is a row: [batch * height * width, channels]. What comes from DRAM may also
    lie with an image row in each row, [batch * height, width * channels]: pixels then touch, and
    a convolution of few channels takes several at a time.
    """

    batch: int
    height: int
    width: int
    channels: int

    @property
    def pixels(self) -> int:
        """Of all images."""
        return self.batch * self.height * self.width

    def in_rows(self, tensor: Tensor) -> bool:
        """Whether a tensor holds an image row in each row, and not a pixel."""
        return self.width > 1 and self._is_shaped(tensor, True)

    def _is_shaped(self, tensor: Tensor, rows: bool) -> bool:
        wide = (self.batch * self.height, self.width * self.channels)
        return (tensor.rows, tensor.cols) == (wide if rows else (self.pixels, self.channels))

    def check(self, operator: str, key: str, tensor: Tensor, rows_allowed: bool = False) -> None:
        """Raise an AssayError unless the tensor is shaped so."""
        for name, extent in (("height", self.height), ("width", self.width)):
            check_range(operator, f"{name} of the {key}", extent, 1, _EXTENT_LIMIT)
        check_range(operator, f"batch of the {key}", self.batch, 1, 1 << 20)
        if not (rows_allowed and self.in_rows(tensor)):
            check_shape(operator, key, tensor, self.pixels, self.channels)


@dataclass(frozen=True)
class Window:
    """Kernel extents, strides and dilations as (rows, columns).

    Attributes
    ----------
    padding
        Rows above, columns left, rows below, columns right.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    @property
    def taps(self) -> int:
        return self.kernel[0] * self.kernel[1]

    @cached_property
    def reach(self) -> tuple[int, int]:
        """Rows and columns that a kernel covers, dilation included."""
        rows, columns = (
            (count - 1) * step + 1 for count, step in zip(self.kernel, self.dilation, strict=True)
        )
        return rows, columns

    def over(self, image: Image, channels: int) -> Image:
        """What comes out of it."""
        top, left, bottom, right = self.padding
        height = (image.height + top + bottom - self.reach[0]) // self.stride[0] + 1
        width = (image.width + left + right - self.reach[1]) // self.stride[1] + 1
        return Image(image.batch, height, width, channels)

    def check(self, operator: str, image: Image) -> None:
        """Raise an AssayError unless at least one window fits, and all numbers fit their fields."""
        for key, pair in (
            ("kernel", self.kernel),
            ("stride", self.stride),
            ("dilation", self.dilation),
        ):
            for extent in pair:
                check_range(operator, f"extent of the {key}", extent, 1, _STEP_LIMIT)
        for extent in self.padding:
            check_range(operator, "padding", extent, 0, _EXTENT_LIMIT)
        top, left, bottom, right = self.padding
        spans = (image.height + top + bottom, image.width + left + right)
        for name, span, reach in zip(("rows", "columns"), spans, self.reach, strict=True):
            check_range(operator, f"{name} of the padded image", span, 1, _EXTENT_LIMIT)
            if span < reach:
                fail(operator, f"the kernel covers {reach} {name}, the padded image has {span}")
