"""``attention:TOKENSxHEADSxWIDTH``: bare scaled dot-product attention over seeded numbers.

int8 queries, keys and values of ``HEADS`` heads, each ``WIDTH`` wide; ``:causal`` behind the shape
masks later tokens.
"""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from arch.errors import AssayError
from arch.isa import ElementType
from workloads.graph import Graph
from workloads.operators import Attention, Segment
from workloads.tensor import Tensor

EXPONENT_STEPS = math.log2(math.e) * 2**18
"""N-05 counts in powers of two, 2^18 steps each: what one unit of a softmax's argument is."""
PROBABILITY_STEPS = 2**26 / 255
"""Sums of N-05 count in 2^-26, the uint8 probabilities that they belong to in 1/255."""

_SHAPE = re.compile(r"(\d{1,18})x(\d{1,18})x(\d{1,18})(:causal)?", re.ASCII)
_TOKEN_LIMIT = 4096
_WIDTH_LIMIT = 1 << 14
"""Of all heads together."""
_DEVIATION = 40.0
"""Standard deviation of every operand, in steps of int8; that of a softmax's argument is 1."""


def attention(shape: str, seed: int) -> tuple[Graph, dict[str, NDArray[np.generic]]]:
    """Graph and inputs of ``TOKENSxHEADSxWIDTH``; numbers depend on shape and seed only.

    Raises
    ------
    AssayError
        The shape is malformed or too large.
    """
    tokens, heads, width, causal = _parse(shape)
    rng = np.random.default_rng([seed, tokens, heads, width])
    query, key, value, output = (
        Tensor(name, tokens, heads * width, ElementType.INT8)
        for name in ("query", "key", "value", "output")
    )
    operator = Attention(
        name="attention",
        query=query,
        key=key,
        value=value,
        output=output,
        heads=heads,
        kv_heads=heads,
        head_size=width,
        score_scale=EXPONENT_STEPS / (_DEVIATION**2 * math.sqrt(width)),
        # The mean of n values weighted by exp of a normal variable deviates sqrt(e / n) as much.
        output_scale=PROBABILITY_STEPS * math.sqrt(max(1.0, tokens / math.e)),
        segments=(Segment(0, tokens, 0, tokens),),
        causal=causal,
    )
    inputs = {
        tensor.name: np.clip(
            np.rint(rng.normal(0, _DEVIATION, (tensor.rows, tensor.cols))), -128, 127
        ).astype(np.int8)
        for tensor in operator.inputs
    }
    return Graph(f"attention:{shape}", operator.inputs, (operator,), (output,)), dict(inputs)


def _parse(shape: str) -> tuple[int, int, int, bool]:
    match = _SHAPE.fullmatch(shape)
    if match is None:
        raise AssayError(
            f"attention:{shape}: the shape is TOKENSxHEADSxWIDTH, three whole numbers, such as "
            "attention:128x12x32, and :causal may follow"
        )
    tokens, heads, width = (int(group) for group in match.groups()[:3])
    for key, value in (("TOKENS", tokens), ("HEADS", heads), ("WIDTH", width)):
        if value < 1:
            raise AssayError(f"attention:{shape}: {key} = {value} must be at least 1")
    if tokens > _TOKEN_LIMIT or heads * width > _WIDTH_LIMIT:
        raise AssayError(
            f"attention:{shape}: at most {_TOKEN_LIMIT} tokens and {_WIDTH_LIMIT} channels "
            "(HEADS x WIDTH): choose a smaller shape"
        )
    return tokens, heads, width, match.group(4) is not None
