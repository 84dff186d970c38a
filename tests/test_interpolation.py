"""Tables for interpolation: the least worst error, and saturation."""

import numpy as np
import pytest

from flow.accuracy import gelu_exactly, silu_exactly
from golden.ops.interpolate import interpolate, interpolation_words
from workloads.interpolation import interpolation_table

CODES = np.arange(-32768, 32768)


def worst_error(nodes: np.ndarray, function, input_scale: float, output_scale: float) -> float:
    exact = function(CODES * input_scale) / output_scale
    return float(np.abs(interpolate(CODES, interpolation_words(nodes)) - exact).max())


@pytest.mark.parametrize(("function", "width"), [(gelu_exactly, 40.0), (silu_exactly, 60.0)])
def test_values_beside_the_function_halve_the_error_of_values_on_it(function, width):
    scale = width / 32768
    nodes = interpolation_table(function, scale, scale)
    at_nodes = np.append(CODES[::256], 32768) * scale
    on_it = np.clip(np.rint(function(at_nodes) / scale), -32768, 32767).astype(np.int16)
    beside = worst_error(nodes, function, scale, scale)
    assert beside < 0.65 * worst_error(on_it, function, scale, scale)


def test_a_straight_line_is_met_at_every_code():
    nodes = interpolation_table(lambda x: 0.5 * x, 0.25, 0.25)
    assert worst_error(nodes, lambda x: 0.5 * x, 0.25, 0.25) <= 0.5


def test_values_saturate():
    nodes = interpolation_table(lambda x: 3 * x, 1.0, 1.0)
    assert (nodes.dtype, nodes.shape) == (np.int16, (257,))
    assert (nodes[0], nodes[128], nodes[-1]) == (-32768, 0, 32767)
