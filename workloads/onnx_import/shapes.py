"""Rules of shapes, in exact integers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from workloads.onnx_import import attributes
from workloads.onnx_import.messages import extents, fail, title
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.tensors import check_extents

Shape = tuple[int, ...]

WINDOW_TABLE: attributes.Table = {
    "auto_pad": attributes.text("NOTSET"),
    "kernel_shape": attributes.integers(()),
    "strides": attributes.integers(()),
    "dilations": attributes.integers(()),
    "pads": attributes.integers(()),
}
"""Attributes of every operator that slides a window."""
_LARGEST_WINDOW = 1 << 16
"""Of each attribute of a window: far beyond what can be mapped, and safe to multiply."""


@dataclass(frozen=True)
class Window:
    """Resolved attributes of a window, and the extents of what it makes.

    Attributes
    ----------
    overhang
        Whether `pads` are more than the model gave, so that the last window is whole.
    """

    kernel_shape: Shape
    strides: Shape
    dilations: Shape
    pads: Shape
    made: Shape
    overhang: bool

    @property
    def attributes(self) -> dict[str, Any]:
        """As in a node."""
        return {
            "kernel_shape": self.kernel_shape,
            "strides": self.strides,
            "dilations": self.dilations,
            "pads": self.pads,
        }


def checked(operation: Operation, shape: Shape) -> Shape:
    """A shape of a computed tensor: not empty, not beyond every bound."""
    check_extents(f"the result of {title(operation)}", shape)
    if 0 in shape:
        fail(operation, f"its result {extents(shape)} is empty: leave it out of the model")
    return shape


def broadcast(operation: Operation, left: Shape, right: Shape) -> Shape:
    """NumPy's rule for two operands."""
    rank = max(len(left), len(right))
    padded = [(1,) * (rank - len(shape)) + shape for shape in (left, right)]
    for one, other in zip(*padded, strict=True):
        if one != other and 1 not in (one, other):
            fail(operation, f"{extents(left)} and {extents(right)} do not broadcast")
    return tuple(other if one == 1 else one for one, other in zip(*padded, strict=True))


def matmul(operation: Operation, left: Shape, right: Shape) -> Shape:
    """Of two operands of rank 2 up."""
    if left[-1] != right[-2]:
        fail(operation, f"{extents(left)} and {extents(right)} do not multiply: K differs")
    return (*broadcast(operation, left[:-2], right[:-2]), left[-2], right[-1])


def reshaped(operation: Operation, shape: Shape, wanted: Shape, zero_copies: bool) -> Shape:
    """ONNX's rule of Reshape: -1 is what is left, 0 the input's extent where `zero_copies`."""
    target = list(wanted)
    if len(target) > 32:
        fail(operation, f"its shape has {len(target)} extents: 8 are the most")
    for axis, extent in enumerate(target):
        if extent == 0 and zero_copies:
            if axis >= len(shape):
                fail(operation, f"0 in shape {extents(wanted)} copies an extent that is not there")
            target[axis] = shape[axis]
    elements = math.prod(shape)
    if target.count(-1) > 1 or any(extent < -1 for extent in target):
        fail(operation, f"shape {extents(wanted)} may have one -1, and nothing below")
    if -1 in target:
        others = -math.prod(target)
        if others <= 0 or elements % others:
            fail(operation, f"{extents(shape)} does not fit shape {extents(wanted)}")
        target[target.index(-1)] = elements // others
    if math.prod(target) != elements:
        fail(operation, f"{extents(shape)} does not fit shape {extents(wanted)}")
    return tuple(target)


def window(
    operation: Operation,
    given: dict[str, Any],
    shape: Shape,
    kernel: Shape,
    ceil_mode: bool = False,
) -> Window:
    """Resolve a window over the spatial dimensions of a tensor [N, C, ...].

    `given` are attributes as of `WINDOW_TABLE`, `kernel` the extents of the weight, empty where
    there is none. With `ceil_mode` a window that is only partly inside counts: pads at the end grow
    to hold it.
    """
    spatial = shape[2:]
    if len(spatial) not in (1, 2):
        fail(
            operation,
            f"its input {extents(shape)} must be [N, C, W] or [N, C, H, W]: reshape it",
        )
    kernel = given["kernel_shape"] or kernel
    strides = given["strides"] or (1,) * len(spatial)
    dilations = given["dilations"] or (1,) * len(spatial)
    for name, values in (("kernel_shape", kernel), ("strides", strides), ("dilations", dilations)):
        if len(values) != len(spatial) or not all(1 <= each <= _LARGEST_WINDOW for each in values):
            fail(
                operation,
                f"{name} {extents(values)} must be {len(spatial)} integers, 1 to {_LARGEST_WINDOW}",
            )
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    pads = _pads(operation, given, spatial, reach, strides)
    made, beyond = [], []
    for axis, extent in enumerate(spatial):
        padded = extent + pads[axis] + pads[axis + len(spatial)]
        room = padded - reach[axis]
        if room < 0:
            fail(
                operation,
                f"the window of {reach[axis]} is larger than the {padded} elements, padding "
                "included: pad more",
            )
        count = room // strides[axis] + 1
        if ceil_mode and room % strides[axis]:
            # A window that begins in the padding behind the tensor is dropped.
            count += count * strides[axis] < extent + pads[axis]
        made.append(count)
        beyond.append(max(0, (count - 1) * strides[axis] + reach[axis] - padded))
    ends = tuple(pad + more for pad, more in zip(pads[len(spatial) :], beyond, strict=True))
    return Window(
        kernel, strides, dilations, (*pads[: len(spatial)], *ends), tuple(made), any(beyond)
    )


def _pads(
    operation: Operation, given: dict[str, Any], spatial: Shape, reach: Shape, strides: Shape
) -> Shape:
    rule = attributes.choice(
        operation,
        "auto_pad",
        given["auto_pad"],
        ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"),
    )
    pads: Shape = given["pads"]
    if rule == "NOTSET":
        pads = pads or (0,) * (2 * len(spatial))
        if len(pads) != 2 * len(spatial) or not all(0 <= pad <= _LARGEST_WINDOW for pad in pads):
            fail(
                operation,
                f"pads {extents(pads)} must be {2 * len(spatial)} integers, 0 to {_LARGEST_WINDOW}",
            )
        return pads
    if any(pads):
        fail(operation, f"auto_pad {rule} goes without pads")
    if rule == "VALID":
        return (0,) * (2 * len(spatial))
    begins, ends = [], []
    for extent, width, stride in zip(spatial, reach, strides, strict=True):
        total = max(0, (-(-extent // stride) - 1) * stride + width - extent)
        less, more = total // 2, total - total // 2
        begins.append(less if rule == "SAME_UPPER" else more)
        ends.append(more if rule == "SAME_UPPER" else less)
    return (*begins, *ends)
