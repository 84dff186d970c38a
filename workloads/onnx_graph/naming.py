"""Names of tensors and operators: short, readable, each once."""

from __future__ import annotations

import re

_LIMIT = 40
"""Bytes of a name in a program image."""
_LAYER_LIMIT = 32
"""Bytes of a layer, so that ``.table`` fits behind it."""
_MODULES = ("Conv", "Gemm", "MatMul", "LayerNormalization")
"""Operators that are what a module does: its name is enough."""
_NOISE = re.compile(r"(quant|quantized|QuantizeLinear|DequantizeLinear|fused|nchwc|token)")


class Names:
    """Hands out names, each once."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def unique(self, wanted: str, limit: int = _LIMIT) -> str:
        """`wanted`, shortened, or with a number behind it where it is taken."""
        name = wanted = wanted[:limit]
        count = 1
        while name in self._used:
            count += 1
            end = f"_{count}"
            name = wanted[: limit - len(end)] + end
        self._used.add(name)
        return name


class OperatorNames:
    """Names of operators: a layer for each node of the model, parts of it behind a dot."""

    def __init__(self) -> None:
        self._layers = Names()
        self._names = Names()
        self._layer_of: dict[str, str] = {}

    def name(self, node: str, op: str, part: str = "") -> str:
        """Of an operator that a node of the model needs; `part` says what for."""
        layer = self.layer(node, op)
        return self._names.unique(f"{layer}.{part}" if part else layer)

    def layer(self, node: str, op: str) -> str:
        """Of a node of the model."""
        if node not in self._layer_of:
            self._layer_of[node] = self._layers.unique(_layer(node, op), _LAYER_LIMIT)
        return self._layer_of[node]


def readable(name: str) -> str:
    """Printable ASCII that says what `name` does, as far as it fits."""
    clean = re.sub(r"[^A-Za-z0-9_.:/-]+", "_", name).strip("_") or "tensor"
    return clean if len(clean) <= _LIMIT else clean[-_LIMIT:].lstrip("_./:-")


def _layer(node: str, op: str) -> str:
    """Of ``/layer1/layer1.0/conv1/Conv``: ``layer1_0_conv1``.

    Where that is too long, the last words and those numbers in front of them that fit.
    """
    parts: list[str] = []
    for part in re.split(r"[^A-Za-z0-9]+", node):
        if part and not _NOISE.fullmatch(part) and part not in parts[-1:]:
            parts.append(part)
    if len(parts) > 1 and parts[-1] == op and op in _MODULES:
        parts.pop()
    if not parts:
        return op.lower()[:_LAYER_LIMIT]
    layer, whole = parts.pop()[:_LAYER_LIMIT], True
    for part in reversed(parts):
        fits = len(part) + 1 + len(layer) <= _LAYER_LIMIT
        if fits and (whole or part.isdigit()):
            layer = f"{part}_{layer}"
        whole = whole and fits
    return layer
