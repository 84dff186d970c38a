"""Builds a quantised ONNX model and runs its float network on calibration samples meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from arch.isa import ElementType
from workloads.networks.float_operators import (
    Doubles,
    Pair,
    average_pool,
    convolve,
    max_pool,
    same_pads,
    softmax,
)
from workloads.networks.qdq import UNIT, Floats, QdqGraph
from workloads.networks.weights import Weights
from workloads.quantize import Quantization, asymmetric

Rectifier = Literal["relu", "relu6"]
Padding = Literal["same"] | int
_SIX = 6.0
_SCALE_BITS = 12
"""Significant bits of an activation's scale.

Up to 16 codes times the scale then add up in float32 without an error, so a mean that lies between
two codes is a tie in ONNX Runtime too, which averages in float32.
"""


@dataclass(frozen=True, eq=False)
class Activation:
    """A tensor between two operators.

    Attributes
    ----------
    tensor
        Float tensor in front of QuantizeLinear.
    name
        Behind DequantizeLinear: what operators read.
    values
        On the calibration samples, in float.
    parameters
        Tensor that scale and zero point are named after.
    """

    tensor: str
    name: str
    values: Doubles
    codes: Quantization
    parameters: str


@dataclass(frozen=True)
class _Step:
    output: str
    inputs: tuple[str, ...]
    run: Callable[..., Doubles]


@dataclass(frozen=True, eq=False)
class Network:
    """A quantised model beside the float network that it was made from.

    Attributes
    ----------
    model
        From ``input`` to ``output``, float32 both.
    macs
        Multiplications of one sample, those with padding among them.
    """

    model: onnx.ModelProto
    macs: int
    _steps: tuple[_Step, ...]

    def forward(self, samples: NDArray[np.floating]) -> Doubles:
        """The float network's output, for any number of samples."""
        values = {"input": samples.astype(np.float64)}
        for step in self._steps:
            values[step.output] = step.run(*(values[name] for name in step.inputs))
        return values[self._steps[-1].output]


