"""Which VECTOR instructions the front end refuses, and why (E-02), over decoded fields."""

from __future__ import annotations

from arch.config import Config
from arch.isa import Addition, Destination, ElementType, Operation, Raw, Source, Statistic
from golden.field_rules import (
    Complaints,
    Fields,
    at_most,
    exclusive,
    multiples,
    normal,
    ordered,
    zero_point,
)


def vector_complaints(f: Fields, config: Config) -> Complaints:
    """What is illegal in a VECTOR of which every enumerated field is defined."""
    yield from at_most(f, "last_n", config.cols)
    if f["element_type"] == ElementType.INT32:
        yield "element_type = 3: VECTOR writes no INT32: use INT8, UINT8 or INT16"
        return
    yield from _source(f, config)
    yield from _second(f, config)
    yield from _output(f, config)
    yield from _scaling(f, config)
    if f["raw"] != Raw.NONE:
        yield from _raw(f)
    match f["operation"]:
        case Operation.MULTIPLY:
            yield from _multiply(f)
        case Operation.CENTRE:
            yield from _centre(f)
        case Operation.EXPONENT:
            yield from _exponent(f)


def _source(f: Fields, config: Config) -> Complaints:
    source = Source(f["source"])
    if source == Source.ACCUMULATOR:
        yield from zero_point(f, "source_zero_point", None)
        return
    yield from zero_point(f, "source_zero_point", ElementType[source.name])
    yield from multiples(f, config.cols * source.bytes, "source_address", "source_row_stride")


def _second(f: Fields, config: Config) -> Complaints:
    """``y``, and the addition that is one of its uses."""
    sizes = {Addition.NONE: 0, Addition.TABLE: 1, Addition.INT16: 2}
    size = sizes[Addition(f["addition"])]
    if f["operation"] == Operation.MULTIPLY:
        size = ElementType(f["multiplier_type"]).bytes
    if size:
        yield from multiples(f, config.cols * size, "residual_address", "residual_row_stride")
    if f["addition"] != Addition.NONE:
        yield from ordered(f, "sum_low", "sum_high")
    if f["addition"] == Addition.TABLE:
        yield from normal(f, "addition_scale")


def _output(f: Fields, config: Config) -> Complaints:
    if f["output_buffer"] == Destination.NONE:
        return
    element = ElementType(f["element_type"])
    yield from multiples(f, config.cols * element.bytes, "output_address", "output_row_stride")
    yield from zero_point(f, "output_zero_point", element)


def _scaling(f: Fields, config: Config) -> Complaints:
    yield from ordered(f, "clamp_low", "clamp_high")
    if f["tensor_scale"]:
        yield from normal(f, "scale")
    else:
        yield from multiples(f, config.parameter_word_bytes, "parameter_address")
    if f["interpolate"]:
        yield from exclusive(f, "interpolate", "unary_table")
        if f["addition"] == Addition.TABLE:
            yield "interpolate and a TABLE addition need one table: leave one of them"


def _multiply(f: Fields) -> Complaints:
    yield from exclusive(f, "operation MULTIPLY", "addition")
    yield from _buffered(f)
    if f["multiplier_type"] == ElementType.INT32:
        yield "multiplier_type = 3: MULTIPLY reads no INT32: use INT8, UINT8 or INT16"
    yield from zero_point(f, "multiplier_zero_point", ElementType(f["multiplier_type"]))


def _centre(f: Fields) -> Complaints:
    yield from _buffered(f)
    yield from exclusive(f, "operation CENTRE", "statistic")
    if not (f["tensor_scale"] or f["bias_after"]):
        yield "operation CENTRE takes no bias: set bias_after or tensor_scale"


def _exponent(f: Fields) -> Complaints:
    yield from exclusive(
        f,
        "operation EXPONENT",
        *("addition", "unary_table", "interpolate", "row_scale", "bias_after", "output_shift"),
    )
    if f["statistic"] == Statistic.MAXIMUM:
        yield "operation EXPONENT is behind the maximum: keep SUM or nothing"
    if f["element_type"] == ElementType.INT8:
        yield "operation EXPONENT yields 0 to 255 or to 32767: use UINT8 or INT16"


def _raw(f: Fields) -> Complaints:
    """What is skipped has to be off, and what is left is 16 bits of every valid lane."""
    yield from exclusive(
        f,
        "raw",
        *("addition", "unary_table", "interpolate", "bias_after"),
        *("statistic", "masked", "output_shift"),
    )
    if f["operation"] == Operation.EXPONENT:
        yield "raw excludes operation EXPONENT: use another"
    if f["element_type"] != ElementType.INT16:
        yield f"element_type = {f['element_type']} with raw: use INT16"


def _buffered(f: Fields) -> Complaints:
    if f["source"] == Source.ACCUMULATOR:
        name = Operation(f["operation"]).name
        yield f"source = 0: operation {name} reads the activation buffer: use INT8, UINT8 or INT16"
