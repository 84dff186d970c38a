"""Convolutions and matrix products of codes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from workloads.onnx_import import attributes
from workloads.onnx_import.emitter import Emitter
from workloads.onnx_import.entries import Computed, Move, Moved
from workloads.onnx_import.messages import extents, fail, quoted
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.normal import Value
from workloads.onnx_import.shapes import WINDOW_TABLE, checked, matmul, window

CONV_TABLE: attributes.Table = {**WINDOW_TABLE, "group": attributes.integer(1)}


def convolution(
    operation: Operation, op: str, x: Value, w: Value, given: dict[str, Any]
) -> Computed:
    """A convolution of [N, C, (H,) W] by a constant [O, C / group, (kh,) kw], still without bias.

    `op` is what the operation becomes, `given` are attributes as of `CONV_TABLE`.
    """
    if w.constant is None:
        fail(operation, "its weight is computed: only constant weights are supported")
    if len(w.shape) != len(x.shape) or len(x.shape) not in (3, 4):
        fail(
            operation,
            f"{extents(x.shape)} and weight {extents(w.shape)} must be of one or two spatial "
            "dimensions",
        )
    if w.axis not in (None, 0):
        fail(operation, f"its weight is quantised along axis {w.axis}: quantise along axis 0")
    group, outputs = given["group"], w.shape[0]
    if group < 1 or w.shape[1] * group != x.shape[1] or outputs % group:
        fail(
            operation,
            f"group {group}, {extents(x.shape)} and weight {extents(w.shape)} do not fit",
        )
    if given["kernel_shape"] not in ((), w.shape[2:]):
        fail(operation, f"kernel_shape differs from that of its weight, {extents(w.shape[2:])}")
    over = window(operation, given, x.shape, w.shape[2:])
    shape = checked(operation, (x.shape[0], outputs, *over.made))
    made = {**over.attributes, "group": group}
    return Computed(operation, operation.outputs[0], op, (x, w, None), shape, made)


def gemm(
    emitter: Emitter, operation: Operation, a: Value, b: Value, given: dict[str, Any]
) -> Computed:
    """``alpha * a @ b`` of matrices, still without bias.

    `given` are transA, transB and alpha: transpositions become movements, alpha a part of the scale
    of b.
    """
    if len(a.shape) != 2 or len(b.shape) != 2:
        fail(operation, f"{extents(a.shape)} and {extents(b.shape)} must be matrices")
    if attributes.flag(operation, "transA", given["transA"]):
        a = emitter.move(a, _transposition(operation, a))
    if attributes.flag(operation, "transB", given["transB"]):
        b = emitter.move(b, _transposition(operation, b))
    alpha = np.float32(given["alpha"])
    if alpha != 1:
        assert b.scale is not None
        with np.errstate(all="ignore"):
            scaled = alpha * b.scale
        if not np.all((scaled > 0) & np.isfinite(scaled)):
            fail(operation, f"alpha = {alpha:g} must be positive: fold it into the weight")
        b = replace(b, scale=scaled)
    return product(operation, "Gemm", a, b)


def _transposition(operation: Operation, value: Value) -> Move:
    behind = replace(operation, name=f"{operation.name}.transpose")
    name = f"{value.name}.transposed"
    return Move(behind, name, "Transpose", value.shape[::-1], {"perm": (1, 0)})


def product(operation: Operation, op: str, a: Value, b: Value) -> Computed:
    """``a @ b`` of operands of rank 2 up, still without bias."""
    shape = checked(operation, matmul(operation, a.shape, b.shape))
    for place, value, axis in ((0, a, None), (1, b, len(b.shape) - 1)):
        if value.axis is not None and value.axis != axis:
            fail(
                operation,
                f"its input {place} is quantised along axis {value.axis}: quantise the right "
                "one's columns, or whole tensors",
            )
    if a.constant is not None and b.constant is not None:
        fail(operation, f"{quoted(a.name)} and {quoted(b.name)} are constant: compute it before")
    return Computed(operation, operation.outputs[0], op, (a, b, None), shape)


def matrix_product(
    emitter: Emitter, operation: Operation, op: str, a: Value, b: Value
) -> Computed | Moved:
    """``a @ b`` as in NumPy: vectors are matrices of one row, or of one column."""
    if not a.shape or not b.shape:
        fail(operation, "it multiplies a scalar: use Mul")
    row, column = len(a.shape) == 1, len(b.shape) == 1
    if row:
        a = emitter.move(a, _as_matrix(operation, a, (1, *a.shape)))
    if column:
        b = emitter.move(b, _as_matrix(operation, b, (*b.shape, 1)))
    made = product(operation, op, a, b)
    if not row and not column:
        return made
    shape = list(made.shape)
    if column:
        del shape[-1]
    if row:
        del shape[-1 if column else -2]
    source = replace(made, name=f"{made.name}.matrix")
    return Moved(source, (Move(operation, made.name, "Reshape", tuple(shape)),))


def _as_matrix(operation: Operation, value: Value, shape: tuple[int, ...]) -> Move:
    return Move(operation, f"{value.name}.matrix", "Reshape", shape)
