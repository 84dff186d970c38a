"""Operators in which an element depends on a row or on a window: what each makes of a shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from workloads.onnx_import import attributes
from workloads.onnx_import.entries import Computed
from workloads.onnx_import.messages import extents, fail
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.normal import Value
from workloads.onnx_import.shapes import WINDOW_TABLE, checked, window

POOL_TABLE: attributes.Table = {
    **WINDOW_TABLE,
    "ceil_mode": attributes.integer(0),
    "count_include_pad": attributes.integer(0),
}


def softmax(operation: Operation, x: Value, axis: int) -> Computed:
    """Of one axis."""
    axis = attributes.axis_of(operation, axis, len(x.shape))
    return _made(operation, "Softmax", (x,), x.shape, {"axis": axis})


def average_pool(operation: Operation, x: Value, given: dict[str, Any]) -> Computed:
    """`given` as of `POOL_TABLE`."""
    ceil_mode = attributes.flag(operation, "ceil_mode", given["ceil_mode"])
    counting = attributes.flag(operation, "count_include_pad", given["count_include_pad"])
    over = window(operation, given, x.shape, (), ceil_mode)
    if over.overhang and counting:
        fail(
            operation,
            "ceil_mode with count_include_pad is not supported where the last window is not "
            "whole: pad explicitly",
        )
    shape = (*x.shape[:2], *over.made)
    made = {**over.attributes, "count_include_pad": counting}
    return _made(operation, "AveragePool", (x,), shape, made)


def global_average_pool(operation: Operation, x: Value) -> Computed:
    """Over all spatial dimensions."""
    if len(x.shape) not in (3, 4):
        fail(operation, f"its input {extents(x.shape)} must be [N, C, W] or [N, C, H, W]")
    shape = (*x.shape[:2], *(1 for _ in x.shape[2:]))
    return _made(operation, "GlobalAveragePool", (x,), shape, {})


def reduce_mean(
    operation: Operation, x: Value, axes: tuple[int, ...] | None, keepdims: int
) -> Computed:
    """Over some axes; all of them where they are left out."""
    rank = len(x.shape)
    chosen = attributes.axes_of(operation, axes or tuple(range(rank)), rank)
    keep = attributes.flag(operation, "keepdims", keepdims)
    shape = tuple(
        1 if axis in chosen else extent
        for axis, extent in enumerate(x.shape)
        if keep or axis not in chosen
    )
    made = {"axes": tuple(sorted(chosen)), "keepdims": keep}
    return _made(operation, "ReduceMean", (x,), shape, made)


def layer_normalization(
    operation: Operation,
    x: Value,
    parameter: Callable[[int, tuple[int, ...]], Value | None],
) -> Computed:
    """Of the axes from `axis` on.

    `parameter` gives a constant input, in floating point and of a shape.
    """
    table = {
        "axis": attributes.integer(-1),
        "epsilon": attributes.number(float(np.float32(1e-5))),
        "stash_type": attributes.integer(1),
    }
    given = attributes.read(operation, table)
    attributes.require(operation, "stash_type", given["stash_type"], 1)
    if any(operation.outputs[1:]):
        fail(operation, "its outputs Mean and InvStdDev are not supported: leave them out")
    axis = attributes.axis_of(operation, given["axis"], len(x.shape))
    epsilon = given["epsilon"]
    if not (math.isfinite(epsilon) and epsilon >= 0):
        fail(operation, f"epsilon = {epsilon:g} must be finite, 0 at least")
    scale, bias = (parameter(place, x.shape[axis:]) for place in (1, 2))
    if scale is None:
        fail(operation, "it lacks its Scale: export it again")
    made = {"axis": axis, "epsilon": epsilon}
    return _made(operation, "LayerNormalization", (x, scale, bias), x.shape, made)


def _made(
    operation: Operation,
    op: str,
    inputs: tuple[Value | None, ...],
    shape: tuple[int, ...],
    made: dict[str, Any],
) -> Computed:
    shape = checked(operation, shape)
    return Computed(operation, operation.outputs[0], op, inputs, shape, made)
