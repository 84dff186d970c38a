"""Graphs by their operators, and the comparison of every tensor of a program with them."""

import numpy as np
import pytest

from arch.image import DebugInfo, Image, TensorPlace
from arch.isa import Addition, ElementType
from flow.reference import evaluate, first_difference
from golden.capture import TensorBytes
from golden.ops.add import add
from golden.ops.attention import attention
from golden.ops.interpolate import interpolate, interpolation_words
from golden.ops.linear import matmul_integer
from golden.ops.multiply import multiply
from golden.ops.narrow import narrow
from golden.ops.normalize import normalize
from golden.ops.requantize import requantize
from golden.ops.rotary import rotary
from golden.ops.sum_rows import sum_rows
from workloads.epilogue import Narrow, Residual
from workloads.graph import Constant, Graph
from workloads.linear import Linear
from workloads.operators import (
    Add,
    Append,
    Attention,
    Gather,
    Multiply,
    Normalize,
    Rotary,
    Segment,
    SumRows,
)
from workloads.tensor import DTYPES, Tensor

INT8, UINT8, INT16 = ElementType.INT8, ElementType.UINT8, ElementType.INT16
ROWS, WIDTH = 6, 8


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(31)


def tensor(name: str, element: ElementType = INT16, rows: int = ROWS, cols: int = WIDTH) -> Tensor:
    return Tensor(name, rows, cols, element)


def values(rng: np.random.Generator, of: Tensor) -> np.ndarray:
    low, high = of.element_type.low, of.element_type.high
    return rng.integers(low, high + 1, (of.rows, of.cols)).astype(DTYPES[of.element_type])


def evaluated(operator, inputs: dict[str, np.ndarray], *constants: Constant) -> list[np.ndarray]:
    """The outputs of a graph of one operator."""
    fixed = {constant.tensor.name for constant in constants}
    sources = tuple(t for t in operator.inputs if t.name not in fixed)
    graph = Graph("test", sources, (operator,), operator.outputs, constants)
    tensors = evaluate(graph, inputs)
    results = [tensors[made.name] for made in operator.outputs]
    for made, result in zip(operator.outputs, results, strict=True):
        assert (result.dtype, result.shape) == (DTYPES[made.element_type], (made.rows, made.cols))
    return results


def test_linear_interpolates_adds_and_narrows(rng):
    x, other = tensor("x", INT8), tensor("other")
    weight = rng.integers(-128, 128, (WIDTH, WIDTH)).astype(np.int8)
    bias = rng.integers(-9000, 9000, WIDTH).astype(np.int32)
    scale = rng.uniform(0.5, 2, WIDTH).astype(np.float32)
    nodes = rng.integers(-32768, 32768, 257).astype(np.int16)
    operator = Linear(
        name="linear",
        input=x,
        weight=weight,
        bias=bias,
        scale=scale,
        output=tensor("y", INT8),
        input_zero_point=-7,
        interpolation=nodes,
        residual=Residual(other, Addition.INT16),
        narrow=Narrow(8, -20),
    )
    inputs = {"x": values(rng, x), "other": values(rng, other)}
    q = requantize(matmul_integer(inputs["x"], weight, -7) + bias, scale)
    q = interpolate(np.clip(q, -32768, 32767), interpolation_words(nodes))
    total = np.clip(q + inputs["other"], -32768, 32767)
    assert (total == 32767).any()
    (got,) = evaluated(operator, inputs)
    np.testing.assert_array_equal(got, narrow(total, 8, -20, INT8))


def test_gather_and_append(rng):
    indices, table = tensor("i", ElementType.INT32, 1, 3), values(rng, tensor("t", UINT8))
    (got,) = evaluated(
        Gather("gather", indices, table, tensor("y", UINT8, 3)),
        {"i": np.array([[5, 0, 5]], np.int32)},
    )
    np.testing.assert_array_equal(got, table[[5, 0, 5]])
    cache, rows = tensor("cache", UINT8), tensor("rows", UINT8, 2)
    inputs = {"cache": values(rng, cache), "rows": values(rng, rows)}
    (got,) = evaluated(Append("append", cache, rows, tensor("y", UINT8, ROWS + 2)), inputs)
    np.testing.assert_array_equal(got, np.concatenate(list(inputs.values())))


def test_add_and_multiply(rng):
    a, b, c = tensor("a"), tensor("b"), tensor("c", UINT8)
    inputs = {t.name: values(rng, t) for t in (a, b, c)}
    first, second = (inputs[name] for name in "ab")
    (got,) = evaluated(
        Add("add", a, b, tensor("y", UINT8), Narrow(7, 30)), {"a": first, "b": second}
    )
    np.testing.assert_array_equal(got, add(first, second, 7, 30, UINT8))
    operator = Multiply("multiply", a, c, 1e-4, tensor("y", INT8), 0, 77, -5)
    (got,) = evaluated(operator, {"a": first, "c": inputs["c"]})
    np.testing.assert_array_equal(got, multiply(first, 0, inputs["c"], 77, 1e-4, -5, INT8))


