"""ONNX graphs in which every operator stands between DequantizeLinear and QuantizeLinear.

Structure and names are those of ONNX Runtime's static quantiser in QDQ format: activations uint8
with a zero point, weights int8 with a scale for each output channel, biases int32 with the scale
of the accumulator. That quantiser leaves out a rectifier which the range implies; here it stays,
directly behind its operator.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from arch.isa import ElementType
from workloads.quantize import Quantization

OPSET = 13
"""The first with a scale for each channel."""
_IR_VERSION = 8
_WEIGHT_LIMIT = 127

Floats = NDArray[np.float32]
Attribute = int | list[int]


class QdqGraph:
    """Nodes in order, and their initializers.

    Parameters
    ----------
    name
        Of the graph.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        self._initializers[name] = numpy_helper.from_array(values, name)
        return name

    def node(
        self, kind: str, name: str, inputs: list[str], output: str, **attributes: Attribute
    ) -> str:
        node = helper.make_node(kind, inputs, [output], name=name)
        node.attribute.extend(helper.make_attribute(*pair) for pair in attributes.items())
        self._nodes.append(node)
        return output

    def quantize(self, tensor: str, codes: Quantization, parameters: str | None = None) -> str:
        """Put a float tensor through its codes; give the tensor that operators read.

        `parameters` is the tensor that scale and zero point are shared with, if there is one.
        """
        scale, zero_point = (
            f"{parameters or tensor}_{suffix}" for suffix in ("scale", "zero_point")
        )
        if parameters is None:
            self.constant(scale, np.asarray(codes.scale, np.float32))
            self.constant(zero_point, np.asarray(codes.zero_point, np.uint8))
        quantized = self.node(
            "QuantizeLinear",
            f"{tensor}_QuantizeLinear",
            [tensor, scale, zero_point],
            f"{tensor}_QuantizeLinear_Output",
        )
        return self.node(
            "DequantizeLinear",
            f"{tensor}_DequantizeLinear",
            [quantized, scale, zero_point],
            f"{tensor}_DequantizeLinear_Output",
        )

    def weight_and_bias(
        self, layer: str, weight: Floats, bias: Floats, source: Quantization
    ) -> list[str]:
        """Dequantised weight [out, ...] and bias [out] of a layer that reads codes of `source`."""
        peaks = np.abs(weight).max(axis=tuple(range(1, weight.ndim)))
        scale = (np.where(peaks > 0, peaks, _WEIGHT_LIMIT) / _WEIGHT_LIMIT).astype(np.float32)
        channels = (-1, *(1,) * (weight.ndim - 1))
        codes = np.rint(weight / scale.reshape(channels)).astype(np.int8)
        sums = source.scale * scale
        return [
            self._dequantized(f"{layer}.weight", codes, f"{layer}.weight", scale),
            self._dequantized(
                f"{layer}.bias",
                np.rint(bias / sums).astype(np.int32),
                f"{layer}.bias_quantized",
                sums,
            ),
        ]

    def _dequantized(
        self, tensor: str, codes: NDArray[np.integer], parameters: str, scale: Floats
    ) -> str:
        return self.node(
            "DequantizeLinear",
            f"{tensor}_DequantizeLinear",
            [
                self.constant(f"{tensor}_quantized", codes),
                self.constant(f"{parameters}_scale", scale),
                self.constant(f"{parameters}_zero_point", np.zeros(len(scale), codes.dtype)),
            ],
            f"{tensor}_DequantizeLinear_Output",
            axis=0,
        )

    def model(
        self, source: str, shape: tuple[int, ...], target: str, target_shape: tuple[int, ...]
    ) -> onnx.ModelProto:
        """The model from `source` to `target`, which the last node's output is called.

        Raises
        ------
        onnx.checker.ValidationError
            The graph is malformed.
        """
        self._nodes[-1].output[0] = target
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [helper.make_tensor_value_info(source, TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(target, TensorProto.FLOAT, target_shape)],
            list(self._initializers.values()),
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="assay"
        )
        onnx.checker.check_model(model)
        return model


UNIT = Quantization(ElementType.UINT8, np.float32(1 / 256))
"""Of probabilities; of ``1 / 255`` ONNX Runtime's QLinearSoftmax would make ``1 / 254``."""
