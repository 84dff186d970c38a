"""Every option of the lanes, by itself and with others, on as many operands as decide it (I-04).

What is expected is computed by lane_reference.py; the bench checks the cycle of every result.
"""

import itertools

import numpy as np
import pytest
from lane_operands import (
    INT32_MAX,
    INT32_MIN,
    SOURCES,
    TYPES,
    bits,
    instruction,
    random_accumulators,
    random_batch,
    random_elements,
    random_scales,
    zero_points,
)
from lane_pipeline import LANES, Batch, LanePipeline
from lane_reference import lane_values, outcome

from arch.isa import Addition, ElementType, Operation, Raw, Source, Statistic

SEED = 20261122
INT16 = np.iinfo(np.int16)


@pytest.fixture(scope="module")
def lanes(tmp_path_factory: pytest.TempPathFactory) -> LanePipeline:
    return LanePipeline(tmp_path_factory.mktemp("lanes"))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(SEED)


def elements_of(results: np.ndarray, element_type: ElementType) -> np.ndarray:
    """A row's first elements of its type."""
    elements = np.ascontiguousarray(results["elements"]).view(TYPES[element_type])
    return elements.reshape(len(results), -1)[:, :LANES]


def check(lanes: LanePipeline, *batches: Batch) -> int:
    """Compare all that comes of the rows; the number of elements compared."""
    compared = 0
    for batch, results in zip(batches, lanes.run(batches), strict=True):
        expected = outcome(batch)
        actual: dict[str, np.ndarray] = {name: results[name] for name in expected}
        actual["elements"] = elements_of(results, ElementType(batch.instruction.element_type))
        for name, values in expected.items():
            wrong = np.argwhere(actual[name] != values)
            if len(wrong):
                place = tuple(wrong[0])
                pytest.fail(
                    f"{name}: {len(wrong)} of {values.size} differ, first at {place}: "
                    f"{actual[name][place]} instead of {values[place]} (seed {SEED})\n"
                    f"{batch.instruction}"
                )
        compared += batch.rows * LANES
    return compared


def test_bias_is_added_before_or_behind_the_scale(
    lanes: LanePipeline, rng: np.random.Generator
) -> None:
    """I-04, N-01: behind it the low 16 bits, and the sum is exact before the clamp."""
    batches = []
    for after, zero_point, tensor in itertools.product((0, 1), (-32768, 0, 32767), (0, 1)):
        fields = {"bias_after": after, "zero_point": zero_point, "tensor_scale": tensor}
        fields |= {"clamp_low": -32700 * (zero_point != 0) - 5, "clamp_high": 32702}
        batches.append(
            Batch(
                instruction(**fields, scale=bits(0.000123)),
                random_accumulators(rng, 1000),
                scales=random_scales(rng, LANES, -16, 0),
                biases=rng.integers(INT32_MIN, INT32_MAX, LANES, endpoint=True),
            )
        )
    assert check(lanes, *batches) > 100_000


@pytest.mark.parametrize("rows", [1, 2, 7])
@pytest.mark.parametrize("gaps", [False, True])
def test_rows_have_the_parameters_of_their_n_tile(
    lanes: LanePipeline, rng: np.random.Generator, rows: int, gaps: bool
) -> None:
    """T-VX-02: the next ones come while rows are still in the pipeline."""
    tiles = 60
    parameters = {
        "scales": random_scales(rng, (tiles, LANES), -6, 0),
        "biases": rng.integers(INT16.min, INT16.max, (tiles, LANES)),
        "gaps": gaps,
    }
    row_scale = random_scales(rng, rows * tiles, -2, 2)
    batches = [
        Batch(
            instruction(bias_after=after, row_scale=scaled),
            random_accumulators(rng, rows * tiles, 15),
            row_scale=row_scale,
            **parameters,
        )
        for after, scaled in itertools.product((0, 1), (0, 1))
    ]
    check(lanes, *batches)


@pytest.mark.parametrize("source", list(SOURCES))
def test_elements_of_every_type_are_a_source(
    lanes: LanePipeline, rng: np.random.Generator, source: Source
) -> None:
    """I-04: with every zero point at the ends of its type."""
    kind = SOURCES[source]
    batches = [
        Batch(
            instruction(source=source, source_zero_point=zero_point, statistic=statistic),
            source=random_elements(rng, kind, 1200),
            biases=rng.integers(-99, 99, LANES),
        )
        for zero_point in zero_points(kind)
        for statistic in (Statistic.MAXIMUM, Statistic.SUM)
    ]
    check(lanes, *batches)


