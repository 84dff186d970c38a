"""The normal form of a quantised model, the same for QDQ and for QOperator models.

Every node takes quantised values and makes quantised values: it stands for the ONNX operator `op`
on the dequantised inputs, the functions that follow it in floating point, and the quantisation of
the result. What is only re-labelled or moved (shapes, transpositions) keeps its codes.

Values. Codes are int8 or uint8 with one scale and zero point for the whole tensor; constant weights
may have them along the axis of output channels instead. Two inputs of the same name are the same
codes, even where two nodes take them with different scale and zero point (only QOperator models
do); the ones that count are those of the node's input. int64 tensors of the model (indices) are
INT32 here. `x` stands for a computed value, `float` for a floating-point constant.

======================  ==========================================  ================================
`op`                    inputs                                      attributes
======================  ==========================================  ================================
Conv                    x [N, C, (H,) W]; weight constant           kernel_shape, strides,
                        [O, C/group, (kh,) kw], axis None or 0;     dilations, pads, group
                        bias int32 [O] or None
Gemm                    x [M, K]; constant [K, N], axis None or 1,  none: transA, transB, alpha and
                        or x [K, N]; bias int32 [N] or None         beta are gone
MatMul                  each x or constant, rank 2 up; at most one  none
                        constant, the right one with axis None or
                        its last; bias int32 [N] or None
MatMulInteger           as MatMul without bias; scale None,         none
                        zero points given
ConvInteger             as Conv without bias; scale None,           as Conv
                        zero points given
Add, Sub, Mul           two, broadcasting as in NumPy: x, or        none
                        constant codes without axis, or float; one
                        x at least
Div                     x; float or constant codes                  none
Relu, Sigmoid, Tanh,    x                                           none
HardSwish, Erf, Exp,
Abs, Neg, Softplus,
Sqrt, Swish, Mish,
Softsign
Clip                    x                                           min, max: floats, infinite where
                                                                    left out
LeakyRelu, Elu          x                                           alpha
Selu                    x                                           alpha, gamma
Pow                     x                                           exponent: one number
HardSigmoid             x                                           alpha, beta
Gelu                    x                                           approximate: "none" or "tanh"
Softmax                 x                                           axis
LayerNormalization      x; float scale and float bias or None, both axis, epsilon
                        of the shape x.shape[axis:]
AveragePool             x [N, C, (H,) W]                            kernel_shape, strides,
                                                                    dilations, pads,
                                                                    count_include_pad: bool
GlobalAveragePool       x [N, C, (H,) W]                            none
ReduceMean              x                                           axes, keepdims: bool
MaxPool                 x [N, C, (H,) W]                            kernel_shape, strides,
                                                                    dilations, pads
Reshape                 x                                           none: see the output's shape
Transpose               x                                           perm
Slice                   x                                           starts, steps
Pad                     x                                           pads, mode ("constant", "edge",
                                                                    "reflect", "wrap"), fill: a code
Resize                  x                                           indices
Concat                  x or constant codes                         axis
Gather                  x and constant int32 indices, or constant   axis
                        codes and int32 x
Requantize              x                                           none
======================  ==========================================  ================================

Axes are not negative; lists are tuples. Spatial attributes have one entry for each of one or two
spatial dimensions; `pads` first those at all beginnings, then those at all ends, not negative:
auto_pad and ceil_mode are resolved to them (at the end of a max pool, or of an average pool that
does not count padding, there may be more than the model gave), and so a GlobalMaxPool is a MaxPool.
`starts`, `steps`, `perm` and `pads` of Pad are of all dimensions: element i along an axis of a
Slice is element ``starts[axis] + i * steps[axis]`` of the input. `indices` of Resize hold for each
dimension the input's coordinate of each output coordinate. Indices of a Gather that are constant
are not negative.

MaxPool and everything below it in the table move codes: the quantisation of output and inputs is
the same (also None: an integer tensor whose quantisation the model does not give), and there are
no functions; only Requantize changes it, without functions too. Reshape stands for Flatten, Squeeze
and Unsqueeze too, Slice for Split. Where the model quantises behind a movement, or joins values of
different quantisation, there are Requantize nodes.

Any of the unary operators (Relu to Gelu) may be a function, with the same attributes.
The output of MatMulInteger and ConvInteger is INT32. It has a scale (zero point 0) only where it is
an output of the model in floating point, after Cast and Mul by a constant.
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
        Of the codes. None for floating-point constants, which are float32.
    scale, zero_point
        float32 and int64, of the whole tensor (shape ()) or along `axis` (one dimension). None
        where there is no quantisation: plain integers (indices, sums of MatMulInteger) and
        floating-point constants.
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
        Of the node in the model, for messages; never empty, and of one node only.
    op
        ONNX name of the operator in floating point (Conv, MatMul, Add, Reshape, ...), also where
        the model has its quantised form; MatMulInteger and ConvInteger stay. ``Requantize``: only
        scale, zero point or type change.
    inputs
        None where an optional one is left out. Conv, Gemm and MatMul have an int32 bias without
        quantisation as their third input, in accumulator units.
    functions
        What is applied to the result before it is quantised, in order.
    attributes
        Those of the table above, defaults filled in.
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
        Quantised values at the edges, by the names of the model's own inputs and outputs. Inputs
        that nothing reads are left out; an integer input has no quantisation here.
    host_operators
        What the runtime does outside, in words: quantise 'x', dequantise 'y'.
    float_inputs, float_outputs
        Which of them are floating point outside and quantised by the host.
    origins
        An input of the model that is quantised in several ways is in `inputs` once for each: by its
        own name, and by others, which are here with its name.
    """

    name: str
    nodes: tuple[Node, ...]
    inputs: dict[str, Value]
    outputs: dict[str, Value]
    host_operators: tuple[str, ...]
    float_inputs: frozenset[str]
    float_outputs: frozenset[str]
    origins: dict[str, str] = field(default_factory=dict)
