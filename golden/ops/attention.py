"""Scaled dot-product attention whose normalisation is deferred to the output."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from golden.ops.exponent import exponent
from golden.ops.inverse_root import reciprocal
from golden.ops.linear import matmul_integer
from golden.ops.quantize import DTYPES
from golden.ops.requantize import add_zero_point, requantize, row_scale
from golden.ops.softmax import differences

_PEAK = ElementType.UINT8.high


def attention(
    query: NDArray[np.integer],
    key: NDArray[np.integer],
    value: NDArray[np.integer],
    heads: int,
    kv_heads: int,
    zero_points: tuple[int, int, int, int],
    score_scale: float,
    output_scale: float,
    causal: bool,
    element_type: ElementType,
) -> NDArray[np.integer]:
    """Attention of the queries to the keys of one segment, head by head.

    Head ``h`` of queries and output goes with head ``h // (heads // kv_heads)`` of the others::

        s = (query - zero) @ (key - zero).T                              int32
        p, f = exponent(max(s) - s, score_scale)                         N-05, with the peak 255
        y = clamp(requantize(p @ (value - zero), f32(output_scale * reciprocal(sum(f)))) + zero)

    over the keys that count, ``p`` and ``f`` of others being 0: all of them, or where ``causal``
    those up to ``i + keys - queries`` for query ``i``. The row of a query without a key is the zero
    point.

    ``p`` is a probability over the greatest of its row in steps of 1 / 255, ``f`` the same within a
    relative 3.7e-6 and not rounded (N-05): so the probabilities need not sum to 1, and their error
    is at most 1/2 / 255 of the greatest.

    Parameters
    ----------
    query
        int8 or uint8 (queries, heads * head size).
    key, value
        int8 or uint8 (keys, kv_heads * head size).
    heads, kv_heads
        Of query and output, and of key and value; the first is a multiple of the second.
    zero_points
        Of query, key, value and output.
    score_scale
        float32: query scale times key scale over the root of the head size, times log2(e) * 2^18.
    output_scale
        float32: value scale over output scale, times 2^26 / 255.
    causal
        A query does not attend to the keys behind its own.
    element_type
        Of the output.

    Returns
    -------
    (queries, heads * head size) of the dtype of ``element_type``.
    """
    query_zero, key_zero, value_zero, output_zero = zero_points
    q = _by_head(query, heads)
    k, v = (_by_head(x, kv_heads).repeat(heads // kv_heads, axis=0) for x in (key, value))
    scores = matmul_integer(q, k.transpose(0, 2, 1), query_zero, key_zero)
    counts = np.ones(scores.shape, np.bool_)
    if causal:
        counts = np.tril(counts, len(key) - len(query))
    p, f = exponent(differences(scores, counts), np.float32(score_scale), _PEAK)
    p, f = np.where(counts, p, 0), np.where(counts, f, 0)
    of_row = reciprocal(f.sum(axis=-1, keepdims=True))
    mixed = matmul_integer(p, v, 0, value_zero)
    y = requantize(mixed, row_scale(np.float32(output_scale), of_row))
    y = add_zero_point(y, output_zero, element_type.low, element_type.high)
    return y.transpose(1, 0, 2).reshape(query.shape).astype(DTYPES[element_type])


def _by_head(x: NDArray[np.integer], heads: int) -> NDArray[np.integer]:
    """(rows, heads * head size) as (heads, rows, head size)."""
    return x.reshape(len(x), heads, -1).transpose(1, 0, 2)
