"""The normal form of a quantised model, the same for QDQ and for QOperator models.

Every node takes quantised values and makes quantised values: it stands for the ONNX operator `op`
on the dequantised inputs, the functions that follow it in floating point, and the quantisation of
the result. What is only re-labelled or moved (shapes, transpositions) keeps its codes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the model.

    Attributes
    ----------
    name, shape
        As in the model; all extents are known.
    element_type
        Of the codes. None for floating-point constants.
    scale, zero_point
        float32 and int64, of the whole tensor (shape ()) or along `axis` (one dimension). None where
        there is no quantisation: plain integers (indices, sums of MatMulInteger) and floating-point
        constants.
    constant
        Codes (or floating-point numbers) of what is part of the model, shaped `shape`; else None.
    """

    name: str
    shape: tuple[int, ...]
    element_type: ElementType | None
    scale: NDArray[np.float32] | None = None
    zero_point: NDArray[np.int64] | None = None
    axis: int | None = None
    constant: NDArray[Any] | None = None


@dataclass(frozen=True, eq=False)
class Function:
    """An element-wise function in floating point: Relu, Clip, Sigmoid, ... by its ONNX name."""

    op: str
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Node:
    """One quantised operator.

    Attributes
    ----------
    name
        Of the node in the model, for messages; never empty.
    op
        ONNX name of the operator in floating point (Conv, MatMul, Add, Reshape, ...), also where the
        model has its quantised form; MatMulInteger and ConvInteger stay, their outputs are int32
        without quantisation. ``Requantize``: only scale, zero point or type change.
    inputs
        None where an optional one is left out. Conv and Gemm have an int32 bias without
        quantisation as their third input, in accumulator units.
    functions
        What is applied to the result before it is quantised, in order.
    attributes
        Of the ONNX operator, defaults filled in; constant inputs that are not data (shapes, axes,
        pads, starts, ...) as attributes under the name of the input, as tuples of int.
    """

    name: str
    op: str
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value, ...]
    functions: tuple[Function, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Normalized:
    """A whole model: nodes in the order in which they run.

    Attributes
    ----------
    inputs, outputs
        Quantised values at the edges, by the names of the model's own inputs and outputs.
    host_operators
        What the runtime does outside, in words: quantise 'x', dequantise 'y'.
    float_inputs, float_outputs
        Which of them (by the model's names) are floating point outside and quantised by the host.
    """

    name: str
    nodes: tuple[Node, ...]
    inputs: dict[str, Value]
    outputs: dict[str, Value]
    host_operators: tuple[str, ...]
    float_inputs: frozenset[str]
    float_outputs: frozenset[str]
