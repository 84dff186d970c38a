"""VECTOR and SCALE in the golden machine: random passes against the rules lane by lane."""

import numpy as np
import pytest
from golden_support import ACTIVATION, PARAMETER, TINY, WEIGHT, C, R, chained, execute, laid_out
from vector_by_lane import Machine

from arch.isa import (
    Addition,
    Destination,
    ElementType,
    FillTable,
    Matrix,
    Operation,
    Raw,
    RowFunction,
    ScaleRows,
    Source,
    Statistic,
    Table,
    Vector,
)

UNARY, WIDE = 0x300, 0x400
OUTPUT = 0x1000
VECTORS = 100
OUTPUTS = (ElementType.INT8, ElementType.UINT8, ElementType.INT16)


def bits(value: float) -> int:
    return int(np.float32(value).view(np.uint32))


class Passes:
    """Random passes over what one prologue brings: sources below ``OUTPUT``, outputs behind."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = np.random.default_rng(seed)
        parameters = rng.integers(-(1 << 31), 1 << 31, (24, 2, C)).astype("<i4")
        parameters >>= rng.integers(0, 32, parameters.shape)
        scales = np.exp2(rng.uniform(-12, 12, (24, C))).astype("<f4")
        parameters[:, 1] = scales.view("<i4")
        wide = rng.integers(-32768, 32768, 512).astype("<i2")
        if seed % 2:
            wide = rng.uniform(-200, 200, 256).astype("<f4")
        unary = rng.integers(0, 256, 256, np.uint8)
        self.float_table = bool(seed % 2)
        self.pieces = [
            (ACTIVATION, 0, rng.integers(0, 256, 0x2000, np.uint8).tobytes()),
            (WEIGHT, 0, rng.integers(0, 256, 0x1000, np.uint8).tobytes()),
            (PARAMETER, 0, parameters.tobytes()),
            (PARAMETER, UNARY, unary.tobytes()),
            (PARAMETER, WIDE, wide.tobytes()),
        ]
        self.matrix = Matrix(
            activation_address=0,
            y_limit=VECTORS,
            row_stride=16,
            x_limit=16,
            output_rows=VECTORS,
            k_tiles=16 // R,
            last_k=R,
            n_tiles=1,
            last_n=C,
            weight_address=0,
        )

    def run(self, passes: list[Vector | ScaleRows]):
        loads, data = laid_out(*self.pieces)
        tables = [
            FillTable(table=Table.UNARY, parameter_address=UNARY),
            FillTable(table=Table.WIDE, parameter_address=WIDE),
        ]
        return execute(chained([*loads, *tables, self.matrix, *passes]), data)

    def machine(self) -> Machine:
        state = self.run([])
        data = {name: memory.data.copy() for name, memory in state.buffers.items()}
        accumulator = data["accumulator"].view("<i4").reshape(2, -1, C)
        names = ("activation", "weight", "parameter")
        tables = data["unary_table"], data["wide_table"]
        memories = (data[name] for name in names)
        return Machine(TINY, *memories, accumulator, *tables, {}, {}, {}, {})

    def shape(self) -> dict[str, int]:
        rng = self.rng
        return {
            "rows": int(rng.integers(1, 6)),
            "n_tiles": int(rng.integers(1, 4)),
            "last_n": int(rng.integers(1, C + 1)),
            "statistic_address": int(rng.integers(0, 100)),
            "masked": int(rng.integers(0, 2)),
            "mask_origin": int(rng.integers(-2, 8)),
        }

    def source(self, source: Source) -> dict[str, int]:
        rng = self.rng
        if source == Source.ACCUMULATOR:
            return {"accumulator_address": int(rng.integers(0, VECTORS - 20))}
        unit = C * source.bytes
        zero_points = {Source.INT8: (-128, 128), Source.UINT8: (0, 256), Source.INT16: (0, 1)}
        return {
            "source": source,
            "source_address": unit * int(rng.integers(24, 64)),
            "source_row_stride": unit * int(rng.integers(-5, 6)) % (1 << 24),
            "source_zero_point": int(rng.integers(*zero_points[source])),
        }

    def scale(self) -> dict[str, int]:
        if self.rng.integers(2):
            value = np.exp2(self.rng.uniform(-12, 12))
            return {"tensor_scale": 1, "scale": bits(value), "parameter_address": 1}
        return {"parameter_address": 8 * C * int(self.rng.integers(0, 20))}

    def output(self, elements: tuple[ElementType, ...] = OUTPUTS) -> dict[str, int]:
        rng = self.rng
        element = elements[rng.integers(len(elements))]
        unit = C * element.bytes
        zero_point = int(rng.integers(0, 128)) if element is not ElementType.INT16 else 0
        buffer = Destination(rng.choice([0, 0, 0, 1, 2]))
        at = 0x800 if buffer == Destination.WEIGHT else OUTPUT
        return {
            "element_type": element,
            "output_buffer": buffer,
            "output_address": at + unit * int(rng.integers(0, 8)),
            "output_row_stride": unit * int(rng.integers(3, 6)),
            "output_zero_point": zero_point,
        }

    def mapped(self) -> dict[str, int]:
        """Everything behind the scaling that goes with everything before it."""
        rng = self.rng
        low, high = sorted(int(v) for v in rng.integers(-32768, 32768, 2))
        fields = {
            "zero_point": int(rng.integers(-3000, 3000)),
            "bias_after": int(rng.integers(0, 2)),
            "output_shift": int(rng.choice([0, 0, 1, 7, 8, 15])),
            "clamp_low": low,
            "clamp_high": high,
        }
        choice = rng.integers(4)
        if choice == 0:
            eight_bits = {"clamp_low": -100, "clamp_high": int(rng.integers(-100, 128))}
            fields |= {"unary_table": 1, "unary_signed": int(rng.integers(2)), **eight_bits}
        elif choice == 1 and not self.float_table:
            fields["interpolate"] = 1
        return fields

    def addition(self) -> dict[str, int]:
        rng = self.rng
        kinds = [Addition.NONE, Addition.INT16]
        kind = Addition(rng.choice([*kinds, Addition.TABLE] if self.float_table else kinds))
        low, high = sorted(int(v) for v in rng.integers(-32768, 32768, 2))
        fields = {"addition": kind, "sum_low": low, "sum_high": high}
        if kind == Addition.TABLE:
            fields |= {"addition_scale": bits(rng.uniform(0.1, 2)), "interpolate": 0}
            fields |= {"clamp_low": 0, "clamp_high": int(rng.integers(0, 256))}
        return fields | self.second(2 if kind == Addition.INT16 else 1)

    def second(self, size: int) -> dict[str, int]:
        rng = self.rng
        unit = C * size
        return {
            "residual_address": unit * int(rng.integers(24, 64)),
            "residual_row_stride": unit * int(rng.integers(-5, 6)) % (1 << 24),
        }

    def direct(self, source: Source, statistic: Statistic) -> Vector:
        fields = {
            **self.shape(),
            **self.source(source),
            **self.scale(),
            **self.output(),
            **self.mapped(),
            **self.addition(),
        }
        return Vector(**{**fields, "statistic": statistic})

    def multiply(self) -> Vector:
        element = OUTPUTS[self.rng.integers(3)]
        zero_points = ((-128, 128), (0, 256), (0, 1))[element]
        fields = {
            **self.shape(),
            **self.source(Source(self.rng.integers(1, 4))),
            **self.scale(),
            **self.output(),
            **self.mapped(),
            **self.second(element.bytes),
            "operation": Operation.MULTIPLY,
            "multiplier_type": element,
            "multiplier_zero_point": int(self.rng.integers(*zero_points)),
            "statistic": int(self.rng.integers(0, 3)),
        }
        return Vector(**fields)

    def softmax(self, source: Source) -> list[Vector | ScaleRows]:
        """Maximum over more than the elements, exponents and their sum twice, then a product."""
        shape, what, scale = self.shape(), self.source(source), self.scale()
        entries = {name: shape[name] for name in ("rows", "statistic_address")}
        maximum = Vector(
            **shape,
            **what,
            **scale,
            output_buffer=Destination.NONE,
            statistic=Statistic.MAXIMUM,
        )
        greater = {
            **vars(maximum),
            "source_address": maximum.source_address + C * Source(source).bytes,
            "accumulator_address": maximum.accumulator_address + 1,
            "statistic_accumulate": 1,
        }
        power = Vector(
            **shape,
            **what,
            **scale,
            **self.output((ElementType.UINT8, ElementType.INT16)),
            operation=Operation.EXPONENT,
            statistic=Statistic.SUM,
        )
        more = Vector(**{**vars(power), "statistic_accumulate": 1})
        product = Vector(
            **entries,
            **{name: shape[name] for name in ("n_tiles", "last_n")},
            **self.source(Source.UINT8),
            **self.output(),
            tensor_scale=1,
            scale=bits(2.0**26 / 255 * self.rng.uniform(0.5, 2)),
            row_scale=1,
        )
        reciprocal = ScaleRows(function=RowFunction.RECIPROCAL, **entries)
        return [maximum, Vector(**greater), power, more, reciprocal, product]

    def normalization(self, source: Source, statistic_of: Source) -> list[Vector | ScaleRows]:
        """Sums of one pass, and another over as many elements that subtracts and scales."""
        shape = self.shape()
        entries = {name: shape[name] for name in ("rows", "statistic_address")}
        reduce = Vector(
            **{**shape, **self.source(statistic_of), **self.scale(), **self.output()},
            statistic=Statistic.SUM,
        )
        columns = (shape["n_tiles"] - 1) * C + shape["last_n"]
        root = ScaleRows(
            function=RowFunction.INVERSE_SQUARE_ROOT,
            count=columns,
            centre=int(self.rng.integers(2)),
            epsilon=int(self.rng.integers(1, 1 << 32)),
            **entries,
        )
        centre = Vector(
            **{**shape, **self.source(source), **self.scale(), **self.output()},
            **{**self.mapped(), "bias_after": 1},
            operation=Operation.CENTRE,
            count=columns,
            row_scale=1,
        )
        return [reduce, root, centre]

    def raw(self, half: Raw) -> Vector:
        """Values as they are, of any source that MULTIPLY or DIRECT makes them of."""
        rng = self.rng
        source, operation = Source(rng.integers(4)), Operation(rng.integers(2))
        if source == Source.ACCUMULATOR:
            operation = Operation.DIRECT
        fields = {
            **self.shape(),
            **self.source(source),
            **self.scale(),
            **self.output((ElementType.INT16,)),
            **self.second(2),
            "zero_point": int(rng.integers(-3000, 3000)),
            "clamp_low": 5,
            "clamp_high": 6,
            "masked": 0,
        }
        return Vector(**fields, raw=half, operation=operation, multiplier_type=ElementType.INT16)


def drawn(passes: Passes) -> list[Vector | ScaleRows]:
    sequence: list[Vector | ScaleRows] = []
    for source in Source:
        for statistic in Statistic:
            sequence.append(passes.direct(source, statistic))
        sequence += passes.softmax(source)
        sequence.append(passes.multiply())
    sequence += [passes.raw(half) for half in (Raw.LOW, Raw.HIGH) for _ in range(3)]
    for source in (Source.INT8, Source.UINT8, Source.INT16):
        sequence += passes.normalization(source, Source(passes.rng.integers(4)))
    return sequence


@pytest.mark.parametrize("seed", range(12))
def test_random_passes_equal_the_rules_lane_by_lane(seed):
    """I-04, I-07, B-08, N-05 to N-09: every byte of every memory, after one pass after another."""
    passes = Passes(seed)
    sequence = drawn(passes)
    machine = passes.machine()
    for instruction in sequence:
        machine.execute(instruction)
    buffers = passes.run(sequence).buffers
    np.testing.assert_array_equal(buffers["activation"].data, machine.activation)
    np.testing.assert_array_equal(buffers["weight"].data, machine.weight)
    for name, dtype in (("maximum", "<i4"), ("scale", "<f4")):
        memory, kept = buffers[f"statistic_{name}"], getattr(machine, name)
        values = memory.data.view(dtype)
        assert {e: values[e] for e in np.flatnonzero(memory.written[::4])} == kept
    for name in ("sum", "squares"):
        memory, kept = buffers[f"statistic_{name}"], getattr(machine, name)
        values = memory.data.reshape(-1, 6)
        written = np.flatnonzero(memory.written[::6])
        assert {
            e: int.from_bytes(values[e].tobytes(), "little", signed=True) for e in written
        } == kept
    assert min(len(machine.scale), len(machine.maximum), len(machine.squares)) > 3


def test_a_distance_of_more_than_31_bits_counts_as_the_greatest():
    """I-04: the difference of EXPONENT is exact, and limited to 2^31 - 1."""
    biases = np.array([[1 << 30] * C, [-(1 << 31)] * C], "<i4")
    scales = np.full(C, 2.0**-13, "<f4")
    parameters = b"".join(bias.tobytes() + scales.tobytes() for bias in biases)
    pieces = [(ACTIVATION, 0, bytes(C)), (PARAMETER, 0, parameters)]
    shape = {"rows": 1, "n_tiles": 1, "last_n": C, "source": Source.INT8}
    maximum = Vector(
        **shape, parameter_address=0, statistic=Statistic.MAXIMUM, output_buffer=Destination.NONE
    )
    power = Vector(
        **shape,
        parameter_address=8 * C,
        operation=Operation.EXPONENT,
        element_type=ElementType.INT16,
        output_address=OUTPUT,
    )
    loads, data = laid_out(*pieces)
    state = execute(chained([*loads, maximum, power]), data)
    # 2^31 - 1 rounds to 2^31 in N-01, and 2^31 * 2^-13 is the exponent 1.
    output = state.buffers["activation"].data[OUTPUT : OUTPUT + 2 * C].view("<i2")
    assert output.tolist() == [16384] * C


def test_two_raw_passes_write_an_int32_as_it_is():
    """I-04: neither clamp nor scale counts, not even one that is no number; the bias does."""
    bias = np.array([-(1 << 31), 1 << 17, 0, -(1 << 15)], "<i4")
    scales = np.full(C, np.nan, "<f4")
    x = np.array([[-128, 127, -1, 0]], np.int8)
    pieces = [(ACTIVATION, 0, x.tobytes()), (PARAMETER, 0, bias.tobytes() + scales.tobytes())]
    low = Vector(
        rows=1,
        n_tiles=1,
        last_n=C,
        source=Source.INT8,
        operation=Operation.MULTIPLY,
        multiplier_type=ElementType.INT8,
        parameter_address=0,
        raw=Raw.LOW,
        clamp_low=1,
        clamp_high=2,
        element_type=ElementType.INT16,
        output_address=OUTPUT,
    )
    high = Vector(**{**vars(low), "raw": Raw.HIGH, "output_address": OUTPUT + 2 * C})
    loads, data = laid_out(*pieces)
    state = execute(chained([*loads, low, high]), data)
    halves = state.buffers["activation"].data[OUTPUT : OUTPUT + 4 * C].view("<u2").reshape(2, C)
    got = (halves[0].astype("<u4") | halves[1].astype("<u4") << 16).view("<i4")
    exact = x[0].astype(np.int64) ** 2 + bias
    assert got.tolist() == [(int(v) + (1 << 31)) % (1 << 32) - (1 << 31) for v in exact]
