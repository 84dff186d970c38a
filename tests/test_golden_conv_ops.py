"""Operators that slide a window over images, against ONNX Runtime and plain loops."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from onnx_operators import EIGHT_BITS, qlinear_arrays, random_codes, run_onnx

from arch.isa import ElementType
from golden.ops.average_pool import average_pool
from golden.ops.conv import conv_integer
from golden.ops.max_pool import max_pool
from golden.ops.quantize import DTYPES
from golden.ops.requantize import add_zero_point, combined_scale, requantize
from golden.ops.windows import output_extents, taps

INT8, UINT8 = ElementType.INT8, ElementType.UINT8
NAMES = {"stride": "strides", "padding": "pads", "dilation": "dilations"}


def nchw(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def nhwc(x: np.ndarray) -> np.ndarray:
    return x.transpose(0, 2, 3, 1)


def oihw(weight: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(weight.transpose(3, 2, 0, 1))


def attributes(window: dict) -> dict:
    """ONNX's names of strides, pads and dilations."""
    return {NAMES[name]: list(values) for name, values in window.items()}


def random_window(rng: np.random.Generator, padded: bool = True) -> tuple[tuple, dict]:
    """A kernel, and how it slides over images of 9 to 12 pixels; pads are less than the kernel."""
    kernel = tuple(int(k) for k in rng.integers(1, 5, 2))
    most = (np.array(kernel) - 1) * padded
    return kernel, {
        "stride": tuple(int(s) for s in rng.integers(1, 4, 2)),
        "padding": tuple(int(p) for p in rng.integers(0, [*most + 1, *most + 1])),
        "dilation": tuple(int(d) for d in rng.integers(1, 3, 2)),
    }


def random_image(rng: np.random.Generator, element: ElementType, channels: int) -> np.ndarray:
    return random_codes(rng, element, (*rng.integers([1, 9, 9], [4, 13, 13]), channels))


def random_groups(rng: np.random.Generator) -> tuple[int, int, int]:
    """Channels, outputs and groups; now and then a group for each channel."""
    groups = int(rng.choice([1, 1, 2, 3, 8]))
    per_group = 1 if groups == 8 else int(rng.integers(1, 9))
    return groups * per_group, groups * int(rng.integers(1, 4)), groups


