"""Element-wise operators with constants that products and sums take in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from workloads.onnx_import.bias import bias_value
from workloads.onnx_import.entries import Computed, Constant, Entry, Real
from workloads.onnx_import.messages import extents, fail, title
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.quantization import numbers_of
from workloads.onnx_import.shapes import broadcast, checked

_PRODUCTS = ("Conv", "Gemm", "MatMul")


def absorbed(operation: Operation, entries: tuple[Entry, Entry]) -> Entry | None:
    """What became of a product or of sums and a constant; None if it is nothing of the kind.

    A product that is not quantised takes an addition as its bias, and a multiplication or division
    by one positive number into the scale of its right operand. int32 sums have a scale at all only
    from multiplications.
    """
    rules: dict[str, tuple[_Rule, ...]] = {
        "Add": (_biased,),
        "Mul": (_scaled_sums, _scaled),
        "Div": (_scaled,),
    }
    for rule in rules.get(operation.op, ()):
        # What is divided stands first.
        for place in (1,) if operation.op == "Div" else (1, 0):
            made = rule(operation, entries[1 - place], entries[place], place)
            if made is not None:
                return made
    return None


_Rule = Callable[[Operation, Entry, Entry, int], Entry | None]


def _is_product(entry: Entry) -> TypeGuard[Computed]:
    """Whether it is one to which nothing was applied yet."""
    return isinstance(entry, Computed) and entry.op in _PRODUCTS and not entry.functions


def _numbers(entry: Entry) -> NDArray[Any] | None:
    """Of a constant."""
    if isinstance(entry, Constant) and entry.array.dtype.kind == "f":
        return entry.array
    if isinstance(entry, Real) and entry.value.constant is not None:
        return numbers_of(entry.value)
    return None


def _biased(operation: Operation, entry: Entry, other: Entry, place: int) -> Computed | None:
    """A product that is not quantised, with the constant input `place` added as its bias."""
    numbers = _numbers(other)
    if not _is_product(entry) or numbers is None or entry.inputs[2] is not None:
        return None
    axis = 1 if entry.op == "Conv" else len(entry.shape) - 1
    aligned = (1,) * (len(entry.shape) - len(other.shape)) + tuple(other.shape)
    channels = entry.shape[axis]
    spread = [extent for place, extent in enumerate(aligned) if place != axis]
    if len(aligned) != len(entry.shape) or any(extent != 1 for extent in spread):
        fail(
            operation,
            f"it adds a constant {extents(other.shape)} to what {title(entry.operation)} makes in "
            "floating point: quantise that first",
        )
    name = operation.inputs[place]
    flat = Constant(name, numbers.reshape(-1))
    x, w = entry.inputs[:2]
    assert x is not None
    assert w is not None
    bias = bias_value(operation, flat, name, x, w, channels)
    return replace(entry, name=operation.outputs[0], inputs=(x, w, bias))


def _scaled(operation: Operation, entry: Entry, other: Entry, place: int) -> Computed | None:
    """A product that is not quantised, times or by one number."""
    numbers = _numbers(other)
    if not _is_product(entry) or numbers is None or numbers.size != 1:
        return None
    if numbers.ndim > len(entry.shape):
        return None
    x, w = entry.inputs[:2]
    assert w is not None
    assert w.scale is not None
    factor = np.float32(numbers.item())
    with np.errstate(all="ignore"):
        scale = w.scale / factor if operation.op == "Div" else w.scale * factor
    if not np.all((scale > 0) & np.isfinite(scale)):
        return None
    # The bias is in units of the product of the scales, which grows alike.
    inputs = (x, replace(w, scale=scale), *entry.inputs[2:])
    return replace(entry, name=operation.outputs[0], inputs=inputs)


def _scaled_sums(operation: Operation, entry: Entry, other: Entry, _: int) -> Real | None:
    """Sums of MatMulInteger or ConvInteger times constants, which become a part of their scale."""
    if not isinstance(entry, Real) or not isinstance(other, Constant):
        return None
    value, factors = entry.value, other.array
    if value.element_type is not ElementType.INT32 or value.constant is not None:
        return None
    long = [axis - factors.ndim for axis, extent in enumerate(factors.shape) if extent != 1]
    shape = checked(operation, broadcast(operation, value.shape, factors.shape))
    if factors.dtype != np.float32 or len(long) > 1 or shape != value.shape:
        fail(operation, "it scales int32 sums: do so by one float32, or by one for each channel")
    axis = long[0] + len(shape) if long else None
    assert value.scale is not None
    if None not in (axis, value.axis) and axis != value.axis:
        fail(operation, "it scales int32 sums along two axes: do so along one")
    with np.errstate(all="ignore"):
        scale = value.scale * (factors.reshape(-1) if long else factors.reshape(()))
    if not np.all(np.isfinite(scale)):
        fail(operation, "it scales int32 sums by what is not finite")
    axis = value.axis if axis is None else axis
    return Real(replace(value, scale=scale, zero_point=np.zeros(scale.shape, np.int64), axis=axis))
