"""How alike sentences are, by an accelerator's embeddings and by float32."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Pair:
    """Two sentences by their number, and the cosine of their embeddings by either."""

    first: int
    second: int
    measured: float
    expected: float


@dataclass(frozen=True)
class Similarities:
    """Sentences with two embeddings each.

    Attributes
    ----------
    sentences
        As they were read.
    measured, expected
        float32 [sentences, width], each row of length 1.
    """

    sentences: tuple[str, ...]
    measured: Floats
    expected: Floats

    @property
    def pairs(self) -> list[Pair]:
        """All pairs, the most alike in float32 first."""
        measured, expected = (each @ each.T for each in (self.measured, self.expected))
        pairs = [
            Pair(i, j, float(measured[i, j]), float(expected[i, j]))
            for i, j in combinations(range(len(self.sentences)), 2)
        ]
        return sorted(pairs, key=lambda pair: -pair.expected)

    @property
    def rank_correlation(self) -> float | None:
        """Spearman's, of the similarities of all pairs; None with fewer than three sentences."""
        pairs = self.pairs
        if len(pairs) < 2:
            return None
        ranks = np.argsort(np.argsort([-pair.measured for pair in pairs]))
        return float(np.corrcoef(ranks, np.arange(len(pairs)))[0, 1])