class NetworkBuilder:
    """Operators in the order of the network, each with the quantisation of its output.

    A scale covers what the float network makes of the calibration samples. Operator ``name`` makes
    tensor ``name_output``.

    Parameters
    ----------
    name
        Of the graph.
    calibration
        float32 [count, ...].
    weights
        What each layer is given.
    batch
        Samples in an input of the model.
    """

    def __init__(self, name: str, calibration: Floats, weights: Weights, batch: int = 1) -> None:
        self._graph = QdqGraph(name)
        self._weights = weights
        self._batch = batch
        self._macs = 0
        self._steps: list[_Step] = []
        self.input = self._activation("input", calibration.astype(np.float64))

    def conv(
        self,
        x: Activation,
        name: str,
        channels: int,
        kernel: int | Pair,
        *,
        stride: int = 1,
        padding: Padding = "same",
        groups: int = 1,
        rectifier: Rectifier | None = None,
        gain: float = 1.0,
    ) -> Activation:
        """Convolution with its folded batch normalisation, of that gain, and its rectifier.

        Padding is that of every side, or ``"same"`` as TensorFlow has it.
        """
        kernel, strides = _pair(kernel), (stride, stride)
        extents = x.values.shape[2], x.values.shape[3]
        pads = same_pads(extents, kernel, strides) if padding == "same" else (padding,) * 4
        shape = (channels, x.values.shape[1] // groups, *kernel)
        run = partial(convolve, stride=strides, pads=pads, groups=groups)
        weight, bias = self._weights.layer(
            name, shape, gain, rectifier is not None, lambda weight: run(x.values, weight)
        )
        wide, offset = weight.astype(np.float64), bias.astype(np.float64)[:, None, None]
        made = self._layer(
            "Conv",
            x,
            name,
            (weight, bias),
            lambda values: run(values, wide) + offset,
            rectifier,
            kernel_shape=list(kernel),
            strides=list(strides),
            pads=list(pads),
            group=groups,
        )
        self._macs += weight.size * made.values.shape[2] * made.values.shape[3]
        return made

    def depthwise(
        self,
        x: Activation,
        name: str,
        *,
        stride: int = 1,
        rectifier: Rectifier | None = None,
        gain: float = 1.0,
    ) -> Activation:
        """3 x 3 convolution of each channel by itself."""
        channels = x.values.shape[1]
        return self.conv(
            x, name, channels, 3, stride=stride, groups=channels, rectifier=rectifier, gain=gain
        )

    def linear(
        self,
        x: Activation,
        name: str,
        outputs: int,
        *,
        rectifier: Rectifier | None = None,
        gain: float = 1.0,
        normalize: bool = False,
    ) -> Activation:
        """Fully connected layer of x [N, inputs], its weight [outputs, inputs]."""
        shape = (outputs, x.values.shape[1])
        respond = (lambda weight: x.values @ weight.T) if normalize else None
        weight, bias = self._weights.layer(name, shape, gain, rectifier is not None, respond)
        wide = weight.astype(np.float64)
        self._macs += weight.size
        return self._layer(
            "Gemm",
            x,
            name,
            (weight, bias),
            lambda values: values @ wide.T + bias,
            rectifier,
            transB=1,
        )

    def add(
        self, x: Activation, y: Activation, name: str, *, rectifier: Rectifier | None = None
    ) -> Activation:
        tensor = self._graph.node("Add", name, [x.name, y.name], f"{name}_output")
        return self._rectified(tensor, (x, y), name, np.add, rectifier)

    def max_pool(
        self, x: Activation, name: str, kernel: int | Pair, *, stride: int, padding: int = 0
    ) -> Activation:
        kernel, strides, pads = _pair(kernel), (stride, stride), (padding,) * 4
        tensor = self._graph.node(
            "MaxPool",
            name,
            [x.name],
            f"{name}_output",
            kernel_shape=list(kernel),
            strides=list(strides),
            pads=list(pads),
        )
        return self._moved(tensor, x, lambda values: max_pool(values, kernel, strides, pads))

    def average_pool(self, x: Activation, name: str, kernel: int | Pair) -> Activation:
        """Means of windows that touch, in the codes of `x`; what fills no window is dropped."""
        kernel = _pair(kernel)
        tensor = self._graph.node(
            "AveragePool",
            name,
            [x.name],
            f"{name}_output",
            kernel_shape=list(kernel),
            strides=list(kernel),
        )
        return self._moved(tensor, x, lambda values: average_pool(values, kernel, kernel))

    def global_average_pool(self, x: Activation, name: str) -> Activation:
        tensor = self._graph.node("GlobalAveragePool", name, [x.name], f"{name}_output")
        return self._made(tensor, (x,), lambda values: values.mean(axis=(2, 3), keepdims=True))

    def flatten(self, x: Activation, name: str) -> Activation:
        tensor = self._graph.node("Flatten", name, [x.name], f"{name}_output", axis=1)
        return self._moved(tensor, x, lambda values: values.reshape(len(values), -1))

    def softmax(self, x: Activation, name: str) -> Activation:
        tensor = self._graph.node("Softmax", name, [x.name], f"{name}_output", axis=-1)
        return self._made(tensor, (x,), softmax, UNIT)

    def finish(self, x: Activation) -> Network:
        """The network that ends in `x`, which was made last."""
        assert x.tensor == self._steps[-1].output
        shapes = [(self._batch, *values.shape[1:]) for values in (self.input.values, x.values)]
        model = self._graph.model("input", shapes[0], "output", shapes[1])
        return Network(model, self._macs, tuple(self._steps))

    def _layer(
        self,
        kind: str,
        x: Activation,
        name: str,
        parameters: tuple[Floats, Floats],
        run: Callable[..., Doubles],
        rectifier: Rectifier | None,
        **attributes: int | list[int],
    ) -> Activation:
        operands = self._graph.weight_and_bias(name, *parameters, x.codes)
        tensor = self._graph.node(kind, name, [x.name, *operands], f"{name}_output", **attributes)
        return self._rectified(tensor, (x,), name, run, rectifier)

    def _rectified(
        self,
        tensor: str,
        inputs: tuple[Activation, ...],
        name: str,
        run: Callable[..., Doubles],
        rectifier: Rectifier | None,
    ) -> Activation:
        if rectifier is None:
            return self._made(tensor, inputs, run)
        graph, output = self._graph, f"{name}.{rectifier}_output"
        if rectifier == "relu":
            graph.node("Relu", f"{name}.relu", [tensor], output)
            return self._made(output, inputs, lambda *values: np.maximum(run(*values), 0.0))
        bounds = [
            graph.constant(f"relu6_{side}", np.asarray(bound, np.float32))
            for side, bound in (("min", 0.0), ("max", _SIX))
        ]
        graph.node("Clip", f"{name}.relu6", [tensor, *bounds], output)
        return self._made(output, inputs, lambda *values: np.clip(run(*values), 0.0, _SIX))

    def _moved(self, tensor: str, x: Activation, run: Callable[..., Doubles]) -> Activation:
        """In the codes of `x`, as ONNX Runtime has what only moves, selects or averages them."""
        return self._made(tensor, (x,), run, x.codes, x.parameters)

    def _made(
        self,
        tensor: str,
        inputs: tuple[Activation, ...],
        run: Callable[..., Doubles],
        codes: Quantization | None = None,
        parameters: str | None = None,
    ) -> Activation:
        self._steps.append(_Step(tensor, tuple(x.tensor for x in inputs), run))
        return self._activation(tensor, run(*(x.values for x in inputs)), codes, parameters)

    def _activation(
        self,
        tensor: str,
        values: Doubles,
        codes: Quantization | None = None,
        parameters: str | None = None,
    ) -> Activation:
        if codes is None:
            codes = _short(asymmetric(values.astype(np.float32), ElementType.UINT8))
        name = self._graph.quantize(tensor, codes, parameters)
        return Activation(tensor, name, values, codes, parameters or tensor)


def _pair(extent: int | Pair) -> Pair:
    return (extent, extent) if isinstance(extent, int) else extent


def _short(codes: Quantization) -> Quantization:
    """The same codes of a scale of few bits, not less than it was."""
    fraction, exponent = np.frexp(codes.scale)
    steps = np.ceil(np.ldexp(fraction, _SCALE_BITS))
    return replace(codes, scale=np.float32(np.ldexp(steps, exponent - _SCALE_BITS)))
