"""``conv:HxWxC:RxSxK``: one convolution of seeded random numbers.

int8 in and out, int32 bias, a scale for each channel, no table. Behind the shape may stand, in any
order, ``:s2`` (stride), ``:p1`` (padding on every side), ``:d2`` (dilation) and ``:g32`` (groups);
stride, padding and dilation may differ by axis: ``:s2x1``.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from arch.errors import AssayError
from arch.isa import ElementType
from workloads.graph import Graph
from workloads.operators import Conv
from workloads.tensor import Tensor
from workloads.window import Image, Window

_NUMBER = r"(\d{1,18})"
_EXTENTS = f"{_NUMBER}x{_NUMBER}x{_NUMBER}"
_SHAPE = re.compile(rf"{_EXTENTS}:{_EXTENTS}((?::[a-z]\d{{1,18}}(?:x\d{{1,18}})?)*)", re.ASCII)
_OPTION = re.compile(rf"([a-z]){_NUMBER}(?:x{_NUMBER})?")
_OPTIONS = {"s": "stride", "p": "padding", "d": "dilation", "g": "groups"}
_ELEMENT_LIMIT = 1 << 28
"""Of image, weights and output together, so that a slip of the finger does not fill the host."""
_OUTPUT_DEVIATION = 45.0
"""Standard deviation of the outputs, in steps: the int8 range is used, and a few saturate."""
_BIAS_DEVIATIONS = 0.5
_CODE_DEVIATION = 73.9
"""Standard deviation of a uniform int8."""


def conv(shape: str, seed: int) -> tuple[Graph, dict[str, NDArray[np.generic]]]:
    """Graph and inputs of a shape; numbers depend on it and the seed only.

    Raises
    ------
    AssayError
        The shape is malformed, too large, or holds no window.
    """
    image, window, outputs, groups = _parse(shape)
    made = window.over(image, outputs)
    if made.height < 1 or made.width < 1:
        raise AssayError(
            f"conv:{shape}: the kernel covers {window.reach[0]} x {window.reach[1]} pixels, more "
            "than the padded image has: choose a larger image, or padding"
        )
    own = image.channels // groups
    taps = window.taps * own
    elements = image.pixels * image.channels + taps * outputs + made.pixels * outputs
    if elements > _ELEMENT_LIMIT:
        raise AssayError(
            f"conv:{shape}: {elements} elements are more than {_ELEMENT_LIMIT}: "
            "choose a smaller shape"
        )
    rng = np.random.default_rng([seed, *(int(number) for number in re.findall(r"\d+", shape))])
    deviation = _CODE_DEVIATION**2 * taps**0.5
    bias = np.rint(rng.normal(0, _BIAS_DEVIATIONS * deviation, outputs))
    scale = rng.uniform(0.5, 2.0, outputs) * _OUTPUT_DEVIATION / deviation
    source = Tensor("input", image.height, image.width * image.channels, ElementType.INT8)
    operator = Conv(
        name="conv",
        input=source,
        image=image,
        window=window,
        groups=groups,
        weight=rng.integers(-128, 128, (*window.kernel, own, outputs), dtype=np.int8),
        bias=bias.astype(np.int32),
        scale=scale.astype(np.float32),
        output=Tensor("output", made.pixels, outputs, ElementType.INT8),
    )
    graph = Graph(f"conv:{shape}", (source,), (operator,), (operator.output,))
    pixels = rng.integers(-128, 128, (source.rows, source.cols), dtype=np.int8)
    return graph, {"input": pixels}


def _parse(text: str) -> tuple[Image, Window, int, int]:
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise AssayError(
            f"conv:{text}: the shape is HxWxC:RxSxK, image and kernel, such as "
            "conv:22x35x54:8x6x29, and :s2 :p1 :d2 :g3 may follow"
        )
    height, width, channels, rows, columns, outputs = (int(part) for part in match.groups()[:6])
    pairs = {"s": (1, 1), "p": (0, 0), "d": (1, 1), "g": (1, 1)}
    seen = set()
    for option in match.group(7).split(":")[1:]:
        found = _OPTION.fullmatch(option)
        if found is None or found.group(1) not in pairs or found.group(1) in seen:
            raise AssayError(
                f"conv:{text}: '{option}' is not one of s (stride), p (padding), d (dilation) and "
                "g (groups), each once, such as s2"
            )
        key, first, second = found.groups()
        if key == "g" and second is not None:
            raise AssayError(f"conv:{text}: groups are one number, such as g{first}")
        seen.add(key)
        pairs[key] = (int(first), int(second or first))
    extents = {"H": height, "W": width, "C": channels, "R": rows, "S": columns, "K": outputs}
    steps = {name: min(pairs[key]) for key, name in _OPTIONS.items() if key != "p"}
    for name, value in (extents | steps).items():
        if value < 1:
            raise AssayError(f"conv:{text}: {name} = {value} must be at least 1")
    groups = pairs["g"][0]
    if channels % groups or outputs % groups:
        raise AssayError(
            f"conv:{text}: groups = {groups} must divide the {channels} channels and the "
            f"{outputs} outputs"
        )
    padding = (*pairs["p"], *pairs["p"])
    window = Window((rows, columns), pairs["s"], padding, pairs["d"])
    return Image(1, height, width, channels), window, outputs, groups