@pytest.mark.parametrize("multiplier", list(TYPES))
@pytest.mark.parametrize("source", list(SOURCES))
def test_products_of_every_pair_of_types(
    lanes: LanePipeline, rng: np.random.Generator, source: Source, multiplier: ElementType
) -> None:
    """I-04, MULTIPLY: exact up to the product of two least int16; the bias may wrap."""
    batches = []
    for zero_point, factor_zero_point in itertools.product(
        zero_points(SOURCES[source]), zero_points(multiplier)
    ):
        fields = {"source_zero_point": zero_point, "multiplier_zero_point": factor_zero_point}
        fields |= {"operation": Operation.MULTIPLY, "multiplier_type": multiplier}
        batches.append(
            Batch(
                instruction(source=source, statistic=Statistic.MAXIMUM, **fields),
                source=random_elements(rng, SOURCES[source], 800),
                operand=random_elements(rng, multiplier, 800),
                scales=random_scales(rng, LANES, -17, -8),
                biases=rng.integers(-(1 << 31), 1 << 31, LANES) * (factor_zero_point == 0),
            )
        )
    check(lanes, *batches)


@pytest.mark.parametrize("half", [Raw.LOW, Raw.HIGH])
def test_raw_halves_of_every_kind_of_value(
    lanes: LanePipeline, rng: np.random.Generator, half: Raw
) -> None:
    """I-04: of accumulators with biases, of elements, products and centred ones, wrapped."""
    kind, rows = ElementType.INT16, 2000
    inputs = {name: random_elements(rng, kind, rows) for name in ("source", "operand")}
    inputs["accumulators"] = random_accumulators(rng, rows)
    inputs["row_sum"] = rng.integers(INT32_MIN, INT32_MAX, rows)
    inputs["biases"] = rng.integers(-(1 << 31), 1 << 31, LANES)
    skipped = {"scale": bits(0.5), "zero_point": 99, "clamp_low": 7, "clamp_high": 8}
    values: list[dict[str, int]] = [
        {"row_scale": 1},
        {"source": Source.INT16},
        {"source": Source.INT16, "operation": Operation.MULTIPLY, "multiplier_type": kind},
        {"source": Source.INT16, "operation": Operation.CENTRE, "count": 65535, "tensor_scale": 1},
    ]
    check(lanes, *(Batch(instruction(raw=half, **skipped, **v), **inputs) for v in values))


@pytest.mark.parametrize("source", list(SOURCES))
def test_centre_subtracts_the_sum_of_the_row(
    lanes: LanePipeline, rng: np.random.Generator, source: Source
) -> None:
    """I-04, CENTRE: with all counts, and a bias behind the scale."""
    batches = []
    for count, tensor in itertools.product((0, 1, 384, 65535), (0, 1)):
        fields = {"operation": Operation.CENTRE, "count": count, "tensor_scale": tensor}
        row_sum = rng.integers(-(1 << 30), 1 << 30, 900)
        row_sum[:3] = INT32_MIN, INT32_MAX, -1
        batches.append(
            Batch(
                instruction(source=source, bias_after=1 - tensor, scale=bits(1e-4), **fields),
                source=random_elements(rng, SOURCES[source], 900),
                row_sum=row_sum,
                row_scale=1.5,
                scales=random_scales(rng, LANES, -17, -8),
                biases=rng.integers(-(1 << 31), 1 << 31, LANES),
            )
        )
    assert check(lanes, *batches) > 100_000


