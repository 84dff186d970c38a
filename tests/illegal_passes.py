"""VECTOR instructions that break one rule of E-02 each, made from legal ones."""

from __future__ import annotations

import passes
from four_engines import FLOAT_ONE, FourEngines
from golden_support import with_fields
from illegal_cases import Cases, crooked, each

from arch.isa import Addition, Destination, ElementType, Instruction, Raw, Source, Statistic

NOT_NORMAL = (0, 1, 0x007FFFFF, 0x7F800000, 0x7FC00000, 0x80000000, 0xBF800000, 0xFFFFFFFF)

_OUTSIDE = {ElementType.INT8: (-256, -129, 128, 255), ElementType.UINT8: (-256, -1)}
"""Zero points that an element's type has not; that of others is 0."""


def illegal_passes(base: FourEngines) -> Cases:
    yield from _output(base)
    yield from _source(base)
    yield from _second_operand(base)
    yield from _ranges_and_scales(base)
    yield from _multiply(base)
    yield from _centre(base)
    yield from _exponent(base)
    yield from _raw(base)
    yield from each(" interpolate", passes.interpolate(base), unary_table=(1,))
    table = with_fields(base.add_table, unary_table=0)
    yield from each(" TABLE addition", table, interpolate=(1,))


def _output(base: FourEngines) -> Cases:
    yield from each("", base.vector, element_type=(ElementType.INT32,), output_buffer=(3,))
    silent = with_fields(base.vector, output_buffer=Destination.NONE)
    yield from each(" without output", silent, element_type=(ElementType.INT32,))
    for element in (ElementType.INT8, ElementType.UINT8, ElementType.INT16):
        instruction = with_fields(base.vector, element_type=element)
        places = crooked(base.config.cols * element.bytes)
        yield from each(
            f" {element.name}",
            instruction,
            output_address=places,
            output_row_stride=places,
            output_zero_point=_OUTSIDE.get(element, (-1, 1)),
        )


def _source(base: FourEngines) -> Cases:
    yield from each("", base.vector, source_zero_point=(-1, 1))
    for source in passes.SOURCES:
        instruction = passes.buffered(base, source)
        places = crooked(base.config.cols * source.bytes)
        outside = {
            Source.INT8: _OUTSIDE[ElementType.INT8],
            Source.UINT8: _OUTSIDE[ElementType.UINT8],
        }
        yield from each(
            f" of {source.name}",
            instruction,
            source_address=places,
            source_row_stride=places,
            source_zero_point=outside.get(source, (-1, 1)),
        )


def _second_operand(base: FourEngines) -> Cases:
    cols = base.config.cols
    yield from each("", base.vector, addition=(3,), statistic=(3,))
    for kind, instruction, unit in (
        ("TABLE addition", base.add_table, cols),
        ("INT16 addition", base.add_int16, 2 * cols),
    ):
        yield from _residual(f" {kind}", instruction, unit)
        yield from each(f" {kind}", instruction, sum_low=(instruction.sum_high + 1,))
        yield from each(f" {kind}", instruction, sum_high=(-129, -32768))
    for element in passes.MULTIPLIERS:
        kind, instruction = f" MULTIPLY {element.name}", passes.multiply(base, element)
        yield from _residual(kind, instruction, cols * element.bytes)
        yield from each(kind, instruction, multiplier_zero_point=_OUTSIDE.get(element, (-1, 1)))


def _residual(kind: str, instruction: Instruction, unit: int) -> Cases:
    places = crooked(unit)
    yield from each(kind, instruction, residual_address=places, residual_row_stride=places)


def _ranges_and_scales(base: FourEngines) -> Cases:
    yield from each("", base.vector, clamp_low=(128, 32767), clamp_high=(-129, -32768))
    yield from each(" TABLE addition", base.add_table, addition_scale=NOT_NORMAL)
    yield from each(" tensor_scale", passes.tensor_scale(base), scale=NOT_NORMAL)
    places = crooked(base.config.parameter_word_bytes)
    yield from each("", base.vector, parameter_address=places)


def _multiply(base: FourEngines) -> Cases:
    multiply = passes.multiply(base, ElementType.INT16)
    yield from each(
        " MULTIPLY",
        multiply,
        source=(Source.ACCUMULATOR,),
        multiplier_type=(ElementType.INT32,),
        addition=(Addition.INT16,),
    )
    table = {"addition": Addition.TABLE, "addition_scale": FLOAT_ONE}
    yield "VECTOR MULTIPLY: TABLE addition", with_fields(multiply, **table)


def _centre(base: FourEngines) -> Cases:
    yield from each(
        " CENTRE",
        passes.centre(base),
        source=(Source.ACCUMULATOR,),
        statistic=(Statistic.MAXIMUM, Statistic.SUM),
        tensor_scale=(0,),
    )


def _exponent(base: FourEngines) -> Cases:
    for element in passes.EXPONENTS:
        kind, exponent = f" EXPONENT {element.name}", passes.exponent(base, element)
        yield from each(
            kind,
            exponent,
            addition=(Addition.INT16,),
            unary_table=(1,),
            interpolate=(1,),
            row_scale=(1,),
            bias_after=(1,),
            output_shift=(1, 15),
            statistic=(Statistic.MAXIMUM,),
            element_type=(ElementType.INT8,),
        )
        table = {"addition": Addition.TABLE, "addition_scale": FLOAT_ONE}
        yield f"VECTOR{kind}: TABLE addition", with_fields(exponent, **table)


def _raw(base: FourEngines) -> Cases:
    yield from each("", base.vector, raw=(3,))
    yield from each(" without output", passes.silent(passes.raw(base, Raw.LOW)), raw=(3,))
    for half in (Raw.LOW, Raw.HIGH):
        kind, raw = f" raw {half.name}", passes.raw(base, half)
        options = {
            "addition": (Addition.INT16,),
            "statistic": (Statistic.MAXIMUM, Statistic.SUM),
            "output_shift": (1, 15),
            "element_type": (ElementType.INT8, ElementType.UINT8),
            **dict.fromkeys(("unary_table", "interpolate", "bias_after", "masked"), (1,)),
        }
        yield from each(kind, raw, **options)
        yield from each(f"{kind} without output", passes.silent(raw), **options)
        table = {"addition": Addition.TABLE, "addition_scale": FLOAT_ONE}
        yield f"VECTOR{kind}: TABLE addition", with_fields(raw, **table)
        power = with_fields(passes.exponent(base, ElementType.INT16), raw=half)
        yield f"VECTOR{kind}: EXPONENT", power
