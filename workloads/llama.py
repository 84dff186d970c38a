"""One decoder block of the Llama family in float32, narrowed, with seeded weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

WIDTH = 512
HEADS = 8
KV_HEADS = 2
HEAD_SIZE = 64
INNER = 1408
EPSILON = 1e-5
_ROTARY_BASE = 10000.0


@dataclass(frozen=True)
class Weights:
    """Float32: linear weights are [out, in]."""

    linear: dict[str, Floats]
    norm1: Floats
    norm2: Floats


def random_weights(rng: np.random.Generator) -> Weights:
    """Weights that keep activations at a deviation of about 1."""
    shapes = {
        "query": (HEADS * HEAD_SIZE, WIDTH),
        "key": (KV_HEADS * HEAD_SIZE, WIDTH),
        "value": (KV_HEADS * HEAD_SIZE, WIDTH),
        "out": (WIDTH, HEADS * HEAD_SIZE),
        "gate": (INNER, WIDTH),
        "up": (INNER, WIDTH),
        "down": (WIDTH, INNER),
    }
    linear = {
        name: rng.normal(0, 1 / math.sqrt(shape[1]), shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    norms = (rng.uniform(0.8, 1.2, WIDTH).astype(np.float32) for _ in range(2))
    return Weights(linear, *norms)


def random_tokens(rng: np.random.Generator, count: int) -> Floats:
    """Embeddings [count, WIDTH] of a deviation of 1."""
    return rng.normal(0, 1, (count, WIDTH)).astype(np.float32)


def forward(weights: Weights, x: Floats) -> dict[str, Floats]:
    """Every activation of a causal pass over ``x`` [tokens, WIDTH], by name."""
    w = weights.linear
    hidden = _rms_norm(x, weights.norm1)
    query, key, value = (hidden @ w[name].T for name in ("query", "key", "value"))
    queries, keys = (_rotate(raw) for raw in (query, key))
    attended = _attend(queries, keys, value)
    middle = x + attended @ w["out"].T
    normal = _rms_norm(middle, weights.norm2)
    gate, up = normal @ w["gate"].T, normal @ w["up"].T
    activated = silu(gate.astype(np.float64)).astype(np.float32)
    product = activated * up
    return {
        "x": x,
        "hidden": hidden,
        "query": query,
        "key": key,
        "queries": queries,
        "keys": keys,
        "values": value,
        "attended": attended,
        "middle": middle,
        "normal": normal,
        "gate": gate,
        "activated": activated,
        "up": up,
        "product": product,
        "output": middle + product @ w["down"].T,
    }


def silu(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """``x / (1 + exp(-x))``."""
    activated: NDArray[np.float64] = x / (1 + np.exp(-x))
    return activated


def _rms_norm(x: Floats, gain: Floats) -> Floats:
    normal: Floats = x / np.sqrt(np.mean(x**2, axis=1, keepdims=True) + np.float32(EPSILON)) * gain
    return normal


def rotary_tables(positions: NDArray[np.integer]) -> tuple[Floats, Floats]:
    """Cosine, and sine with the sign of the swapped halves: [positions, HEAD_SIZE]."""
    exponents = -np.arange(0, HEAD_SIZE, 2) / HEAD_SIZE
    angles = np.outer(positions, _ROTARY_BASE**exponents)
    cosine, sine = np.cos(angles), np.sin(angles)
    return (
        np.concatenate([cosine, cosine], axis=1).astype(np.float32),
        np.concatenate([-sine, sine], axis=1).astype(np.float32),
    )


def _rotate(x: Floats) -> Floats:
    heads = x.reshape(len(x), -1, HEAD_SIZE)
    cosine, sine = (table[:, None] for table in rotary_tables(np.arange(len(x))))
    swapped = np.roll(heads, HEAD_SIZE // 2, axis=2)
    turned: Floats = (heads * cosine + swapped * sine).reshape(x.shape)
    return turned


def _attend(query: Floats, key: Floats, value: Floats) -> Floats:
    tokens = len(query)
    queries = query.reshape(tokens, KV_HEADS, -1, HEAD_SIZE)
    keys, values = (x.reshape(tokens, KV_HEADS, HEAD_SIZE) for x in (key, value))
    scores = np.einsum("qghd,kgd->ghqk", queries, keys) / np.float32(math.sqrt(HEAD_SIZE))
    scores += np.where(np.tri(tokens, dtype=bool), 0, -np.inf).astype(np.float32)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    mixed: Floats = np.einsum("ghqk,kgd->qghd", weights, values).reshape(query.shape)
    return mixed
