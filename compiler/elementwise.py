"""Addition and multiplication of two tensors to steps: one pass with two reads a row."""

from __future__ import annotations

from arch.isa import Addition, ElementType, Operation, Vector
from compiler.emitter import Emitter
from compiler.vector_fields import (
    Fields,
    clamped,
    from_buffer,
    into,
    lanes,
    second,
    tensor_scale,
)
from workloads.operators import Add, Multiply


def lower_add(emitter: Emitter, operator: Add) -> None:
    """Emit all steps: the left term is passed through (scale 1), the right one added to it."""
    wide = ElementType.INT16
    fields: Fields = {
        **tensor_scale(1.0),
        "addition": Addition.INT16,
        "sum_low": wide.low,
        "sum_high": wide.high,
        "output_shift": operator.narrow.bits,
        "output_zero_point": operator.narrow.zero_point,
    }
    _lower(emitter, operator, 0, fields)


def lower_multiply(emitter: Emitter, operator: Multiply) -> None:
    """Emit all steps."""
    fields: Fields = {
        **tensor_scale(operator.scale),
        "operation": Operation.MULTIPLY,
        "multiplier_type": operator.right.element_type,
        "multiplier_zero_point": operator.right_zero_point,
        "zero_point": operator.output_zero_point,
        **clamped(operator.output.element_type),
    }
    _lower(emitter, operator, operator.left_zero_point, fields)


def _lower(
    emitter: Emitter, operator: Add | Multiply, left_zero_point: int, fields: Fields
) -> None:
    left_type, result = operator.left.element_type, operator.output.element_type
    for rows, columns in emitter.blocks(operator.inputs, operator.outputs):
        left = emitter.source(operator.left, rows, columns)
        right = emitter.source(operator.right, rows, columns)
        output = emitter.target(operator.output, rows, columns)
        emitter.append(
            Vector(
                rows=len(rows),
                **lanes(len(columns), emitter.config.cols),
                **from_buffer(left, left_type, left_zero_point),
                **second(right),
                **{**into(output, result), **fields},
            ),
            reads=(left.region, right.region),
            writes=(output.region,),
        )
        emitter.finish(operator.output, rows, columns)