@pytest.mark.parametrize("weight_element", EIGHT_BITS)
@pytest.mark.parametrize("element", EIGHT_BITS)
def test_conv_integer_equals_onnx_runtime(element, weight_element):
    rng = np.random.default_rng(5)
    for _ in range(40):
        kernel, window = random_window(rng)
        channels, N, groups = random_groups(rng)
        x = random_image(rng, element, channels)
        weight = random_codes(rng, weight_element, (*kernel, channels // groups, N))
        x_zero, weight_zero = (random_codes(rng, e, ()) for e in (element, weight_element))
        arrays = {"x": nchw(x), "w": oihw(weight), "x_zero": x_zero, "w_zero": weight_zero}
        expected = run_onnx("ConvInteger", arrays, group=groups, **attributes(window))
        got = conv_integer(x, weight, int(x_zero), weight_zero, groups=groups, **window)
        assert got.dtype == np.int32
        np.testing.assert_array_equal(got, nhwc(expected))


@pytest.mark.parametrize("elements", [(UINT8, UINT8), (UINT8, INT8), (INT8, INT8)])
def test_a_requantised_convolution_equals_onnx_runtime(elements):
    """QLinearConv: scales and zero points of the weights channel by channel, an int32 bias."""
    rng = np.random.default_rng(6)
    element, weight_element = elements
    for _ in range(40):
        kernel, window = random_window(rng)
        channels, N, groups = random_groups(rng)
        x = random_image(rng, element, channels)
        weight = random_codes(rng, weight_element, (*kernel, channels // groups, N))
        x_zero, y_zero = random_codes(rng, element, 2)
        weight_zero = random_codes(rng, weight_element, N)
        bias = rng.integers(-30_000, 30_000, N).astype(np.int32)
        x_scale, y_scale = np.float32(0.017), np.float32(rng.uniform(0.3, 1.5))
        weight_scale = rng.uniform(0.001, 0.02, N).astype(np.float32)
        arrays = qlinear_arrays(
            x=(nchw(x), x_scale, x_zero),
            w=(oihw(weight), weight_scale, weight_zero),
            y=(None, y_scale, y_zero),
        )
        expected = run_onnx("QLinearConv", arrays | {"b": bias}, group=groups, **attributes(window))
        acc = conv_integer(x, weight, int(x_zero), weight_zero, groups=groups, **window) + bias
        q = requantize(acc, combined_scale(x_scale, weight_scale, y_scale))
        got = add_zero_point(q, int(y_zero), element.low, element.high)
        np.testing.assert_array_equal(got, nhwc(expected))


def test_conv_integer_is_its_definition():
    """Group by group, tap by tap, with a zero point of each output channel."""
    rng = np.random.default_rng(7)
    x, weight = random_codes(rng, UINT8, (2, 5, 4, 6)), random_codes(rng, INT8, (3, 2, 3, 4))
    x_zero, weight_zero = 200, random_codes(rng, INT8, 4)
    (sy, sx), (top, left, bottom, right), (dy, dx) = (2, 1), (1, 0, 2, 2), (1, 2)
    rows, columns = (5 + top + bottom - 3) // sy + 1, (4 + left + right - 3) // sx + 1
    expected = np.zeros((2, rows, columns, 4), int)
    for b, oy, ox, n in np.ndindex(expected.shape):
        for ky, kx, c in np.ndindex(3, 2, 3):
            y, col = oy * sy + ky * dy - top, ox * sx + kx * dx - left
            if 0 <= y < 5 and 0 <= col < 4:
                a = int(x[b, y, col, n // 2 * 3 + c]) - x_zero
                expected[b, oy, ox, n] += a * (int(weight[ky, kx, c, n]) - int(weight_zero[n]))
    padding = (top, left, bottom, right)
    got = conv_integer(x, weight, x_zero, weight_zero, (sy, sx), padding, (dy, dx), 2)
    np.testing.assert_array_equal(got, expected)


def test_a_convolution_wraps_at_32_bits():
    x, weight = np.full((1, 6, 6, 1000), 255, np.uint8), np.full((6, 6, 1000, 1), 255, np.uint8)
    x[0, 0, 0, 0] = 254  # no multiple of any spacing of float32
    assert conv_integer(x, weight).ravel().tolist() == [36_000 * 255**2 - 255 - 2**32]


@pytest.mark.parametrize("element", EIGHT_BITS)
def test_max_pool_equals_onnx_runtime(element):
    rng = np.random.default_rng(8)
    for _ in range(40):
        kernel, window = random_window(rng)
        x = random_image(rng, element, 3)
        expected = run_onnx("MaxPool", {"x": nchw(x)}, kernel_shape=kernel, **attributes(window))
        got = max_pool(x, kernel, **window)
        assert got.dtype == x.dtype
        np.testing.assert_array_equal(got, nhwc(expected))


@pytest.mark.parametrize("element", EIGHT_BITS)
def test_padding_is_never_the_greatest(element):
    x = np.full((1, 2, 2, 1), element.low + 1, DTYPES[element])
    pooled = max_pool(x, (3, 3), (1, 1), (2, 2, 2, 2))
    assert (pooled == element.low + 1).all()
    alone = max_pool(x, (2, 2), (2, 2), (2, 0, 0, 0))
    assert alone.ravel().tolist() == [element.low, element.low + 1]


@pytest.mark.parametrize("count_include_pad", [False, True])
@pytest.mark.parametrize("element", EIGHT_BITS)
def test_average_pool_is_its_definition(element, count_include_pad):
    """A sum without roundings, times a scale that was divided by the taps in float32."""
    rng = np.random.default_rng(9)
    for _ in range(20):
        kernel, window = random_window(rng)
        (sy, sx), padding, (dy, dx) = window.values()
        x = random_codes(rng, element, (1, 9, 10, 1))
        scale, x_zero, y_zero = np.float32(rng.uniform(0.3, 3)), *random_codes(rng, element, 2)
        how = (int(x_zero), kernel, scale, int(y_zero), INT8)
        got = average_pool(x, *how, **window, count_include_pad=count_include_pad)
        assert got.dtype == np.int8
        for _, oy, ox, _ in np.ndindex(got.shape):
            places = [
                (oy * sy + ky * dy - padding[0], ox * sx + kx * dx - padding[1])
                for ky, kx in product(*map(range, kernel))
            ]
            codes = [int(x[0, y, c, 0]) for y, c in places if 0 <= y < 9 and 0 <= c < 10]
            count = len(places) if count_include_pad else max(1, len(codes))
            divided = scale / np.float32(count)
            q = requantize(sum(codes) - len(codes) * int(x_zero), divided) + int(y_zero)
            assert got[0, oy, ox, 0] == np.clip(q, -128, 127)


def test_a_mean_of_codes_is_rounded_half_to_even_once():
    """Against exact fractions: the divided scale is within 2^-24, so only next to a tie."""
    rng = np.random.default_rng(10)
    x = random_codes(rng, UINT8, (1, 21, 21, 8))
    got = average_pool(x, 9, (7, 7), 1.0, 9, UINT8, (7, 7))
    for _, oy, ox, c in np.ndindex(got.shape):
        window = x[0, 7 * oy : 7 * oy + 7, 7 * ox : 7 * ox + 7, c]
        assert got[0, oy, ox, c] == round(Fraction(int(window.sum(dtype=int)), 49))


def test_the_scale_is_divided_by_the_taps():
    """A product with the reciprocal would not give ties for every number of taps."""
    for count in range(1, 64):
        x = np.zeros((1, 1, count, 2), np.int8)
        x[0, 0, 0] = 1, 3
        got = average_pool(x, 0, (1, count), count / 2, 0, INT8)
        assert got.ravel().tolist() == [0, 2], count  # 0.5 and 1.5, to even


@pytest.mark.parametrize("count_include_pad", [0, 1])
@pytest.mark.parametrize("element", EIGHT_BITS)
def test_average_pool_is_within_one_of_onnx_runtime(element, count_include_pad):
    """QLinearAveragePool, which sums floats: 1 differs in 10^4 at most."""
    rng = np.random.default_rng(11)
    differ = elements = 0
    for _ in range(60):
        kernel, window = random_window(rng)
        window["dilation"] = (1, 1)
        x = random_image(rng, element, 16)
        x_zero, y_zero = random_codes(rng, element, 2)
        x_scale = np.float32(rng.uniform(0.01, 0.1))
        y_scale = np.float32(x_scale * rng.uniform(0.3, 1.2))
        expected = run_onnx(
            "QLinearAveragePool",
            qlinear_arrays(x=(nchw(x), x_scale, x_zero), y=(None, y_scale, y_zero)),
            "com.microsoft",
            kernel_shape=kernel,
            count_include_pad=count_include_pad,
            strides=window["stride"],
            pads=window["padding"],
        )
        how = (int(x_zero), kernel, x_scale / y_scale, int(y_zero), element)
        got = average_pool(x, *how, **window, count_include_pad=bool(count_include_pad))
        difference = np.abs(got.astype(int) - nhwc(expected))
        assert difference.max() <= 1
        differ, elements = differ + np.count_nonzero(difference), elements + difference.size
    assert elements > 50_000
    assert differ <= elements * 1e-4


@pytest.mark.parametrize("element", EIGHT_BITS)
def test_average_pool_differs_from_onnx_runtime_at_ties_by_an_odd_zero_point_only(element):
    """QLinearAveragePool rounds what the zero point has been added to."""
    rng = np.random.default_rng(15)
    for zero_point in (element.low, 4, 5):
        x = random_codes(rng, element, (2, 8, 8, 16))
        zero, one = x.dtype.type(zero_point), np.float32(1)
        arrays = qlinear_arrays(x=(nchw(x), one, zero), y=(None, one, zero))
        window = {"kernel_shape": [2, 2], "strides": [2, 2]}
        expected = nhwc(run_onnx("QLinearAveragePool", arrays, "com.microsoft", **window))
        got = average_pool(x, zero_point, (2, 2), 1.0, zero_point, element, (2, 2))
        tied = x.reshape(2, 4, 2, 4, 2, 16).sum(axis=(2, 4), dtype=int) % 4 == 2
        differ = got != expected
        assert np.abs(got.astype(int) - expected).max() == zero_point % 2
        np.testing.assert_array_equal(differ, tied & bool(zero_point % 2))


@pytest.mark.parametrize("element", EIGHT_BITS)
def test_a_pool_over_the_image_is_within_one_of_onnx_runtime(element):
    """QLinearGlobalAveragePool."""
    rng = np.random.default_rng(12)
    differ = elements = 0
    for _ in range(60):
        x = random_image(rng, element, 64)
        x_zero, y_zero = random_codes(rng, element, 2)
        x_scale = np.float32(rng.uniform(0.01, 0.1))
        y_scale = np.float32(x_scale * rng.uniform(0.05, 1.2))
        arrays = qlinear_arrays(x=(nchw(x), x_scale, x_zero), y=(None, y_scale, y_zero))
        expected = run_onnx("QLinearGlobalAveragePool", arrays, "com.microsoft", channels_last=0)
        got = average_pool(x, int(x_zero), x.shape[1:3], x_scale / y_scale, int(y_zero), element)
        difference = np.abs(got.astype(int) - nhwc(expected))
        assert difference.max() <= 1
        differ, elements = differ + np.count_nonzero(difference), elements + difference.size
    assert differ <= elements * 1e-3


def test_windows_end_within_the_padded_image():
    rng = np.random.default_rng(13)
    for _ in range(60):
        kernel, window = random_window(rng)
        strides, (top, left, bottom, right), dilations = window.values()
        height, width = (int(extent) for extent in rng.integers(7, 12, 2))
        expected = tuple(
            sum(o * stride + (k - 1) * dilation < extent for o in range(extent))
            for k, stride, dilation, extent in zip(
                kernel,
                strides,
                dilations,
                (top + height + bottom, left + width + right),
                strict=True,
            )
        )
        assert output_extents((height, width), kernel, *window.values()) == expected


def test_taps_are_every_place_where_a_window_meets_the_image():
    rng = np.random.default_rng(14)
    for _ in range(60):
        kernel, window = random_window(rng)
        (sy, sx), (top, left, _, _), (dy, dx) = window.values()
        image = height, width = tuple(int(extent) for extent in rng.integers(7, 12, 2))
        rows, columns = output_extents(image, kernel, *window.values())
        expected = set()
        for ky, kx, oy, ox in np.ndindex(*kernel, rows, columns):
            y, x = oy * sy + ky * dy - top, ox * sx + kx * dx - left
            if 0 <= y < height and 0 <= x < width:
                expected.add((ky, kx, oy, ox, y, x))
        got = set()
        for ky, kx, (_, oy, ox), (_, iy, ix) in taps(image, kernel, *window.values()):
            by_row = zip(range(rows)[oy], range(height)[iy], strict=True)
            by_column = zip(range(columns)[ox], range(width)[ix], strict=True)
            got |= {(ky, kx, o, p, y, x) for (o, y), (p, x) in product(by_row, by_column)}
        assert got == expected
