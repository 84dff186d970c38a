"""``minilm:N`` and ``minilm:NxB``: sentences through all of MiniLM, with real weights.

``minilm:N`` is one sequence of N tokens, every one of which counts: as many of the committed
sentences as fill it, one behind the other. ``minilm:NxB`` is a batch of B sequences of N tokens:
each one of the committed sentences in turn, cut to N tokens or padded up to them; padding is
masked. With sentences of one's own the batch is those, and B may be left out.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from arch.errors import AssayError
from workloads.graph import Graph
from workloads.minilm import (
    END,
    PADDING,
    START,
    TOKEN_LIMIT,
    Floats,
    detokenize,
    encode,
    load_parameters,
    tokenize,
)
from workloads.minilm_graph import UNIT, minilm_graph
from workloads.minilm_quantizer import quantized_minilm
from workloads.sentences import SENTENCES, read_sentences
from workloads.similarity import Similarities

HOST_OPERATORS = ("split the sentences into tokens", "dequantise the embeddings")

_SHAPE = re.compile(r"(\d{1,18})(?:x(\d{1,18}))?", re.ASCII)
_ROW_LIMIT = 1 << 14
"""Of all sequences together, so that a slip of the finger does not fill the host."""


@dataclass(frozen=True)
class Encoding:
    """A batch of sequences, the graph that encodes it, and what float32 makes of it.

    Attributes
    ----------
    graph
        One and the same object for all batches with as many tokens in each sequence.
    length
        Tokens of each sequence with its padding.
    sequences
        The tokens that count.
    """

    graph: Graph
    length: int
    sequences: tuple[tuple[int, ...], ...]

    @property
    def inputs(self) -> dict[str, NDArray[np.generic]]:
        """Token numbers, int32 [1, sequences * length], padded."""
        rows = np.full((len(self.sequences), self.length), PADDING, np.int32)
        for row, tokens in zip(rows, self.sequences, strict=True):
            row[: len(tokens)] = tokens
        return {"tokens": rows.reshape(1, -1)}

    @cached_property
    def expected(self) -> Floats:
        """The embeddings in float32: [sequences, 384], each of length 1."""
        return encode(load_parameters(), self.sequences)

    def embeddings(self, outputs: dict[str, NDArray[np.generic]]) -> Floats:
        """The same from the graph's outputs."""
        return outputs["embedding"].astype(np.float32) / np.float32(UNIT)

    def similarities(self, outputs: dict[str, NDArray[np.generic]]) -> Similarities:
        """The sentences as far as their tokens go, and both embeddings of each."""
        texts = tuple(detokenize(self.sequences))
        return Similarities(texts, self.embeddings(outputs), self.expected)

    def accuracy(self, outputs: dict[str, NDArray[np.generic]]) -> dict[str, float]:
        """Against float32: ``cosine_mean`` and ``cosine_min`` of the embeddings, and of three
        sentences or more the ``rank_correlation`` of how alike they are.
        """
        got = self.embeddings(outputs)
        cosine = (got * self.expected).sum(axis=1) / np.linalg.norm(got, axis=1)
        figures = {"cosine_mean": float(cosine.mean()), "cosine_min": float(cosine.min())}
        correlation = Similarities(("",) * len(got), got, self.expected).rank_correlation
        return figures if correlation is None else {**figures, "rank_correlation": correlation}


def parse_shape(text: str) -> tuple[int, int | None]:
    """Read ``N`` or ``NxB``.

    Raises
    ------
    AssayError
        Neither, or out of range.
    """
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise AssayError(
            f"minilm:{text}: the shape is N or NxB, tokens and sequences, such as minilm:16 or "
            "minilm:32x4"
        )
    tokens, batch = int(match.group(1)), match.group(2)
    _check(tokens, 1 if batch is None else int(batch))
    return tokens, None if batch is None else int(batch)


def minilm(
    tokens: int, sentences: Sequence[str] | None = None, batch: int | None = None
) -> Encoding:
    """A batch of sequences of `tokens` tokens.

    Parameters
    ----------
    tokens
        Of each sequence, 1 to 512. Longer sentences are cut, shorter ones padded.
    sentences
        One sequence each; by default the committed ones.
    batch
        Sequences. With neither this nor `sentences` there is one, of as many sentences as fill it.

    Raises
    ------
    AssayError
        A number out of range, or a batch of another size than there are sentences.
    """
    if sentences is None and batch is None:
        _check(tokens, 1)
        return _encoding(f"minilm:{tokens}", tokens, (_filled(tokens),))
    if sentences is None:
        committed = itertools.cycle(read_sentences(SENTENCES))
        chosen = list(itertools.islice(committed, batch))
    else:
        chosen = list(sentences)
        if batch not in (None, len(chosen)):
            raise AssayError(
                f"minilm:{tokens}x{batch}: there are {len(chosen)} sentences: give "
                f"minilm:{tokens}x{len(chosen)} or minilm:{tokens}"
            )
    _check(tokens, len(chosen))
    sequences = tuple(_cut(each, tokens) for each in tokenize(chosen))
    return _encoding(f"minilm:{tokens}x{len(chosen)}", tokens, sequences)


def _check(tokens: int, batch: int) -> None:
    if not 1 <= tokens <= TOKEN_LIMIT:
        raise AssayError(
            f"minilm:{tokens}x{batch}: {tokens} tokens must be 1 to {TOKEN_LIMIT}, the positions "
            "that the model knows"
        )
    if not 1 <= batch <= _ROW_LIMIT // tokens:
        raise AssayError(
            f"minilm:{tokens}x{batch}: {batch} sequences must be 1 to {_ROW_LIMIT // tokens}, of "
            f"{tokens} tokens each: split the batch"
        )


def _filled(tokens: int) -> tuple[int, ...]:
    """One sequence of the committed sentences, from the first on and again."""
    bodies = [each[1:-1] for each in tokenize(read_sentences(SENTENCES))]
    body = itertools.cycle(itertools.chain.from_iterable(bodies))
    return _cut([START, *itertools.islice(body, tokens), END], tokens)


def _cut(sequence: Sequence[int], tokens: int) -> tuple[int, ...]:
    """The sequence, or its beginning with the end token, or the start token alone."""
    if len(sequence) <= tokens:
        return tuple(sequence)
    return (*sequence[: max(tokens - 1, 1)], END)[:tokens]


def _encoding(name: str, length: int, sequences: tuple[tuple[int, ...], ...]) -> Encoding:
    valid = tuple(len(tokens) for tokens in sequences)
    return Encoding(_graph(name, length, valid), length, sequences)


@cache
def _graph(name: str, length: int, valid: tuple[int, ...]) -> Graph:
    return minilm_graph(quantized_minilm(), name, length, valid)
