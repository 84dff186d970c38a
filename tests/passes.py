"""Legal passes of VECTOR of every kind, on any configuration; they go with ``FourEngines``.

Each may follow the prologue of :class:`four_engines.FourEngines`, which has written all they read.
"""

from __future__ import annotations

from four_engines import FLOAT_ONE, FourEngines
from golden_support import with_fields

from arch.isa import Destination, ElementType, Instruction, Operation, Raw, Source

SOURCES = (Source.INT8, Source.UINT8, Source.INT16)
MULTIPLIERS = (ElementType.INT8, ElementType.UINT8, ElementType.INT16)
EXPONENTS = (ElementType.UINT8, ElementType.INT16)


def tensor_scale(base: FourEngines) -> Instruction:
    return _vector(base, tensor_scale=1, scale=FLOAT_ONE)


def buffered(base: FourEngines, source: Source) -> Instruction:
    """Of the activations that the prologue loads."""
    return with_fields(tensor_scale(base), source=source, source_row_stride=base.row_stride)


def multiply(base: FourEngines, element: ElementType) -> Instruction:
    """The activations times themselves."""
    return with_fields(
        buffered(base, Source.INT8),
        operation=Operation.MULTIPLY,
        multiplier_type=element,
        residual_row_stride=base.row_stride,
    )


def centre(base: FourEngines) -> Instruction:
    return with_fields(buffered(base, Source.INT16), operation=Operation.CENTRE)


def exponent(base: FourEngines, element: ElementType) -> Instruction:
    return _vector(base, operation=Operation.EXPONENT, element_type=element)


def row_scale(base: FourEngines) -> Instruction:
    return _vector(base, row_scale=1)


def interpolate(base: FourEngines) -> Instruction:
    return _vector(base, interpolate=1)


def raw(base: FourEngines, half: Raw) -> Instruction:
    return _vector(base, raw=half, element_type=ElementType.INT16)


def silent(vector: Instruction) -> Instruction:
    """The same without an output."""
    return with_fields(vector, output_buffer=Destination.NONE)


def _vector(base: FourEngines, **fields: int) -> Instruction:
    return with_fields(base.vector, **fields)
