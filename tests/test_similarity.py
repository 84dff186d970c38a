"""How alike sentences are, and what the terminal says of it."""

import numpy as np

from workloads.similarity import Similarities


def unit(*rows: list[float]) -> np.ndarray:
    array = np.array(rows, np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


EXPECTED = unit([1, 0, 0], [1, 1, 0], [0, 1, 5], [0, 0, 1])


def test_pairs_are_in_the_order_of_float32():
    pairs = Similarities(("a", "b", "c", "d"), EXPECTED, EXPECTED).pairs
    assert (pairs[0].first, pairs[0].second) == (2, 3)
    assert [pair.expected for pair in pairs] == sorted((p.expected for p in pairs), reverse=True)
    assert len(pairs) == 6


def test_rank_correlation_is_that_of_the_order():
    texts = ("a", "b", "c")
    expected = unit([1, 0, 0], [4, 1, 0], [1, 1, 0])
    same = Similarities(texts, expected, expected)
    assert same.rank_correlation == 1.0
    # The closest pair and the farthest one change places.
    turned = Similarities(texts, unit([0, 1, 0], [1, 1, 0], [0, 4, -1]), expected)
    assert turned.rank_correlation is not None
    assert turned.rank_correlation < 0.9
    assert Similarities(texts[:2], expected[:2], expected[:2]).rank_correlation is None
