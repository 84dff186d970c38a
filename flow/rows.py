"""Rows of integers that are hard on softmax and normalisations, among random ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHAPES = ((16, 1), (1, 64), (2, 64), (17, 64), (384, 1024), (4096, 16384))
"""(columns, of how many rows one is so long); beside those of the first come all others."""

_BATCH_ELEMENTS = 1 << 18
"""So that temporary arrays stay in the caches."""


@dataclass(frozen=True)
class Batch:
    """Rows of one length.

    Attributes
    ----------
    x
        int64 (rows, columns), in the asked range.
    counts
        bool, of the same shape: the first columns of each row, from none to all.
    """

    x: NDArray[np.int64]
    counts: NDArray[np.bool_]


def batches(rows: int, rng: np.random.Generator, bits: int) -> Iterator[Batch]:
    """At least ``rows`` rows of the first length, in batches, and some of every other length.

    Elements are signed integers of ``bits`` bits. An eighth of the rows of a batch, and at least
    one, is of each kind.
    """
    for columns, one_of in SHAPES:
        left = max(len(_KINDS), rows // one_of)
        while left > 0:
            count = min(left, max(len(_KINDS), _BATCH_ELEMENTS // columns))
            yield _batch(count, columns, rng, bits)
            left -= count


def _batch(rows: int, columns: int, rng: np.random.Generator, bits: int) -> Batch:
    x = _random(rows, columns, rng, bits)
    for kind, fill in enumerate(_KINDS):
        fill(x[kind :: len(_KINDS)], rng, bits)
    limit = rng.integers(0, columns + 1, rows)
    limit[rng.random(rows) < 0.5] = columns
    return Batch(x, np.arange(columns) < limit[:, None])


def _random(rows: int, columns: int, rng: np.random.Generator, bits: int) -> NDArray[np.int64]:
    """Normal rows of every size."""
    spread = np.exp2(rng.uniform(0, np.log2(_high(bits)), (rows, 1)))
    centre = rng.uniform(-1, 1, (rows, 1)) * (_high(bits) - spread)
    values = rng.standard_normal((rows, columns)) * spread / 3 + centre
    return np.asarray(np.rint(np.clip(values, _low(bits), _high(bits))), np.int64)


def _keep(x: NDArray[np.int64], rng: np.random.Generator, bits: int) -> None:
    """As they are."""


def _all_equal(x: NDArray[np.int64], rng: np.random.Generator, bits: int) -> None:
    x[:] = rng.choice([_low(bits), -1, 0, 1, _high(bits)], (len(x), 1))


def _almost_equal(x: NDArray[np.int64], rng: np.random.Generator, bits: int) -> None:
    x[:] = rng.integers(_low(bits), _high(bits), (len(x), 1)) + rng.integers(0, 2, x.shape)


def _one_spike(x: NDArray[np.int64], rng: np.random.Generator, bits: int) -> None:
    x[:] = rng.integers(-100, 101, (len(x), 1))
    places = rng.integers(0, x.shape[1], len(x))
    x[np.arange(len(x)), places] = rng.choice([_low(bits), _high(bits)], len(x))


def _extremes(x: NDArray[np.int64], rng: np.random.Generator, bits: int) -> None:
    x[:] = rng.choice([_low(bits), _high(bits)], x.shape)


def _uniform(x: NDArray[np.int64], rng: np.random.Generator, bits: int) -> None:
    x[:] = rng.integers(_low(bits), _high(bits) + 1, x.shape)


def _ramp(x: NDArray[np.int64], rng: np.random.Generator, bits: int) -> None:
    x[:] = np.linspace(_low(bits), _high(bits), x.shape[1]).astype(np.int64)
    x[:] = np.rint(x * rng.random((len(x), 1)))


def _tiny(x: NDArray[np.int64], rng: np.random.Generator, bits: int) -> None:
    x[:] = rng.integers(-2, 3, x.shape)


def _low(bits: int) -> int:
    return -(1 << bits - 1)


def _high(bits: int) -> int:
    return (1 << bits - 1) - 1


_KINDS = (_keep, _all_equal, _almost_equal, _one_spike, _extremes, _uniform, _ramp, _tiny)
