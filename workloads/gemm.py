"""``gemm:MxKxN``: one linear layer of seeded random numbers.

int8 in and out, int32 bias, a scale for each channel, no table.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from arch.errors import AssayError
from arch.isa import ElementType
from workloads.graph import Graph
from workloads.linear import Linear
from workloads.tensor import Tensor

_SHAPE = re.compile(r"(\d{1,18})x(\d{1,18})x(\d{1,18})", re.ASCII)
_ELEMENT_LIMIT = 1 << 28
"""Of the three matrices together, so that a slip of the finger does not fill the host."""
_OUTPUT_DEVIATION = 45.0
"""Standard deviation of the outputs, in steps: the int8 range is used, and a few saturate."""
_BIAS_DEVIATIONS = 0.5
_CODE_DEVIATION = 73.9
"""Standard deviation of a uniform int8."""


def parse_shape(text: str) -> tuple[int, int, int]:
    """Read ``MxKxN``.

    Raises
    ------
    AssayError
        Not three numbers from 1 up, or more elements than ``_ELEMENT_LIMIT``.
    """
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise AssayError(
            f"gemm:{text}: the shape is MxKxN, three whole numbers, such as gemm:16x16x16"
        )
    m, k, n = (int(group) for group in match.groups())
    for key, value in (("M", m), ("K", k), ("N", n)):
        if value < 1:
            raise AssayError(f"gemm:{text}: {key} = {value} must be at least 1")
    elements = m * k + k * n + m * n
    if elements > _ELEMENT_LIMIT:
        raise AssayError(
            f"gemm:{text}: {elements} elements are more than {_ELEMENT_LIMIT}: "
            "choose a smaller shape"
        )
    return m, k, n


def gemm(shape: str, seed: int) -> tuple[Graph, dict[str, NDArray[np.generic]]]:
    """Graph and inputs of ``MxKxN``; numbers depend on shape and seed only."""
    m, k, n = parse_shape(shape)
    rng = np.random.default_rng([seed, m, k, n])
    deviation = _CODE_DEVIATION**2 * k**0.5
    bias = np.rint(rng.normal(0, _BIAS_DEVIATIONS * deviation, n))
    scale = rng.uniform(0.5, 2.0, n) * _OUTPUT_DEVIATION / deviation
    source = Tensor("input", m, k, ElementType.INT8)
    operator = Linear(
        name="gemm",
        input=source,
        weight=rng.integers(-128, 128, (k, n), dtype=np.int8),
        bias=bias.astype(np.int32),
        scale=scale.astype(np.float32),
        output=Tensor("output", m, n, ElementType.INT8),
    )
    graph = Graph(f"gemm:{shape}", (source,), (operator,), (operator.output,))
    return graph, {"input": rng.integers(-128, 128, (m, k), dtype=np.int8)}
