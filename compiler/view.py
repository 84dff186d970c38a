"""How the images of a window are best seen: stacked, or without the pixels that it skips."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.kernel import WindowOperator
from workloads.window import Image, Window

_STEP_LIMIT = 255
"""Of rows from output row to output row (I-03)."""


@dataclass(frozen=True)
class View:
    """Images, and the window over them.

    Attributes
    ----------
    stored
        The images as they lie in memory.
    step
        Rows and columns from one that is read to the next.
    image, window
        What is read of them, and the window over that.
    """

    stored: Image
    step: tuple[int, int]
    image: Image
    window: Window

    @property
    def made(self) -> Image:
        """What comes out; the number of channels is not said."""
        return self.window.over(self.image, self.image.channels)


def view_of(operator: WindowOperator, streams: bool) -> View:
    """The view of an operator whose input is loaded (`streams`), or is in the buffer."""
    image, window = _stacked(operator)
    if streams and window.taps == 1 and not any(window.padding) and window.stride != (1, 1):
        # A kernel of one tap skips pixels where it strides.
        made = window.over(image, image.channels)
        return View(image, window.stride, made, Window((1, 1)))
    return View(image, (1, 1), image, window)


def _stacked(operator: WindowOperator) -> tuple[Image, Window]:
    """One image of all, one on top of the other, where no window reaches from one to the next."""
    image, window, made = operator.image, operator.window, operator.output_image
    stride = image.height if made.height == 1 else window.stride[0]
    apart = (
        made.height * stride == image.height
        and window.reach[0] <= stride <= _STEP_LIMIT
        and not (window.padding[0] or window.padding[2])
    )
    if image.batch == 1 or not apart:
        return image, window
    stacked = Image(1, image.batch * image.height, image.width, image.channels)
    tall = Window(window.kernel, (stride, window.stride[1]), window.padding, window.dilation)
    return stacked, tall