def test_scale_of_a_row_is_a_product_in_float32(
    lanes: LanePipeline, rng: np.random.Generator
) -> None:
    """N-08: at random, where products of short significands tie, at both ends, and 0."""
    rows, batches = 4000, []
    for short in (False, True):
        scales = random_scales(rng, LANES, -9, -6)
        row_scale = random_scales(rng, rows, -8, 8)
        if short:
            # 13 bits times 12 bits are 25, of which the last one is the tie.
            scales = np.ldexp(np.float32(rng.integers(1 << 12, 1 << 13, LANES)), -20)
            row_scale = np.ldexp(np.float32(rng.integers(1 << 11, 1 << 12, rows)), -11)
        row_scale[::11] = 0
        values = np.sign(rng.normal(size=(rows, LANES))) * (1 << 24)
        accumulators = (values + random_accumulators(rng, rows, 23)).astype(np.int32)
        for tensor in (0, 1):
            fields = {"row_scale": 1, "tensor_scale": tensor, "scale": bits(scales[0])}
            # The scales bring 2^24 to 2^17 and more: the residue shows every bit of them.
            batches.append(
                Batch(
                    instruction(**fields),
                    accumulators,
                    scales=scales * 2.0**-4,
                    row_scale=row_scale,
                )
            )
    for scale in (2.0**-126, 2.0**100):
        inverse = np.float32(np.ldexp(1.25, 10) if scale < 1 else np.ldexp(1.25, -90))
        batches.append(
            Batch(
                instruction(row_scale=1),
                random_accumulators(rng, 100),
                scales=np.full(LANES, scale, np.float32),
                row_scale=inverse,
            )
        )
    assert check(lanes, *batches) > 100_000


