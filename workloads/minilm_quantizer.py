"""MiniLM's float network in integers: weights, tables and scales of every operator.

Weights are int8 for each channel, activations int8 with static ranges, residual stream and sums in
front of the normalisations int16, since these sums peak far above their deviation. Where a
normalisation feeds linear layers, SmoothQuant moves a channel's range into their weights: codes
are ``x / smoothing``, weights ``w * smoothing``. Of the activations behind GELU, those that reach
far beyond all others are split (split_peaks.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from workloads.interpolation import interpolation_table
from workloads.minilm import LAYERS, Floats, Parameters, encode, gelu, load_parameters, tokenize
from workloads.quantize import (
    Quantization,
    QuantizedLinear,
    asymmetric,
    quantize_linear,
    symmetric,
)
from workloads.sentences import CALIBRATION_SENTENCES, read_sentences
from workloads.split_peaks import Layers, split_peaks

NORM_BITS = 7
"""Bits by which the int16 in front of an int8 is finer: 255 of its steps and these fit an int16."""
GELU_BITS = 6
"""The same of GELU, so that its table does not saturate where an int8 does not."""

_SMOOTHING = 0.5
"""How much of a channel's range moves into the weights, as a power."""
_MARGIN = 1.5
"""Room for outliers of other sentences than those of calibration, 16 bits being plenty."""
_COPIES = 4
"""Of the 1,536 channels of a feed-forward network, those that may hold parts of others."""
_LONG_SEQUENCE = 256
"""Tokens of the calibration sequence that reaches the later positions."""


@dataclass(frozen=True)
class Spread:
    """Statistics of each channel over all tokens: float32 [channels]."""

    low: Floats
    high: Floats
    mean: Floats
    deviation: Floats

    @property
    def range(self) -> Floats:
        """Least and greatest values: [2, channels]."""
        return np.stack([self.low, self.high])


@dataclass(frozen=True)
class QuantizedNorm:
    """`scale` and `offset` of a Normalize, in steps of its `wide`."""

    scale: Floats
    offset: NDArray[np.int32]


@dataclass(frozen=True)
class QuantizedMiniLM:
    """Every number of the integer network, by the name of the operator.

    Attributes
    ----------
    codes
        Quantisation of the operator's output.
    linears, norms
        Parameters.
    gelu
        257 int16: the interpolation table of each ``ffn1``.
    words, positions
        int16 [30522, 384] and [512, 384], in the codes of one another's sum.
    """

    codes: dict[str, Quantization]
    linears: dict[str, QuantizedLinear]
    norms: dict[str, QuantizedNorm]
    gelu: dict[str, NDArray[np.int16]]
    words: NDArray[np.int16]
    positions: NDArray[np.int16]


def calibrate(parameters: Parameters, sequences: Sequence[Sequence[int]]) -> dict[str, Spread]:
    """How every output of the float network spreads over all tokens of the sequences."""
    spreads: dict[str, Spread] = {}

    def observe(name: str, x: Floats) -> None:
        spreads[name] = Spread(x.min(axis=0), x.max(axis=0), x.mean(axis=0), x.std(axis=0))

    encode(parameters, sequences, observe)
    return spreads


@cache
def quantized_minilm() -> QuantizedMiniLM:
    """The network, calibrated with sentences of its own."""
    parameters = load_parameters()
    sequences = tokenize(read_sentences(CALIBRATION_SENTENCES))
    together = [token for tokens in sequences for token in tokens][:_LONG_SEQUENCE]
    return _Quantizer(parameters, calibrate(parameters, [*sequences, together])).run()