def test_normalize_also_yields_what_is_in_front_of_narrow(rng):
    x = tensor("x")
    scale = rng.uniform(1000, 9000, WIDTH).astype(np.float32)
    offset = rng.integers(-3000, 3000, WIDTH).astype(np.int32)
    for centre in (True, False):
        how = (centre, scale, offset, 99)
        made = {"narrow": Narrow(7, 11), "wide": tensor("wide")}
        operator = Normalize("normalize", x, *how, tensor("y", INT8), **made)
        inputs = {"x": values(rng, x)}
        got, wide = evaluated(operator, inputs)
        np.testing.assert_array_equal(wide, normalize(inputs["x"], *how))
        np.testing.assert_array_equal(got, narrow(wide, 7, 11, INT8))


def test_rotary_and_sum_rows(rng):
    x, cosine, sine = tensor("x"), tensor("cosine", cols=4), tensor("sine", cols=4)
    arrays = {t.name: values(rng, t) for t in (x, cosine, sine)}
    constants = (Constant(t, arrays[t.name]) for t in (cosine, sine))
    operator = Rotary("rotary", x, cosine, sine, 4, 2.0**-16, tensor("y", INT8), Narrow(8, 3))
    (got,) = evaluated(operator, {"x": arrays["x"]}, *constants)
    turned = rotary(arrays["x"], arrays["cosine"], arrays["sine"], 2.0**-16)
    np.testing.assert_array_equal(got, narrow(turned, 8, 3, INT8))
    small, segments, scale = tensor("small", INT8), ((0, 2), (1, 5)), (9.0, 2.0)
    inputs = {"small": values(rng, small)}
    operator = SumRows("sum", small, segments, scale, tensor("y", INT16, 2), -3)
    (got,) = evaluated(operator, inputs)
    np.testing.assert_array_equal(got, sum_rows(inputs["small"], -3, segments, scale))


def test_attention_goes_segment_by_segment(rng):
    query, output = tensor("q", INT8), tensor("y", INT8)
    key, value = tensor("k", INT8, cols=4), tensor("v", INT8, cols=4)
    inputs = {t.name: values(rng, t) for t in (query, key, value)}
    segments = (Segment(2, 4, 1, 5), Segment(0, 2, 0, 3))
    zeros, scales = (1, 2, 3, 4), (500.0, 2.0**26 / 255)
    operator = Attention(
        *("attention", query, key, value, output),
        *(2, 1, 4, *scales, segments, True, *zeros),
    )
    (got,) = evaluated(operator, inputs)
    for rows, keys in ((slice(0, 2), slice(0, 3)), (slice(2, 6), slice(1, 6))):
        expected = attention(
            *(inputs["q"][rows], inputs["k"][keys], inputs["v"][keys]),
            *(2, 1, zeros, *scales, True, INT8),
        )
        np.testing.assert_array_equal(got[rows], expected)


def place(name: str, complete: int) -> TensorPlace:
    shape = {"element_type": "int16", "rows": 2, "cols": 2, "address": 0, "row_bytes": 8}
    return TensorPlace(name=name, role="intermediate", complete=complete, **shape)


def image_with(*places: TensorPlace) -> Image:
    class Described:
        debug = DebugInfo(workload="test", operators=(), operator_of=(), tensors=places)

    return Described()


def captured(elements: list[list[int]]) -> TensorBytes:
    data = np.array(elements, "<i2").view(np.uint8)
    return TensorBytes(data, np.ones(data.shape, np.bool_))


def test_the_first_tensor_that_differs_is_told_by_name_and_place():
    expected = {name: np.array([[1, -2], [3, 4]], np.int16) for name in ("early", "late")}
    tensors = {"early": captured([[1, -2], [3, 4]]), "late": captured([[1, -2], [3, 4]])}
    image = image_with(place("late", 9), place("early", 2))
    assert first_difference(expected, tensors, image) is None
    tensors["late"] = captured([[7, -2], [3, 4]])
    assert "intermediate late [0, 0]" in first_difference(expected, tensors, image)
    tensors["early"] = captured([[1, -2], [-3, 5]])
    assert first_difference(expected, tensors, image) == (
        "intermediate early [1, 0]: the operators give 3, the program on the golden machine gives "
        "-3 (2 elements differ)"
    )


def test_an_element_that_was_not_written_differs():
    tensors = {"t": captured([[1, 2], [3, 4]])}
    tensors["t"].written[1, 3] = False
    message = first_difference(
        {"t": np.array([[1, 2], [3, 4]])}, tensors, image_with(place("t", 0))
    )
    assert (
        "[1, 1]: the operators give 4, the program on the golden machine gives nothing" in message
    )
