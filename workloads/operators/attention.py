"""Attention, all heads and segments in one operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from workloads.checks import (
    BYTES,
    WRITABLE,
    check_output_zero_point,
    check_range,
    check_scale,
    check_shape,
    check_source_zero_point,
    check_type,
    fail,
)
from workloads.tensor import Tensor, check_name

_TERM_LIMIT = (1 << 15) - 1
"""Up to so many terms a sum of products of two differences of bytes is an int32."""


@dataclass(frozen=True)
class Segment:
    """Rows of queries that attend to rows of keys, such as one sentence of a batch."""

    query_start: int
    query_count: int
    key_start: int
    key_count: int


@dataclass(frozen=True, eq=False)
class Attention:
    """Scaled dot-product attention with shared key and value heads.

    For each segment and head ``h``, with ``g = h // (heads // kv_heads)`` and columns ``h *
    head_size`` on of query and output, ``g * head_size`` on of key and value::

        s = (query - zero) @ (key - zero).T                                  int32
        p[i, j], f[i, j] = exponent(max_j s[i] - s[i, j], score_scale)       N-05, uint8 peak 255
        scale = f32(output_scale * reciprocal(sum_j f))
        output = clamp(requantize(p @ (value - zero), scale) + zero)

    over the keys that count: all of the segment, or where `causal` those with ``j <= i + key_count
    - query_count``; ``p`` and ``f`` of others are 0, and a query without any gets the zero point.
    Every query belongs to one segment.

    Attributes
    ----------
    query, key, value
        int8 or uint8 tensors [rows, heads * head_size], [rows, kv_heads * head_size] (twice).
    output
        int8, uint8 or int16 of the shape of the query.
    score_scale
        float32: query scale times key scale over the square root of the head size, times log2(e)
        times 2^18.
    output_scale
        float32, 2^-62 at least (N-08): value scale over output scale, times 2^26 / 255.
    """

    name: str
    query: Tensor
    key: Tensor
    value: Tensor
    output: Tensor
    heads: int
    kv_heads: int
    head_size: int
    score_scale: float
    output_scale: float
    segments: tuple[Segment, ...]
    causal: bool = False
    query_zero_point: int = 0
    key_zero_point: int = 0
    value_zero_point: int = 0
    output_zero_point: int = 0

    kind: ClassVar[str] = "attention"

    def __post_init__(self) -> None:
        check_name("operator", self.name)
        self._check_heads()
        for key, tensor, zero_point in (
            ("query", self.query, self.query_zero_point),
            ("key", self.key, self.key_zero_point),
            ("value", self.value, self.value_zero_point),
        ):
            check_type(self.name, key, tensor, BYTES)
            check_source_zero_point(self.name, f"{key}_zero_point", zero_point, tensor)
        check_type(self.name, "output", self.output, WRITABLE)
        check_output_zero_point(
            self.name, "output_zero_point", self.output_zero_point, self.output.element_type
        )
        check_scale(self.name, "score_scale", self.score_scale)
        check_scale(self.name, "output_scale", self.output_scale, row_scaled=True)
        self._check_segments()

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.query, self.key, self.value)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return (self.output,)

    @property
    def macs(self) -> int:
        """Of the keys that count."""
        pairs = sum(self._counting_pairs(segment) for segment in self.segments)
        return 2 * self.heads * self.head_size * pairs

    def _counting_pairs(self, segment: Segment) -> int:
        queries, keys = segment.query_count, segment.key_count
        if not self.causal:
            return queries * keys
        return sum(max(0, keys - later) for later in range(queries))

    def _check_heads(self) -> None:
        check_range(self.name, "head_size", self.head_size, 1, _TERM_LIMIT)
        if self.kv_heads < 1 or self.heads < 1 or self.heads % self.kv_heads:
            fail(
                self.name,
                f"heads = {self.heads} must be a multiple of kv_heads = {self.kv_heads}, both 1 up",
            )
        rows, width = self.query.rows, self.heads * self.head_size
        check_shape(self.name, "query", self.query, rows, width)
        check_shape(self.name, "output", self.output, rows, width)
        rows, width = self.key.rows, self.kv_heads * self.head_size
        check_shape(self.name, "key", self.key, rows, width)
        check_shape(self.name, "value", self.value, rows, width)

    def _check_segments(self) -> None:
        """Queries partition, keys exist."""
        row = 0
        for segment in sorted(self.segments, key=lambda each: each.query_start):
            if segment.query_start != row or segment.query_count < 1:
                fail(self.name, f"{segment} must begin with query {row} and have one at least")
            row += segment.query_count
            check_range(self.name, "key_count", segment.key_count, 1, _TERM_LIMIT)
            if segment.key_start < 0 or segment.key_start + segment.key_count > self.key.rows:
                fail(self.name, f"{segment} has keys beyond the {self.key.rows} of the key tensor")
        if row != self.query.rows:
            fail(self.name, f"segments hold {row} queries of {self.query.rows}: each is in one")