class _Quantizer:
    """Turns a float network with the spreads of its values into integers."""

    def __init__(self, parameters: Parameters, spreads: dict[str, Spread]) -> None:
        self._parameters = parameters
        self._spreads = spreads
        self._codes: dict[str, Quantization] = {}
        self._linears: dict[str, QuantizedLinear] = {}
        self._norms: dict[str, QuantizedNorm] = {}
        self._gelu: dict[str, NDArray[np.int16]] = {}

    def run(self) -> QuantizedMiniLM:
        words, positions = self._parameters.words, self._parameters.positions
        greatest = np.abs(words).max() + np.abs(positions).max()
        total = symmetric(np.array([greatest]), ElementType.INT16)
        source = "embed.norm"
        for layer in range(LAYERS):
            self._attention(layer, source)
            self._feed_forward(layer)
            source = f"{layer}.norm2"
        codes = self._int8(source, self._spreads[source].range)
        self._normalize(source, source, codes.scale / 2**NORM_BITS)
        return QuantizedMiniLM(
            self._codes,
            self._linears,
            self._norms,
            self._gelu,
            words=total.quantize(words).astype(np.int16),
            positions=total.quantize(positions).astype(np.int16),
        )

    def _attention(self, layer: int, source: str) -> None:
        for name in ("query", "key", "value", "attention"):
            self._int8(f"{layer}.{name}", self._spreads[f"{layer}.{name}"].range)
        names = [f"{layer}.{name}" for name in ("query", "key", "value")]
        layers = {name: self._parameters.of(name) for name in names}
        self._consume(source, layers, {name: self._codes[name] for name in names})
        name = f"{layer}.out"
        self._close(source, f"{layer}.attention", name, *self._parameters.of(name))

    def _feed_forward(self, layer: int) -> None:
        norm1, ffn1, ffn2 = (f"{layer}.{name}" for name in ("norm1", "ffn1", "ffn2"))
        spread = self._spreads[ffn1]
        layers = Layers(*self._parameters.of(ffn1), *self._parameters.of(ffn2))
        layers, limit = split_peaks(layers, spread.high, spread.mean, spread.deviation, _COPIES)
        ends = np.array([spread.low.min(), limit], np.float32)
        step = self._int8(ffn1, ends).scale / np.float32(2**GELU_BITS)
        self._gelu[ffn1] = interpolation_table(gelu, float(step), float(step))
        expanded = Quantization(ElementType.INT16, step)
        self._consume(norm1, {ffn1: (layers.weight1, layers.bias1)}, {ffn1: expanded})
        self._close(norm1, ffn1, ffn2, layers.weight2, layers.bias2)

    def _consume(
        self,
        source: str,
        layers: dict[str, tuple[Floats, Floats]],
        targets: dict[str, Quantization],
    ) -> None:
        """A normalisation's int8 output, and the layers that read it."""
        spread = self._spreads[source].range
        weight_peak = np.max([np.abs(weight).max(axis=0) for weight, _ in layers.values()], axis=0)
        peak = np.abs(spread).max(axis=0)
        smoothing = (peak**_SMOOTHING / weight_peak ** (1 - _SMOOTHING)).astype(np.float32)
        codes = self._int8(source, spread / smoothing)
        self._normalize(source, source, codes.scale / 2**NORM_BITS * smoothing)
        for name, (weight, bias) in layers.items():
            self._linears[name] = quantize_linear(weight * smoothing, bias, codes, targets[name])

    def _close(self, source: str, before: str, name: str, weight: Floats, bias: Floats) -> None:
        """The layer behind `before`, to whose output the int16 output of `source` is added."""
        both = np.stack([self._spreads[each].range for each in (source, name)])
        codes = self._codes[name] = symmetric(both, ElementType.INT16, _MARGIN)
        self._normalize(f"{source}.residual", source, codes.scale)
        self._linears[name] = quantize_linear(weight, bias, self._codes[before], codes)

    def _normalize(self, name: str, source: str, step: Floats | np.float32) -> None:
        """The parameters of `source`, of which a step of `wide` is `step`."""
        weight, bias = self._parameters.of(source)
        # Scales are positive; the three of layer 5 that are not are of channels that are always 0.
        scale = np.maximum(weight, np.finfo(np.float32).eps) / step
        offset = np.clip(np.rint(bias / step), ElementType.INT16.low, ElementType.INT16.high)
        self._norms[name] = QuantizedNorm(scale.astype(np.float32), offset.astype(np.int32))

    def _int8(self, name: str, values: Floats) -> Quantization:
        codes = self._codes[name] = asymmetric(values, ElementType.INT8)
        return codes