@pytest.mark.parametrize("kind", [ElementType.UINT8, ElementType.INT16])
def test_exponent_of_every_constant_and_shift(
    lanes: LanePipeline, rng: np.random.Generator, kind: ElementType
) -> None:
    """N-05: where y is the value itself, at the ends of every field of it."""
    steps = np.arange(1 << 13) << 10
    near = np.concatenate([steps, steps + 1, steps + 511, steps + 1022, steps + 1023])
    large = 2.0 ** rng.uniform(23, 31, 4096)
    beyond = np.concatenate([[(1 << 23) + i for i in range(-8, 8)], [INT32_MAX] * 16, large])
    exponents = np.concatenate([near, beyond, rng.integers(0, 1 << 23, 24_000)]).astype(np.int64)
    values = rng.permutation(exponents)[: len(exponents) // LANES * LANES].reshape(-1, LANES)
    maximum = rng.integers(-(1 << 16), 0, len(values))
    fields = {"operation": Operation.EXPONENT, "tensor_scale": 1, "scale": bits(1)}
    batch = Batch(
        instruction(kind, statistic=Statistic.SUM, **fields),
        np.maximum(maximum[:, np.newaxis] - values, INT32_MIN).astype(np.int32),
        maximum=maximum,
        counts=rng.random(values.shape) < 0.8,
    )
    assert {0, (1 << 23) - 1, 1 << 23} <= {*lane_values(batch).ravel()}
    check(lanes, batch)


def test_exponent_scales_the_distance_from_the_maximum(
    lanes: LanePipeline, rng: np.random.Generator
) -> None:
    """I-04, N-05: the difference is exact and saturates; biases and scales are the lanes' own."""
    batches = []
    for kind, tensor in itertools.product((ElementType.UINT8, ElementType.INT16), (0, 1)):
        fields = {"operation": Operation.EXPONENT, "tensor_scale": tensor, "scale": bits(1.7)}
        accumulators = random_accumulators(rng, 2000, 22)
        accumulators[:200] = INT32_MIN + 99
        maximum = accumulators.max(axis=1) + 100
        maximum[:100] = INT32_MAX
        batches.append(
            Batch(
                instruction(kind, statistic=Statistic.SUM, **fields),
                accumulators,
                maximum=maximum,
                scales=random_scales(rng, LANES, -3, 12),
                biases=rng.integers(-99, 99, LANES),
            )
        )
    assert check(lanes, *batches) > 100_000


def test_interpolation_of_every_code(lanes: LanePipeline, rng: np.random.Generator) -> None:
    """N-07: at all 65536 codes, in random tables and in the steepest; with an addition too."""
    codes = np.arange(INT16.min, INT16.max + 1).reshape(-1, LANES).astype(np.int32)
    steep = np.tile(np.array([INT16.min, INT16.max, INT16.max, INT16.min], np.int16), 128)
    tables = [rng.integers(INT16.min, INT16.max, 512, np.int16, endpoint=True), steep]
    batches = []
    for table, addition in itertools.product(tables, (Addition.NONE, Addition.INT16)):
        fields = {"addition": addition, "sum_low": -32768, "sum_high": 32767}
        residual = random_elements(rng, ElementType.INT16, len(codes))
        batches.append(
            Batch(instruction(interpolate=1, **fields), codes, operand=residual, wide=table)
        )
    assert check(lanes, *batches) > 200_000


def test_sum_of_int16_is_exact_before_its_clamp(
    lanes: LanePipeline, rng: np.random.Generator
) -> None:
    """N-03: where the sum has 17 bits too, and behind the unary table."""
    batches = []
    for table, low in itertools.product((0, 1), (-32768, -3)):
        fields = {"unary_table": table, "unary_signed": table, "addition": Addition.INT16}
        fields |= {"clamp_low": -128, "clamp_high": 127} if table else {}
        batches.append(
            Batch(
                instruction(sum_low=low, sum_high=32767, statistic=Statistic.SUM, **fields),
                random_accumulators(rng, 2000, 17),
                operand=random_elements(rng, ElementType.INT16, 2000),
                unary=rng.integers(0, 256, 256).astype(np.uint8),
                gaps=bool(table),
            )
        )
    assert check(lanes, *batches) > 100_000


def test_table_addition_and_unary_table_of_both_types(
    lanes: LanePipeline, rng: np.random.Generator
) -> None:
    """N-02, B-07: one instruction after the other."""
    batches = []
    for signed, unary in itertools.product((False, True), (0, 1)):
        kind = ElementType.INT8 if signed else ElementType.UINT8
        fields = {"clamp_low": kind.low, "clamp_high": kind.high, "addition": Addition.TABLE}
        fields |= {"sum_low": kind.low + 3, "sum_high": kind.high - 3, "unary_signed": signed}
        terms = (rng.integers(-(1 << 20), 1 << 20, 256) / 2.0**13).astype(np.float32)
        batches.append(
            Batch(
                instruction(kind, unary_table=unary, addition_scale=bits(0.7), **fields),
                random_accumulators(rng, 800, 9),
                operand=random_elements(rng, kind, 800),
                wide=terms,
                unary=rng.integers(0, 256, 256).astype(np.uint8),
            )
        )
    check(lanes, *batches)


@pytest.mark.parametrize("kind", list(TYPES))
def test_shift_of_every_code_rounds_half_to_even(
    lanes: LanePipeline, rng: np.random.Generator, kind: ElementType
) -> None:
    """N-09: all int16 by all shifts, then zero point and clamp."""
    codes = np.arange(INT16.min, INT16.max + 1).reshape(-1, LANES).astype(np.int32)
    shifts = [(shift, zero) for shift in range(16) for zero in zero_points(kind)[: 1 + shift % 3]]
    batches = [
        Batch(instruction(kind, output_shift=shift, output_zero_point=zero_point), codes)
        for shift, zero_point in shifts
    ]
    assert check(lanes, *batches) >= 1_000_000


@pytest.mark.parametrize(
    ("operation", "statistic"),
    [
        *((Operation.DIRECT, statistic) for statistic in Statistic),
        (Operation.EXPONENT, Statistic.NONE),
        (Operation.EXPONENT, Statistic.SUM),
    ],
)
def test_lanes_that_do_not_count(
    lanes: LanePipeline, rng: np.random.Generator, operation: Operation, statistic: Statistic
) -> None:
    """I-04: they give 0, which is the zero point, and no statistic; in some rows none counts."""
    fields = {"operation": operation, "statistic": statistic, "output_zero_point": 7}
    rows = 1500
    counts = rng.random((rows, LANES)) < rng.choice([0, 0.1, 0.5, 1], (rows, 1))
    accumulators = random_accumulators(rng, rows, 20)
    batches = [
        Batch(
            instruction(ElementType.UINT8, **fields),
            accumulators,
            maximum=1 << 21,
            counts=counts,
            gaps=gaps,
        )
        for gaps in (False, True)
    ]
    check(lanes, *batches)


def test_statistics_at_the_ends_of_their_ranges(lanes: LanePipeline) -> None:
    """I-04: every lane the greatest or the least value."""
    ends = np.array([INT32_MIN, INT32_MAX, -32768, 32767, 0])
    accumulators = np.repeat(ends[:, np.newaxis], LANES, axis=1).astype(np.int32)
    check(
        lanes,
        *(
            Batch(instruction(statistic=statistic, clamp_low=low), accumulators)
            for statistic in (Statistic.MAXIMUM, Statistic.SUM)
            for low in (-32768, 0)
        ),
    )


def test_random_options_together(lanes: LanePipeline, rng: np.random.Generator) -> None:
    """I-04: whatever E-02 allows."""
    batches = [random_batch(rng) for _ in range(400)]
    assert check(lanes, *batches) > 100_000
