"""Rule I-04 from the value to the element, in integers and float32, for rows of lanes."""

import numpy as np
from lane_pipeline import Batch

from arch.isa import Addition, ElementType, Operation, Raw, Source, Statistic

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1
_HUGE = 1 << 40

POWERS = np.array([int(2**24 * 2.0 ** (-j / 256) + 0.5) for j in range(257)])
"""N-05: none of them is near a tie."""


def int32(value: np.ndarray) -> np.ndarray:
    """Wrapped to 32 bits."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def spread(per_tile: np.ndarray, rows: int) -> np.ndarray:
    """[rows, lanes] of what each n tile has for all its rows."""
    tiles = np.atleast_2d(per_tile)
    return np.repeat(tiles, rows // len(tiles), axis=0)


def column(per_row: np.ndarray | float) -> np.ndarray:
    """[rows, 1], or a number."""
    return np.reshape(per_row, (-1, 1))


def lane_values(batch: Batch) -> np.ndarray:
    """``v``, int64 [rows, lanes]."""
    vector = batch.instruction
    if vector.source == Source.ACCUMULATOR:
        assert batch.accumulators is not None
        x = batch.accumulators.astype(np.int64)
    else:
        assert batch.source is not None
        x = batch.source.astype(np.int64) - vector.source_zero_point
    in_value = not vector.tensor_scale and not vector.bias_after
    bias = spread(batch.biases, batch.rows).astype(np.int64) * in_value
    if vector.operation == Operation.MULTIPLY:
        assert batch.operand is not None
        factor = batch.operand.astype(np.int64) - vector.multiplier_zero_point
        return int32(x * factor + bias)
    if vector.operation == Operation.CENTRE:
        return int32(vector.count * x - column(batch.row_sum))
    if vector.operation == Operation.EXPONENT:
        return np.minimum(column(batch.maximum) - int32(x + bias), INT32_MAX)
    return int32(x + bias)


def requantized(batch: Batch, values: np.ndarray) -> np.ndarray:
    """N-01 and N-08, before zero point and clamp; what is huge is cut to 2^40."""
    vector = batch.instruction
    scales = spread(batch.scales, batch.rows)
    if vector.tensor_scale:
        scales = np.array(vector.scale, np.uint32).view(np.float32)
    if vector.row_scale:
        scales = scales * column(np.asarray(batch.row_scale, np.float32))
    with np.errstate(over="ignore", under="ignore"):
        product = values.astype(np.float32) * scales.astype(np.float32)
    assert product.dtype == np.float32
    return np.rint(np.clip(product.astype(np.float64), -_HUGE, _HUGE)).astype(np.int64)


def fractions(exponents: np.ndarray) -> np.ndarray:
    """``f`` of N-05."""
    whole, step, rest = exponents >> 18, exponents >> 10 & 255, exponents & 1023
    power = POWERS[step] * 1024 - (POWERS[step] - POWERS[step + 1]) * rest
    return np.where(exponents >= 1 << 23, 0, power >> (8 + np.minimum(whole, 40)))


def interpolated(codes: np.ndarray, table: np.ndarray) -> np.ndarray:
    """N-07; ``table`` is int16 [256, 2]."""
    first, second = (table[codes >> 8 & 255, side].astype(np.int64) for side in (0, 1))
    place = codes & 255
    return (first * (256 - place) + second * place + 128) >> 8


def added(batch: Batch, codes: np.ndarray) -> np.ndarray:
    """N-02 where the exact sum is a float64, and N-03."""
    vector = batch.instruction
    assert batch.operand is not None
    if vector.addition == Addition.INT16:
        return codes + batch.operand.astype(np.int64)
    terms = batch.wide.view(np.float32)[batch.operand.astype(np.int64) & 255].astype(np.float64)
    scale = np.array(vector.addition_scale, np.uint32).view(np.float32)
    sums = codes * np.float64(scale) + terms
    assert np.all(sums - terms == codes * np.float64(scale))
    return np.rint(sums.astype(np.float32)).astype(np.int64)


def codes(batch: Batch, values: np.ndarray) -> np.ndarray:
    """``r`` of all but EXPONENT."""
    vector = batch.instruction
    if vector.raw != Raw.NONE:
        return values >> 16 if vector.raw == Raw.HIGH else values.astype(np.int16).astype(np.int64)
    q = requantized(batch, values) + vector.zero_point
    if vector.bias_after and not vector.tensor_scale:
        q += spread(batch.biases, batch.rows).astype(np.int64).astype(np.int16)
    q = np.clip(q, vector.clamp_low, vector.clamp_high)
    if vector.unary_table:
        q = batch.unary.view(np.int8 if vector.unary_signed else np.uint8)[q & 255].astype(np.int64)
    if vector.interpolate:
        q = interpolated(q, batch.wide.view(np.int16).reshape(256, 2))
    if vector.addition != Addition.NONE:
        q = np.clip(added(batch, q), vector.sum_low, vector.sum_high)
    return q


def outcome(batch: Batch) -> dict[str, np.ndarray]:
    """Elements [rows, lanes] and what the instruction keeps of each row."""
    vector = batch.instruction
    element_type = ElementType(vector.element_type)
    counts = np.ones(batch.shape, bool) if batch.counts is None else batch.counts
    values = lane_values(batch)
    kept = {}
    if vector.operation == Operation.EXPONENT:
        powers = np.where(counts, fractions(requantized(batch, values)), 0)
        greatest = 32767 if element_type == ElementType.INT16 else 255
        r = (powers * greatest + (1 << 25)) >> 26
        kept["sum"] = powers.sum(axis=1)
    else:
        r = np.where(counts, codes(batch, values), 0)
        kept |= {"sum": r.sum(axis=1), "squares": (r * r).sum(axis=1)}
    kept["maximum"] = np.where(counts, values, INT32_MIN).max(axis=1)
    wanted = {Statistic.MAXIMUM: {"maximum"}, Statistic.SUM: {"sum", "squares"}}
    names = wanted.get(Statistic(vector.statistic), set()) & kept.keys()
    shifted = np.rint(r / 2.0**vector.output_shift).astype(np.int64) + vector.output_zero_point
    elements = np.clip(shifted, element_type.low, element_type.high)
    return {"elements": elements} | {name: kept[name] for name in names}
