"""Legal VECTOR and SCALE instructions at the limit of each rule of E-02 and E-03."""

from __future__ import annotations

from collections.abc import Iterator

import passes
from four_engines import ROWS, FourEngines
from golden_support import with_fields
from illegal_ranges import buffer_bytes

from arch.isa import Buffer, Destination, ElementType, Instruction, Raw, Source

_Middles = Iterator[tuple[str, list[Instruction]]]

NORMAL = (0x0080_0000, 0x7F7F_FFFF)
ELEMENTS = (ElementType.INT8, ElementType.UINT8, ElementType.INT16)


def legal_passes(base: FourEngines) -> _Middles:
    """Names, and what comes between prologue and epilogue."""
    for cases in (_ranges_and_scales, _unused, _places, _ends, _zero_points, _statistics, _raw):
        yield from cases(base)


def _ranges_and_scales(base: FourEngines) -> _Middles:
    yield "one value", [with_fields(base.vector, clamp_low=-128, clamp_high=-128)]
    one_sum = with_fields(base.add_int16, sum_low=5, sum_high=5, addition_scale=0)
    yield "one sum", [one_sum]
    zero = with_fields(base.add_table, unary_table=0, clamp_low=0, clamp_high=0)
    for scale in NORMAL:
        yield f"addition_scale {scale:#010x}", [with_fields(zero, addition_scale=scale)]
        yield f"scale {scale:#010x}", [with_fields(passes.tensor_scale(base), scale=scale)]


def _unused(base: FourEngines) -> _Middles:
    """Fields that no rule looks at, because nothing uses what they tell."""
    residual = {"residual_address": 1, "residual_row_stride": 1, "sum_low": 1}
    yield (
        "no addition, whatever its fields",
        [with_fields(base.vector, **residual, addition_scale=1, multiplier_zero_point=255)],
    )
    source = {"source_address": 1, "source_row_stride": 1}
    yield "accumulators, whatever the place of a source", [with_fields(base.vector, **source)]
    beyond = base.config.accumulator_depth - 1
    activations = with_fields(passes.buffered(base, Source.INT8), accumulator_address=beyond)
    yield "activations, whatever the accumulators", [activations]
    parameters = with_fields(passes.tensor_scale(base), parameter_address=(1 << 24) - 1)
    yield "tensor_scale, wherever the parameters are", [parameters]
    nowhere = {"output_address": 1, "output_row_stride": 1, "output_zero_point": 255}
    silent = with_fields(base.vector, output_buffer=Destination.NONE, **nowhere)
    yield "no output, wherever it is", [silent]
    yield "no statistics, wherever they are", [with_fields(base.vector, statistic_address=beyond)]


def _places(base: FourEngines) -> _Middles:
    cols = base.config.cols
    for element in ELEMENTS:
        unit = cols * element.bytes
        fields = {"output_address": base.output_address + unit, "output_row_stride": 3 * unit}
        output = with_fields(base.vector, element_type=element, clamp_low=0, **fields)
        yield f"{element.name} output at {unit}", [output]
    wide = with_fields(base.load_activations, run_bytes=8 * base.config.word_bytes)
    for side, kind, vector, unit in _readers(base):
        place = {f"{side}_address": unit, f"{side}_row_stride": unit}
        yield f"{kind} {side} at {unit}", [wide, with_fields(vector, **place)]


def _ends(base: FourEngines) -> _Middles:
    cols, sizes = base.config.cols, buffer_bytes(base.config)
    for output_buffer, buffer in (
        (Destination.ACTIVATION, Buffer.ACTIVATION),
        (Destination.WEIGHT, Buffer.WEIGHT),
    ):
        end = {"output_buffer": output_buffer, "output_address": sizes[buffer] - cols, "rows": 1}
        yield f"output to the end of {buffer.name}", [with_fields(base.vector, **end)]
    end_of_activations = sizes[Buffer.ACTIVATION]
    for side, kind, vector, row_bytes in _readers(base):
        address = end_of_activations - row_bytes
        fill = with_fields(base.load_activations, buffer_address=address, run_bytes=row_bytes)
        last = with_fields(vector, **{f"{side}_address": address}, rows=1)
        yield f"{kind} {side} to the end", [fill, last]


def _readers(base: FourEngines) -> Iterator[tuple[str, str, Instruction, int]]:
    """Who reads what from the activation buffer, and bytes of a row of it."""
    cols = base.config.cols
    yield "residual", "TABLE addition", base.add_table, cols
    yield "residual", "INT16 addition", base.add_int16, 2 * cols
    for element in passes.MULTIPLIERS:
        multiply, row_bytes = passes.multiply(base, element), cols * element.bytes
        yield "residual", f"MULTIPLY {element.name}", multiply, row_bytes
    for source in passes.SOURCES:
        yield "source", source.name, passes.buffered(base, source), cols * source.bytes


def _zero_points(base: FourEngines) -> _Middles:
    for element, zero_points in (
        (ElementType.INT8, (-128, 127)),
        (ElementType.UINT8, (0, 255)),
    ):
        source = Source[element.name]
        for zero_point in zero_points:
            yield (
                f"{element.name} zero points {zero_point}",
                [
                    with_fields(base.vector, element_type=element, output_zero_point=zero_point),
                    with_fields(passes.buffered(base, source), source_zero_point=zero_point),
                    with_fields(passes.multiply(base, element), multiplier_zero_point=zero_point),
                ],
            )


def _statistics(base: FourEngines) -> _Middles:
    """All operations, and rows up to the last entry of the statistics file."""
    last = {"statistic_address": base.config.accumulator_depth - ROWS}
    exponents = {
        f"EXPONENT {element.name}": passes.exponent(base, element) for element in passes.EXPONENTS
    }
    users: dict[str, Instruction] = {
        "CENTRE": passes.centre(base),
        "row_scale": passes.row_scale(base),
        **exponents,
    }
    for name, vector in users.items():
        yield name, [vector]
        before = [*base.statistics.values(), base.scale_rows]
        yield f"{name} by the last statistics", [with_fields(i, **last) for i in (*before, vector)]
    after = {"bias_after": 1, "tensor_scale": 0}
    yield "CENTRE with a bias behind", [with_fields(passes.centre(base), **after)]
    yield "interpolation", [passes.interpolate(base)]


def _raw(base: FourEngines) -> _Middles:
    """With every operation that is left, source and scale."""
    for half in (Raw.LOW, Raw.HIGH):
        vectors = {
            "accumulators": passes.raw(base, half),
            "no output": passes.silent(passes.raw(base, half)),
            "MULTIPLY": passes.multiply(base, ElementType.INT16),
            "CENTRE": passes.centre(base),
            "a row's scale": passes.row_scale(base),
            **{source.name: passes.buffered(base, source) for source in passes.SOURCES},
        }
        for name, vector in vectors.items():
            half_of = with_fields(vector, raw=half, element_type=ElementType.INT16)
            yield f"raw {half.name} of {name}", [half_of]
