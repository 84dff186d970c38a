"""Operands and instructions for the lanes of the vector unit."""

from typing import Any

import numpy as np
from lane_pipeline import LANES, Batch

from arch.isa import Addition, ElementType, Operation, Source, Statistic, Vector

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1
TYPES = {
    ElementType.INT8: np.dtype(np.int8),
    ElementType.UINT8: np.dtype(np.uint8),
    ElementType.INT16: np.dtype(np.int16),
}
SOURCES = {
    Source.INT8: ElementType.INT8,
    Source.UINT8: ElementType.UINT8,
    Source.INT16: ElementType.INT16,
}


def instruction(element_type: ElementType = ElementType.INT16, **fields: int) -> Vector:
    """Extents and addresses do not matter to the lanes."""
    common: dict[str, Any] = {"rows": 1, "n_tiles": 1, "last_n": LANES}
    return Vector(**(common | {"element_type": element_type} | fields))


def random_elements(
    rng: np.random.Generator, kind: ElementType, rows: int, lanes: int = LANES
) -> np.ndarray:
    """The ends of the type more often than by chance."""
    values = rng.integers(kind.low, kind.high, (rows, lanes), endpoint=True)
    ends = rng.choice([kind.low, kind.high, 0, 1], values.shape)
    return np.where(rng.random(values.shape) < 0.1, ends, values).astype(TYPES[kind])


def random_accumulators(
    rng: np.random.Generator, rows: int, bits: int = 31, lanes: int = LANES
) -> np.ndarray:
    """Of every magnitude below ``2^bits``."""
    magnitudes = 2.0 ** rng.uniform(0, bits, (rows, lanes))
    signs = rng.choice([-1, 1], magnitudes.shape)
    return np.clip(signs * magnitudes, INT32_MIN, INT32_MAX).astype(np.int32)


def random_scales(rng: np.random.Generator, shape: Any, low: float, high: float) -> np.ndarray:
    """Powers of two between 2^low and 2^high, among them exact ones."""
    exponents = rng.uniform(low, high, shape)
    exact = rng.random(shape) < 0.2
    return np.float32(2.0) ** np.where(exact, np.rint(exponents), exponents).astype(np.float32)


def bits(scale: float) -> int:
    return int(np.float32(scale).view(np.uint32))


def zero_points(kind: ElementType) -> tuple[int, ...]:
    return (0,) if kind == ElementType.INT16 else (kind.low, kind.high, kind.low + 77)


def random_batch(rng: np.random.Generator, lanes: int = LANES) -> Batch:
    """An instruction without CENTRE and EXPONENT, and a few rows."""
    tiles, rows = int(rng.integers(1, 4)), int(rng.integers(1, 20))
    kind = ElementType(rng.integers(3))
    source = Source(rng.integers(4))
    fields: dict[str, Any] = {
        "source": source,
        "tensor_scale": rng.integers(2),
        "scale": bits(2.0 ** rng.uniform(-16, 0)),
        "bias_after": rng.integers(2),
        "row_scale": rng.integers(2),
        "zero_point": rng.integers(-200, 200),
        "statistic": rng.choice(list(Statistic)),
        "output_shift": rng.integers(9) * rng.integers(2),
    }
    operand_type = ElementType(rng.integers(3))
    if source != Source.ACCUMULATOR:
        fields["source_zero_point"] = rng.choice(zero_points(SOURCES[source]))
        if rng.random() < 0.5:
            fields |= {"operation": Operation.MULTIPLY, "multiplier_type": operand_type}
            fields["multiplier_zero_point"] = rng.choice(zero_points(operand_type))
    addition = Addition.NONE if "operation" in fields else Addition(rng.integers(3))
    if addition != Addition.NONE:
        fields |= {"addition": addition, "sum_low": -9000, "sum_high": 9000}
        operand_type = ElementType.INT16 if addition == Addition.INT16 else ElementType.INT8
    if addition == Addition.TABLE:
        fields |= {"clamp_low": -128, "clamp_high": 127, "addition_scale": bits(1.37)}
    elif rng.random() < 0.3:
        fields["interpolate"] = 1
    elif rng.random() < 0.3:
        fields |= {"unary_table": 1, "unary_signed": rng.integers(2)}
        fields |= {"clamp_low": -128, "clamp_high": 127}
    if rng.random() < 0.15 and addition == Addition.NONE:
        kind = ElementType.INT16
        fields |= {"raw": rng.integers(1, 3), "statistic": Statistic.NONE}
        fields |= dict.fromkeys(("bias_after", "unary_table", "interpolate", "output_shift"), 0)
    if kind != ElementType.INT16:
        fields["output_zero_point"] = rng.choice(zero_points(kind))
    numbers = {name: int(value) for name, value in fields.items()}
    total = tiles * rows
    terms = (rng.integers(-(1 << 20), 1 << 20, 256) / 2.0**13).astype(np.float32)
    return Batch(
        instruction(kind, **numbers),
        random_accumulators(rng, total, int(rng.integers(10, 31)), lanes),
        source=random_elements(rng, SOURCES.get(source, ElementType.INT8), total, lanes),
        operand=random_elements(rng, operand_type, total, lanes),
        counts=rng.random((total, lanes)) < rng.choice([0.5, 1]),
        row_scale=random_scales(rng, total, -4, 1),
        scales=random_scales(rng, (tiles, lanes), -18, 0),
        biases=rng.integers(-(1 << 17), 1 << 17, (tiles, lanes)),
        unary=rng.integers(0, 256, 256).astype(np.uint8),
        wide=terms if addition == Addition.TABLE else rng.integers(0, 1 << 32, 256, np.uint32),
        gaps=bool(rng.integers(2)),
    )
